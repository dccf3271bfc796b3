//! Random conversations, through Portreeve and past it: every byte that the client gets is the same.
//!
//! A script is any sequence of messages that the protocol allows, sensible or not; what the server makes of it, it makes
//! of it in both.

use std::cell::Cell;
use std::thread;

use anyhow::{Context as _, Result, bail, ensure};
use e2e::wire::{self, Message, Wire};
use e2e::world::ROLE;
use e2e::{Setup, World, story};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};

const TEXTS: [&str; 44] = [
    "",
    ";",
    "-- nothing",
    "SELECT 1",
    "SELECT 1; SELECT 2",
    "SELECT 1; SELEKT; SELECT 2",
    "SELECT 1; SELECT 1/0; SELECT 2",
    "SELECT id, name, NULL::text, total FROM customers LEFT JOIN orders USING (id) ORDER BY id",
    "SELECT repeat('x', 5000) FROM generate_series(1, 20)",
    "SELECT generate_series(1, 5)",
    "SELECT $1::text",
    "SELECT $1::int + 1",
    "SELECT 1/0",
    "SELECT 1/(3 - generate_series(1, 5))",
    "SYNTAX",
    "SELECT absent FROM customers",
    "INSERT INTO orders VALUES (70, 1, 1, 'new') RETURNING *",
    "INSERT INTO orders VALUES (1, 1, 1, 'a duplicate')",
    "UPDATE orders SET state = 'seen' WHERE id = 2 RETURNING id, state",
    "DELETE FROM orders WHERE id = 70",
    "BEGIN",
    "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY",
    "COMMIT",
    "ROLLBACK",
    "COMMIT AND CHAIN",
    "SAVEPOINT a",
    "ROLLBACK TO a",
    "RELEASE a",
    "PREPARE a AS SELECT $1::int",
    "EXECUTE a(5)",
    "DEALLOCATE a",
    "DISCARD ALL",
    "DECLARE p CURSOR FOR SELECT generate_series(1, 5)",
    "FETCH 2 FROM p",
    "CLOSE p",
    "CREATE TEMP TABLE made AS SELECT 1 AS one",
    "DROP TABLE IF EXISTS made",
    "SET application_name = 'another'; SET DateStyle = 'German'",
    "SET LOCAL search_path = pg_catalog",
    "SHOW search_path",
    "DO $$ BEGIN RAISE NOTICE 'noticed'; END $$",
    "COPY orders FROM STDIN",
    "COPY (SELECT * FROM customers ORDER BY id) TO STDOUT",
    "LISTEN heard; NOTIFY heard, 'to myself'",
];

/// One message, and what it is for people.
#[derive(Clone)]
struct Step(String, Vec<u8>);

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn step(label: impl Into<String>, bytes: Vec<u8>) -> Step {
    Step(label.into(), bytes)
}

fn message() -> impl Strategy<Value = Step> {
    let text = || proptest::sample::select(&TEXTS[..]);
    let statement = || proptest::sample::select(&["", "a", "b"][..]);
    let portal = || proptest::sample::select(&["", "p"][..]);
    let values = || proptest::sample::select(vec![vec![], vec![], vec!["7"], vec!["seven"]]);
    let formats = || proptest::sample::select(vec![vec![], vec![0], vec![1], vec![1, 0, 1, 1]]);
    prop_oneof![
        6 => text().prop_map(|t| step(format!("Query({t})"), wire::query(t))),
        4 => (statement(), text()).prop_map(|(s, t)| step(format!("Parse({s}, {t})"), wire::parse(s, t))),
        4 => (portal(), statement(), values(), formats()).prop_map(|(p, s, v, f)| {
            step(format!("Bind({p}, {s}, {v:?}, {f:?})"), wire::bind_formats(p, s, &v, &f))
        }),
        4 => (portal(), 0..3_u32).prop_map(|(p, n)| step(format!("Execute({p}, {n})"), wire::execute(p, n))),
        6 => (text(), values(), 0..3_u32).prop_map(|(t, v, n)| {
            let all = [wire::parse("", t), wire::bind("", "", &v), wire::describe(b'P', ""), wire::execute("", n)];
            step(format!("Run({t}, {v:?}, {n})"), all.concat())
        }),
        1 => statement().prop_map(|s| step(format!("DescribeStatement({s})"), wire::describe(b'S', s))),
        1 => portal().prop_map(|p| step(format!("DescribePortal({p})"), wire::describe(b'P', p))),
        1 => statement().prop_map(|s| step(format!("CloseStatement({s})"), wire::close(b'S', s))),
        1 => portal().prop_map(|p| step(format!("ClosePortal({p})"), wire::close(b'P', p))),
        1 => proptest::sample::select(&[2026_u32, 1, 0][..]).prop_map(|f| {
            // pg_backend_pid is among them, which differs, and in its digits, too: that it answers is compared.
            step(format!("FunctionCall({f})"), wire::function_call(f))
        }),
        6 => Just(step("Sync", wire::sync())),
        1 => Just(step("Flush", wire::flush())),
        2 => Just(step("CopyData", wire::copy_data("80\t1\t1\tcopied\n"))),
        1 => Just(step("CopyData(bad)", wire::copy_data("bad\n"))),
        2 => Just(step("CopyDone", wire::copy_done())),
        1 => Just(step("CopyFail", wire::copy_fail("no more"))),
    ]
}

