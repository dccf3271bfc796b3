//! What DROP … CASCADE takes along.

use policy::catalog::{Base, Cascade, Changes, Dependent, Dependents, Referential, Thing, Writes};
use policy::{Catalog, ColumnRef, Oid, Provisional, Relation, RelationKind};

use super::fixture::{CUSTOMERS, CUSTOMERS_VIEW, EVENTS, EVENTS_2024, ORDERS, SECRET, T, catalog, settings};
use crate::{Limits, analyse};

pub(super) fn actions(catalog: &Catalog, text: &str) -> String {
    let analysis = analyse(text.as_bytes(), &settings(), catalog, &Limits::default());
    let of = |a: &policy::Action| format!("{}{a}", if a.implied { "*" } else { "" });
    let line = |s: &crate::Statement| s.actions.iter().map(of).collect::<Vec<_>>().join(", ");
    analysis.statements.iter().map(line).collect::<Vec<_>>().join("; ")
}

fn thing(class: &str, schema: &str, name: &str) -> Thing {
    Thing::new(class, Some(schema).filter(|schema| !schema.is_empty()), name)
}

fn part(relation: Oid, class: &str, name: &str) -> Dependent {
    Dependent::Part { relation, class: class.to_owned(), name: name.to_owned() }
}

/// The shop's, where these stand on those.
fn standing(edges: &[(Base, Dependent)]) -> Catalog {
    let mut dependents = Dependents::default();
    for (base, dependent) in edges {
        dependents.add(base.clone(), dependent.clone());
    }
    catalog().changed(2, Changes { dependents: Some(dependents), ..Changes::default() })
}

pub(super) fn shop() -> Catalog {
    let mood = || Base::Thing(thing("type", "public", "mood"));
    let email = || thing("domain", "public", "email");
    let audit = || Base::Thing(thing("function", "public", "audit"));
    let extension = || Base::Thing(thing("extension", "", "shop"));
    standing(&[
        (mood(), part(SECRET, "column", "")),
        (mood(), Dependent::Thing(thing("function", "other", "lower"))),
        (Base::Thing(thing("function", "other", "lower")), part(EVENTS, "trigger", "g")),
        (audit(), Dependent::Relation(CUSTOMERS_VIEW)),
        (audit(), part(ORDERS, "default", "")),
        (audit(), part(T, "policy", "mine")),
        (audit(), Dependent::PartOf(email())),
        (Base::Thing(email()), part(CUSTOMERS, "column", "")),
        (extension(), Dependent::Relation(ORDERS)),
        (extension(), Dependent::Thing(thing("operator class", "public", "ops"))),
        (extension(), Dependent::Thing(thing("extension", "", "more"))),
        (Base::Thing(thing("operator class", "public", "ops")), part(SECRET, "index", "")),
        (Base::Thing(thing("extension", "", "more")), Dependent::Thing(thing("server", "", "far"))),
        (Base::Thing(thing("type", "public", "t")), part(SECRET, "column", "")),
        (Base::Relation(T), Dependent::Thing(thing("function", "public", "tidy"))),
        (Base::Thing(thing("operator", "other", "===")), part(T, "constraint", "")),
        (Base::Thing(thing("language", "", "l")), Dependent::Thing(thing("function", "public", "audit"))),
        (Base::Thing(thing("function", "public", "list")), Dependent::Unknown),
        (Base::Thing(thing("server", "", "far")), Dependent::Relation(CUSTOMERS)),
        (Base::Thing(thing("foreign data wrapper", "", "w")), Dependent::Thing(thing("server", "", "far"))),
        (Base::Thing(thing("collation", "public", "c")), part(ORDERS, "column", "")),
        (
            Base::Thing(thing("text search dictionary", "public", "d")),
            Dependent::Thing(thing("text search configuration", "public", "english")),
        ),
    ])
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(actions(&shop(), text), expected, "{text}");
}

