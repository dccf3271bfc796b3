//! Texts to read: scripts for psql, cut into what psql would send.

use std::collections::HashSet;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::oracle::{self, Reading};

/// Texts of one origin, all of which PostgreSQL's grammar takes.
pub struct Corpus {
    pub name: String,
    pub texts: Vec<String>,
    /// Texts that were left out, since PostgreSQL refuses them.
    pub invalid: Vec<String>,
}

impl Corpus {
    /// Every `.sql` file of a folder, or one file.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn read(name: &str, path: &Path) -> Result<Self> {
        let mut files = Vec::new();
        if path.is_dir() {
            for entry in std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))? {
                files.push(entry?.path());
            }
            files.retain(|file| file.extension().is_some_and(|e| e == "sql"));
            files.sort();
        } else {
            files.push(path.to_owned());
        }
        let mut corpus = Corpus { name: name.to_owned(), texts: Vec::new(), invalid: Vec::new() };
        let mut seen = HashSet::new();
        for file in files {
            let bytes = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            for text in sent(&String::from_utf8_lossy(&bytes)) {
                if !seen.insert(text.clone()) {
                    continue;
                }
                match oracle::read(&text) {
                    Some(reading) if !reading.statements.is_empty() => corpus.texts.push(text),
                    Some(_) => {}
                    None => corpus.invalid.push(text),
                }
            }
        }
        Ok(corpus)
    }
}

/// The same text with PostgreSQL's own functions and relations called a user's, so that none of them is harmless.
pub fn foreign(text: &str, reading: &Reading) -> Option<String> {
    let mut changed = String::with_capacity(text.len());
    let mut at = 0;
    for token in &reading.tokens {
        if text[token.clone()].eq_ignore_ascii_case("pg_catalog") && text[token.end..].starts_with('.') {
            changed.push_str(&text[at..token.start]);
            changed.push_str("foreign_catalog");
            at = token.end;
        }
    }
    changed.push_str(&text[at..]);
    (at > 0).then_some(changed)
}

/// What psql sends of a script: commands of its own and data of COPY are dropped, variables are replaced by a name.
pub fn sent(script: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut text = String::new();
    let mut rest = script;
    let mut depth = 0_usize;
    let mut atomic = false;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' => quoted(rest, '\'', escapes(&text)),
            '"' => quoted(rest, '"', false),
            '$' => dollar(rest, &text),
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => comment(rest),
            ':' => {
                if let Some((name, length)) = variable(rest, &text) {
                    text.push_str(&name);
                    rest = &rest[length..];
                    continue;
                }
                1 + usize::from(rest.starts_with("::"))
            }
            '\\' => {
                let line = rest.find('\n').unwrap_or(rest.len());
                if rest.starts_with("\\;") {
                    text.push(';');
                    rest = &rest[2..];
                    continue;
                }
                if rest.starts_with("\\g") || rest.starts_with("\\crosstabview") || rest.starts_with("\\bind")
                {
                    texts.push(std::mem::take(&mut text));
                }
                rest = &rest[line..];
                continue;
            }
            c => c.len_utf8(),
        };
        let (piece, after) = rest.split_at(length);
        match first {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            c if c.is_ascii_alphabetic() => {
                let word: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if !text.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
                    let before = text.trim_end().to_ascii_lowercase();
                    if word.eq_ignore_ascii_case("atomic") && before.ends_with("begin") {
                        atomic = true;
                    } else if word.eq_ignore_ascii_case("end")
                        && (before.ends_with(';') || before.ends_with("atomic"))
                    {
                        atomic = false;
                    }
                }
            }
            _ => {}
        }
        rest = after;
        if first == ';' && depth == 0 && !atomic {
            let statement = std::mem::take(&mut text);
            if is_copy_in(&statement) {
                // What a tool sent stands here without its data.
                let data = rest.find("\n\\.").map_or(0, |at| at + 3);
                rest = &rest[data..];
            }
            texts.push(statement);
            continue;
        }
        text.push_str(piece);
    }
    texts.push(text);
    texts.into_iter().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect()
}

/// Whether a string that begins now is one with escapes.
fn escapes(before: &str) -> bool {
    let mut back = before.chars().rev();
    matches!(back.next(), Some('e' | 'E')) && !back.next().is_some_and(|c| c.is_alphanumeric() || c == '_')
}

fn quoted(rest: &str, quote: char, escapes: bool) -> usize {
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' && escapes {
            chars.next();
        } else if c == quote {
            if chars.peek().is_some_and(|(_, next)| *next == quote) {
                chars.next();
            } else {
                return at + 1;
            }
        }
    }
    rest.len()
}

fn dollar(rest: &str, before: &str) -> usize {
    if before.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
        return 1;
    }
    let Some(end) = rest[1..].find('$') else { return 1 };
    let tag = &rest[..end + 2];
    let inside = &tag[1..tag.len() - 1];
    if inside.starts_with(|c: char| c.is_ascii_digit())
        || !inside.chars().all(|c| c.is_alphanumeric() || c == '_')
    {
        return 1;
    }
    rest[tag.len()..].find(tag).map_or(rest.len(), |at| at + 2 * tag.len())
}

fn comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// `:name`, `:'name'` or `:"name"`, and its length.
fn variable(rest: &str, before: &str) -> Option<(String, usize)> {
    if before.ends_with(':') || rest.starts_with("::") {
        return None;
    }
    let after = &rest[1..];
    let quote = after.chars().next().filter(|c| matches!(c, '\'' | '"'));
    let inside = if quote.is_some() { &after[1..] } else { after };
    let name: String = inside.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    match quote {
        Some(quote) if inside[name.len()..].starts_with(quote) => {
            Some((format!("{quote}{name}{quote}"), name.len() + 3))
        }
        Some(_) => None,
        None => Some((name.clone(), name.len() + 1)),
    }
}

fn is_copy_in(statement: &str) -> bool {
    let lower = statement.trim_start().to_ascii_lowercase();
    lower.starts_with("copy")
        && lower.split_whitespace().any(|word| word == "stdin")
        && lower.contains("from")
}
