//! From a slice of our tokens to a tree of `sqlparser`, with its rewrites, and only if all tokens were consumed.
//!
//! It never lets `sqlparser` see the text: what a token is, is the lexer's word. Spans in the tree are indices
//! of tokens (column = index + 1), so that the extractor can say which tokens it has met.

mod bridge;

use std::panic::{AssertUnwindSafe, catch_unwind};

use sqlparser::ast::{Expr, Query, Statement};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token as ParserToken, TokenWithSpan};

use crate::lexer::Token;
use bridge::Bridged;

/// Frames of `sqlparser` inside each other. Above what [`crate::Limits::nesting`] lets through.
const RECURSION: usize = 400;

/// What stopped `sqlparser`: the token (an index into the slice) where it did, if one is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) at: Option<usize>,
}

/// A tree, and which tokens have no place in it.
pub(crate) struct Parsed<T> {
    pub(crate) tree: T,
    pub(crate) unplaced: Vec<bool>,
}

/// Reads the slice as one statement.
pub(crate) fn statement(text: &str, tokens: &[Token]) -> Result<Parsed<Statement>, Failed> {
    whole(text, tokens, |parser| parser.parse_statement())
}

/// Reads the slice as one query.
pub(crate) fn query(text: &str, tokens: &[Token]) -> Result<Parsed<Box<Query>>, Failed> {
    whole(text, tokens, |parser| parser.parse_query())
}

/// Reads the slice as what follows SELECT in a query.
pub(crate) fn selected(text: &str, tokens: &[Token]) -> Result<Parsed<Box<Query>>, Failed> {
    let Bridged { tokens: mut bridged, unplaced } = bridge::bridge_selected(text, tokens);
    bridged.insert(0, TokenWithSpan::wrap(ParserToken::make_keyword("SELECT")));
    parsed(bridged, unplaced, |parser| parser.parse_query())
}

/// Reads the slice as one expression.
pub(crate) fn expression(text: &str, tokens: &[Token]) -> Result<Parsed<Expr>, Failed> {
    whole(text, tokens, |parser| parser.parse_expr())
}

/// The tree of each statement that is read from one, for who compares it with another parser's.
///
/// # Errors
/// As [`crate::split`].
#[cfg(feature = "trees")]
pub fn trees(
    text: &[u8],
    settings: &crate::Settings,
    limits: &crate::Limits,
) -> Result<Vec<Option<Statement>>, crate::Unreadable> {
    let (text, tokens) = crate::lexer::lex(text, settings, limits)?;
    let tree = |tokens: &[Token]| {
        let cursor = crate::cursor::Cursor::new(text, tokens);
        crate::statement::is_data(&cursor).then(|| statement(text, tokens).ok()).flatten()
    };
    let slices = crate::split::slices(text, &tokens, limits)?;
    Ok(slices.into_iter().map(|slice| tree(&tokens[slice]).map(|parsed| parsed.tree)).collect())
}

fn whole<T>(
    text: &str,
    tokens: &[Token],
    read: impl for<'a> FnOnce(&mut Parser<'a>) -> Result<T, ParserError>,
) -> Result<Parsed<T>, Failed> {
    let Bridged { tokens: bridged, unplaced } = bridge::bridge(text, tokens);
    parsed(bridged, unplaced, read)
}

fn parsed<T>(
    bridged: Vec<TokenWithSpan>,
    unplaced: Vec<bool>,
    read: impl for<'a> FnOnce(&mut Parser<'a>) -> Result<T, ParserError>,
) -> Result<Parsed<T>, Failed> {
    // A panic in the parser must not end the daemon; the parser is dropped with it.
    let result = catch_unwind(AssertUnwindSafe(|| {
        let dialect = PostgreSqlDialect {};
        let mut parser =
            Parser::new(&dialect).with_recursion_limit(RECURSION).with_tokens_with_locations(bridged);
        let tree = read(&mut parser);
        let next = parser.peek_token();
        match tree {
            Ok(tree) if next.token == ParserToken::EOF => Ok(tree),
            Ok(_) => Err(Failed { at: (next.span.start.column as usize).checked_sub(1) }),
            Err(error) => Err(Failed { at: place(&error) }),
        }
    }));
    let tree = result.unwrap_or(Err(Failed { at: None }))?;
    Ok(Parsed { tree, unplaced })
}

/// The token that an error names, from the end of its message. The message itself may hold literals.
fn place(error: &ParserError) -> Option<usize> {
    let (ParserError::ParserError(message) | ParserError::TokenizerError(message)) = error else {
        return None;
    };
    message.rsplit_once("Column: ")?.1.trim().parse::<usize>().ok()?.checked_sub(1)
}