#[test]
fn what_stands_on_what_is_dropped_is_dropped() {
    check(
        "DROP TYPE mood CASCADE",
        "drop type mood, *alter table public.secret, *drop function other.lower, *drop trigger g, \
         *alter table public.events, *alter table public.events_2024",
    );
    check(
        "DROP TYPE IF EXISTS public.mood, nowhere CASCADE",
        &actions(&shop(), "DROP TYPE mood CASCADE").replacen(
            "drop type mood",
            "drop type public.mood, drop type nowhere",
            1,
        ),
    );
    check("DROP TYPE mood", "drop type mood");
    check("DROP TYPE mood RESTRICT", "drop type mood");
    check("DROP DOMAIN email CASCADE", "drop domain email, *alter table public.customers");
    check(
        "DROP FUNCTION audit(int) CASCADE",
        "drop function public.audit, *alter table public.orders, *drop policy mine, *alter table public.t, \
         *alter domain public.email, *drop view public.customers_view",
    );
    check("DROP OPERATOR ===(int, int) CASCADE", "drop operator ===, *alter table public.t");
    check(
        "DROP SERVER IF EXISTS far CASCADE",
        "drop server far, *drop table public.customers, *drop view public.customers_view",
    );
    check(
        "DROP FOREIGN DATA WRAPPER w CASCADE",
        "drop foreign data wrapper w, *drop server far, *drop table public.customers, *drop view public.customers_view",
    );
    check("DROP COLLATION c CASCADE", "drop collation c, *alter table public.orders");
    check(
        "DROP TEXT SEARCH DICTIONARY d CASCADE",
        "drop text search dictionary d, *drop text search configuration public.english",
    );
    check(
        "DROP OPERATOR CLASS public.ops USING btree CASCADE",
        "drop operator class public.ops, *alter table public.secret",
    );
    let language = actions(&shop(), "DROP LANGUAGE l CASCADE");
    assert!(
        language.contains("*drop function public.audit, ") && language.contains("*alter table public.orders")
    );
}

#[test]
fn what_stands_on_a_relation_is_dropped_with_it() {
    check(
        "DROP TABLE t CASCADE",
        "drop table public.t, *alter table public.secret, *drop function public.tidy",
    );
    check("DROP TABLE t", "drop table public.t");
    // The keys that refer to it go, and nothing else of those tables.
    let key = Cascade { relation: ORDERS, on_delete: Referential::Nothing, on_update: Referential::Nothing };
    let mut customers = catalog().relation(CUSTOMERS).unwrap().clone();
    customers.writes = Writes { cascades: vec![key], ..Writes::default() };
    let changes = Changes { relations: vec![customers], ..Changes::default() };
    let catalog = shop().changed(3, changes);
    for text in ["DROP TABLE customers CASCADE", "ALTER TABLE customers DROP CONSTRAINT k CASCADE"] {
        let found = actions(&catalog, text);
        assert!(found.ends_with("*alter table public.orders, *drop view public.customers_view"), "{found}");
    }
}

#[test]
fn an_extension_goes_with_its_members() {
    check(
        "DROP EXTENSION shop",
        "drop extension shop, *drop table public.orders, *drop operator class public.ops",
    );
    let found = actions(&shop(), "DROP EXTENSION shop CASCADE");
    for word in [
        "*drop table public.orders",
        "*alter table public.secret",
        "*drop extension more",
        "*drop server far",
    ] {
        assert!(found.contains(word), "{word} in {found}");
    }
}

#[test]
fn an_extension_takes_its_members_where_it_goes() {
    check("ALTER EXTENSION shop ADD TABLE secret", "alter extension shop, alter table public.secret");
    check(
        "ALTER EXTENSION shop DROP FOREIGN TABLE public.secret",
        "alter extension shop, alter table public.secret",
    );
    check(
        "ALTER EXTENSION shop ADD FUNCTION audit(int)",
        "alter extension shop, alter function public.audit",
    );
    check("ALTER EXTENSION shop ADD CAST (int AS text)", "alter extension shop, alter cast");
    check(
        "ALTER EXTENSION shop SET SCHEMA other",
        "alter extension shop, *alter table public.orders, *create table other.orders, \
         *alter operator class public.ops",
    );
    check("ALTER EXTENSION shop UPDATE TO '2'", "alter extension shop");
}

