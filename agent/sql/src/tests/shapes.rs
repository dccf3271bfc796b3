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

/// Literals that a shape does not tell apart.
const KINDS: &[[&str; 4]] =
    &[["1", "0", "02", "999999999"], ["''", "'%'", "'a'", "'a'\n'%'"], ["1.5", ".5", "1.", "1e3"]];

/// Conditions in which literals may meet each other anywhere; `#` is a literal.
fn condition() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        4 => Just("#".to_owned()),
        2 => Just("a".to_owned()),
        1 => Just("b".to_owned()),
        1 => proptest::sample::select(&["$1", "NULL", "true", "false", "''", "1", "current_user"]).prop_map(str::to_owned),
    ];
    leaf.prop_recursive(5, 24, 3, |inner| {
        let two = &[
            "{} = {}",
            "{} <> {}",
            "{} < {}",
            "{} >= {}",
            "{} AND {}",
            "{} OR {}",
            "{} LIKE {}",
            "{} NOT LIKE {}",
            "{} ILIKE {} ESCAPE #",
            "{} || {}",
            "{} + {}",
            "{} IS DISTINCT FROM {}",
            "{} IS NOT DISTINCT FROM {}",
            "{} IN ({}, #)",
            "{} NOT IN ({})",
            "coalesce({}, {})",
            "nullif({}, {})",
            "({}, #) = ({}, #)",
            "{} BETWEEN {} AND #",
            "CASE {} WHEN # THEN {} END",
            "CASE WHEN {} THEN # ELSE {} END",
            "{} = ANY (ARRAY[{}, #])",
            "{} LIKE SOME (ARRAY[{}, #])",
            "{} NOT ILIKE ALL (ARRAY[#, #])",
            "{} <> ALL (ARRAY[{}])",
            "{} SIMILAR TO {}",
            "{} - interval # > {}",
        ][..];
        let one = &[
            "NOT {}",
            "({})",
            "{} IS NULL",
            "{} IS NOT TRUE",
            "{} IS NOT FALSE",
            "{}::text",
            "lower({})",
            "CAST({} AS varchar(#))",
            "EXISTS (SELECT # WHERE {})",
            "EXISTS (SELECT FROM t WHERE {})",
            "(SELECT {})",
            "- {}",
            "substring({} FROM # FOR #)",
            "extract(year FROM {})",
            "{} AT TIME ZONE #",
            "(ARRAY[{}])[#]",
        ][..];
        let fill = |form: &str, parts: &[String]| {
            let mut parts = parts.iter();
            form.split("{}").enumerate().fold(String::new(), |text, (index, piece)| match index {
                0 => piece.to_owned(),
                _ => format!("{text}{}{piece}", parts.next().map_or("", String::as_str)),
            })
        };
        prop_oneof![
            (proptest::sample::select(two), inner.clone(), inner.clone())
                .prop_map(move |(form, left, right)| format!("({})", fill(form, &[left, right]))),
            (proptest::sample::select(one), inner.clone())
                .prop_map(move |(form, part)| format!("({})", fill(form, &[part]))),
            inner.prop_map(|part| format!("({part} = {part})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_condition_means_something_else_with_other_literals(
        head in proptest::sample::select(&["DELETE FROM t WHERE ", "UPDATE t SET a = # WHERE ", "SELECT # FROM t WHERE "]),
        condition in condition(),
        literals in proptest::collection::vec(proptest::sample::select(KINDS), 7),
        one in proptest::collection::vec(0..4_usize, 7),
        other in proptest::collection::vec(0..4_usize, 7),
    ) {
        let form = format!("{head}{condition}");
        let text = |choice: &[usize]| {
            let chosen: Vec<&str> = literals.iter().zip(choice).map(|(kind, at)| kind[*at]).collect();
            filled(&form, &chosen)
        };
        let (one, other) = (text(&one), text(&other));
        let (Some(known), Some(new)) = (shape(&one), shape(&other)) else { return Ok(()) };
        prop_assert_eq!(known.key(), new.key(), "{} | {}", one, other);
        if stands(&one) {
            prop_assert_eq!(&read(&one).statements, &read(&other).statements, "{} | {}", one, other);
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
        "DELETE FROM t WHERE b ~ 'x'",
        "DELETE FROM t WHERE b SIMILAR TO 'x'",
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

#[test]
fn a_number_that_may_mean_a_column_is_of_the_shape() {
    for (one, other) in [
        ("SELECT 1, ssn FROM customers ORDER BY 1", "SELECT 1, ssn FROM customers ORDER BY 2"),
        ("SELECT 1, ssn FROM customers ORDER BY id, (1)", "SELECT 1, ssn FROM customers ORDER BY id, (2)"),
        ("SELECT 'x', ssn FROM customers GROUP BY 1", "SELECT 'x', ssn FROM customers GROUP BY 2"),
        ("SELECT DISTINCT ON (1) 1, ssn FROM customers", "SELECT DISTINCT ON (2) 1, ssn FROM customers"),
        (
            "SELECT 1, ssn FROM customers GROUP BY ROLLUP (1)",
            "SELECT 1, ssn FROM customers GROUP BY ROLLUP (2)",
        ),
    ] {
        assert_ne!(read(one).statements[0].steers, read(other).statements[0].steers, "{one}");
        assert!(!stands(one) || shape(one) != shape(other), "{one}");
    }
    assert_eq!(
        shape("SELECT a FROM t WHERE a IN (1, 2) ORDER BY a"),
        shape("SELECT a FROM t WHERE a IN (3, 4) ORDER BY a")
    );
}
