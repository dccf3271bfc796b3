//! Utility statements: their actions and effects, and the queries that tools send.

use super::fixture::{actions, is_opaque, read};
use crate::{CopyDirection, TransactionEffect};

fn check(text: &str, expected: &str) {
    assert_eq!(actions(text), expected, "{text}");
}

#[test]
fn transactions_are_followed() {
    use TransactionEffect::{Begin, Commit, Prepare, Prepared, Release, Rollback, RollbackTo, Savepoint};
    let s = || "s".to_owned();
    for (text, effect) in [
        ("BEGIN", Begin),
        ("BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE", Begin),
        ("START TRANSACTION READ WRITE", Begin),
        ("COMMIT", Commit { chain: false }),
        ("END WORK AND NO CHAIN", Commit { chain: false }),
        ("COMMIT AND CHAIN", Commit { chain: true }),
        ("ROLLBACK", Rollback { chain: false }),
        ("ABORT TRANSACTION", Rollback { chain: false }),
        ("SAVEPOINT s", Savepoint(s())),
        ("RELEASE s", Release(s())),
        ("RELEASE SAVEPOINT S", Release(s())),
        ("ROLLBACK TO SAVEPOINT s", RollbackTo(s())),
        ("ROLLBACK WORK TO s", RollbackTo(s())),
        ("PREPARE TRANSACTION 'x'", Prepare),
        ("COMMIT PREPARED 'x'", Prepared),
    ] {
        check(text, "transaction");
        assert_eq!(read(text).statements[0].effects.transaction, Some(effect), "{text}");
    }
    check("SET TRANSACTION ISOLATION LEVEL READ COMMITTED", "transaction");
    check("SET LOCAL TRANSACTION READ ONLY", "transaction");
    check("SET CONSTRAINTS ALL DEFERRED", "transaction");
    assert!(is_opaque("BEGIN DROP TABLE t"));
}

#[test]
fn settings_are_followed() {
    check("SET search_path TO a, \"B\"", "set search_path");
    check("SET LOCAL work_mem = '4MB'", "set work_mem");
    check("SET SESSION my.var = -1", "set my.var");
    check("SET TIME ZONE 'UTC'", "set timezone");
    check("SET NAMES 'UTF8'", "set client_encoding");
    check("SET ROLE admin", "set-role admin");
    for text in [
        "SET ROLE admin",
        "SET ROLE 'admin'",
        "SET LOCAL ROLE ADMIN",
        "SET role TO admin",
        "SET role = 'admin'",
        "SET \"role\" = admin",
        "SET LOCAL role = \"admin\"",
        "SET SESSION role TO E'admin'",
        "SET session_authorization = admin",
        "SET SESSION AUTHORIZATION 'admin'",
        "SET SESSION SESSION AUTHORIZATION admin",
    ] {
        check(text, "set-role admin");
    }
    for text in
        ["SELECT set_config('ROLE', 'admin', false)", "SELECT * FROM set_config('role', 'admin', true) x"]
    {
        check(text, "*function pg_catalog.set_config, set-role admin");
    }
    for text in [
        "SET ROLE E'\\x61dmin'",
        "SET role = U&'admin'",
        "SET role = admin, other",
        "SELECT set_config('role', $1, false)",
        "SELECT set_config('role', 'ad' || 'min', false)",
        "SELECT * FROM set_config($1, 'x', false)",
        "SELECT 1 FROM t, set_config('role', b, false)",
    ] {
        assert!(is_opaque(text), "{text} gave {}", actions(text));
    }
    check("SET SESSION AUTHORIZATION admin", "set-role admin");
    check("RESET ALL", "set all");
    check("RESET ROLE", "set-role default");
    check("RESET session_authorization", "set-role default");
    check("SET ROLE NONE", "set-role none");
    check(
        "SELECT * FROM set_config('search_path', 'x', false)",
        "*function pg_catalog.set_config, set search_path",
    );
    check("SHOW ALL", "show all");
    // By a function it comes along.
    check("SELECT current_setting('App.Key')", "*show app.key");
    check("SELECT pg_catalog.current_setting('app.' || 'key'), current_setting($1)", "*show all");
    check("DISCARD ALL", "set discard all");
    check("LISTEN ch", "notify channel ch");
    check("NOTIFY ch, 'hello'", "notify channel ch");
    check("UNLISTEN *", "notify channel");
    for text in [
        "SET search_path TO x",
        "SET ROLE x",
        "SET role TO x",
        "RESET ALL",
        "RESET search_path",
        "DISCARD ALL",
        "SET SCHEMA 'x'",
        "SELECT audit(1)",
        "DO $$ $$",
        "SELECT set_config('a','b',true)",
    ] {
        assert!(read(text).statements[0].effects.search_path, "{text}");
    }
    for text in [
        "SET standard_conforming_strings = off",
        "SET client_encoding TO latin1",
        "SET NAMES 'latin1'",
        "RESET ALL",
        "SET backslash_quote = on",
    ] {
        assert!(read(text).statements[0].effects.string_syntax, "{text}");
    }
    let plain = &read("SET work_mem = 1").statements[0].effects;
    assert!(!plain.search_path && !plain.string_syntax && !plain.ddl);
}