#[test]
fn a_schema_goes_with_all_that_is_in_it() {
    let found = actions(&shop(), "DROP SCHEMA public CASCADE");
    for word in [
        "*drop table public.t",
        "*drop function public.audit",
        "*drop type public.mood",
        "*drop domain public.email",
        "*drop function other.lower",
        "*drop trigger g",
    ] {
        assert!(found.contains(word), "{word} in {found}");
    }
    check("DROP SCHEMA public", "drop schema public");
    check("DROP SCHEMA IF EXISTS nowhere CASCADE", "drop schema nowhere");
}

#[test]
fn what_cannot_be_told_is_opaque() {
    for text in [
        "DROP FUNCTION list() CASCADE",
        "DROP TRANSFORM FOR mood LANGUAGE l CASCADE",
        "DROP FUNCTION pg_catalog.lower(text) CASCADE",
    ] {
        assert!(actions(&shop(), text).contains("opaque"), "{text} gave {}", actions(&shop(), text));
    }
    let open = shop().with_provisional(&[Provisional::Changed]);
    assert!(!actions(&open, "DROP TYPE mood CASCADE").contains("opaque"));
    assert!(!actions(&open, "DROP TYPE mood").contains("opaque"));
    for text in ["DROP TYPE mood CASCADE; DROP DOMAIN email CASCADE", "DROP STATISTICS x CASCADE"] {
        assert!(!actions(&shop(), text).contains("opaque"), "{text} gave {}", actions(&shop(), text));
    }
}

#[test]
fn what_changes_with_a_type_or_is_held_against_its_check_is_told() {
    check("ALTER DOMAIN email ADD CHECK (VALUE <> '')", "alter domain email, *select table public.customers");
    check("ALTER DOMAIN email VALIDATE CONSTRAINT c", "alter domain email, *select table public.customers");
    check("ALTER DOMAIN email SET DEFAULT ''", "alter domain email");
    check("ALTER TYPE secret RENAME ATTRIBUTE pw TO other", "alter type secret, alter table public.secret");
    let made_of = standing(&[(Base::Thing(thing("type", "public", "mood")), Dependent::Relation(ORDERS))]);
    let check = |text: &str, expected: &str| assert_eq!(actions(&made_of, text), expected, "{text}");
    check("ALTER TYPE mood RENAME ATTRIBUTE a TO b CASCADE", "alter type mood, *alter table public.orders");
    check(
        "ALTER TYPE mood ALTER ATTRIBUTE a TYPE int CASCADE",
        "alter type mood, *alter table public.orders, *select table public.orders",
    );
    check("ALTER TYPE mood ADD VALUE 'attribute'", "alter type mood");
}

/// The shop's with an index of a table, one of a partition that is part of one of the whole, and statistics of a table.
fn indexed() -> Catalog {
    let index = |oid, name: &str, table| Relation {
        table: Some(table),
        ..Relation::bare(oid, "public", name, RelationKind::Index)
    };
    let mut of_partition = index(202, "events_2024_i", EVENTS_2024);
    of_partition.parents = vec![201];
    let relations = vec![index(200, "i", T), index(201, "events_i", EVENTS), of_partition];
    let statistics = Base::Thing(thing("statistics", "public", "counts"));
    standing(&[
        (statistics.clone(), part(T, "statistics", "")),
        (Base::Thing(thing("statistics", "other", "counts")), part(SECRET, "statistics", "")),
        (
            Base::Thing(thing("function", "public", "tidy")),
            Dependent::Thing(thing("statistics", "public", "counts")),
        ),
    ])
    .changed(3, Changes { relations, ..Changes::default() })
}