/// The script, and into pieces of which lengths it is cut on its way.
fn conversation() -> impl Strategy<Value = (Vec<Step>, Vec<usize>)> {
    let pieces = prop_oneof![Just(vec![usize::MAX]), proptest::collection::vec(1..60_usize, 1..6)];
    (proptest::collection::vec(message(), 1..20), pieces)
}

/// Everything that comes back, up to an end that both have.
fn play(mut wire: Wire, script: &[Step], pieces: &[usize]) -> Result<Vec<Message>> {
    // Whatever state it is in: no COPY, no skipping, no transaction.
    let last =
        [wire::copy_fail("the end"), wire::sync(), wire::query("ROLLBACK"), wire::query("SELECT 'the end'")];
    let bytes = [script.iter().flat_map(|step| step.1.clone()).collect(), last.concat()].concat();
    let mut reader = wire.again()?;
    let read = thread::spawn(move || -> Result<Vec<Message>> {
        let mut messages: Vec<Message> = Vec::new();
        while messages.last().is_none_or(|message| message.line() != "D the end") {
            let mut message = reader.receive()?;
            match message.tag {
                // Its sender's process id.
                b'A' => message.body[..4].fill(0),
                b'V' => message.body.clear(),
                _ => {}
            }
            messages.push(message);
        }
        Ok(messages)
    });
    let mut rest = &bytes[..];
    for piece in pieces.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at(rest.len().min(*piece));
        wire.send(piece)?;
        rest = after;
    }
    read.join().ok().context("the reader panicked")?
}

fn lines(messages: &[Message]) -> String {
    messages.iter().map(|message| format!("  {}\n", message.line())).collect()
}

/// Whether they are the same, but for one difference that is known. A Query that fails in a transaction leaves its unnamed
/// portal behind, which nobody can use: an Execute of it, without a Bind, meets the failed transaction at the server, and no
/// portal through Portreeve, which closes what it has not seen bound.
fn same(got: &Message, expect: &Message) -> bool {
    let left_behind = got.tag == b'E'
        && got.field(b'M') == "portal \"\" does not exist"
        && expect.tag == b'E'
        && expect.field(b'C') == "25P02"
        && expect.field(b'R') == "exec_execute_message";
    got == expect || left_behind
}

fn whole(message: &Message) -> String {
    format!("  {} {}", char::from(message.tag), String::from_utf8_lossy(&message.body).escape_debug())
}

/// The databases of the two sides.
const THROUGH: &str = "shop";
const DIRECT: &str = "other";

/// What is in the table that conversations write to.
fn left(world: &World, database: &str) -> Result<String> {
    world.server.sql(database, "SELECT * FROM orders ORDER BY id")
}

/// Has both databases be as they were at first. A conversation that the server ends has been played on one side alone, and
/// what it had committed by then is there.
fn begin_anew(world: &World) -> Result<()> {
    for database in [THROUGH, DIRECT] {
        world.server.sql(database, "DELETE FROM orders; INSERT INTO orders SELECT * FROM orders_at_first")?;
    }
    Ok(())
}

