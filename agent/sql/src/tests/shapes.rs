//! Texts of one shape mean the same, whatever their literals, or are not said to.

use proptest::prelude::*;

use super::fixture::{catalog, read, settings};
use crate::{Limits, Shape, stands_for_all};

fn shape(text: &str) -> Option<Shape> {
    Shape::of(text.as_bytes(), &settings(), &Limits::default())
}

/// Whether the text has a shape, and it was shown that all texts of it mean the same.
fn stands(text: &str) -> bool {
    shape(text).is_some_and(|shape| {
        let limits = Limits::default();
        stands_for_all(text.as_bytes(), &shape, &read(text), &settings(), &catalog(), &limits)
    })
}

/// `#` is a literal.
const FORMS: &[&str] = &[
    "SELECT a, b FROM t WHERE a = #",
    "SELECT a FROM t WHERE b LIKE #",
    "SELECT a FROM t WHERE a = # OR # = #",
    "SELECT a FROM t WHERE b IN (#, #, #) ORDER BY # LIMIT # OFFSET #",
    "SELECT #, #, name FROM customers GROUP BY # HAVING count(*) > #",
    "INSERT INTO t (a, b) VALUES (#, #), (#, #)",
    "UPDATE t SET b = # WHERE a = #",
    "UPDATE t SET b = # WHERE b LIKE #",
    "UPDATE t SET b = # WHERE a + # = a + #",
    "UPDATE t SET b = # WHERE NOT (a + # <> a + #)",
    "UPDATE t SET b = # WHERE b || # = # || b",
    "DELETE FROM t WHERE (a + #) IS NOT DISTINCT FROM (a + #)",
    "DELETE FROM t WHERE # BETWEEN # AND #",
    "DELETE FROM t WHERE b LIKE # OR b LIKE #",
    "DELETE FROM t USING orders WHERE t.a = # AND orders.id = t.a",
    "SELECT interval #, CAST(# AS numeric(10,2)), #::regclass",
    "SELECT a::varchar(#) FROM t FETCH FIRST # ROWS ONLY",
    "SELECT audit(#), lower(#), nextval(#)",
    "SELECT set_config(#, #, false)",
    "SELECT ssn FROM customers WHERE ssn = # UNION SELECT #",
    "WITH x AS (SELECT # AS n) SELECT n FROM x WHERE n = #",
    "TABLE t",
    "SET search_path TO #",
];

const LITERALS: &[&str] = &[
    "1",
    "0",
    "2",
    "999999999",
    "1000000000",
    "99999999999999999999",
    "0x10",
    "1_000",
    "1.5",
    ".5",
    "1e3",
    "''",
    "'%'",
    "'%%'",
    "'a'",
    "'it''s'",
    "'search_path'",
    "'vault.secrets'",
    "'a'\n'%'",
    "E'%'",
    "N'%'",
    "U&'%'",
    "$$%$$",
    "B'1'",
];

fn filled(form: &str, literals: &[&str]) -> String {
    let mut parts = form.split('#');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.zip(literals.iter().cycle()).fold(first, |text, (part, literal)| text + literal + part)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_stands_for_all_means_what_each_of_them_means(
        form in proptest::sample::select(FORMS),
        one in proptest::collection::vec(proptest::sample::select(LITERALS), 6),
        other in proptest::collection::vec(proptest::sample::select(LITERALS), 6),
    ) {
        let (one, other) = (filled(form, &one), filled(form, &other));
        let (Some(known), Some(new)) = (shape(&one), shape(&other)) else { return Ok(()) };
        if known.key() == new.key() && stands(&one) {
            let (known, alone) = (read(&one), read(&other));
            prop_assert_eq!(&known.statements, &alone.statements, "{} | {}", one, other);
            prop_assert_eq!(std::slice::from_ref(new.place()), &alone.places[..], "{}", other);
        }
    }
}

#[test]
fn ordinary_statements_stand_for_all() {
    for text in [
        "SELECT a FROM t WHERE a = 17",
        "select a from t where b in ('x', 'y') limit 10",
        "INSERT INTO t (a, b) VALUES (1, 'x'), (2, 'y')",
        "UPDATE t SET b = 'x' WHERE a = 1",
        "DELETE FROM t WHERE a = 1;",
        "DELETE FROM t WHERE 1 = 1",
    ] {
        assert!(stands(text), "{text}");
    }
}

#[test]
fn a_literal_that_makes_a_difference_is_no_mere_literal() {
    for text in [
        "DELETE FROM t WHERE b LIKE 'x%'",
        "DELETE FROM t WHERE a + 1 = a + 2",
        "DELETE FROM t WHERE a + 1 = a + 1",
        "SELECT set_config('work_mem', '1', true)",
        "SELECT pg_catalog.SET_CONFIG('work_mem', '1', true)",
        r#"SELECT "set_config"('work_mem', '1', true)"#,
        r#"SELECT U&"set\005fconfig"('work_mem', '1', true)"#,
        "SELECT a FROM t WHERE a = 1; SELECT a FROM t WHERE a = 1",
        "SET work_mem = '1'",
        "DO 'BEGIN END'",
        "SELECT no_such_function(1)",
    ] {
        assert!(!stands(text), "{text}");
    }
}

#[test]
fn no_two_shapes_share_a_key() {
    let key = |text: &str| shape(text).map(|shape| shape.key().to_vec());
    for (one, other) in [
        ("SELECT 1", "SELECT  22 /* x */;"),
        ("SELECT 'a'", "SELECT ''''"),
        ("SELECT 1.5", "SELECT 2e1"),
        ("SELECT a -- x", "SELECT\n\ta"),
    ] {
        assert!(key(one).is_some());
        assert_eq!(key(one), key(other), "{one} | {other}");
    }
    for (one, other) in [
        ("SELECT 1", "SELECT '1'"),
        ("SELECT 1", "SELECT 1.0"),
        ("SELECT 1", "SELECT 1000000000"),
        ("SELECT 1", "SELECT 0x1"),
        ("SELECT 'a'", "SELECT E'a'"),
        ("SELECT 'a'", "SELECT B'1'"),
        ("SELECT a", r#"SELECT "a""#),
        ("SELECT ab", "SELECT a b"),
        ("SELECT a@-b", "SELECT a@ -b"),
    ] {
        assert_ne!(key(one), key(other), "{one} | {other}");
    }
}