#[test]
fn what_is_done_to_an_index_is_done_to_its_table() {
    let check = |text: &str, expected: &str| assert_eq!(actions(&indexed(), text), expected, "{text}");
    check("DROP INDEX i", "drop index public.i, *alter table public.t");
    check("DROP INDEX CONCURRENTLY IF EXISTS public.i", "drop index public.i, *alter table public.t");
    check("ALTER INDEX i RENAME TO j", "alter index public.i, *alter table public.t, create index public.j");
    check("ALTER TABLE i SET (fillfactor = 50)", "alter index public.i, *alter table public.t");
    check("COMMENT ON INDEX i IS 'x'", "alter index public.i, *alter table public.t");
    check("REINDEX INDEX i", "maintain index public.i, *maintain table public.t");
    check("DROP INDEX nowhere", "opaque (relation \"nowhere\" does not exist in the catalog)");
    // What is part of it goes with it.
    check(
        "DROP INDEX events_i",
        "drop index public.events_i, *alter table public.events, *alter table public.events_2024, \
         *drop index public.events_2024_i",
    );
    check("DROP INDEX events_2024_i", "drop index public.events_2024_i, *alter table public.events_2024");
    // By a name that it has not been committed with.
    let moved =
        Provisional::Moved(("public".to_owned(), "i".to_owned()), ("public".to_owned(), "j".to_owned()));
    let found = actions(&indexed().with_provisional(&[moved]), "DROP INDEX j");
    assert!(found.contains("*alter table public.t"), "{found}");
}

#[test]
fn what_is_done_to_statistics_is_done_to_their_table() {
    let check = |text: &str, expected: &str| assert_eq!(actions(&indexed(), text), expected, "{text}");
    check("DROP STATISTICS counts", "drop statistics counts, *alter table public.t");
    check(
        "DROP STATISTICS public.counts, other.counts",
        "drop statistics public.counts, *alter table public.t, drop statistics other.counts, \
         *alter table public.secret",
    );
    check("ALTER STATISTICS counts SET STATISTICS 0", "alter statistics counts, *alter table public.t");
    check("COMMENT ON STATISTICS counts IS 'x'", "alter statistics counts, *alter table public.t");
    check("DROP STATISTICS IF EXISTS nowhere", "drop statistics nowhere");
    check(
        "DROP FUNCTION tidy(int) CASCADE",
        "drop function public.tidy, *drop statistics public.counts, *alter table public.t",
    );
}

/// The sequence of the fixture.
const S: Oid = 141;

/// The shop's, where a sequence belongs to a column of `t`, and a default of another table takes from it.
fn owning() -> Catalog {
    let mut dependents = Dependents::default();
    dependents.add_owner(S, ColumnRef { relation: T, attnum: 1 });
    dependents.add(Base::Relation(S), part(T, "default", ""));
    dependents.add(Base::Relation(S), part(SECRET, "default", ""));
    dependents.add(Base::Thing(thing("type", "public", "mood")), Dependent::Relation(T));
    catalog().changed(2, Changes { dependents: Some(dependents), ..Changes::default() })
}

