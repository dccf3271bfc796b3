//! What stands on an object that the same text, or the transaction before it, has given another name.

use policy::Catalog;
use policy::catalog::{Provisional, TypeKind};

use super::cascades::{actions, shop};

fn behind(done: &[Provisional]) -> Catalog {
    let mut catalog = shop();
    done.iter().for_each(|done| catalog.apply(done));
    catalog
}

fn last(catalog: &Catalog, text: &str) -> String {
    actions(catalog, text).rsplit("; ").next().unwrap_or_default().to_owned()
}

#[test]
fn what_is_called_otherwise_has_what_stands_on_it() {
    for text in [
        "ALTER TYPE mood RENAME TO temper; DROP TYPE temper CASCADE",
        "ALTER TYPE mood SET SCHEMA other; DROP TYPE other.mood CASCADE",
        "ALTER TYPE mood SET SCHEMA other; DROP SCHEMA other CASCADE",
        "ALTER DOMAIN email RENAME TO mail; DROP DOMAIN mail CASCADE",
        "ALTER DOMAIN email RENAME TO mail; ALTER DOMAIN mail ADD CHECK (VALUE <> '')",
        "ALTER DOMAIN email SET SCHEMA other; ALTER DOMAIN other.email VALIDATE CONSTRAINT c",
        "ALTER TYPE address RENAME TO place; ALTER TYPE place ADD ATTRIBUTE zip text CASCADE",
        "ALTER TABLE t OF address; ALTER TYPE address ALTER ATTRIBUTE a TYPE email CASCADE",
        "ALTER FUNCTION audit(int) RENAME TO check_all; DROP FUNCTION check_all CASCADE",
        "ALTER FUNCTION audit(int) SET SCHEMA other; DROP ROUTINE other.audit CASCADE",
        "ALTER FUNCTION audit(int) SET SCHEMA other; DROP SCHEMA other CASCADE",
        "ALTER COLLATION c RENAME TO d; DROP COLLATION d CASCADE",
        "DO $$BEGIN ALTER DOMAIN email RENAME TO mail; DROP DOMAIN mail CASCADE; END$$",
    ] {
        let told = last(&shop(), text);
        assert!(told.contains("opaque"), "{text}: {told}");
    }
}

#[test]
fn so_it_has_in_the_next_text_of_the_transaction() {
    let temper = [
        Provisional::TypeGone("public".to_owned(), "mood".to_owned()),
        Provisional::Type("public".to_owned(), "temper".to_owned(), TypeKind::Enum),
    ];
    let check_all = [Provisional::Function(Some("public".to_owned()), "check_all".to_owned())];
    for (done, text) in [
        (&temper[..], "DROP TYPE temper CASCADE"),
        (&temper, "DROP SCHEMA public CASCADE"),
        (&check_all, "DROP FUNCTION check_all CASCADE"),
        (&check_all, "DROP SCHEMA public CASCADE"),
    ] {
        let told = last(&behind(done), text);
        assert!(told.contains("opaque"), "{text}: {told}");
    }
}

#[test]
fn what_is_written_through_a_view_that_is_not_committed_is_written_to_its_base() {
    for text in [
        "CREATE VIEW v AS SELECT * FROM customers; DELETE FROM v",
        "CREATE TEMP VIEW v AS TABLE customers; DELETE FROM v",
        "CREATE VIEW w AS SELECT * FROM customers; CREATE VIEW v AS SELECT * FROM w; DELETE FROM v",
        "CREATE VIEW v AS SELECT * FROM t; CREATE OR REPLACE VIEW v AS SELECT * FROM customers; DELETE FROM v",
        "DO $$BEGIN CREATE VIEW v AS SELECT * FROM customers; DELETE FROM v; END$$",
        "CREATE SCHEMA s CREATE VIEW v AS SELECT * FROM customers; DELETE FROM s.v",
        "ALTER VIEW customers_view RENAME TO v; DELETE FROM v",
        "ALTER VIEW customers_view SET SCHEMA other; DELETE FROM other.customers_view",
    ] {
        let told = last(&shop(), text);
        let needs = told.split(", ").any(|action| action.starts_with("delete-all table public.customers"));
        assert!(needs, "{text}: {told}");
    }
    // A table has nothing of what it was filled from.
    let told = last(&shop(), "CREATE TABLE n AS SELECT * FROM customers; DELETE FROM n");
    assert!(!told.contains("customers"), "{told}");
}

#[test]
fn what_has_been_moved_into_a_schema_goes_with_it() {
    let told = last(&shop(), "ALTER TABLE customers SET SCHEMA other; DROP SCHEMA other CASCADE");
    assert!(told.contains("*drop view public.customers_view"), "{told}");
}

#[test]
fn what_keeps_its_name_is_known() {
    for text in [
        "ALTER TYPE mood RENAME TO temper; DROP TYPE temper",
        "ALTER TYPE mood RENAME TO temper; DROP TYPE address CASCADE",
        "ALTER TABLE t RENAME TO u; ALTER DOMAIN email ADD CHECK (VALUE <> '')",
        "CREATE TABLE n (a int); ALTER TYPE address ADD ATTRIBUTE zip text CASCADE",
        "CREATE FUNCTION n() RETURNS int LANGUAGE sql AS 'SELECT 1'; DROP FUNCTION n() CASCADE",
        "CREATE TABLE n (a int); DROP SCHEMA other CASCADE",
    ] {
        let told = last(&shop(), text);
        assert!(!told.contains("opaque"), "{text}: {told}");
    }
}
