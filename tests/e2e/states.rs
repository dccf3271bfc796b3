//! A refusal in every state of a session, beside an error of PostgreSQL's own in the same place.
//!
//! Each script is played twice: through Portreeve with a message that is refused, and past it with one that the server
//! itself fails. What follows must be the same: every reply, what is prepared and open, and what the transaction leaves.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::process::output;
use e2e::wire::{self, Wire};
use e2e::{Setup, World, story};

/// What a session has behind it when the message comes.
struct State {
    name: &'static str,
    /// What is sent before, and by how many ReadyForQuery it is answered. What is not, is in the same pipeline.
    before: (Vec<Vec<u8>>, usize),
    /// What is sent at once with the message, before and behind it.
    with: (Vec<Vec<u8>>, Vec<Vec<u8>>),
    /// Nothing can be bound here: the transaction has failed, or what comes is skipped.
    is_failed: bool,
}

impl State {
    fn new(name: &'static str) -> Self {
        State { name, before: (Vec::new(), 0), with: (Vec::new(), Vec::new()), is_failed: false }
    }

    fn after(mut self, queries: &[&str]) -> Self {
        self.before = (queries.iter().map(|sql| wire::query(sql)).collect(), queries.len());
        self
    }

    fn behind(mut self, messages: &[Vec<u8>]) -> Self {
        self.with.0 = messages.to_vec();
        self
    }

    fn followed_by(mut self, messages: &[Vec<u8>]) -> Self {
        self.with.1 = messages.to_vec();
        self
    }

    fn failed(mut self) -> Self {
        self.is_failed = true;
        self
    }
}

fn insert(id: u32) -> String {
    format!("INSERT INTO orders VALUES ({id}, 1, 1, 'new')")
}

fn states() -> Vec<State> {
    let series = |name: &str| {
        [
            wire::parse(name, "SELECT generate_series(1, 5)"),
            wire::bind(name, name, &[]),
            wire::execute(name, 2),
        ]
        .concat()
    };
    vec![
        State::new("idle"),
        State::new("in a transaction").after(&["BEGIN", &insert(60)]),
        State::new("behind a savepoint").after(&["BEGIN", &insert(60), "SAVEPOINT a", &insert(61)]),
        State::new("in a transaction that failed").after(&["BEGIN", "SELECT 1/0"]).failed(),
        State::new("behind a statement in the same pipeline").behind(&[wire::run(&insert(60))]),
        State::new("before a statement in the same pipeline").followed_by(&[wire::run(&insert(60))]),
        State::new("between statements")
            .behind(&[wire::run(&insert(60))])
            .followed_by(&[wire::run(&insert(61)), wire::flush()]),
        State::new("behind an error, skipped").behind(&[wire::run("SELECT 1/0")]).failed(),
        State::new("behind a flush").behind(&[wire::run(&insert(60)), wire::flush()]),
        State::new("with a portal that is suspended")
            .behind(&[series("q")])
            .followed_by(&[wire::execute("q", 0)]),
        State::new("with a portal that is suspended, in a transaction")
            .after(&["BEGIN"])
            .behind(&[series("q")])
            .followed_by(&[wire::execute("q", 1), wire::sync(), wire::execute("q", 0)]),
        State::new("with an implicit transaction that began by BEGIN")
            .behind(&[wire::run("BEGIN"), wire::run(&insert(60))]),
        State::new("before a COMMIT in the same pipeline")
            .behind(&[wire::run("BEGIN"), wire::run(&insert(60))])
            .followed_by(&[wire::run("COMMIT")]),
        State::new("with an open cursor").after(&[
            "BEGIN",
            "DECLARE c CURSOR FOR SELECT generate_series(1, 5)",
            "FETCH 2 c",
        ]),
        State::new("behind a COPY that failed").after(&["COPY orders FROM '/absent'"]),
    ]
}

/// Which message is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Query,
    QueryOfSeveral,
    Parse,
    NamedParse,
    Bind,
    Execute,
    FunctionCall,
}

