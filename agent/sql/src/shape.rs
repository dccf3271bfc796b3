//! Texts that differ in their literals alone: read one of them, and know them all.
//!
//! A [`Shape`] is a statement's tokens with a mark in the place of each literal. That every text of a shape means the
//! same is not assumed but shown, for each shape, by [`stands_for_all`]. A meaning may depend on a literal in two ways:
//! on whether it equals another one (`a = 1` beside `a = 1`), and on what it is (`LIKE '%'`). Both only ever add to what
//! a statement does. So the shape is read once with all its literals equal, each the one that matches everything, and
//! once with all of them different and none of them special. Where both mean what the text itself means, so does
//! whatever lies between. Where a literal says what is done (`set_config`, `query_to_xml`, `nextval`) the literals are the meaning, and there is
//! no shape.

use std::fmt::Write as _;

use policy::{Catalog, Verb};

use crate::cursor::Cursor;
use crate::lexer::{Kind, Token, lex};
use crate::read::is_told_by_literal;
use crate::statement::is_data;
use crate::{Analysis, Limits, Place, Settings, analyse};

/// Longer texts have their literals in so many places that they are rarely of one shape.
const LONGEST: usize = 16 * 1024;

/// Behind every token that is no literal. Like the marks, it is no byte of UTF-8.
const END: u8 = 0xfc;

/// A single statement that reads or writes rows, without its literals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    key: Vec<u8>,
    place: Place,
}

/// What stands in the place of a literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Literal {
    /// `'…'`
    String,
    /// At most nine digits: an `integer` to PostgreSQL, whatever they are.
    Integer,
    /// With a point or an exponent: a `numeric`.
    Number,
}

impl Literal {
    /// What the token at that place is, where it may be left out. Every other literal is part of the shape, and so is the
    /// number of a LIMIT, which an action tells, and that of a column behind `keys`.
    fn at(tokens: &[Token], at: usize, text: &str, keys: usize) -> Option<Self> {
        let token = *tokens.get(at)?;
        let before = at.checked_sub(1).and_then(|before| tokens.get(before));
        let begins = before.is_some_and(|before| {
            matches!(before.kind, Kind::LeftParen | Kind::Comma) || before.is(text, "by")
        });
        if at > keys && begins && token.kind == Kind::Integer {
            return None;
        }
        if before.is_some_and(|before| ["limit", "first", "next"].iter().any(|word| before.is(text, word))) {
            return None;
        }
        let digits = || token.range().len() <= 9 && token.written(text).bytes().all(|b| b.is_ascii_digit());
        match token.kind {
            Kind::String => Some(Literal::String),
            Kind::Integer => digits().then_some(Literal::Integer),
            Kind::Number => Some(Literal::Number),
            _ => None,
        }
    }

    const fn mark(self) -> u8 {
        match self {
            Literal::String => 0xff,
            Literal::Integer => 0xfe,
            Literal::Number => 0xfd,
        }
    }

    /// The same literal everywhere, and of all the one that matches the most.
    const fn alike(self) -> &'static str {
        match self {
            Literal::String => "'%'",
            Literal::Integer => "1",
            Literal::Number => "1.5",
        }
    }

    /// A literal that stands nowhere else.
    fn distinct(self, number: usize) -> String {
        match self {
            Literal::String => format!("'literal {number}'"),
            Literal::Integer => (999_999_999 - number).to_string(),
            Literal::Number => format!("{}.5", 999_999_999 - number),
        }
    }
}

/// Where the first clause begins in which a number may mean a column: ORDER BY, GROUP BY, DISTINCT ON.
fn first_keys(tokens: &[Token], text: &str) -> usize {
    let begins = |at: usize| {
        let before = at.checked_sub(1).and_then(|before| tokens.get(before));
        tokens[at].is(text, "by")
            || (tokens[at].is(text, "on") && before.is_some_and(|before| before.is(text, "distinct")))
    };
    (0..tokens.len()).find(|at| begins(*at)).unwrap_or(tokens.len())
}

impl Shape {
    /// The shape of a text; `None` where it is not one statement that reads or writes rows, or where its literals may
    /// say what it does.
    pub fn of(text: &[u8], settings: &Settings, limits: &Limits) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let (text, tokens) = lex(text, settings, limits).ok()?;
        let end = tokens.iter().position(|token| token.kind == Kind::Semicolon).unwrap_or(tokens.len());
        let (tokens, rest) = tokens.split_at(end);
        let alone = rest.iter().all(|token| token.kind == Kind::Semicolon);
        if !alone || tokens.is_empty() || !is_data(&Cursor::new(text, tokens)) {
            return None;
        }
        let mut key = Vec::with_capacity(text.len() + tokens.len());
        let keys = first_keys(tokens, text);
        for (at, token) in tokens.iter().enumerate() {
            if let Some(literal) = Literal::at(tokens, at, text, keys) {
                key.push(literal.mark());
                continue;
            }
            if token.kind.is_name() && is_told_by_literal(&token.name(text)) {
                return None;
            }
            key.extend_from_slice(token.written(text).as_bytes());
            key.push(END);
        }
        Some(Shape { key, place: Place::of(text, tokens) })
    }

    /// What texts of one shape have in common, and no other text has.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// Where the statement and its literals stand in this text.
    pub fn place(&self) -> &Place {
        &self.place
    }
}

/// Whether what this text means, every text of its shape means. `analysis` is the text's own.
pub fn stands_for_all(
    text: &[u8],
    shape: &Shape,
    analysis: &Analysis,
    settings: &Settings,
    catalog: &Catalog,
    limits: &Limits,
) -> bool {
    let opaque = analysis.statements.iter().any(|s| s.actions.iter().any(|a| a.verb == Verb::Opaque));
    // Why something was not understood may be told with its place.
    if opaque {
        return false;
    }
    let means_the_same = |replace: &dyn Fn(Literal, usize) -> String| {
        replaced(text, settings, limits, replace).is_some_and(|other| {
            let same_shape =
                Shape::of(other.as_bytes(), settings, limits).is_some_and(|s| s.key == shape.key);
            same_shape
                && analyse(other.as_bytes(), settings, catalog, limits).statements == analysis.statements
        })
    };
    means_the_same(&|literal, _| literal.alike().to_owned())
        && means_the_same(&|literal, number| literal.distinct(number))
}

/// The text with other literals. Tokens stay apart as they were: each is written with a space behind it.
fn replaced(
    text: &[u8],
    settings: &Settings,
    limits: &Limits,
    replace: &dyn Fn(Literal, usize) -> String,
) -> Option<String> {
    let (text, tokens) = lex(text, settings, limits).ok()?;
    let mut out = String::with_capacity(text.len() * 2);
    let keys = first_keys(&tokens, text);
    for (number, token) in tokens.iter().enumerate() {
        // Writing to a String does not fail.
        let _ = match Literal::at(&tokens, number, text, keys) {
            Some(literal) => write!(out, "{} ", replace(literal, number)),
            None => write!(out, "{} ", token.written(text)),
        };
    }
    Some(out)
}
