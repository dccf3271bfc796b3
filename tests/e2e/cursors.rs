//! The functions of a cursor's query run as its rows are fetched, and look their names up then.

use anyhow::{Result, ensure};
use e2e::world::ROLE;
use e2e::{Setup, story, wire};

use crate::steps::{Step, batch, play, q};

const POLICY: &str = "
version: 1
rules:
  - { name: all, actions: [\"*\"], decision: allow }
  - { name: no-vault, actions: [\"*\"], relations: [\"vault.*\"], decision: deny }
";

const MASKED: &str = "
version: 1
rules:
  - { name: all, actions: [\"*\"], decision: allow, mask: [vault.twin.b] }
";

fn setup(policy: &str) -> Setup {
    let mut setup = Setup::policy(policy);
    setup.database = format!(
        "CREATE SCHEMA vault AUTHORIZATION {ROLE}; CREATE SCHEMA mine AUTHORIZATION {ROLE};
         CREATE TABLE twin AS SELECT 'clear-1'::text AS b; CREATE TABLE mine.twin AS SELECT 'clear-2'::text AS b;
         CREATE TABLE vault.twin AS SELECT 'denied-1'::text AS b;
         CREATE FUNCTION named() RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT b FROM twin); END';
         CREATE FUNCTION opens() RETURNS refcursor LANGUAGE plpgsql AS
           $$DECLARE c refcursor := 'c'; BEGIN OPEN c FOR SELECT public.named() FROM generate_series(1, 3); RETURN c; END$$;"
    );
    setup
}

const OPEN: &str = "DECLARE c CURSOR FOR SELECT public.named() FROM generate_series(1, 3)";
const HOLD: &str = "DECLARE c CURSOR WITH HOLD FOR SELECT public.named() FROM generate_series(1, 3)";

/// How a cursor's functions come to be run by another path than it was opened with.
fn scripts(path: &str) -> Vec<(&'static str, Vec<Step>)> {
    let set = format!("SET search_path = {path}");
    let bound = |steps: &[Vec<u8>]| {
        let bind =
            [wire::parse("s", "SELECT public.named() FROM generate_series(1, 3)"), wire::bind("p", "s", &[])];
        batch(&[&bind[..], steps].concat())
    };
    vec![
        ("FETCH", vec![q("BEGIN"), q(OPEN), q("FETCH 1 c"), q(&set), q("FETCH ALL c"), q("COMMIT")]),
        ("in one text", vec![q(&format!("BEGIN; {OPEN}; {set}; FETCH ALL c; COMMIT"))]),
        (
            "WITH HOLD",
            vec![q("BEGIN"), q(HOLD), q(&set), q("COMMIT"), q("RESET search_path"), q("FETCH ALL c")],
        ),
        (
            "WITH HOLD, and no COMMIT",
            vec![q(&format!("{HOLD}; {set}")), q("RESET search_path"), q("FETCH ALL c")],
        ),
        (
            "the protocol's Execute",
            vec![q("BEGIN"), q(OPEN), q(&set), batch(&[wire::execute("c", 0)]), q("COMMIT")],
        ),
        ("a portal", vec![bound(&[wire::execute("p", 1), wire::run(&set), wire::execute("p", 0)])]),
        (
            "one in a transaction",
            vec![q("BEGIN"), bound(&[]), q(&set), batch(&[wire::execute("p", 0)]), q("COMMIT")],
        ),
        (
            "one that a function opens",
            vec![q("BEGIN"), q("SELECT public.opens()"), q(&set), q("FETCH ALL c"), q("COMMIT")],
        ),
    ]
}

#[test]
fn what_a_cursor_runs_is_judged_by_the_path_that_it_runs_by() -> Result<()> {
    story(&setup(POLICY), |world| {
        for (name, script) in scripts("vault") {
            let lines = play(&mut world.wire()?, &script)?;
            ensure!(!lines.iter().any(|line| line.contains("denied-")), "{name}: {lines:?}");
            ensure!(lines.iter().any(|line| line == "E 42501"), "{name}: {lines:?}");
            let lines = play(&mut world.direct_wire()?, &script)?;
            ensure!(lines.iter().any(|line| line.contains("denied-")), "{name}, past Portreeve: {lines:?}");
        }
        Ok(())
    })
}

/// Whose path leads to nothing that is denied sees nothing of it.
#[test]
fn a_cursor_is_fetched_from_by_another_path_where_nothing_is_denied() -> Result<()> {
    story(&setup(POLICY), |world| {
        for (name, script) in scripts("mine")
            .into_iter()
            .filter(|(name, _)| matches!(*name, "FETCH" | "the protocol's Execute" | "one in a transaction"))
        {
            let lines = play(&mut world.wire()?, &script)?;
            let expected = play(&mut world.direct_wire()?, &script)?;
            ensure!(lines == expected, "{name}: {lines:?}\npast Portreeve: {expected:?}");
            ensure!(lines.iter().any(|line| line.contains("clear-2")), "{name}: {lines:?}");
        }
        Ok(())
    })
}

/// What functions give is shown as far as they read nothing masked: as they were opened, and as they run.
#[test]
fn what_a_cursor_gives_is_masked_by_the_path_that_it_runs_by() -> Result<()> {
    story(&setup(MASKED), |world| {
        for (name, script) in scripts("vault") {
            let lines = play(&mut world.wire()?, &script)?;
            ensure!(!lines.iter().any(|line| line.contains("denied-")), "{name}: {lines:?}");
        }
        for (name, script) in scripts("public") {
            if !matches!(name, "FETCH" | "the protocol's Execute" | "one in a transaction") {
                continue;
            }
            let lines = play(&mut world.wire()?, &script)?;
            let expected = play(&mut world.direct_wire()?, &script)?;
            ensure!(lines == expected, "{name}: {lines:?}\npast Portreeve: {expected:?}");
            ensure!(lines.iter().any(|line| line.contains("clear-1")), "{name}: {lines:?}");
        }
        Ok(())
    })
}
