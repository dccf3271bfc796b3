//! Lexer cases: each text with its tokens, as PostgreSQL's scanner cuts it.

use super::{Kind, Token, Unreadable, lex};
use crate::{Limits, Settings};

fn tokens(text: &str) -> Result<Vec<(Kind, String)>, Unreadable> {
    let (text, tokens) = lex(text.as_bytes(), &Settings::default(), &Limits::default())?;
    Ok(tokens.into_iter().map(|t: Token| (t.kind, t.written(text).to_owned())).collect())
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let found: Vec<String> = tokens(text).unwrap().into_iter().map(|(_, written)| written).collect();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn operators_end_where_a_comment_begins() {
    check("a||/*x*/b", &["a", "||", "b"]);
    check("1 %-- x\n2", &["1", "%", "2"]);
    check("a->/**/b", &["a", "->", "b"]);
    check("a|&/b", &["a", "|&/", "b"]);
}

#[test]
fn operators_lose_a_trailing_sign_unless_they_may_keep_it() {
    check("1=-1", &["1", "=", "-", "1"]);
    check("1<>-1", &["1", "<>", "-", "1"]);
    check("1@-1", &["1", "@-", "1"]);
    check("1+-1", &["1", "+", "-", "1"]);
    check("1*-+1", &["1", "*", "-", "+", "1"]);
    check("1?-1", &["1", "?-", "1"]);
}

#[test]
fn strings_continue_over_lines_with_the_kind_of_the_first() {
    check("'a'\n'b'", &["'a'\n'b'"]);
    check("'a' 'b'", &["'a'", "'b'"]);
    check("'a' -- x\n 'b'", &["'a' -- x\n 'b'"]);
    check("'a' /* x */\n'b'", &["'a'", "'b'"]);
    check("E'a'\n'\\''", &["E'a'\n'\\''"]);
    check("'a''b'", &["'a''b'"]);
    check("E'a\\'b'", &["E'a\\'b'"]);
    check("'a\\' b", &["'a\\'", "b"]);
    check("B'1''0'", &["B'1'", "'0'"]);
}

#[test]
fn dollar_quotes_take_any_letter_in_their_tag() {
    check("$$a$$", &["$$a$$"]);
    check("$a$ $b$ $$ $a$", &["$a$ $b$ $$ $a$"]);
    check("$€$ ; $€$", &["$€$ ; $€$"]);
    check("a$b$c", &["a$b$c"]);
    check("$1 $23", &["$1", "$23"]);
    check("$a1$x$a1$", &["$a1$x$a1$"]);
}

#[test]
fn numbers_end_where_postgresqls_do() {
    check("1.5.2", &["1.5", ".2"]);
    check(".5e3", &[".5e3"]);
    check("1.e5", &["1.e5"]);
    check("1_000 0xFF 0b01 0o17", &["1_000", "0xFF", "0b01", "0o17"]);
    check("a.1", &["a", ".1"]);
}

#[test]
fn identifiers_may_hold_any_byte_above_127() {
    check("é\u{a0}x", &["é\u{a0}x"]);
    check("\"a\"\"b\"", &["\"a\"\"b\""]);
    check("U&\"d\\0061t\"", &["U&\"d\\0061t\""]);
    check("u & \"x\"", &["u", "&", "\"x\""]);
    check("b\"x\" e\"y\"", &["b", "\"x\"", "e", "\"y\""]);
}

#[test]
fn names_are_as_the_server_stores_them() {
    let name = |text: &str| {
        let (text, tokens) = lex(text.as_bytes(), &Settings::default(), &Limits::default()).unwrap();
        tokens[0].name(text).into_owned()
    };
    assert_eq!(name("FooBar"), "foobar");
    assert_eq!(name("\"Foo\"\"Bar\""), "Foo\"Bar");
    assert_eq!(name("U&\"\\0070w\\+000041\\\\\""), "pwA\\");
    assert_eq!(name("U&\"\\D83D\\DE00\""), "\u{1F600}");
    assert_eq!(name("É"), "É");
    assert_eq!(name(&format!("\"{}é\"", "x".repeat(62))), "x".repeat(62));
}

#[test]
fn what_cannot_be_cut_exactly_is_unreadable() {
    for text in [
        "'a",
        "\"a",
        "\"\"",
        "/* a",
        "/* /* */",
        "$a$ b",
        "E'\\",
        "1a",
        "1_",
        "0x",
        "1e",
        "1__0",
        "$1a",
        "$a",
        "$",
        "b'2'",
        "x'g'",
        "U&'a' UESCAPE '!'",
        "U&\"\\00\"",
        "U&\"\\D800\"",
        "1..2",
        "a..b",
        "{",
        "\\",
        "\0",
        "'a\0'",
    ] {
        assert!(tokens(text).is_err(), "{text:?} gave {:?}", tokens(text));
    }
    assert_eq!(
        lex(b"\xff", &Settings::default(), &Limits::default()).unwrap_err(),
        Unreadable::NotUtf8 { at: 0 }
    );
    let latin = Settings { utf8: false, ..Settings::default() };
    assert_eq!(lex("'é'".as_bytes(), &latin, &Limits::default()).unwrap_err(), Unreadable::Encoding);
}