/// Makes the database of the direct side, and a copy of what is there at first.
fn copy_database(world: &World) -> Result<()> {
    world.server.sql(THROUGH, "CREATE TABLE orders_at_first AS TABLE orders")?;
    let create = format!("CREATE DATABASE {DIRECT} OWNER {ROLE} TEMPLATE {THROUGH}");
    world.server.sql("postgres", &create)?;
    Ok(())
}

/// Whether the server has lost count of its own transactions, as one of version 18 does where a Query follows messages
/// without a Sync, and where a Sync follows that. What comes next meets an error inside of it, and that may be a
/// question of Portreeve's.
fn is_lost(expect: &[Message]) -> bool {
    expect.iter().any(|message| message.tag == b'E' && message.field(b'C') == "XX000")
}

/// One conversation, in two databases that are the same before and after it. False if the server itself ends it.
fn compare(world: &World, script: &[Step], pieces: &[usize]) -> Result<bool> {
    let compared = compare_once(world, script, pieces)?;
    if !compared {
        begin_anew(world)?;
    }
    Ok(compared)
}

fn compare_once(world: &World, script: &[Step], pieces: &[usize]) -> Result<bool> {
    let direct = Wire::direct(&world.server.socket(), ROLE, DIRECT)?;
    // A conversation that the protocol does not allow, such as a Query in the middle of a COPY: the server ends it.
    let Ok(expect) = play(direct, script, &[usize::MAX]) else { return Ok(false) };
    let got = play(world.wire()?, script, pieces).context("through Portreeve")?;
    if got.len() != expect.len() || !got.iter().zip(&expect).all(|(got, expect)| same(got, expect)) {
        if is_lost(&expect) {
            return Ok(false);
        }
        let first = got.iter().zip(&expect).find(|(got, expect)| !same(got, expect));
        let first =
            first.map(|(got, expect)| format!("{}\n{}\n", whole(got), whole(expect))).unwrap_or_default();
        bail!(
            "through Portreeve:\n{}from the server:\n{}the first that differ:\n{first}",
            lines(&got),
            lines(&expect)
        );
    }
    // What it left behind.
    let (got, expect) = (left(world, THROUGH)?, left(world, DIRECT)?);
    ensure!(got == expect, "left through Portreeve:\n{got}\nby the server:\n{expect}");
    Ok(true)
}

/// As many in one run. More of them: PORTREEVE_CONVERSATIONS=10000.
const CASES: u32 = 300;

#[test]
fn what_a_conversation_that_the_server_ends_has_written_is_taken_back() -> Result<()> {
    story(&Setup::default(), |world| {
        copy_database(world)?;
        let before = left(world, DIRECT)?;
        // A Query in the middle of a COPY ends the connection, and the row is there.
        let texts = ["INSERT INTO orders VALUES (70, 1, 1, 'new')", "COPY orders FROM STDIN", "SELECT 1"];
        let script: Vec<Step> = texts.iter().map(|text| step(*text, wire::query(text))).collect();
        ensure!(!compare(world, &script, &[usize::MAX])?, "the server does not end it");
        ensure!(left(world, DIRECT)? == before && left(world, THROUGH)? == before, "it is not taken back");
        // So that what follows is compared with the same.
        ensure!(compare(world, &[step("Query", wire::query(""))], &[usize::MAX])?, "the server ends it");
        Ok(())
    })
}

#[test]
fn every_conversation_is_the_servers_own() -> Result<()> {
    story(&Setup::default(), |world| {
        copy_database(world)?;
        let asked = std::env::var("PORTREEVE_CONVERSATIONS").ok().and_then(|cases| cases.parse().ok());
        let cases = asked.unwrap_or(CASES);
        let config =
            Config { cases, max_global_rejects: cases, failure_persistence: None, ..Config::default() };
        let played = Cell::new(0);
        let result = TestRunner::new(config).run(&conversation(), |(script, pieces)| {
            played.set(played.get() + 1);
            match compare(world, &script, &pieces) {
                Ok(true) => Ok(()),
                Ok(false) => Err(TestCaseError::reject("the server ends it")),
                Err(error) => Err(TestCaseError::fail(format!("{error:#}"))),
            }
        });
        match result {
            Ok(()) => Ok(()),
            Err(TestError::Fail(why, (script, pieces))) => {
                bail!("after {} conversations, {script:#?} in pieces of {pieces:?}\n{why}", played.get())
            }
            Err(error) => Err(error.into()),
        }
    })
}