#[test]
fn statements_inside_statements_are_judged() {
    check("EXPLAIN (ANALYZE, FORMAT json) SELECT * FROM t", "explain, select table public.t");
    check("EXPLAIN VERBOSE DELETE FROM t", "explain, delete-all table public.t");
    check("EXPLAIN (SELECT a FROM t)", "explain, select table public.t");
    check("PREPARE p (int, text) AS UPDATE t SET a = $1", "prepare p, update-all table public.t");
    check("EXECUTE p (1, 'x')", "");
    check("DEALLOCATE ALL", "prepare");
    check("DECLARE c NO SCROLL CURSOR WITH HOLD FOR SELECT * FROM t", "select table public.t");
    check("FETCH FORWARD 10 FROM c", "cursor c");
    check("MOVE c", "cursor c");
    check("CLOSE c", "cursor c");
    check("DO $$ begin end $$ LANGUAGE plpgsql", "do");
    check("CALL audit(1)", "call function public.audit");
    let effects = &read("EXECUTE p").statements[0].effects;
    assert_eq!(effects.executes.as_deref(), Some("p"));
    assert_eq!(read("PREPARE p AS SELECT 1").statements[0].effects.prepares.as_deref(), Some("p"));
    assert_eq!(read("DECLARE c CURSOR FOR SELECT 1").statements[0].effects.declares.as_deref(), Some("c"));
    for (text, holds) in [("", false), (" WITH HOLD", true), (" WITHOUT HOLD", false)] {
        let text = format!("DECLARE c SCROLL CURSOR{text} FOR SELECT 1");
        assert_eq!(read(&text).statements[0].effects.holds, holds, "{text}");
    }
    assert_eq!(read("EXPLAIN EXECUTE p").statements[0].effects.executes.as_deref(), Some("p"));
}

#[test]
fn copy_tells_its_direction() {
    check("COPY t FROM STDIN", "insert table public.t, copy-in table public.t");
    check(
        "COPY t (a, b) TO STDOUT WITH (FORMAT csv, HEADER)",
        "select table public.t, copy-out table public.t",
    );
    check("COPY t TO STDOUT CSV HEADER DELIMITER ','", "select table public.t, copy-out table public.t");
    check("COPY (SELECT a FROM t) TO STDOUT", "select table public.t, copy-out");
    check("COPY t FROM '/etc/passwd'", "insert table public.t, copy-server table public.t");
    check("COPY t FROM PROGRAM 'id'", "insert table public.t, copy-program");
    check("COPY t TO PROGRAM 'cat'", "select table public.t, copy-program");
    check("COPY (SELECT a FROM t) TO PROGRAM 'cat'", "select table public.t, copy-program");
    check("COPY t FROM STDIN WITH (FREEZE on) WHERE a > 1", "insert table public.t, copy-in table public.t");
    assert_eq!(read("COPY t FROM STDIN").statements[0].effects.copy, Some(CopyDirection::In));
    assert_eq!(read("COPY t TO STDOUT").statements[0].effects.copy, Some(CopyDirection::Out));
    assert_eq!(read("COPY t TO '/tmp/x'").statements[0].effects.copy, None);
}

