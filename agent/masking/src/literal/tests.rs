//! Literals in recorded statements.

use super::*;

fn key() -> HashKey {
    HashKey::new(&[7; 32])
}

/// Every stretch between `⟦` and `⟧` is a range to redact.
fn redacted(marked: &str) -> String {
    let (mut text, mut ranges, mut from) = (String::new(), Vec::new(), 0);
    for character in marked.chars() {
        match character {
            '⟦' => from = text.len(),
            '⟧' => ranges.push(from..text.len()),
            other => text.push(other),
        }
    }
    redact_literals(&text, &ranges, &key())
}

#[test]
fn each_literal_becomes_its_digest_and_the_rest_stays() {
    let of = |value: &str| format!("'<masked:{}>'", short(&key(), value.as_bytes()));
    let check = |marked: &str, expect: String| assert_eq!(redacted(marked), expect);
    check("SELECT 1", "SELECT 1".to_owned());
    check("SELECT * FROM t WHERE ssn = ⟦'123'⟧", format!("SELECT * FROM t WHERE ssn = {}", of("123")));
    check("a = ⟦'123'⟧ OR b = ⟦123⟧ OR c = ⟦$x$123$x$⟧", {
        let one = of("123");
        format!("a = {one} OR b = {one} OR c = {one}")
    });
    check("⟦'O''Brien'⟧", of("O'Brien"));
    check("⟦$$a$$⟧", of("a"));
    check("⟦$$⟧", of("$$"));
    check("⟦'⟧", of("'"));
    check("⟦E'\\n'⟧", of("E'\\n'"));
    check("⟦⟧x", "x".to_owned());
}

#[test]
fn a_digest_is_the_same_for_the_same_value_and_key_alone() {
    let one = digest(&key(), b"123");
    assert_eq!(one, digest(&key(), b"123"));
    assert_ne!(one, digest(&key(), b"124"));
    assert_ne!(one, digest(&HashKey::new(&[8; 32]), b"123"));
    let digits = one.strip_prefix("masked:hmac-sha256:").unwrap();
    assert_eq!(digits.len(), 16);
    let whole: String = keyed_digest(&key(), b"123").iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(whole.starts_with(digits));
    assert!(redacted("⟦'123'⟧").contains(digits));
    assert!(!format!("{:?}", key()).contains('7'));
}

#[test]
fn nothing_that_was_named_stays_whatever_the_ranges() {
    let check = |text: &str, ranges: &[(usize, usize)], left: &[&str]| {
        let ranges: Vec<_> = ranges.iter().map(|(from, to)| *from..*to).collect();
        let redacted = redact_literals(text, &ranges, &key());
        let mut rest = redacted.as_str();
        for piece in left {
            let at = rest.find(piece).unwrap_or_else(|| panic!("{piece} in {redacted}"));
            rest = &rest[at + piece.len()..];
        }
        assert!(!redacted.contains("secret"), "{redacted}");
    };
    check("a secret b", &[(2, 8)], &["a '<masked:", ">' b"]);
    check("a secret b", &[(5, 8), (2, 6)], &["a '<masked:", ">' b"]);
    check("a secret b", &[(2, 8), (3, 4), (2, 3)], &["a '<masked:", ">' b"]);
    check("a secret", &[(2, usize::MAX)], &["a '<masked:", ">'"]);
    check("ésecreté", &[(1, 9)], &["'<masked:", ">'"]);
    check("a", &[(7, 9), (1, 1)], &["a"]);
}

proptest::proptest! {
    #[test]
    fn arbitrary_ranges_never_panic(text: String, ranges: Vec<(usize, usize)>) {
        let ranges: Vec<_> = ranges.iter().map(|(from, len)| from % 64..from % 64 + len % 64).collect();
        redact_literals(&text, &ranges, &key());
    }
}
