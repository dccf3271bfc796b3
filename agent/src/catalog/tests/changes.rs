//! What a keeper comes to change by change is what a new one reads at once, whatever has been done to a real database.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tokio_postgres::Client;

use super::postgres::Server;
use super::real::{eventually, start};
use super::*;

/// Statements of which each `#` becomes one of a few digits, so that they meet each other's objects. Many of them fail. `; ` is
/// between two.
const STATEMENTS: &[&str] = &[
    "CREATE TABLE s#.t# (id int, a text, b int)",
    "CREATE TABLE s#.t# (LIKE s#.t#)",
    "CREATE TABLE s#.t# (c int GENERATED ALWAYS AS (1) STORED) INHERITS (s#.t#)",
    "CREATE TABLE s#.t# (id int) PARTITION BY LIST (id)",
    "CREATE TABLE s#.t# PARTITION OF s#.t# DEFAULT",
    "CREATE TEMP TABLE t# (id int)",
    "DROP TABLE s#.t#",
    "DROP TABLE s#.t# CASCADE",
    "DROP TABLE s#.t#; CREATE TABLE s#.t# (b text)",
    "TRUNCATE s#.t#",
    "ALTER TABLE s#.t# ADD COLUMN c# int",
    "ALTER TABLE s#.t# DROP COLUMN c#",
    "ALTER TABLE s#.t# DROP COLUMN a CASCADE",
    "ALTER TABLE s#.t# RENAME COLUMN a TO c#",
    "ALTER TABLE s#.t# RENAME COLUMN c# TO a",
    "ALTER TABLE s#.t# ALTER COLUMN b TYPE bigint",
    "ALTER TABLE s#.t# ALTER COLUMN a TYPE varchar(20)",
    "ALTER TABLE s#.t# RENAME TO t#",
    "ALTER TABLE s#.t# RENAME TO x; ALTER TABLE s#.t# RENAME TO t#; ALTER TABLE s#.x RENAME TO t#",
    "ALTER TABLE s#.t# SET SCHEMA s#",
    "ALTER TABLE s#.t# INHERIT s#.t#",
    "ALTER TABLE s#.t# NO INHERIT s#.t#",
    "ALTER TABLE s#.t# ATTACH PARTITION s#.t# FOR VALUES IN (#)",
    "ALTER TABLE s#.t# DETACH PARTITION s#.t#",
    "ALTER TABLE s#.t# ADD PRIMARY KEY (id)",
    "CREATE INDEX ON s#.t# (id)",
    "CREATE UNIQUE INDEX ON s#.t# (b) WHERE id > 0",
    "ALTER TABLE s#.t# ADD FOREIGN KEY (b) REFERENCES s#.t#",
    "ALTER TABLE s#.t# ADD CHECK (id < b)",
    "ANALYZE",
    "VACUUM pg_catalog.pg_attribute",
    "CREATE VIEW s#.v# AS SELECT * FROM s#.t#",
    "CREATE VIEW s#.v# AS SELECT id, to_json(t) FROM s#.t# t",
    "CREATE OR REPLACE VIEW s#.v# AS SELECT id, s#.f#(1) AS f FROM s#.t#",
    "CREATE VIEW s#.v# AS SELECT 1 OPERATOR(s#.@@+) 2 AS o",
    "CREATE VIEW s#.v# AS SELECT * FROM s#.v#",
    "CREATE VIEW s#.v# AS SELECT rolname FROM pg_catalog.pg_authid",
    "CREATE MATERIALIZED VIEW s#.m# AS SELECT * FROM s#.t#",
    "REFRESH MATERIALIZED VIEW s#.m#",
    "ALTER VIEW s#.v# RENAME TO v#",
    "DROP VIEW s#.v# CASCADE",
    "CREATE RULE r# AS ON INSERT TO s#.t# DO ALSO DELETE FROM s#.t#",
    "CREATE OR REPLACE RULE r# AS ON DELETE TO s#.t# DO INSTEAD NOTHING",
    "DROP RULE r# ON s#.t#",
    "CREATE FUNCTION s#.f#(n int) RETURNS int LANGUAGE sql AS 'SELECT n'",
    "CREATE FUNCTION s#.f#(n text) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1'",
    "CREATE OR REPLACE FUNCTION s#.f#(n int) RETURNS int LANGUAGE sql STABLE AS 'SELECT n + 1'",
    "ALTER FUNCTION s#.f#(int) SECURITY DEFINER",
    "ALTER FUNCTION s#.f#(int) RENAME TO f#",
    "ALTER FUNCTION s#.f#(int) SET SCHEMA s#",
    "DROP FUNCTION s#.f#(int) CASCADE",
    "CREATE PROCEDURE s#.p#() LANGUAGE sql AS ''",
    "CREATE FUNCTION s#.g#() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW;END'",
    "CREATE TRIGGER t# BEFORE INSERT ON s#.t# FOR EACH ROW EXECUTE FUNCTION s#.g#()",
    "DROP TRIGGER t# ON s#.t#",
    "CREATE OPERATOR s#.@@+ (LEFTARG = int, RIGHTARG = int, FUNCTION = int4pl)",
    "DROP OPERATOR s#.@@+ (int, int) CASCADE",
    "CREATE TYPE s#.e# AS ENUM ('a')",
    "ALTER TYPE s#.e# RENAME TO e#",
    "ALTER TYPE s#.e# ADD VALUE 'b'",
    "ALTER TYPE s#.e# SET SCHEMA s#",
    "CREATE TYPE s#.c# AS (a int)",
    "ALTER TYPE s#.c# ADD ATTRIBUTE b int",
    "CREATE DOMAIN s#.d# AS int CHECK (VALUE > 0)",
    "CREATE TYPE s#.e# AS RANGE (subtype = int)",
    "DROP TYPE s#.e# CASCADE",
    "DROP DOMAIN s#.d# CASCADE",
    "ALTER TABLE s#.t# ADD COLUMN c# s#.e#[]",
    "ALTER TABLE s#.t# ADD COLUMN c# s#.d#",
    "ALTER TABLE s#.t# ADD COLUMN c# s#.t#",
    "CREATE POLICY y# ON s#.t# USING (EXISTS (SELECT FROM s#.t#))",
    "CREATE FUNCTION s#.f#(s#.e#) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT count(*)::int FROM s#.t#; END",
    "ALTER DOMAIN s#.d# RENAME TO d#",
    "CREATE CAST (s#.c# AS text) WITH INOUT",
    "CREATE SEQUENCE s#.q#",
    "CREATE SCHEMA s#",
    "ALTER SCHEMA s# RENAME TO s#",
    "ALTER SCHEMA s# RENAME TO pg_toast_like; ALTER SCHEMA pg_toast_like RENAME TO s#",
    "DROP SCHEMA s# CASCADE",
    "GRANT SELECT ON ALL TABLES IN SCHEMA s# TO public",
    "CREATE LANGUAGE l# HANDLER plpgsql_call_handler",
    "CREATE FUNCTION s#.f#(n int8) RETURNS int LANGUAGE l# AS 'BEGIN RETURN 1;END'",
    "ALTER LANGUAGE l# RENAME TO l#",
    // Expressions that call a user's function, or `set_config`.
    "ALTER TABLE s#.t# ALTER COLUMN a SET DEFAULT set_config('search_path', 'x', false)",
    "ALTER TABLE s#.t# ALTER COLUMN id SET DEFAULT s#.f#(1)",
    "ALTER TABLE s#.t# ALTER COLUMN a DROP DEFAULT",
    "ALTER TABLE s#.t# ALTER COLUMN id DROP DEFAULT",
    "CREATE TABLE s#.t# (id int, a text, g int GENERATED ALWAYS AS (s#.f#(1)) STORED)",
    "ALTER TABLE s#.t# ADD CONSTRAINT k# CHECK (s#.f#(id) > 0) NOT VALID",
    "ALTER TABLE s#.t# ADD CONSTRAINT k# CHECK (set_config('x.y', 'z', false) <> '') NOT VALID",
    "ALTER TABLE s#.t# VALIDATE CONSTRAINT k#",
    "ALTER TABLE s#.t# DROP CONSTRAINT k#",
    "CREATE DOMAIN s#.d# AS text CHECK (set_config('x.y', VALUE, false) <> '')",
    "CREATE DOMAIN s#.d# AS int CHECK (s#.f#(VALUE) > 0)",
    "CREATE DOMAIN s#.d# AS int DEFAULT s#.f#(1)",
    "CREATE DOMAIN s#.d# AS s#.d#",
    "ALTER DOMAIN s#.d# ADD CONSTRAINT k# CHECK (set_config('x.y', 'z', false) <> '') NOT VALID",
    "ALTER DOMAIN s#.d# DROP CONSTRAINT k#",
    "ALTER DOMAIN s#.d# SET DEFAULT s#.f#(2)",
    "ALTER DOMAIN s#.d# DROP DEFAULT",
    "DROP DOMAIN s#.d# CASCADE",
    "ALTER TABLE s#.t# ADD COLUMN c# s#.d#",
    "ALTER TABLE s#.t# ADD COLUMN c# s#.d#[]",
    "ALTER TABLE s#.t# ADD COLUMN c# s#.c#",
    "ALTER TABLE s#.t# ALTER COLUMN id TYPE s#.d#",
    "ALTER TYPE s#.c# ADD ATTRIBUTE d# s#.d#",
    "ALTER TYPE s#.c# DROP ATTRIBUTE IF EXISTS d#",
    "CREATE INDEX i# ON s#.t# (s#.f#(id))",
    "CREATE INDEX i# ON s#.t# (id) WHERE s#.f#(id) > 0",
    "REINDEX INDEX CONCURRENTLY s#.i#",
    "DROP INDEX s#.i#",
    "CREATE TABLE s#.t# (id int, a text) PARTITION BY RANGE (s#.f#(id))",
    "CREATE VIEW s#.v# AS SELECT set_config('search_path', 'x', false)",
    "CREATE RULE r# AS ON UPDATE TO s#.t# DO ALSO SELECT set_config('search_path', 'x', false)",
    "CREATE POLICY p# ON s#.t# USING (set_config('x.y', 'z', false) <> '')",
    "CREATE POLICY p# ON s#.t# USING (s#.f#(id) > 0)",
    "ALTER POLICY p# ON s#.t# USING (true)",
    "ALTER POLICY p# ON s#.t# WITH CHECK (set_config('x.y', 'z', false) <> '')",
    "DROP POLICY p# ON s#.t#",
    // What they call may become another without them.
    "CREATE OR REPLACE FUNCTION s#.f#(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2'",
    "CREATE OR REPLACE FUNCTION s#.f#(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN n;END'",
    "CREATE OR REPLACE FUNCTION s#.f#(n int) RETURNS int LANGUAGE internal IMMUTABLE AS 'int4up'",
    "UPDATE pg_catalog.pg_proc SET prolang = 12 WHERE proname = 'f#'",
    "CREATE AGGREGATE s#.f#(text) (SFUNC = s#.h#, STYPE = text)",
    "CREATE FUNCTION s#.h#(text, text) RETURNS text LANGUAGE sql AS 'SELECT $1'",
    "CREATE FUNCTION s#.h#(s#.c#) RETURNS text LANGUAGE sql AS 'SELECT NULL::text'",
    "CREATE CAST (s#.c# AS text) WITH FUNCTION s#.h#(s#.c#)",
    "DROP CAST (s#.c# AS text)",
    "DROP FUNCTION s#.h#(s#.c#) CASCADE",
    "CREATE OPERATOR s#.!!! (RIGHTARG = int, FUNCTION = s#.f#)",
    "DROP OPERATOR s#.!!! (NONE, int) CASCADE",
    "CREATE POLICY p# ON s#.t# USING (OPERATOR(s#.!!!) id > 0)",
    // Who may use a schema.
    "GRANT USAGE ON SCHEMA s# TO public",
    "REVOKE USAGE ON SCHEMA s# FROM public",
    "ALTER SCHEMA s# OWNER TO pg_monitor",
    "ALTER SCHEMA s# OWNER TO postgres",
    "GRANT pg_monitor TO pg_signal_backend",
    "REVOKE pg_monitor FROM pg_signal_backend",
    // What only a superuser does.
    "UPDATE pg_catalog.pg_proc SET provolatile = 'v' WHERE proname = 'int4pl'",
    "UPDATE pg_catalog.pg_proc SET provolatile = 'i' WHERE proname = 'int4pl'",
    "UPDATE pg_catalog.pg_operator SET oprcode = 'int4mi' WHERE oprname = '@@+'",
    "UPDATE pg_catalog.pg_attribute SET attname = 'zz' WHERE attrelid = 'pg_catalog.pg_authid'::regclass AND attnum = 3",
    "UPDATE pg_catalog.pg_attribute SET attname = 'rolsuper' WHERE attrelid = 'pg_catalog.pg_authid'::regclass AND attnum = 3",
    "CREATE OR REPLACE VIEW pg_catalog.pg_user AS SELECT * FROM pg_catalog.pg_shadow",
];

