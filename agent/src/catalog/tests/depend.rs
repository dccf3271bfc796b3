//! What stands on what is read as the server has it, and followed as it changes.

use std::collections::BTreeSet;

use policy::catalog::{Base, Dependent, Thing};
use policy::{Catalog, ColumnRef};

use super::postgres::Server;
use super::real::start;
use super::*;

const SCHEMA: &str = "
    CREATE SCHEMA s;
    CREATE SCHEMA other;
    CREATE TYPE s.mood AS ENUM ('a', 'b');
    CREATE DOMAIN s.positive AS int;
    CREATE DOMAIN s.tiny AS s.positive CHECK (VALUE < 9);
    CREATE TYPE s.pair AS (a int, b s.mood);
    CREATE FUNCTION s.f(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
    CREATE FUNCTION s.g(int, int) RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION s.run() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TABLE other.t (id int DEFAULT s.f(1), m s.mood[], p s.pair, n s.tiny, CHECK (s.f(id) > 0));
    CREATE TABLE other.u (t other.t);
    CREATE INDEX i ON other.t (s.f(id));
    CREATE TRIGGER g BEFORE INSERT ON other.t FOR EACH ROW EXECUTE FUNCTION s.run();
    CREATE POLICY y ON other.u USING (s.f(1) = 1);
    CREATE POLICY z ON other.u USING (EXISTS (SELECT FROM other.t));
    CREATE RULE r AS ON INSERT TO other.u DO ALSO SELECT s.f(1);
    CREATE VIEW other.v AS SELECT s.f(2) AS f;
    CREATE DOMAIN other.d AS int CHECK (s.f(VALUE) > 0);
    CREATE FUNCTION other.takes(s.mood) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT count(*)::int FROM other.t; END;
    CREATE OPERATOR other.@@+ (leftarg = int, rightarg = int, function = s.g);
    CREATE EXTENSION hstore SCHEMA other;
    CREATE TABLE s.h (h other.hstore);
    CREATE INDEX ON s.h USING gin (h);
    CREATE TABLE other.numbered (a int, b serial, c int GENERATED ALWAYS AS IDENTITY);
    CREATE SEQUENCE other.free;
    CREATE TABLE s.takes (a int DEFAULT nextval('other.numbered_b_seq'));
    CREATE STATISTICS s.counts ON (s.f(id)), id FROM other.t;
";

/// What stands on it, in words.
fn told(catalog: &Catalog, base: &Base) -> BTreeSet<String> {
    let relation = |oid| {
        let relation = catalog.relation(oid).unwrap();
        format!("{}.{}", relation.schema, relation.name)
    };
    let thing = |thing: &Thing| {
        let schema = thing.schema.as_ref().map(|schema| format!("{schema}.")).unwrap_or_default();
        format!("{} {schema}{}", thing.class, thing.name)
    };
    let word = |dependent: &Dependent| match dependent {
        Dependent::Relation(oid) => relation(*oid),
        Dependent::Part { relation: oid, class, name } => {
            format!("{}:{class}{}{name}", relation(*oid), if name.is_empty() { "" } else { " " })
        }
        Dependent::Thing(of) => thing(of),
        Dependent::PartOf(of) => format!("part of {}", thing(of)),
        Dependent::Unknown => "?".to_owned(),
    };
    catalog.dependents().of(base).map(word).collect()
}

#[test]
fn what_stands_on_what_is_read() {
    let Some(server) = Server::start() else { return };
    run(async {
        let admin = server.client("postgres").await;
        admin.batch_execute(SCHEMA).await.unwrap();
        let catalogs = start(&server, "postgres", Config::default());
        let live = catalogs.get(&key("postgres")).await.unwrap();
        let catalog = live.current();
        let thing = |class: &str, name: &str| Base::Thing(Thing::new(class, Some("s"), name));
        let check = |base: Base, expected: &[&str]| {
            let expected: BTreeSet<String> = expected.iter().map(|e| (*e).to_owned()).collect();
            assert_eq!(told(&catalog, &base), expected, "{base:?}");
        };
        check(
            thing("function", "f"),
            &[
                "other.t:constraint",
                "other.t:default",
                "other.t:index",
                "other.u:policy y",
                "other.u:rule r",
                "other.v",
                "part of domain other.d",
                "statistics s.counts",
            ],
        );
        check(thing("function", "run"), &["other.t:trigger g"]);
        check(thing("function", "g"), &["operator other.@@+"]);
        check(thing("statistics", "counts"), &["other.t:statistics"]);
        let table = |name| catalog.relation_named("other", name).unwrap().table;
        assert_eq!(table("i"), catalog.relation_named("other", "t").map(|t| t.oid));
        assert_eq!((table("t"), table("v")), (None, None));
        check(thing("type", "mood"), &["function other.takes", "other.t:column", "s.pair:column"]);
        check(thing("type", "pair"), &["other.t:column"]);
        check(thing("domain", "positive"), &["domain s.tiny"]);
        let tiny: BTreeSet<_> = told(&catalog, &thing("domain", "tiny"));
        assert!(tiny.contains("other.t:column"), "{tiny:?}");
        let row = Base::Thing(Thing::new("type", Some("other"), "t"));
        check(row, &["other.u:column"]);
        let t = catalog.relation_named("other", "t").unwrap().oid;
        check(Base::Relation(t), &["function other.takes", "other.u:policy z"]);
        let oid = |catalog: &Catalog, name| catalog.relation_named("other", name).unwrap().oid;
        let owner = |catalog: &Catalog, name| catalog.dependents().owner(oid(catalog, name));
        let numbered = oid(&catalog, "numbered");
        let column = |attnum| Some(ColumnRef { relation: numbered, attnum });
        let owners = ["numbered_b_seq", "numbered_c_seq", "free"].map(|name| owner(&catalog, name));
        assert_eq!(owners, [column(2), column(3), None]);
        check(Base::Relation(numbered), &[]);
        let taken = Base::Relation(oid(&catalog, "numbered_b_seq"));
        check(taken, &["other.numbered:default", "s.takes:default"]);
        let hstore = told(&catalog, &Base::Thing(Thing::new("extension", None, "hstore")));
        for member in [
            "type other.hstore",
            "function other.akeys",
            "operator other.->",
            "operator class other.gin_hstore_ops",
        ] {
            assert!(hstore.contains(member), "{member} of {hstore:?}");
        }
        assert!(!hstore.contains("?"), "{hstore:?}");
        let class =
            told(&catalog, &Base::Thing(Thing::new("operator class", Some("other"), "gin_hstore_ops")));
        assert!(class.contains("s.h:index"), "{class:?}");
        let plpgsql = told(&catalog, &Base::Thing(Thing::new("language", None, "plpgsql")));
        assert!(plpgsql.contains("function s.run"), "{plpgsql:?}");

        for statement in [
            "DROP TRIGGER g ON other.t",
            "ALTER TABLE other.t DROP COLUMN m",
            "ALTER EXTENSION hstore DROP FUNCTION other.akeys(other.hstore)",
            "ALTER DOMAIN s.positive RENAME TO negative",
            "ALTER SEQUENCE other.free OWNED BY other.numbered.a",
            "ALTER SEQUENCE other.numbered_b_seq OWNED BY NONE",
            "ALTER STATISTICS s.counts RENAME TO numbers",
        ] {
            admin.batch_execute(statement).await.unwrap();
        }
        let catalog = live.refresh().await.unwrap();
        assert!(told(&catalog, &thing("function", "run")).is_empty());
        assert!(!told(&catalog, &thing("type", "mood")).contains("other.t:column"));
        let hstore = told(&catalog, &Base::Thing(Thing::new("extension", None, "hstore")));
        assert!(
            !hstore.contains("function other.akeys") && hstore.contains("function other.avals"),
            "{hstore:?}"
        );
        assert_eq!(["free", "numbered_b_seq"].map(|name| owner(&catalog, name)), [column(1), None]);
        assert!(told(&catalog, &thing("statistics", "numbers")).contains("other.t:statistics"));
        assert!(told(&catalog, &thing("statistics", "counts")).is_empty());
        assert!(told(&catalog, &thing("domain", "negative")).contains("domain s.tiny"));
    });
}
