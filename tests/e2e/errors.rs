//! Whom errors and notices are told to, where columns are masked: of what no statement names, too.

use anyhow::{Context as _, Result, ensure};
use e2e::world::text;
use e2e::{Setup, story};

const POLICY: &str = "
version: 1
rules:
  - { name: all, actions: [\"*\"], decision: allow, mask: [public.customers.ssn] }
";

/// What a policy for rows, the check of a domain, an event trigger and the planner run beside the statement's own text.
const DATABASE: &str = "
CREATE TABLE docs (id int, note text);
INSERT INTO docs VALUES (1, 'x');
ALTER TABLE docs ENABLE ROW LEVEL SECURITY;
ALTER TABLE docs FORCE ROW LEVEL SECURITY;
CREATE POLICY looks ON docs USING (id < (SELECT ssn FROM customers WHERE customers.id = 1)::int);
CREATE FUNCTION spy(x text) RETURNS text LANGUAGE plpgsql AS
  $$BEGIN RAISE NOTICE '%', (SELECT string_agg(ssn, ' ') FROM public.customers); RETURN x; END$$;
CREATE TABLE calls (id int, note text);
INSERT INTO calls VALUES (1, 'x');
ALTER TABLE calls ENABLE ROW LEVEL SECURITY;
ALTER TABLE calls FORCE ROW LEVEL SECURITY;
CREATE POLICY calls ON calls USING (spy(note) <> '');
CREATE DOMAIN checked AS text CHECK (spy(VALUE) <> '');
CREATE TYPE pair AS (a checked, b int);
CREATE FUNCTION secrets() RETURNS text LANGUAGE sql STABLE AS
  $$SELECT string_agg(ssn, ' ') FROM public.customers$$;
CREATE DOMAIN computed AS text CHECK ((secrets() || VALUE)::int > 0);
CREATE TYPE within AS (a computed, b int);
CREATE TABLE holds (all_of computed[]);
CREATE FUNCTION at_once(x text) RETURNS text LANGUAGE sql RETURN x::computed;
CREATE FUNCTION caught_docs() RETURNS text LANGUAGE plpgsql AS
  $$BEGIN RETURN (SELECT note FROM docs); EXCEPTION WHEN OTHERS THEN RETURN SQLERRM; END$$;
CREATE FUNCTION caught_check() RETURNS text LANGUAGE plpgsql AS
  $$BEGIN RETURN at_once('x'); EXCEPTION WHEN OTHERS THEN RETURN SQLERRM; END$$;
CREATE FUNCTION apart(x int, y int) RETURNS float8 LANGUAGE plpgsql IMMUTABLE AS
  $$BEGIN PERFORM public.spy('x'); RETURN x - y; END$$;
CREATE TYPE span AS RANGE (subtype = int, subtype_diff = apart);
CREATE TABLE spans (a span);
INSERT INTO spans SELECT span(i, i + 5) FROM generate_series(1, 300) i;
ANALYZE spans;
CREATE TABLE own (id int, note text, data json);
INSERT INTO own VALUES (1, 'x', '{}');
ALTER TABLE own ENABLE ROW LEVEL SECURITY;
ALTER TABLE own FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON own USING (id > 0 AND note <> 'y');
";

const SECRETS: [&str; 2] = ["123-45-6789", "987-65-4321"];

#[test]
fn what_runs_untold_is_told_to_nobody() -> Result<()> {
    let mut setup = Setup::policy(POLICY);
    setup.database += DATABASE;
    story(&setup, |world| {
        world.server.sql(
            "shop",
            "CREATE FUNCTION event() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN PERFORM public.spy('x'); END$$;
             CREATE EVENT TRIGGER event ON ddl_command_end EXECUTE FUNCTION event()",
        )?;
        for sql in [
            "SELECT note FROM docs",
            "SELECT 1 FROM orders, docs",
            "INSERT INTO docs VALUES (2, 'y')",
            "SELECT note FROM calls",
            "SELECT '{x}'::checked[]",
            "SELECT '(x,1)'::pair",
            "SELECT '{x}'::computed[]",
            "SELECT coalesce(NULL::computed[], '{x}')",
            "SELECT '(x,1)'::within",
            "SELECT FROM holds WHERE all_of = '{x}'",
            "PREPARE p AS SELECT '{x}'::computed[]",
            "SELECT caught_docs()",
            "SELECT caught_check()",
            "SELECT count(*) FROM spans WHERE a @> 5",
            "SELECT 1 AS one INTO made",
        ] {
            let told = |output: std::process::Output| {
                let told = text(&output.stdout) + &text(&output.stderr);
                (SECRETS.iter().any(|secret| told.contains(secret)), told)
            };
            let role = format!("SET ROLE {}", e2e::world::ROLE);
            let mut direct = world.server.psql("shop");
            let (shown, direct) = told(direct.args(["-c", &role, "-c", sql]).output()?);
            ensure!(shown, "{sql} is no attack: {direct}");
            world.server.sql("shop", "DROP TABLE IF EXISTS made")?;
            let (shown, got) = told(world.psql(&[sql])?);
            ensure!(!shown, "{sql}: {got}");
        }
        // Who looks at nothing else is told what fails.
        for (sql, expected) in [
            ("SELECT 1 / (id - id) FROM own", "division by zero"),
            ("INSERT INTO own VALUES (1, 'y')", "new row violates row-level security policy"),
            ("SELECT '{'::json", "JSON data, line 1"),
            ("SELECT note::json FROM own", "Token \"x\" is invalid"),
            ("SELECT no FROM own", "column \"no\" does not exist"),
            ("SELECT id FROM own GROUP BY note", "must appear in the GROUP BY clause"),
            ("SELECT 1 + 'x'::text", "operator does not exist"),
        ] {
            let error = world.error(&[sql]).with_context(|| sql.to_owned())?;
            ensure!(error.contains(expected), "{sql}: {error}");
        }
        Ok(())
    })
}
