//! Masks of values: each type in both formats, and the methods of the text types.

use proptest::prelude::*;

use super::*;

fn masked(
    method: MaskMethod,
    type_oid: Oid,
    type_modifier: i32,
    format: Format,
    value: &[u8],
) -> Option<Vec<u8>> {
    let key = HashKey::new(&[7; 32]);
    mask(method, CellType { type_oid, type_modifier, format }, value, &key).map(Cow::into_owned)
}

/// The mask of a text, as a text.
fn shown(method: MaskMethod, type_oid: Oid, type_modifier: i32, value: &str) -> String {
    String::from_utf8(masked(method, type_oid, type_modifier, Format::TEXT, value.as_bytes()).unwrap())
        .unwrap()
}

/// Text and binary forms, each checked against the type's input, output and send functions of a server.
const FORMS: &[(&str, Oid, &str, &str)] = &[
    ("bool", 16, "f", "00"),
    ("bytea", 17, "\\x", ""),
    ("\"char\"", 18, "*", "2a"),
    ("name", 19, "****", "2a2a2a2a"),
    ("int8", 20, "0", "0000000000000000"),
    ("int2", 21, "0", "0000"),
    ("int4", 23, "0", "00000000"),
    ("text", 25, "****", "2a2a2a2a"),
    ("oid", 26, "0", "00000000"),
    ("json", 114, "\"****\"", "222a2a2a2a22"),
    ("xml", 142, "<masked/>", "3c6d61736b65642f3e"),
    ("cidr", 650, "0.0.0.0/32", "0220010400000000"),
    ("float4", 700, "0", "00000000"),
    ("float8", 701, "0", "0000000000000000"),
    ("macaddr8", 774, "00:00:00:00:00:00:00:00", "0000000000000000"),
    ("money", 790, "0.00", "0000000000000000"),
    ("macaddr", 829, "00:00:00:00:00:00", "000000000000"),
    ("inet", 869, "0.0.0.0", "0220000400000000"),
    ("bpchar", 1042, "****", "2a2a2a2a"),
    ("varchar", 1043, "****", "2a2a2a2a"),
    ("date", 1082, "2000-01-01", "00000000"),
    ("time", 1083, "00:00:00", "0000000000000000"),
    ("timestamp", 1114, "2000-01-01 00:00:00", "0000000000000000"),
    ("timestamptz", 1184, "2000-01-01 00:00:00+00", "0000000000000000"),
    ("interval", 1186, "00:00:00", "00000000000000000000000000000000"),
    ("timetz", 1266, "00:00:00+00", "000000000000000000000000"),
    ("bit", 1560, "0", "0000000100"),
    ("varbit", 1562, "0", "0000000100"),
    ("numeric", 1700, "0", "0000000000000000"),
    ("uuid", 2950, "00000000-0000-0000-0000-000000000000", "00000000000000000000000000000000"),
    ("jsonb", 3802, "\"****\"", "01222a2a2a2a22"),
    ("int4[]", 1007, "{}", "000000000000000000000017"),
    ("text[]", 1009, "{}", "000000000000000000000019"),
    ("jsonb[]", 3807, "{}", "000000000000000000000eda"),
];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn each_type_has_a_constant_in_both_formats() {
    for (name, oid, text, binary) in FORMS {
        let redacted = |format| masked(MaskMethod::Redact, *oid, -1, format, b"some value").unwrap();
        assert_eq!(redacted(Format::TEXT), text.as_bytes(), "{name} as text");
        assert_eq!(hex(&redacted(Format::BINARY)), *binary, "{name} in binary");
    }
}

#[test]
fn a_type_or_format_that_is_not_known_becomes_null() {
    // record, point, tsvector, int4range, regclass, and something of an extension
    for oid in [0, 2249, 600, 3614, 3904, 2205, 16_999] {
        for method in MaskMethod::ALL {
            assert_eq!(masked(method, oid, -1, Format::TEXT, b"x"), None, "{oid} by {method}");
        }
    }
    assert_eq!(masked(MaskMethod::Redact, 25, -1, Format(2), b"x"), None);
    assert_eq!(masked(MaskMethod::Null, 25, -1, Format::TEXT, b"x"), None);
}

#[test]
fn a_method_for_texts_redacts_what_is_none() {
    for method in [MaskMethod::Hash, MaskMethod::Last4, MaskMethod::Email] {
        assert_eq!(masked(method, 23, -1, Format::TEXT, b"4111"), Some(b"0".to_vec()));
        assert_eq!(masked(method, 3802, -1, Format::TEXT, b"4111"), Some(b"\"****\"".to_vec()));
    }
}

