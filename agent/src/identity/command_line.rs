//! A command line as people read it, without the passwords, the tokens and the SQL that people put there.
//!
//! It is shown and recorded. It is never split again or run.

/// What stands for a password or a token.
const HIDDEN: &str = "***";

/// The arguments of `/proc/PID/cmdline`, which end in a NUL each, with spaces between, control characters as
/// U+FFFD, passwords of connection strings and tokens hidden, and texts cut to their first word.
pub(super) fn display(arguments: &[u8]) -> String {
    let arguments = arguments.strip_suffix(b"\0").unwrap_or(arguments);
    let shown: Vec<String> = arguments
        .split(|byte| *byte == 0)
        .map(|argument| {
            let text = String::from_utf8_lossy(argument);
            let text: String = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
            without_tokens(name_of_text(without_assignments(&without_user_info(&text))))
        })
        .collect();
    shown.join(" ")
}

/// An argument with white space in it is a text, such as the SQL of `psql -c`: it may hold values that are masked
/// everywhere else in the record, and what it does is recorded as statements. Its first word tells what it is.
fn name_of_text(argument: String) -> String {
    match argument.trim_start().split_once(|c: char| c.is_whitespace()) {
        None => argument,
        Some((first, _)) if first.contains(['\'', '"', '$']) => "…".to_owned(),
        Some((first, _)) => format!("{first} …"),
    }
}

/// Hides each signed token (JWS, RFC 7515): three parts or more in base64url, the first of them a JSON object.
fn without_tokens(text: String) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_token = |word: &str| word.starts_with("eyJ") && word.matches('.').count() >= 2;
    if !text.contains("eyJ") {
        return text;
    }
    let ends = text.char_indices().filter(|(_, c)| !is_part(*c)).map(|(at, c)| (at, at + c.len_utf8()));
    let (mut out, mut from) = (String::with_capacity(text.len()), 0);
    for (at, next) in ends.chain([(text.len(), text.len())]) {
        let word = &text[from..at];
        out.push_str(if is_token(word) { HIDDEN } else { word });
        out.push_str(&text[at..next]);
        from = next;
    }
    out
}

/// Hides the password in each `scheme://user:password@…`.
fn without_user_info(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        out.push_str(before);
        out.push_str("://");
        let authority = &after[..after.find(['/', '?', ' ']).unwrap_or(after.len())];
        // The last `@`: an earlier one belongs to a password that was not escaped.
        match (authority.rfind('@'), authority.find(':')) {
            (Some(at), Some(colon)) if colon < at => {
                out.push_str(&authority[..=colon]);
                out.push_str(HIDDEN);
                rest = &after[at..];
            }
            _ => rest = after,
        }
    }
    out.push_str(rest);
    out
}

/// Hides the value of each `password=…` and `…password=…`, up to a space or the next parameter; of a quoted
/// value up to its quote.
fn without_assignments(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    let mut words: Vec<(usize, &str)> =
        lower.match_indices("password").chain(lower.match_indices("passwd")).collect();
    words.sort_unstable();
    for (name, word) in words {
        let name_end = name + word.len();
        let value = lower[name_end..].find(|c: char| c != ' ').map(|i| name_end + i);
        let Some(equals) = value.filter(|at| *at >= from && lower[*at..].starts_with('=')) else { continue };
        let begin = lower[equals + 1..].find(|c: char| c != ' ').map_or(lower.len(), |i| equals + 1 + i);
        let end = match lower[begin..].chars().next() {
            Some(quote @ ('\'' | '"')) => {
                lower[begin + 1..].find(quote).map_or(lower.len(), |i| begin + 1 + i + 1)
            }
            _ => lower[begin..].find([' ', '&']).map_or(lower.len(), |i| begin + i),
        };
        out.push_str(&text[from..begin]);
        out.push_str(HIDDEN);
        from = end;
    }
    out.push_str(&text[from..]);
    out
}
