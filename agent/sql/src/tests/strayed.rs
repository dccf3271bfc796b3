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
