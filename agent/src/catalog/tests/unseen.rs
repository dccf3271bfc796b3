//! What writing to a relation runs unseen is followed, wherever it comes from and however far away that changes.

use std::time::{Duration, Instant};

use super::postgres::Server;
use super::real::start;
use super::*;

const SCHEMA: &str = "
    CREATE TABLE t (id int, a text);
    CREATE FUNCTION f(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN n;END';
    CREATE DOMAIN d AS int;
    CREATE DOMAIN over AS d;
    CREATE TYPE pair AS (a int);
    CREATE TYPE span AS RANGE (subtype = d);
";

/// Each with whether writing to `t` runs functions unseen afterwards.
const STEPS: &[(&str, bool)] = &[
    ("CREATE TABLE u (id int DEFAULT f(1), a text DEFAULT set_config('x.y', 'z', false))", false),
    ("ALTER TABLE t ALTER id SET DEFAULT f(1)", true),
    ("CREATE OR REPLACE FUNCTION f(n int) RETURNS int LANGUAGE internal IMMUTABLE AS 'int4up'", false),
    ("CREATE OR REPLACE FUNCTION f(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n'", true),
    ("ALTER TABLE t ALTER id DROP DEFAULT", false),
    ("ALTER TABLE t ALTER a SET DEFAULT set_config('x.y', 'z', false)", true),
    ("ALTER TABLE t ALTER a SET DEFAULT 'z'", false),
    ("ALTER TABLE t ADD CONSTRAINT k CHECK (f(id) > 0)", true),
    ("ALTER TABLE t DROP CONSTRAINT k", false),
    ("ALTER TABLE t ADD CONSTRAINT k CHECK (set_config('x.y', 'z', false) <> '') NOT VALID", true),
    ("ALTER TABLE t DROP CONSTRAINT k", false),
    ("CREATE INDEX i ON t (f(id))", true),
    ("REINDEX INDEX CONCURRENTLY i", true),
    ("DROP INDEX i", false),
    ("CREATE INDEX i ON t (id) WHERE f(id) > 0", true),
    ("DROP INDEX i", false),
    // Of the domain alone.
    ("ALTER TABLE t ADD b d", false),
    ("ALTER DOMAIN d ADD CONSTRAINT k CHECK (set_config('x.y', 'z', false) <> '')", true),
    ("ALTER DOMAIN d DROP CONSTRAINT k", false),
    ("ALTER DOMAIN d ADD CONSTRAINT k CHECK (f(VALUE) > 0)", true),
    ("ALTER TABLE t DROP b", false),
    ("ALTER TABLE t ADD b over", true),
    ("ALTER TABLE t DROP b", false),
    ("ALTER TABLE t ADD b d[]", true),
    ("ALTER TABLE t DROP b", false),
    ("ALTER TABLE t ADD b span", true),
    ("ALTER TABLE t DROP b", false),
    ("ALTER TABLE t ADD b pair", false),
    ("ALTER TYPE pair ADD ATTRIBUTE b d[]", true),
    ("ALTER DOMAIN d DROP CONSTRAINT k", false),
    ("ALTER DOMAIN d SET DEFAULT f(1)", true),
    ("ALTER DOMAIN d SET DEFAULT 1", false),
    (
        "CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        true,
    ),
    ("DROP TRIGGER g ON t", false),
    ("DROP TABLE t; CREATE TABLE t (id int, a text) PARTITION BY RANGE (f(id))", true),
];

#[test]
fn what_a_write_runs_unseen_is_followed() {
    let Some(server) = Server::start() else { return };
    run(async {
        let admin = server.client("postgres").await;
        admin.batch_execute(SCHEMA).await.unwrap();
        let catalogs = start(&server, "postgres", Config::default());
        let live = catalogs.get(&key("postgres")).await.unwrap();
        for (statements, expect) in STEPS {
            for statement in statements.split("; ") {
                admin.batch_execute(statement).await.unwrap();
            }
            let catalog = live.refresh().await.unwrap();
            let more = |name: &str| catalog.relation_named("public", name).unwrap().has_triggers;
            assert_eq!(more("t"), *expect, "{statements}");
        }
    });
}

#[test]
fn what_any_expression_calls_unseen_is_followed() {
    let Some(server) = Server::start() else { return };
    run(async {
        let admin = server.client("postgres").await;
        admin.batch_execute(SCHEMA).await.unwrap();
        let catalogs = start(&server, "postgres", Config::default());
        let live = catalogs.get(&key("postgres")).await.unwrap();
        for (statement, expect) in [
            ("CREATE FUNCTION said(pair) RETURNS text LANGUAGE sql AS 'SELECT NULL::text'", false),
            ("CREATE CAST (pair AS text) WITH FUNCTION said(pair)", true),
            ("DROP CAST (pair AS text)", false),
            ("CREATE OPERATOR !!! (RIGHTARG = int, FUNCTION = f)", true),
            (
                "CREATE OR REPLACE FUNCTION f(n int) RETURNS int LANGUAGE internal IMMUTABLE AS 'int4up'",
                false,
            ),
            ("CREATE OR REPLACE FUNCTION f(n int) RETURNS int LANGUAGE sql AS 'SELECT n'", true),
            ("DROP OPERATOR !!! (NONE, int)", false),
        ] {
            admin.batch_execute(statement).await.unwrap();
            assert_eq!(live.refresh().await.unwrap().has_hidden_calls(), expect, "{statement}");
        }
    });
}

#[test]
fn who_may_use_a_schema_and_what_policies_call_is_followed() {
    let Some(server) = Server::start() else { return };
    run(async {
        let admin = server.client("postgres").await;
        admin.batch_execute("CREATE TABLE t (id int); CREATE SCHEMA one; CREATE SCHEMA two").await.unwrap();
        let catalogs = start(&server, "postgres", Config::default());
        let live = catalogs.get(&key("postgres")).await.unwrap();
        for (statements, same) in [
            ("GRANT USAGE ON SCHEMA one TO public", false),
            ("GRANT SELECT ON t TO public", true),
            ("ALTER SCHEMA two OWNER TO pg_monitor", false),
            (
                "ALTER SCHEMA one RENAME TO x; ALTER SCHEMA two RENAME TO one; ALTER SCHEMA x RENAME TO two",
                false,
            ),
            ("CREATE SCHEMA three", false),
            ("CREATE ROLE one_role; CREATE ROLE other_role", true),
            ("GRANT one_role TO other_role", false),
            ("REVOKE one_role FROM other_role", false),
        ] {
            let before = live.current();
            admin.batch_execute(statements).await.unwrap();
            assert_eq!(live.refresh().await.unwrap().has_same_schemas(&before), same, "{statements}");
        }
        // Another search path may be in the configuration. Each process of the server reads it in its own time.
        let before = live.current();
        admin.batch_execute("SELECT pg_reload_conf()").await.unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        while live.refresh().await.unwrap().has_same_schemas(&before) {
            assert!(Instant::now() < until, "a new configuration is not noticed");
        }
        for (statement, calls) in [
            ("CREATE POLICY p ON t USING (set_config('x.y', 'z', false) <> '')", &[2078][..]),
            ("ALTER POLICY p ON t USING (id > 0)", &[]),
            ("ALTER POLICY p ON t WITH CHECK (set_config('x.y', 'z', false) <> '')", &[2078]),
            ("DROP POLICY p ON t", &[]),
        ] {
            admin.batch_execute(statement).await.unwrap();
            let catalog = live.refresh().await.unwrap();
            assert_eq!(catalog.relation_named("public", "t").unwrap().functions, calls, "{statement}");
        }
    });
}

#[test]
fn what_policies_look_at_besides_their_own_rows_is_followed() {
    let Some(server) = Server::start() else { return };
    run(async {
        let admin = server.client("postgres").await;
        let made = "CREATE TYPE kind AS ENUM ('a'); CREATE TABLE t (id int, k kind); CREATE TABLE other (id int);
                    CREATE FUNCTION f(int) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RETURN true; END';
                    CREATE DOMAIN few AS int CHECK (f(VALUE)); CREATE OPERATOR @@@ (RIGHTARG = int, FUNCTION = f)";
        admin.batch_execute(made).await.unwrap();
        let catalogs = start(&server, "postgres", Config::default());
        let live = catalogs.get(&key("postgres")).await.unwrap();
        for (condition, looks) in [
            ("id > 0 AND k = 'a' AND current_user <> 'x'", false),
            ("EXISTS (SELECT FROM other)", true),
            ("t = t", false),
            ("f(id)", true),
            ("@@@ id", true),
            ("id::few > 0", true),
            ("id = (SELECT max(t.id) FROM t)", false),
        ] {
            let again = "DROP POLICY IF EXISTS p ON t; CREATE POLICY p ON t USING";
            admin.batch_execute(&format!("{again} ({condition})")).await.unwrap();
            let catalog = live.refresh().await.unwrap();
            let found = catalog.relation_named("public", "t").unwrap().policies_look_beyond;
            assert_eq!(found, looks, "{condition}");
        }
    });
}