/// Rare, because they write every row anew.
const REWRITES: &[&str] = &["VACUUM FULL pg_catalog.pg_class", "VACUUM FULL pg_catalog.pg_attribute"];

/// How many statements, and after how many each all of it is compared.
const STEPS: (usize, usize) = (800, 4);

#[derive(Debug, Clone)]
enum Step {
    Run(String),
    Begin,
    Commit,
    Rollback,
}

fn steps() -> impl Strategy<Value = (usize, Step)> {
    let statement = (
        prop_oneof![40 => proptest::sample::select(STATEMENTS), 1 => proptest::sample::select(REWRITES)],
        proptest::collection::vec(0..3_u8, 8),
    )
        .prop_map(|(statement, digits)| {
            let mut digits = digits.iter().cycle();
            let digit = |c: char| match c {
                '#' => digits.next().map_or('0', |digit| char::from(b'0' + digit)),
                c => c,
            };
            Step::Run(statement.chars().map(digit).collect())
        });
    let step = prop_oneof![
        30 => statement,
        2 => Just(Step::Begin),
        3 => Just(Step::Commit),
        1 => Just(Step::Rollback),
    ];
    (0..2_usize, step)
}

async fn play(client: &Client, step: &Step) -> bool {
    let text = match step {
        Step::Run(text) => text,
        Step::Begin => "BEGIN",
        Step::Commit => "COMMIT",
        Step::Rollback => "ROLLBACK",
    };
    let mut done = true;
    for text in text.split("; ") {
        done &= client.batch_execute(text).await.is_ok();
    }
    done
}

