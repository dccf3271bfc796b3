//! What holds for every text: nothing panics, and dressing a text up never makes its actions weaker.

use proptest::prelude::*;

use super::fixture::{actions, catalog, is_opaque, read, settings};
use crate::{Limits, analyse, split};

const TEXTS: &[&str] = &[
    "SELECT a, b FROM t WHERE a = 1",
    "SELECT * FROM customers c JOIN orders o ON o.customer_id = c.id ORDER BY c.name LIMIT 5",
    "WITH x AS (SELECT ssn FROM customers) SELECT lower(ssn) FROM x",
    "INSERT INTO t (a, b) VALUES (1, 'x') ON CONFLICT (a) DO UPDATE SET b = excluded.b RETURNING a",
    "UPDATE t SET a = 1 WHERE b IN (SELECT pw FROM secret)",
    "DELETE FROM events WHERE at < now()",
    "DROP TABLE secret",
    "TRUNCATE t, orders",
    "COPY secret TO STDOUT",
    "SELECT audit(a) FROM t",
    "GRANT SELECT ON secret TO bob",
    "SET search_path TO other",
    "EXPLAIN ANALYZE DELETE FROM secret",
];

/// Words and signs as they stand, for taking texts apart where a space may go.
fn pieces(text: &str) -> Vec<&str> {
    text.split(' ').collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        analyse(&bytes, &settings(), &catalog(), &Limits::default());
    }

    #[test]
    fn any_mix_of_fragments_never_panics(
        parts in proptest::collection::vec(proptest::sample::select(vec![
            "SELECT", "FROM", "t", "customers", "(", ")", "'x'", "\"q\"", "$$", "$1", "--", "/*", "*/", "\n", ";",
            "WITH", "AS", "INSERT", "INTO", "UPDATE", "SET", "DELETE", "WHERE", "1", ",", ".", "*", "::", "E'\\'", "U&\"\\0061\"",
            "UNION", "TABLE", "ONLY", "CASE", "WHEN", "END", "NOT", "[", "]", "=", "||", "CREATE", "DROP", "ALTER",
            "BEGIN", "ATOMIC", "GRANT", "ON", "TO", "COPY", "EXPLAIN", "PREPARE", "VALUES", "lower", "audit", "é",
        ]), 0..40),
    ) {
        read(&parts.join(" "));
    }

    #[test]
    fn slices_are_in_order_and_inside_the_text(text in "[a-z;'\"()$ /*-]{0,80}") {
        if let Ok(slices) = split(text.as_bytes(), &settings(), &Limits::default()) {
            let mut end = 0;
            for slice in slices {
                prop_assert!(slice.start >= end && slice.end > slice.start && slice.end <= text.len());
                end = slice.end;
            }
        }
    }

    #[test]
    fn comments_and_white_space_change_nothing(
        index in 0..TEXTS.len(),
        fills in proptest::collection::vec(
            proptest::sample::select(vec!["  ", "\n", "\t", " /* x */ ", " -- x\n", "/*;*/", "/* /* ' */ */"]), 40..41,
        ),
    ) {
        let text = TEXTS[index];
        let mut dressed = String::new();
        for (piece, fill) in pieces(text).into_iter().zip(&fills) {
            dressed.push_str(piece);
            dressed.push_str(fill);
        }
        prop_assert_eq!(actions(&dressed), actions(text), "{}", dressed);
    }

    #[test]
    fn case_changes_nothing(index in 0..TEXTS.len(), upper in any::<u64>()) {
        let text = TEXTS[index];
        let mut quoted = false;
        let dressed: String = text
            .chars()
            .enumerate()
            .map(|(i, c)| {
                quoted ^= c == '\'';
                if quoted || (upper >> (i % 64)) & 1 == 0 { c } else { c.to_ascii_uppercase() }
            })
            .collect();
        prop_assert_eq!(actions(&dressed), actions(text), "{}", dressed);
    }

    #[test]
    fn quotes_around_a_name_change_nothing(index in 0..TEXTS.len()) {
        let text = TEXTS[index];
        let mut dressed = format!(" {text} ");
        for name in ["secret", "t", "customers", "orders", "events"] {
            dressed = dressed.replace(&format!(" {name} "), &format!(" \"{name}\" "));
        }
        prop_assert_eq!(actions(&dressed), actions(text), "{}", dressed);
    }

    #[test]
    fn a_lost_or_doubled_token_never_hides_the_secret(
        index in 0..TEXTS.len(), at in 0..40_usize, double in any::<bool>(),
    ) {
        // Whatever is left of the text, if it names the protected table then the reading knows it, or is opaque.
        let mut parts = pieces(TEXTS[index]);
        let at = at % parts.len();
        if double { parts.insert(at, parts[at]) } else { parts.remove(at); }
        let text = parts.join(" ");
        if ["FROM secret", "TABLE secret", "COPY secret", "ON secret"].iter().any(|place| text.contains(place)) {
            prop_assert!(is_opaque(&text) || actions(&text).contains("public.secret"), "{}: {}", text, actions(&text));
        }
    }
}

/// Runs on a stack as large as the daemon's.
fn on_large_stack(run: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(64 << 20).spawn(run).unwrap().join().unwrap();
}

#[test]
fn deep_and_long_texts_end_in_a_verdict() {
    on_large_stack(|| {
        let texts = [
            format!("SELECT {}1{}", "(".repeat(100), ")".repeat(100)),
            format!("SELECT {}1{}", "(".repeat(5000), ")".repeat(5000)),
            format!("SELECT 1 {}", "+ 1 ".repeat(3000)),
            format!("SELECT 1 {}", "+ 1 ".repeat(200_000)),
            format!("SELECT a FROM t WHERE {} true", "a = 1 OR ".repeat(1500)),
            format!("SELECT a FROM t WHERE {} true", "a = 1 OR ".repeat(100_000)),
            format!("SELECT 1 {}", "UNION SELECT 1 ".repeat(3000)),
            format!("SELECT 1 {}", "UNION SELECT 1 ".repeat(50_000)),
            format!("SELECT 1{}", "::int8".repeat(3000)),
            format!("SELECT 1{}", "::int8".repeat(100_000)),
            format!("SELECT {} 1", "NOT ".repeat(1000)),
            format!("SELECT {}", "- ".repeat(1000)),
            format!("SELECT {}", "-".repeat(100_000)),
            format!("SELECT 1 {} 1", "+".repeat(100_000)),
            format!("SELECT a{}", "[1]".repeat(20_000)),
            format!("SELECT {} 1 {}", "CASE WHEN true THEN ".repeat(300), "END ".repeat(300)),
            format!("{} 1 {}", "SELECT (".repeat(80), ")".repeat(80)),
            format!("SELECT 1 /*{}*/", "/*".repeat(50) + &"*/".repeat(50)),
            format!("SELECT 1 {}", "/*".repeat(1000)),
            "SELECT 1;".repeat(30_000),
            format!("SELECT a FROM t WHERE a IN ({}1)", "1,".repeat(50_000)),
            format!(
                "WITH {} SELECT * FROM c9",
                (0..10).fold("c AS (SELECT * FROM t)".to_owned(), |all, i| {
                    let from = if i == 0 { "c".to_owned() } else { format!("c{}", i - 1) };
                    format!("{all}, c{i} AS (SELECT * FROM {from} x, {from} y)")
                })
            ),
        ];
        for text in texts {
            read(&text);
        }
    });
}