#[test]
fn a_sequence_goes_with_its_table() {
    let check = |text: &str, expected: &str| assert_eq!(actions(&owning(), text), expected, "{text}");
    check("DROP TABLE t", "drop table public.t, *drop sequence public.s");
    check("DROP TABLE t CASCADE", "drop table public.t, *drop sequence public.s, *alter table public.secret");
    check(
        "DROP TYPE mood CASCADE",
        "drop type mood, *drop table public.t, *drop sequence public.s, *alter table public.secret",
    );
    for (command, sequence) in [
        ("DROP COLUMN a", ", drop column public.t, *drop sequence public.s"),
        (
            "DROP IF EXISTS a CASCADE",
            ", drop column public.t, *drop sequence public.s, *alter table public.secret",
        ),
        ("DROP COLUMN b", ", drop column public.t"),
        ("DROP COLUMN b, DROP a", ", drop column public.t, *drop sequence public.s"),
        ("DROP CONSTRAINT a", ""),
        ("SET LOGGED", ", *alter sequence public.s"),
        ("SET UNLOGGED", ", *alter sequence public.s"),
        ("SET (fillfactor = 50)", ""),
        ("OWNER TO x", ", *alter sequence public.s"),
        ("SET SCHEMA other", ", *alter sequence public.s, create table other.t"),
        ("RENAME TO n", ", create table public.n"),
        ("ALTER a DROP IDENTITY IF EXISTS", ", *drop sequence public.s"),
        ("ALTER COLUMN a SET GENERATED ALWAYS", ", *alter sequence public.s"),
        ("ALTER a RESTART WITH 7", ", *alter sequence public.s"),
        ("ALTER b DROP IDENTITY IF EXISTS", ""),
        ("ALTER a DROP NOT NULL", ""),
        ("ALTER a TYPE bigint", ", select table public.t, *alter sequence public.s"),
    ] {
        check(&format!("ALTER TABLE t {command}"), &format!("alter table public.t{sequence}"));
    }
    check("TRUNCATE t RESTART IDENTITY", "truncate table public.t, *alter sequence public.s");
    check("TRUNCATE t", "truncate table public.t");
    // Of a name, and of a column, that are not committed.
    let moved =
        Provisional::Moved(("public".to_owned(), "t".to_owned()), ("public".to_owned(), "n".to_owned()));
    let open = owning().with_provisional(&[moved]);
    for text in ["DROP TABLE n", "ALTER TABLE n DROP COLUMN c"] {
        let found = actions(&open, text);
        assert!(found.contains("*drop sequence public.s"), "{text} gave {found}");
    }
    assert!(actions(&open, "ALTER TABLE customers SET SCHEMA other").contains("*alter sequence public.s"));
}

#[test]
fn what_is_done_to_a_sequence_is_done_to_the_table_that_owns_it() {
    let check = |text: &str, expected: &str| assert_eq!(actions(&owning(), text), expected, "{text}");
    check(
        "ALTER SEQUENCE s RENAME TO n",
        "alter sequence public.s, *alter table public.t, create sequence public.n",
    );
    check("DROP SEQUENCE s", "drop sequence public.s, *alter table public.t");
    check(
        "ALTER SEQUENCE s RESTART OWNED BY public.only.a",
        "alter sequence public.s, *alter table public.t, *alter table public.only",
    );
    check("CREATE SEQUENCE n AS int OWNED BY t.a", "create sequence public.n, *alter table public.t");
    check("CREATE SEQUENCE n OWNED BY NONE", "create sequence public.n");
    assert!(actions(&owning(), "CREATE SEQUENCE n OWNED BY none.t.a").contains("opaque"), "it is a schema");
    check("ALTER SEQUENCE s OWNED BY NONE", "alter sequence public.s, *alter table public.t");
    check("SELECT nextval('s')", &actions(&catalog(), "SELECT nextval('s')"));
}

#[test]
fn a_key_that_rests_on_an_index_goes_with_it() {
    let key = Cascade { relation: SECRET, on_delete: Referential::Nothing, on_update: Referential::Nothing };
    let mut customers = catalog().relation(CUSTOMERS).unwrap().clone();
    customers.writes = Writes { cascades: vec![key], ..Writes::default() };
    let index =
        Relation { table: Some(CUSTOMERS), ..Relation::bare(200, "public", "ui", RelationKind::Index) };
    let changes = Changes { relations: vec![customers, index], ..Changes::default() };
    let catalog = catalog().changed(2, changes);
    let check = |text: &str, expected: &str| assert_eq!(actions(&catalog, text), expected, "{text}");
    check("DROP INDEX ui", "drop index public.ui, *alter table public.customers");
    check(
        "DROP INDEX ui CASCADE",
        "drop index public.ui, *alter table public.customers, *alter table public.secret",
    );
}