const PLACES: [Place; 7] = [
    Place::Query,
    Place::QueryOfSeveral,
    Place::Parse,
    Place::NamedParse,
    Place::Bind,
    Place::Execute,
    Place::FunctionCall,
];

/// Where a statement can wait for a reviewer.
const WAITING: [Place; 3] = [Place::Query, Place::QueryOfSeveral, Place::Bind];

const DELETE: &str = "DELETE FROM customers WHERE id = 1";

/// What is sent as one before anything else, where the message is about something that is there already.
fn prepared(place: Place) -> Vec<u8> {
    match place {
        // Allowed while it is prepared, and refused when it is to be used.
        Place::Bind | Place::Execute => wire::parse("s", DELETE),
        _ => wire::parse("s", "SELECT 1"),
    }
}

/// The message, with what belongs to it: as Portreeve refuses it, or as the server itself fails it there.
fn message(place: Place, ours: bool, forbidden: u32) -> Vec<u8> {
    let sql = if ours { DELETE } else { "DELETE FROM absent WHERE id = 1" };
    match place {
        Place::Query => wire::query(sql),
        Place::QueryOfSeveral => wire::query(&match ours {
            true => format!("SELECT 1; {sql}; SELECT 2"),
            // The whole message is judged before any of it is sent.
            false => "SELECT 1; SELEKT".to_owned(),
        }),
        Place::Parse => wire::run(sql),
        Place::NamedParse => [wire::parse("t", sql), wire::bind("", "t", &[]), wire::execute("", 0)].concat(),
        Place::Bind => {
            [wire::bind("p", if ours { "s" } else { "absent" }, &[]), wire::execute("p", 0)].concat()
        }
        // The server's side never has this portal, so what fails there is the same.
        Place::Execute => wire::execute(if ours { "p" } else { "absent" }, 0),
        Place::FunctionCall => wire::function_call(if ours { forbidden } else { 0 }),
    }
}

/// What is there at the end.
const LEFT: [&str; 7] = [
    "FETCH ALL c",
    "COMMIT",
    "SELECT count(*) FROM orders WHERE id >= 60",
    "SELECT string_agg(name, ',' ORDER BY name) FROM pg_prepared_statements",
    "SELECT string_agg(name, ',' ORDER BY name) FROM pg_cursors",
    "SELECT count(*) FROM customers WHERE id = 1",
    "SELECT 'the end'",
];

/// What the story does with a session once everything is ready for the message.
type Turn<'a> = &'a dyn Fn() -> Result<()>;
/// What it does while the message is on its way, as long as the answer has not come.
type Wait<'a> = &'a dyn Fn(&[u8]) -> Result<()>;

/// Plays one script, and gives every reply in a line of its own, errors without their code.
fn play(
    wire: &mut Wire,
    state: &State,
    place: Place,
    ours: Option<u32>,
    turn: Turn<'_>,
    wait: Wait<'_>,
) -> Result<Vec<String>> {
    let mut replies = wire.talk(&[prepared(place), wire::sync()], 1)?;
    replies.extend(wire.talk(&state.before.0, state.before.1)?);
    let bound = place == Place::Execute && !state.is_failed;
    if bound {
        // The portal is there before the policy changes; the server's own script has one as well.
        wire.send(&[wire::bind("p", "s", &[]), wire::flush()].concat())?;
        replies.push(wire.receive()?.line());
    }
    turn()?;
    let asked = [
        state.with.0.concat(),
        message(place, ours.is_some(), ours.unwrap_or_default()),
        state.with.1.concat(),
        wire::sync(),
    ];
    let left = LEFT.map(wire::query);
    let mut reader = wire.again()?;
    let read = thread::spawn(move || -> Result<Vec<String>> {
        let mut lines = Vec::new();
        while lines.last().is_none_or(|line| line != "D the end") {
            lines.push(reader.receive()?.line());
        }
        Ok(lines)
    });
    wire.send(&[asked.concat(), left.concat()].concat())?;
    while !read.is_finished() {
        wait(&wire.key)?;
        thread::sleep(Duration::from_millis(5));
    }
    replies.extend(read.join().ok().context("the reader panicked")??);
    // Notices tell of holds.
    Ok(replies
        .into_iter()
        .filter(|line| line != "N")
        .map(|line| if line.starts_with("E ") { "E".to_owned() } else { line })
        .collect())
}

