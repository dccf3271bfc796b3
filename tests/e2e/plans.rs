//! What was prepared runs as the server last took it apart, though a name in it may stand for something else by now:
//! something new before it in the search path is no reason for the server to look again.

use anyhow::{Result, ensure};
use e2e::wire::{self, Wire};
use e2e::world::ROLE;
use e2e::{Setup, story};

use crate::steps::{Step, batch, execute, play, q};

const POLICY: &str = "
version: 1
rules:
  - { name: all, actions: [\"*\"], decision: allow, mask: [public.people.ssn] }
  - { name: no-vault, actions: [\"*\"], relations: [\"vault.*\"], decision: deny }
  - { name: losses, actions: [delete], relations: [\"public.*\"], decision: deny }
";

fn setup(policy: &str) -> Setup {
    let mut setup = Setup::policy(policy);
    setup.database = format!(
        "CREATE TABLE people (id int, ssn text); INSERT INTO people VALUES (1, 'masked-1'), (2, 'masked-2');
         CREATE TABLE notes (id int, a text); INSERT INTO notes VALUES (1, 'clear-1'), (2, 'clear-2');
         CREATE SCHEMA vault AUTHORIZATION {ROLE}; CREATE TABLE vault.gold (a text);
         INSERT INTO vault.gold VALUES ('denied-1');
         CREATE SCHEMA mine AUTHORIZATION {ROLE};"
    );
    setup
}

const READ: &str = "SELECT ssn || '' FROM people";
const PATH: &str = "SET search_path = mine, public";

/// How a session comes to run what a text has meant before.
fn scripts() -> Vec<(&'static str, Vec<Step>)> {
    let prepared = || batch(&[wire::parse("s", READ)]);
    let shadow = || q("CREATE TABLE mine.people (ssn text)");
    let gone = || q("DROP TABLE IF EXISTS mine.people, mine.gold");
    let first = || q("CREATE TEMP TABLE first (id int)");
    vec![
        (
            "a temporary table",
            vec![first(), prepared(), q("CREATE TEMP TABLE people (ssn text)"), batch(&[execute("s")])],
        ),
        (
            "PREPARE",
            vec![
                first(),
                q(&format!("PREPARE s AS {READ}")),
                q("CREATE TEMP TABLE people (ssn text)"),
                q("EXECUTE s"),
            ],
        ),
        (
            "EXECUTE of what was parsed, in a Parse",
            vec![
                first(),
                prepared(),
                q("CREATE TEMP TABLE people (ssn text)"),
                batch(&[wire::run("EXECUTE s")]),
            ],
        ),
        (
            "a table of a schema before it",
            vec![q(PATH), prepared(), shadow(), batch(&[execute("s")]), gone()],
        ),
        (
            "one that comes in a transaction",
            vec![q(PATH), prepared(), q("BEGIN"), shadow(), q("COMMIT"), batch(&[execute("s")]), gone()],
        ),
        (
            "one that was there and is there again, and a Describe in between",
            vec![
                q(PATH),
                shadow(),
                prepared(),
                gone(),
                batch(&[wire::describe(b'S', "s")]),
                shadow(),
                batch(&[execute("s")]),
                gone(),
            ],
        ),
        (
            "the same with an EXPLAIN",
            vec![
                q(PATH),
                shadow(),
                q(&format!("PREPARE s AS {READ}")),
                gone(),
                q("EXPLAIN EXECUTE s"),
                shadow(),
                q("EXECUTE s"),
                gone(),
            ],
        ),
        (
            "what is denied",
            vec![
                q("SET search_path = mine, vault"),
                q("CREATE TABLE mine.gold (a text)"),
                batch(&[wire::parse("s", "SELECT a FROM gold")]),
                gone(),
                batch(&[wire::describe(b'S', "s")]),
                q("CREATE TABLE mine.gold (a text)"),
                batch(&[execute("s")]),
                gone(),
            ],
        ),
        (
            "one that has moved there, in a pipeline",
            vec![
                q(PATH),
                q("CREATE TABLE mine.moving (ssn text)"),
                prepared(),
                Step {
                    messages: [
                        wire::query("ALTER TABLE mine.moving RENAME TO people"),
                        execute("s"),
                        wire::sync(),
                    ]
                    .concat(),
                    ready: 2,
                },
                gone(),
            ],
        ),
    ]
}

fn tells(lines: &[String]) -> bool {
    lines.iter().any(|line| line.contains("masked-") || line.contains("denied-"))
}

#[test]
fn what_was_prepared_is_what_its_names_stand_for_now() -> Result<()> {
    story(&setup(POLICY), |world| {
        for (name, script) in scripts() {
            let lines = play(&mut world.wire()?, &script)?;
            ensure!(!tells(&lines), "{name}: {lines:?}");
            // Past it: that is what the server does.
            let lines = play(&mut world.direct_wire()?, &script)?;
            ensure!(tells(&lines), "{name}, past Portreeve: {lines:?}");
        }
        Ok(())
    })
}

#[test]
fn what_is_refused_as_it_stands_is_refused_as_it_was_prepared() -> Result<()> {
    let held = POLICY
        .replace("relations: [\"public.*\"], decision: deny", "relations: [\"public.*\"], decision: hold");
    let mut setup = setup(&held);
    setup.config = "approvals: {socket: FOLDER/control.sock, expire_seconds: 1}\n".to_owned();
    story(&setup, |world| {
        let script = [
            q("CREATE TEMP TABLE first (id int)"),
            batch(&[wire::parse("s", "DELETE FROM notes WHERE id = 1")]),
            q("CREATE TEMP TABLE notes (id int, a text)"),
            batch(&[execute("s")]),
        ];
        let lines = play(&mut world.wire()?, &script)?;
        ensure!(lines.contains(&"C DELETE 0".to_owned()), "the temporary one is empty: {lines:?}");
        let count = "SELECT count(*) FROM public.notes";
        ensure!(world.server.sql("shop", count)? == "2", "a row is gone that a reviewer never saw");
        play(&mut world.direct_wire()?, &script)?;
        ensure!(world.server.sql("shop", count)? == "1", "that is what the server does");
        Ok(())
    })
}

/// What a client sees of it: nothing.
#[test]
fn a_plan_that_is_renewed_leaves_no_trace() -> Result<()> {
    fn lines(wire: &mut Wire) -> Result<Vec<String>> {
        let tenants = ["a", "b"].map(|tenant| format!("SET LOCAL search_path = tenant_{tenant}"));
        let mut script = vec![batch(&[
            wire::parse("s", "SELECT a FROM ids ORDER BY a"),
            wire::parse("t", "SELECT count(*) FROM ids"),
        ])];
        for tenant in tenants.iter().cycle().take(4) {
            script.push(q("BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY"));
            script.push(q(tenant));
            script.push(batch(&[wire::describe(b'S', "s"), execute("s"), execute("t"), execute("s")]));
            script.push(q("COMMIT"));
        }
        script.extend([
            q("PREPARE u AS SELECT a FROM ids"),
            q("CREATE TEMP TABLE ids (a int)"),
            q("EXECUTE u"),
            q("BEGIN"),
            q("EXECUTE u"),
            q("SELECT 1/0"),
            batch(&[execute("s")]),
            q("ROLLBACK"),
            batch(&[execute("s")]),
            q("SELECT name FROM pg_prepared_statements ORDER BY name"),
        ]);
        play(wire, &script)
    }
    let mut setup = setup(POLICY);
    setup.database += &["a", "b"]
        .map(|tenant| {
            format!("CREATE SCHEMA tenant_{tenant} AUTHORIZATION {ROLE}; CREATE TABLE tenant_{tenant}.ids AS SELECT '{tenant}'::text AS a;")
        })
        .concat();
    setup.database += "CREATE TABLE ids AS SELECT 'public'::text AS a;";
    story(&setup, |world| {
        let (got, expect) = (lines(&mut world.wire()?)?, lines(&mut world.direct_wire()?)?);
        ensure!(got == expect, "{}\npast Portreeve:\n{}", got.join("\n"), expect.join("\n"));
        Ok(())
    })
}

/// What a reviewer is asked is what the body means now; a plan of before would do what it has meant.
#[test]
fn bodies_run_by_what_their_names_stand_for_now() -> Result<()> {
    let mut setup = setup("version: 1\nrules:\n  - { name: all, actions: [\"*\"], decision: allow }\n");
    setup.database += "CREATE FUNCTION loses() RETURNS void LANGUAGE plpgsql AS 'BEGIN DELETE FROM notes WHERE id = 1; END';
        GRANT ALL ON notes TO public;";
    story(&setup, |world| {
        let script = [
            q("CREATE TEMP TABLE first (id int)"),
            q("SELECT loses()"),
            q("INSERT INTO notes VALUES (1, 'again')"),
            q("CREATE TEMP TABLE notes (id int, a text)"),
            q("SELECT loses()"),
        ];
        let count = "SELECT count(*) FROM public.notes";
        play(&mut world.wire()?, &script)?;
        ensure!(world.server.sql("shop", count)? == "2", "a row is gone that the body does not mean");
        play(&mut world.direct_wire()?, &script)?;
        ensure!(world.server.sql("shop", count)? == "1", "that is what the server does");
        Ok(())
    })
}

/// In a transaction the server cannot be told to forget: what a plan of before gives is masked as what it may be.
#[test]
fn what_a_body_gives_by_a_plan_of_before_is_masked_as_what_it_meant() -> Result<()> {
    let mut setup = setup(POLICY);
    setup.database += "CREATE TABLE mine.other (id int);
        CREATE FUNCTION gives() RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT ssn FROM people LIMIT 1); END';
        CREATE FUNCTION adds(int, int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN $1 + $2; END';";
    story(&setup, |world| {
        let told = |wire: &mut Wire| -> Result<Vec<String>> {
            let mut lines = play(wire, &[q(PATH), q("BEGIN"), q("SELECT gives()")])?;
            lines.extend(play(&mut world.wire()?, &[q("CREATE TABLE mine.people (ssn text)")])?);
            lines.extend(play(
                wire,
                &[q("SELECT gives()"), q("SELECT gives() FROM notes WHERE gives() > 'm'")],
            )?);
            lines.extend(play(wire, &[q("INSERT INTO notes SELECT 3, gives() RETURNING a"), q("COMMIT")])?);
            lines.extend(play(&mut world.wire()?, &[q("DROP TABLE mine.people")])?);
            Ok(lines)
        };
        let lines = told(&mut world.wire()?)?;
        ensure!(!tells(&lines), "{lines:?}");
        ensure!(tells(&told(&mut world.direct_wire()?)?), "that is what the server does");
        let lines = play(&mut world.wire()?, &[q("SELECT adds(1, id) FROM notes WHERE adds(id, 1) = 3")])?;
        ensure!(lines.contains(&"D 3".to_owned()), "{lines:?}");
        Ok(())
    })
}