#[test]
fn what_has_changed_comes_to_the_same_as_all_read_at_once() {
    let Some(server) = Server::start() else { return };
    run(async {
        let clients = [server.client("postgres").await, server.client("postgres").await];
        for client in &clients {
            // One of the two may wait for a lock of the other's, which is not to end.
            client
                .batch_execute("SET lock_timeout = '20ms'; SET allow_system_table_mods = on")
                .await
                .unwrap();
        }
        for schema in 0..3 {
            clients[0].batch_execute(&format!("CREATE SCHEMA s{schema}")).await.unwrap();
        }
        let catalogs = start(&server, "postgres", Config::default());
        let live = catalogs.get(&key("postgres")).await.unwrap();
        let mut runner = TestRunner::default();
        let strategy = steps();
        let (mut last, mut worked) = (Vec::new(), 0);
        for number in 1..=STEPS.0 {
            let (who, step) = strategy.new_tree(&mut runner).unwrap().current();
            worked += usize::from(play(&clients[who], &step).await);
            last.push((who, step));
            let before = live.current();
            let now = live.refresh().await.unwrap();
            assert_eq!(now.generation() == before.generation(), now.is_like(&before), "{last:?}");
            if number % STEPS.1 == 0 {
                let whole = start(&server, "postgres", Config::default());
                let whole = whole.get(&key("postgres")).await.unwrap().current();
                assert!(now.is_like(&whole), "after {last:?}: {}", difference(&now, &whole));
                last.clear();
            }
        }
        assert!(worked > STEPS.0 / 8, "only {worked} statements were taken");
    });
}