#[test]
fn definitions_are_told_by_kind() {
    check(
        "CREATE TABLE n (a serial PRIMARY KEY, b varchar(10) DEFAULT now(), CHECK (a > 0))",
        "create table public.n",
    );
    check("CREATE TEMP TABLE n (a int)", "create table pg_temp.n");
    check("CREATE TABLE other.n (LIKE t INCLUDING ALL)", "create table other.n, select table public.t");
    check("CREATE TABLE n AS SELECT * FROM t WITH NO DATA", "create table public.n, select table public.t");
    check(
        "CREATE TABLE e25 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')",
        "create table public.e25, alter table public.events, *alter table public.events_2024",
    );
    check("CREATE VIEW v AS SELECT a FROM t", "create view public.v, select table public.t");
    check("CREATE INDEX CONCURRENTLY i ON t USING btree (a)", "create index public.t");
    check("CREATE SCHEMA s", "create schema s");
    check("CREATE EXTENSION IF NOT EXISTS pgcrypto", "create extension pgcrypto");
    check("CREATE TYPE m AS ENUM ('a', 'b')", "create type public.m");
    check("CREATE ROLE x LOGIN PASSWORD 'x'", "role x");
    check("CREATE USER x WITH VALID UNTIL 'x' IN ROLE a, b", "role x, *grant role a, *grant role b");
    check("CREATE GROUP x USER a CONNECTION LIMIT 1 IN GROUP b", "role x, *grant role x, *grant role b");
    check("ALTER GROUP x ADD USER a, b", "role x, *grant role x");
    check("ALTER GROUP x DROP USER a", "role x, *revoke role x");
    check("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "create function public.f");
    check("ALTER TABLE t ADD COLUMN c int", "alter table public.t");
    check("ALTER TABLE IF EXISTS missing RENAME TO x", "alter table public.missing, create table public.x");
    check("ALTER TABLE missing ADD c int", "opaque (relation \"missing\" does not exist in the catalog)");
    check(
        "ALTER TABLE events ATTACH PARTITION t FOR VALUES IN (1)",
        "alter table public.events, *alter table public.events_2024, alter table public.t, *select table public.t",
    );
    check("ALTER SYSTEM SET work_mem = 1", "system work_mem");
    check("ALTER DATABASE d SET search_path TO x", "alter database d, *set search_path");
    check("DROP TABLE t, public.orders CASCADE", "drop table public.t, drop table public.orders");
    check("DROP TABLE IF EXISTS missing", "drop table public.missing");
    check("DROP TABLE missing", "opaque (relation \"missing\" does not exist in the catalog)");
    check(
        "DROP SCHEMA other CASCADE",
        "drop schema other, *drop table other.notes, *drop function other.lower",
    );
    check("DROP FUNCTION audit(int)", "drop function public.audit");
    check("DROP ROLE x, y", "role x, role y");
    // By whatever word, it is a domain.
    check("DROP TYPE email", "drop domain email");
    check("ALTER TYPE public.email OWNER TO x", "alter domain public.email");
    check("DROP ROUTINE audit", "drop function public.audit");
    check("DROP TRIGGER g ON t", "drop trigger g, alter table public.t");
    check("DROP PUBLICATION x, public CASCADE", "drop publication x, drop publication public");
    check("DROP COLLATION x, other.y", "drop collation x, drop collation other.y");
    check("DROP EXTENSION IF EXISTS x, y", "drop extension x, drop extension y");
    check("DROP OPERATOR other.===(int, int), +(NONE, int)", "drop operator other.===, drop operator +");
    check("DROP OPERATOR CLASS x USING btree RESTRICT", "drop operator class x");
    check("DROP DATABASE x WITH (FORCE)", "drop database x");
    check("DROP CAST (text AS int)", "drop cast");
    assert!(is_opaque("DROP SERVER x, y z"));
    check("COMMENT ON COLUMN t.a IS 'x'", "alter table public.t");
    check("COMMENT ON TABLE t IS NULL", "alter table public.t");
    check("COMMENT ON CONSTRAINT c ON t IS 'x'", "alter table public.t");
    check("COMMENT ON CONSTRAINT c ON DOMAIN email IS 'x'", "alter domain email");
    // A table that is called so.
    let created = "CREATE TABLE domain (a int); ";
    for text in ["COMMENT ON CONSTRAINT c ON domain IS 'x'", "COMMENT ON TRIGGER c ON public.domain IS 'x'"] {
        let found = actions(&format!("{created}{text}"));
        assert!(found.ends_with("alter table public.domain"), "{text}: {found}");
    }
    check("GRANT SELECT, UPDATE (a) ON t TO x WITH GRANT OPTION", "grant table public.t");
    check(
        "REVOKE ALL PRIVILEGES ON ALL TABLES IN SCHEMA other FROM public",
        "revoke schema other, *revoke table other.notes",
    );
    check("GRANT admin TO x", "grant role admin");
    check("GRANT USAGE ON SCHEMA other TO x", "grant schema other");
    check(
        "GRANT SELECT, UPDATE ON LARGE OBJECT 1001, 1002 TO x",
        "grant large object 1001, grant large object 1002",
    );
    check("REVOKE ALL ON LARGE OBJECT -1 FROM PUBLIC CASCADE", "revoke large object -1");
    check("GRANT USAGE ON FOREIGN SERVER s, r TO x", "grant server s, grant server r");
    check("REVOKE GRANT OPTION FOR USAGE ON FOREIGN DATA WRAPPER w FROM x", "revoke foreign data wrapper w");
    check("GRANT SET, ALTER SYSTEM ON PARAMETER work_mem, app.x TO x", "grant work_mem, grant app.x");
    check(
        "GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO x",
        "grant schema public, *grant sequence public.s",
    );
    check(
        "REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA other FROM x",
        "revoke schema other, *revoke function other.lower",
    );
    let large = "CREATE TABLE large (a int); GRANT SELECT ON large TO x";
    assert!(actions(large).ends_with("; grant table public.large"), "{}", actions(large));
    check("TRUNCATE t, orders RESTART IDENTITY", "truncate table public.t, truncate table public.orders");
    check("LOCK TABLE t IN ACCESS EXCLUSIVE MODE NOWAIT", "lock table public.t");
    check("LOCK t", "lock table public.t");
    check("LOCK TABLE t IN SHARE MODE", "lock table public.t");
    check(
        "LOCK TABLE ONLY t, orders IN ACCESS SHARE MODE",
        "select table public.t, select table public.orders",
    );
    check("VACUUM (FULL, ANALYZE) t", "maintain table public.t");
    check("VACUUM", "maintain");
    check("ANALYZE t (a, b)", "maintain table public.t");
    check("REINDEX TABLE CONCURRENTLY t", "maintain table public.t");
    check("CHECKPOINT", "maintain");
    for text in [
        "CREATE TABLE n (a int)",
        "ALTER TABLE t ADD c int",
        "DROP TABLE t",
        "GRANT SELECT ON t TO x",
        "CREATE FUNCTION f() RETURNS int AS 'x'",
    ] {
        assert!(read(text).statements[0].effects.ddl, "{text}");
    }
    assert!(read("CREATE TEMP TABLE n (a int)").statements[0].effects.temp);
    assert!(!read("SELECT 1").statements[0].effects.ddl);
}

#[test]
fn what_psql_sends_is_understood() {
    let list = "SELECT n.nspname as \"Schema\", c.relname as \"Name\",
  CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' END as \"Type\",
  pg_catalog.pg_get_userbyid(c.relowner) as \"Owner\"
FROM pg_catalog.pg_class c
     LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
WHERE c.relkind IN ('r','p','v','m','S','f','')
      AND n.nspname <> 'pg_catalog'
      AND n.nspname !~ '^pg_toast'
      AND n.nspname <> 'information_schema'
  AND pg_catalog.pg_table_is_visible(c.oid)
ORDER BY 1,2;";
    check(
        list,
        "select table pg_catalog.pg_class, select table pg_catalog.pg_namespace, select table pg_catalog.pg_am",
    );
    let one = "SELECT c.oid, n.nspname, c.relname FROM pg_catalog.pg_class c
     LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname OPERATOR(pg_catalog.~) '^(t)$' COLLATE pg_catalog.default
  AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 2, 3;";
    check(one, "select table pg_catalog.pg_class, select table pg_catalog.pg_namespace");
    let columns = "SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnum
FROM pg_catalog.pg_attribute a WHERE a.attrelid = '16385'::pg_catalog.regclass AND a.attnum > 0 ORDER BY a.attnum;";
    check(columns, "select table pg_catalog.pg_attribute");
}

#[test]
fn a_setting_may_be_set_where_the_server_has_it() {
    check(
        "SELECT set_config(name, 'x', false) FROM pg_settings WHERE name = 'work_mem'",
        "select view pg_catalog.pg_settings, *function pg_catalog.set_config, set work_mem",
    );
    check(
        "SELECT set_config(name, 'admin', false) FROM pg_catalog.pg_settings WHERE name = 'role'",
        "select view pg_catalog.pg_settings, *function pg_catalog.set_config, set-role admin",
    );
    for text in [
        "SELECT set_config(name, 'x', false) FROM pg_settings",
        "SELECT set_config(name, 'x', false) FROM pg_settings WHERE name = 'a' OR true",
        "SELECT set_config(name, 'x', false) FROM pg_settings WHERE name = $1",
        "SELECT set_config(name, 'x', false) FROM pg_settings, customers WHERE name = 'a'",
        "SELECT set_config(name, 'x', false) FROM customers WHERE name = 'a'",
        "SELECT set_config(setting, 'x', false) FROM pg_settings WHERE name = 'a'",
        "SELECT set_config(name, 'x', false) FROM pg_settings s (a, name) WHERE name = 'a'",
        "SELECT (SELECT set_config(name, 'x', false) FROM customers) FROM pg_settings WHERE name = 'a'",
        "SELECT a FROM pg_settings s (a, name) WHERE name = 'a' AND set_config(name, 'x', false) = ''",
    ] {
        assert!(is_opaque(text), "{text} gave {}", actions(text));
    }
}
