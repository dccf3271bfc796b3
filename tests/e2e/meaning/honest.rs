//! The honest neighbours.

use super::*;

#[test]
fn what_is_honest_is_understood() -> Result<()> {
    story(&unmasked(), |world| {
        world.server.sql("shop", AGAIN)?;
        let scripts: Vec<Attack> = vec![
            ("a path and a query", vec![both(), q(READ), q(READ)]),
            (
                "a path and a prepared statement",
                vec![both(), batch(&[wire::parse("r", READ)]), batch(&[execute("r")])],
            ),
            (
                "a path and EXECUTE",
                vec![both(), q(&format!("PREPARE r AS {READ}")), q("EXECUTE r"), q("EXECUTE r")],
            ),
            ("SET LOCAL", vec![q("BEGIN"), q("SET LOCAL search_path = mine"), q(READ), q("COMMIT")]),
            (
                "settings that change no meaning",
                vec![
                    both(),
                    q("SET DateStyle = 'ISO, DMY'"),
                    q("SET TimeZone = 'UTC'"),
                    q("SET application_name = 'x'"),
                    q("SET statement_timeout = '1min'"),
                    q(READ),
                    batch(&[wire::run("SET extra_float_digits = 3"), wire::run(READ)]),
                ],
            ),
            (
                "a text of SET and a query in one schema",
                vec![q("SET search_path = mine; SELECT a FROM mine.secrets")],
            ),
            (
                "a script that begins again",
                vec![
                    both(),
                    q(
                        "DROP TABLE IF EXISTS mine.t CASCADE; CREATE TABLE mine.t (a text); INSERT INTO t VALUES ('x'); SELECT a FROM t",
                    ),
                    q(
                        "DROP TABLE IF EXISTS mine.t; CREATE TABLE mine.t (a text); INSERT INTO mine.t VALUES ('x'); SELECT a FROM mine.t",
                    ),
                    q("BEGIN; DROP TABLE mine.t; CREATE TABLE mine.t (a text); COMMIT; SELECT a FROM mine.t"),
                ],
            ),
            (
                "a migration in a transaction",
                vec![
                    both(),
                    q("CREATE TABLE mine.t (a text)"),
                    q("BEGIN"),
                    q("DROP TABLE IF EXISTS mine.t CASCADE"),
                    q("CREATE TABLE mine.t (a text)"),
                    q("INSERT INTO t VALUES ('x')"),
                    q("SELECT a FROM secrets"),
                    q("ALTER TABLE mine.t ADD COLUMN b int; UPDATE mine.t SET b = 1"),
                    q("COMMIT"),
                    q("SELECT b FROM t"),
                ],
            ),
            (
                "savepoints around everything",
                vec![
                    both(),
                    q("BEGIN"),
                    q("SAVEPOINT s"),
                    q("CREATE TABLE mine.t (a text)"),
                    q("RELEASE s"),
                    q("SAVEPOINT s"),
                    q("INSERT INTO t VALUES ('x')"),
                    q("ROLLBACK TO s"),
                    q("RELEASE s"),
                    q("SELECT a FROM t"),
                    q(READ),
                    q("ROLLBACK"),
                ],
            ),
            (
                "temporary tables",
                vec![
                    q("CREATE TEMP TABLE t (a text)"),
                    q("INSERT INTO t VALUES ('x')"),
                    q("SELECT a FROM t"),
                    q("BEGIN"),
                    q("CREATE TEMP TABLE u (a text) ON COMMIT DROP"),
                    q("SELECT a FROM u"),
                    q("COMMIT"),
                    q("DROP TABLE t"),
                    q("CREATE TEMP TABLE t (a text)"),
                    q("SELECT a FROM t"),
                ],
            ),
            (
                "a schema that begins again",
                vec![
                    q("BEGIN"),
                    q("DROP SCHEMA IF EXISTS mine CASCADE"),
                    q("CREATE SCHEMA mine"),
                    q("CREATE TABLE mine.t (a text)"),
                    q("INSERT INTO mine.t VALUES ('x')"),
                    q("SELECT a FROM mine.t"),
                    q("ROLLBACK"),
                ],
            ),
            (
                "strings with backslashes",
                vec![
                    q("SELECT E'\\'' || '\\'"),
                    q("SET standard_conforming_strings = off"),
                    q("SELECT '\\'' || E'\\''"),
                    batch(&[wire::parse("b", "SELECT '\\''")]),
                    batch(&[execute("b")]),
                ],
            ),
            (
                "texts beyond ASCII",
                vec![q("SELECT 'gr\u{fc}n'"), batch(&[wire::run("SELECT 'gr\u{fc}n' AS \"gr\u{fc}n\"")])],
            ),
        ];
        for (name, steps) in scripts {
            world.server.sql("shop", AGAIN)?;
            let expect = play(&mut world.direct_wire()?, &steps)?;
            ensure!(!expect.iter().any(|line| line.starts_with('E')), "{name}: {expect:?}");
            world.server.sql("shop", AGAIN)?;
            let mut wire = world.wire()?;
            wire.talk(&[wire::query("CREATE TABLE IF NOT EXISTS public.nothing ()")], 1)?;
            wire.talk(&[wire::query("SELECT 1 FROM public.nothing")], 1)?;
            let got = play(&mut wire, &steps)?;
            ensure!(
                got == expect,
                "{name}; through Portreeve:\n{}\nfrom the server:\n{}",
                got.join("\n"),
                expect.join("\n")
            );
        }
        Ok(())
    })
}