/// Every state with every place.
fn check(world: &World, places: &[Place], turn: Turn<'_>, again: Turn<'_>, wait: Wait<'_>) -> Result<()> {
    let forbidden = world.server.sql("shop", "SELECT 'forbidden'::regproc::oid")?.parse()?;
    for state in states() {
        for place in places.iter().copied() {
            if state.is_failed && matches!(place, Place::Bind | Place::Execute) {
                continue;
            }
            again()?;
            let clean = "DELETE FROM orders WHERE id >= 60";
            let got = play(&mut world.wire()?, &state, place, Some(forbidden), turn, wait)?;
            world.server.sql("shop", clean)?;
            let expect = play(&mut world.direct_wire()?, &state, place, None, &|| Ok(()), &|_| Ok(()))?;
            world.server.sql("shop", clean)?;
            ensure!(
                got == expect,
                "{}, {place:?}; through Portreeve:\n{}\nfrom the server:\n{}",
                state.name,
                got.join("\n"),
                expect.join("\n")
            );
        }
    }
    Ok(())
}

const ALLOW: &str = "
version: 1
rules:
  - { name: all, actions: [\"*\", opaque], decision: allow }
";

fn setup(policy: &str, config: &str) -> Setup {
    let mut setup = Setup::policy(policy);
    setup.config = config.to_owned();
    setup.database += "CREATE FUNCTION forbidden() RETURNS int LANGUAGE sql AS 'SELECT 1';";
    setup
}

/// Loads a policy, so that every session has it for its next message.
fn load(world: &World, policy: &str) -> Result<()> {
    world.write_policy(policy)?;
    output(world.daemon.command(&["reload", "--socket"])?.arg(world.daemon.socket())).map(drop)
}

#[test]
fn a_rule_refuses() -> Result<()> {
    let deny = format!(
        "{ALLOW}  - {{ name: no-deletes, actions: [delete], relations: [public.customers], decision: deny }}
  - {{ name: no-function, actions: [function], functions: [public.forbidden], decision: deny }}
"
    );
    story(&setup(ALLOW, ""), |world| {
        check(world, &PLACES, &|| load(world, &deny), &|| load(world, ALLOW), &|_| Ok(()))
    })
}

fn hold() -> String {
    format!("{ALLOW}  - {{ name: wait, actions: [delete], relations: [public.customers], decision: hold }}\n")
}

#[test]
fn a_reviewer_refuses() -> Result<()> {
    story(&setup(&hold(), ""), |world| {
        check(world, &WAITING, &|| Ok(()), &|| Ok(()), &|_| {
            for hold in world.daemon.holds()? {
                let id = hold["id"].as_str().context("a hold has an id")?;
                output(&mut world.daemon.approvals(&["deny", id, "--reason", "no"])?)?;
            }
            Ok(())
        })
    })
}

#[test]
fn the_client_takes_it_back() -> Result<()> {
    story(&setup(&hold(), ""), |world| {
        check(world, &WAITING, &|| Ok(()), &|| Ok(()), &|key| {
            // To cancel what does not wait would end what is none of this test's.
            match world.daemon.holds()?.is_empty() {
                true => Ok(()),
                false => wire::cancel(world.destination(), key),
            }
        })
    })
}

#[test]
fn nobody_answers() -> Result<()> {
    let config = "approvals: {socket: FOLDER/control.sock, expire_seconds: 1}\n";
    story(&setup(&hold(), config), |world| {
        check(world, &[Place::Query, Place::Bind], &|| Ok(()), &|| Ok(()), &|_| Ok(()))
    })
}