#[test]
fn a_transaction_that_ends_after_later_ones_is_seen() {
    let Some(server) = Server::start() else { return };
    run(async {
        let (first, other) = (server.client("postgres").await, server.client("postgres").await);
        let catalogs = start(&server, "postgres", Config::default());
        let live = catalogs.get(&key("postgres")).await.unwrap();
        let function =
            |name: &str| format!("CREATE FUNCTION {name}() RETURNS int LANGUAGE sql AS 'SELECT 1'");
        first.batch_execute(&function("f")).await.unwrap();
        // Its number is between those of the two functions, so that the sum of all numbers does not change with it.
        other.batch_execute("BEGIN; SELECT pg_current_xact_id()").await.unwrap();
        first.batch_execute(&function("g")).await.unwrap();
        let before = live.refresh().await.unwrap();
        let alter = "ALTER FUNCTION f() SECURITY DEFINER; ALTER FUNCTION g() SECURITY DEFINER; COMMIT";
        other.batch_execute(alter).await.unwrap();
        let now = live.refresh().await.unwrap();
        assert!(now.generation() > before.generation());
        for name in ["f", "g"] {
            assert!(now.functions_named("public", name).all(|function| function.security_definer), "{name}");
        }
    });
}

#[test]
fn a_server_in_the_place_of_another_is_read_anew() {
    let Some(mut server) = Server::start() else { return };
    let catalogs = start(&server, "postgres", Config::default());
    let column = |name: &'static str| format!("CREATE TABLE t (id int, {name} text)");
    let copy = server.copy_data();
    run(async { server.client("postgres").await.batch_execute(&column("ssn")).await.unwrap() });
    let before = run(catalogs.get(&key("postgres"))).unwrap().current();
    assert!(before.relation_named("public", "t").unwrap().column("ssn").is_some());
    // The same transaction by its number writes the same rows by theirs, with other content.
    server.replace_data(&copy);
    run(async { server.client("postgres").await.batch_execute(&column("name")).await.unwrap() });
    run(async {
        let attempt = async || match catalogs.get(&key("postgres")).await {
            Ok(live) => live.refresh().await.is_ok(),
            Err(_) => false,
        };
        eventually(attempt, |done| *done).await;
        let now = catalogs.get(&key("postgres")).await.unwrap().current();
        assert!(now.relation_named("public", "t").unwrap().column("name").is_some());
    });
}

/// The first thing that two catalogs have not in common.
fn difference(now: &Catalog, whole: &Catalog) -> String {
    let relations = |a: &Catalog, b: &Catalog| {
        a.relations()
            .find(|r| b.relation(r.oid) != Some(r))
            .map(|r| format!("{r:?} is {:?}", b.relation(r.oid)))
    };
    let functions = |a: &Catalog, b: &Catalog| {
        a.functions()
            .find(|f| b.function(f.oid) != Some(f))
            .map(|f| format!("{f:?} is {:?}", b.function(f.oid)))
    };
    relations(now, whole)
        .or_else(|| relations(whole, now))
        .or_else(|| functions(now, whole))
        .or_else(|| functions(whole, now))
        .unwrap_or_else(|| {
            let unseen = [now, whole].map(|c| (c.has_hidden_calls(), c.has_event_triggers()));
            let schemas = now.has_same_schemas(whole);
            format!("hidden calls {unseen:?}, the same schemas {schemas}, or types")
        })
}