#[test]
fn last4_keeps_the_last_four_characters_of_more_than_four() {
    let check = |value, expect: &str| assert_eq!(shown(MaskMethod::Last4, 25, -1, value), expect, "{value}");
    check("4111111111111234", "************1234");
    check("12345", "*2345");
    check("1234", "****");
    check("1", "*");
    check("", "");
    check("Zoë Müllër", "******llër");
    let latin1 = masked(MaskMethod::Last4, 25, -1, Format::TEXT, b"M\xfcller").unwrap();
    assert_eq!(latin1, b"****");
}

#[test]
fn email_keeps_the_first_character_and_the_top_level_domain() {
    let check = |value, expect: &str| assert_eq!(shown(MaskMethod::Email, 25, -1, value), expect, "{value}");
    check("alice@example.com", "a***@***.com");
    check("a@b.example.org", "a***@***.org");
    check("no address", "****");
    check("alice@localhost", "****");
    check("@example.com", "****");
    check("Alice <alice@example.com>", "****");
    check("alice@203.0.113.7", "****");
    check("alice@example.com\nssn 123-45-6789", "****");
    check("", "****");
}

#[test]
fn a_hash_is_the_same_for_the_same_value_in_every_text_type() {
    let text = shown(MaskMethod::Hash, 25, -1, "abc");
    assert_eq!(text.len(), 32);
    assert_eq!(text, shown(MaskMethod::Hash, 1043, -1, "abc"));
    assert_eq!(text, shown(MaskMethod::Hash, 1042, 32 + 4, "abc                             "));
    assert_eq!(&text[..8], shown(MaskMethod::Hash, 1043, 8 + 4, "abc"));
    assert_ne!(text, shown(MaskMethod::Hash, 25, -1, "abd"));
    assert!(!text.contains("abc"));
}

#[test]
fn a_mask_keeps_to_the_length_of_its_type() {
    let check = |method, oid, length, value, expect: &str| {
        assert_eq!(shown(method, oid, length + 4, value), expect, "{method} to {length}");
    };
    check(MaskMethod::Redact, 1043, 2, "ab", "**");
    check(MaskMethod::Redact, 1043, 9, "ab", "****");
    check(MaskMethod::Redact, 1042, 2, "ab", "**");
    check(MaskMethod::Redact, 1042, 9, "ab       ", "****     ");
    check(MaskMethod::Last4, 1042, 9, "123456   ", "**3456   ");
    check(MaskMethod::Last4, 1043, 16, "123456", "**3456");
    check(MaskMethod::Email, 1043, 8, "a@bc.de", "****");
    check(MaskMethod::Email, 1043, 3, "a@bc.de", "***");
    check(MaskMethod::Email, 1043, 20, "a@bc.de", "a***@***.de");
    // Not what a server sends: no length can be meant.
    check(MaskMethod::Redact, 1042, -1, "x", "****");
    check(MaskMethod::Redact, 1043, i32::MIN, "x", "****");
}

#[test]
fn a_bit_string_of_zeros_is_as_long_as_its_type() {
    let zeros = |length, format| masked(MaskMethod::Redact, 1560, length, format, b"1");
    assert_eq!(zeros(10, Format::TEXT), Some(b"0000000000".to_vec()));
    assert_eq!(zeros(10, Format::BINARY), Some(vec![0, 0, 0, 10, 0, 0]));
    assert_eq!(zeros(8, Format::BINARY), Some(vec![0, 0, 0, 8, 0]));
    assert_eq!(zeros(i32::MAX, Format::BINARY), None);
}

proptest! {
    #[test]
    fn no_value_panics_and_no_text_shows_more_than_four_characters(
        oid in prop_oneof![0..4000u32, proptest::sample::select(&[19u32, 25, 705, 1042, 1043][..])],
        modifier in prop_oneof![any::<i32>(), -5..40],
        format in (-1..3i16).prop_map(Format),
        value in prop_oneof![any::<Vec<u8>>(), any::<String>().prop_map(String::into_bytes)],
    ) {
        for method in MaskMethod::ALL {
            masked(method, oid, modifier, format, &value);
        }
        let digits = "0123456789-secret";
        let kept = |method| shown(method, 25, modifier, digits).chars().filter(|c| *c != '*').count();
        prop_assert_eq!(kept(MaskMethod::Last4), 4);
        prop_assert_eq!(kept(MaskMethod::Redact), 0);
    }
}
