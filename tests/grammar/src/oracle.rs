//! What PostgreSQL's own grammar makes of a text: tokens, statements, and facts of each statement's tree.
//!
//! The tree is walked as JSON. So no kind of node can be forgotten: what is not known by name is gone through.

mod code;
mod columns;
mod facts;
mod names;
mod tag;
mod tree;
mod walk;

use std::ops::Range;

use pg_query::{ParserOptions, protobuf::Token};

pub use facts::{Clause, Facts, Name, Names, Part, Write};

/// One statement.
pub struct Statement {
    /// From its first token to its last.
    pub range: Range<usize>,
    /// What its tree says.
    pub facts: Facts,
}

/// A whole text that PostgreSQL takes.
pub struct Reading {
    /// Every token's bytes, without comments.
    pub tokens: Vec<Range<usize>>,
    /// Bytes of strings, numbers and bit strings.
    pub constants: Vec<Range<usize>>,
    pub statements: Vec<Statement>,
}

/// Reads a text; `None` where PostgreSQL refuses it.
pub fn read(text: &str) -> Option<Reading> {
    // What is cut at a zero byte would be another text.
    if text.contains('\0') {
        return None;
    }
    let parsed = pg_query::parse(text, ParserOptions::DEFAULT).ok()?.protobuf;
    let (mut tokens, mut constants) = (Vec::new(), Vec::new());
    for token in pg_query::scan(text).ok()?.tokens {
        let mut range = usize::try_from(token.start).ok()?..usize::try_from(token.end).ok()?;
        // N'…' is a word and a string that touch, and one token to us.
        if token.token() == Token::Sconst
            && let Some(before) = tokens.pop_if(|t: &mut Range<usize>| {
                t.end == range.start && text[t.clone()].eq_ignore_ascii_case("n")
            })
        {
            range.start = before.start;
        }
        match token.token() {
            Token::SqlComment | Token::CComment => continue,
            Token::Sconst
            | Token::Usconst
            | Token::Bconst
            | Token::Xconst
            | Token::Iconst
            | Token::Fconst => {
                constants.push(range.clone());
            }
            _ => {}
        }
        tokens.push(range);
    }
    let mut statements = Vec::new();
    for raw in &parsed.stmts {
        let start = usize::try_from(raw.stmt_location).ok()?;
        let length = usize::try_from(raw.stmt_len).ok()?;
        let end = if length == 0 { text.len() } else { start + length };
        let inside =
            || tokens.iter().filter(|t| t.start >= start && t.end <= end && text[(*t).clone()] != *";");
        let first = inside().next()?.start;
        // BEGIN ATOMIC … END has semicolons inside; the last token is none.
        let last = inside().next_back()?.end;
        let tree = serde_json::to_value(raw.stmt.as_ref()?).ok()?;
        let mut facts = walk::facts(&tree);
        for inside in code::trees(&text[first..last], &tree) {
            facts.add_code(walk::facts(&inside));
        }
        statements.push(Statement { range: first..last, facts });
    }
    Some(Reading { tokens, constants, statements })
}
