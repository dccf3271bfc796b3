//! What of a database runs code is read as it is, and followed as it changes.

use policy::catalog::{Body, Cascade, Referential};

use super::postgres::Server;
use super::real::start;
use super::*;

const SCHEMA: &str = "
    CREATE SCHEMA s;
    CREATE TABLE s.t (id int PRIMARY KEY, a text);
    CREATE TABLE s.child (id int REFERENCES s.t ON DELETE CASCADE);
    CREATE TABLE s.refers (id int REFERENCES s.t);
    CREATE TABLE s.refers_to (id int, a text);
    CREATE FUNCTION s.text(text) RETURNS text LANGUAGE sql SET work_mem = '4MB' AS 'SELECT a FROM s.t';
    CREATE FUNCTION s.tree() RETURNS text LANGUAGE sql BEGIN ATOMIC
      INSERT INTO s.t SELECT length(s.text('x')), 'x'; SELECT relname::text FROM pg_class; END;
    CREATE FUNCTION s.own(int) RETURNS int LANGUAGE internal IMMUTABLE AS 'int4up';
    CREATE FUNCTION s.hung() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE FUNCTION s.step(text, text) RETURNS text LANGUAGE sql AS 'SELECT $1';
    CREATE AGGREGATE s.gathered(text) (sfunc = s.step, stype = text);
    CREATE TRIGGER g AFTER INSERT ON s.t FOR EACH ROW EXECUTE FUNCTION s.hung();
    CREATE OPERATOR s.+ (leftarg = text, rightarg = text, function = s.step);
    CREATE FUNCTION s.of(s.t) RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE CAST (s.t AS int) WITH FUNCTION s.of(s.t);
    CREATE FUNCTION s.key(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT $1';
    CREATE INDEX keyed ON s.t (s.key(a));
    CREATE STATISTICS s.counted ON (s.key(a)), id FROM s.refers_to;
    CREATE TYPE s.mood AS ENUM ('good');
    CREATE FUNCTION s.told(s.mood) RETURNS json LANGUAGE sql AS $$SELECT '1'::json$$;
    CREATE CAST (s.mood AS json) WITH FUNCTION s.told(s.mood);
    CREATE FUNCTION s.valid(text) RETURNS bool LANGUAGE sql AS 'SELECT true';
    CREATE DOMAIN s.email AS text CHECK (s.valid(VALUE));
    CREATE TYPE s.span AS RANGE (subtype = s.email);
    CREATE FUNCTION s.takes(int, s.email[]) RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION s.given(int, text DEFAULT s.text('x') OPERATOR(s.+) set_config('a.b', 'c', false)) RETURNS int
      LANGUAGE sql AS 'SELECT 1';
    CREATE VIEW s.v AS SELECT pg_read_file('x') AS a, s.text('y') AS b;
";

#[test]
fn what_runs_code_is_read() {
    let Some(server) = Server::start() else { return };
    run(async {
        let admin = server.client("postgres").await;
        admin.batch_execute(SCHEMA).await.unwrap();
        let catalogs = start(&server, "postgres", Config::default());
        let live = catalogs.get(&key("postgres")).await.unwrap();
        let catalog = live.current();
        let named = |name: &str| catalog.functions_named("s", name).next().unwrap().clone();
        let relation = |name: &str| catalog.relation_named("s", name).unwrap().clone();
        let text = named("text");
        assert_eq!(text.body, Body::Text("SELECT a FROM s.t".into()));
        assert_eq!(text.config, ["work_mem=4MB"]);
        let Body::Tree { relations, functions, writes } = named("tree").body else { panic!("no tree") };
        assert!(relations.contains(&relation("t").oid) && relations.contains(&1259), "{relations:?}");
        assert!(functions.contains(&text.oid) && writes, "{functions:?}");
        assert_eq!(named("own").body, Body::Foreign);
        assert_eq!(named("gathered").body, Body::Calls(vec![named("step").oid]));
        let of_t = relation("t").writes;
        assert_eq!(
            of_t.triggers.iter().map(|t| (t.function, t.tgtype)).collect::<Vec<_>>(),
            [(named("hung").oid, 5)]
        );
        let (on_delete, on_update) = (Referential::Cascade, Referential::Nothing);
        let carries = Cascade { relation: relation("child").oid, on_delete, on_update };
        let (on_delete, relation_of) = (Referential::Nothing, relation("refers"));
        assert_eq!(of_t.cascades, [carries, Cascade { relation: relation_of.oid, on_delete, on_update }]);
        let key = vec![named("key").oid];
        for of in ["t", "keyed", "refers_to"] {
            assert_eq!(relation(of).writes.kept, key, "{of}");
        }
        let calls = catalog.calls();
        assert_eq!(calls.operators["+"], [("s".to_owned(), named("step").oid)]);
        assert_eq!(
            calls.casts.iter().map(|c| (&*c.name, c.function)).collect::<Vec<_>>(),
            [("int4", named("of").oid)]
        );
        let valid = vec![named("valid").oid];
        let email: String =
            admin.query_one("SELECT 's.email'::regtype::oid::text", &[]).await.unwrap().get(0);
        assert_eq!(calls.values[&email.parse::<policy::Oid>().unwrap()], valid);
        assert_eq!(
            (&calls.arguments[&named("takes").oid], &calls.arguments[&named("span").oid]),
            (&valid, &valid)
        );
        assert!(!calls.arguments.contains_key(&named("valid").oid));
        let given = &calls.arguments[&named("given").oid];
        let set_config = catalog.functions_named("pg_catalog", "set_config").next().unwrap().oid;
        assert!([text.oid, named("step").oid, set_config].iter().all(|oid| given.contains(oid)), "{given:?}");
        // to_json looks for it by itself.
        assert_eq!(calls.unseen, [named("told").oid]);
        let called = relation("v").functions;
        let read_file = catalog.functions_named("pg_catalog", "pg_read_file").map(|f| f.oid);
        assert!(
            called.contains(&text.oid) && read_file.into_iter().any(|oid| called.contains(&oid)),
            "{called:?}"
        );

        for statement in [
            "CREATE OR REPLACE FUNCTION s.text(text) RETURNS text LANGUAGE sql AS 'SELECT 1::text'",
            "DROP TRIGGER g ON s.t",
            "ALTER TABLE s.t ALTER a SET DEFAULT s.text('z')",
            "DROP OPERATOR s.+ (text, text) CASCADE",
        ] {
            admin.batch_execute(statement).await.unwrap();
        }
        let catalog = live.refresh().await.unwrap();
        let text = catalog.functions_named("s", "text").next().unwrap();
        assert_eq!((&text.body, text.config.len()), (&Body::Text("SELECT 1::text".into()), 0));
        let writes = &catalog.relation_named("s", "t").unwrap().writes;
        assert!(writes.triggers.is_empty() && writes.functions.contains(&text.oid), "{writes:?}");
        assert!(catalog.calls().operators.is_empty());
    });
}
