//! Literals that must never be recorded. Errs to more: a string too many costs a reader little.

use std::ops::Range;

use crate::lexer::Token;

/// Strings of this statement that are, or may hold, a password.
pub(crate) fn find(text: &str, tokens: &[Token]) -> Vec<Range<usize>> {
    let named = holds_credentials(text, tokens);
    let word =
        |i: usize, keywords: &[&str]| tokens.get(i).is_some_and(|t| keywords.iter().any(|k| t.is(text, k)));
    let role = word(0, &["create", "alter"]) && word(1, &["role", "user", "group"]);
    let after_password = |i: usize| i > 0 && tokens[i - 1].is(text, "password");
    tokens
        .iter()
        .enumerate()
        .filter(|(i, t)| {
            let string = t.kind.is_string() && (named || looks_like_credentials(t.written(text)));
            // A password whose quotes were forgotten, or are the wrong ones.
            string || (role && t.kind.is_name() && after_password(*i) && !t.is(text, "null"))
        })
        .map(|(_, t)| t.range())
        .collect()
}

/// Whether what stands behind this text may be a password without quotes.
pub(crate) fn ends_in_password(before: &str) -> bool {
    let before = before.trim_end().as_bytes();
    before.len().checked_sub(8).is_some_and(|at| before[at..].eq_ignore_ascii_case(b"password"))
}

/// What of a text that could not be read must not be recorded.
pub(crate) fn find_in_unreadable(text: &[u8]) -> Vec<Range<usize>> {
    if mentions_password(text) || contains(text, b"://") {
        let whole = 0..text.len();
        vec![whole]
    } else {
        Vec::new()
    }
}

/// Statements whose strings are credentials: a word with `password` in it, roles, user mappings, servers,
/// subscriptions.
fn holds_credentials(text: &str, tokens: &[Token]) -> bool {
    let word = |i: usize, keyword: &str| tokens.get(i).is_some_and(|t| t.is(text, keyword));
    if word(0, "create") || word(0, "alter") {
        let kind = ["role", "user", "group", "server", "subscription"];
        if kind.iter().any(|k| word(1, k)) {
            return true;
        }
    }
    tokens.iter().any(|t| t.kind.is_name() && mentions_password(t.written(text).as_bytes()))
}

fn mentions_password(text: &[u8]) -> bool {
    contains(text, b"password") || contains(text, b"passwd") || contains(text, b"pwd")
}

/// A connection string or URL with a password in it, or a text that speaks of one.
fn looks_like_credentials(literal: &str) -> bool {
    let bytes = literal.as_bytes();
    mentions_password(bytes)
        || (contains(bytes, b"://") && bytes.contains(&b'@'))
        || contains(bytes, b"scram-sha-256$")
}

/// Whether `needle` (lower case) is in `text`, whatever the case there.
fn contains(text: &[u8], needle: &[u8]) -> bool {
    text.windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle))
}
