//! Where statements begin and end: at `;` outside parentheses and outside BEGIN ATOMIC, as PostgreSQL's grammar.
//!
//! It knows no other grammar. Text that the server must refuse as a whole (unbalanced parentheses) is unreadable.

use std::ops::Range;

use crate::lexer::{Kind, Token, lex};
use crate::{Limits, Settings, Unreadable};

/// The statements of a text in bytes, without semicolons and the space and comments around them; empty
/// statements are left out.
///
/// # Errors
/// [`Unreadable`] where the text cannot be cut as the server would, or is beyond `limits`.
pub fn split(text: &[u8], settings: &Settings, limits: &Limits) -> Result<Vec<Range<usize>>, Unreadable> {
    let (text, tokens) = lex(text, settings, limits)?;
    let slices = slices(text, &tokens, limits)?;
    Ok(slices.into_iter().map(|slice| bytes(&tokens[slice])).collect())
}

/// Every token's bytes in the text, semicolons among them. Who compares our scanner with another one asks for it.
///
/// # Errors
/// [`Unreadable`] where the text has no tokens as the server would make them, or is beyond `limits`.
pub fn tokens(text: &[u8], settings: &Settings, limits: &Limits) -> Result<Vec<Range<usize>>, Unreadable> {
    let (_, tokens) = lex(text, settings, limits)?;
    Ok(tokens.into_iter().map(Token::range).collect())
}

/// The bytes from the first to the last of these tokens.
pub(crate) fn bytes(tokens: &[Token]) -> Range<usize> {
    match (tokens.first(), tokens.last()) {
        (Some(first), Some(last)) => first.start as usize..last.end as usize,
        _ => 0..0,
    }
}

/// The same in indices of tokens.
pub(crate) fn slices(text: &str, tokens: &[Token], limits: &Limits) -> Result<Vec<Range<usize>>, Unreadable> {
    let mut slices = Vec::new();
    let mut open: Vec<Kind> = Vec::new();
    let mut start = 0;
    let mut atomic = false;
    for (index, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::LeftParen | Kind::LeftBracket => {
                if open.len() == limits.nesting {
                    return Err(Unreadable::Nesting { at: token.start as usize });
                }
                open.push(token.kind);
            }
            Kind::RightParen | Kind::RightBracket => {
                let wanted = if token.kind == Kind::RightParen { Kind::LeftParen } else { Kind::LeftBracket };
                if open.pop() != Some(wanted) {
                    return Err(Unreadable::Unbalanced { at: token.start as usize });
                }
            }
            Kind::Word if open.is_empty() => {
                let previous = index.checked_sub(1).filter(|i| *i >= start).map(|i| tokens[i]);
                let Some(previous) = previous else { continue };
                if !atomic && token.is(text, "atomic") && previous.is(text, "begin") {
                    atomic = makes_routine(text, &tokens[start..index]);
                } else if atomic
                    && token.is(text, "end")
                    && (previous.kind == Kind::Semicolon || previous.is(text, "atomic"))
                {
                    // Statements of the body end with `;`, so an END anywhere else is a CASE's or a label.
                    atomic = false;
                }
            }
            Kind::Semicolon if open.is_empty() && !atomic => {
                if index > start {
                    if slices.len() == limits.statements {
                        return Err(Unreadable::TooManyStatements);
                    }
                    slices.push(start..index);
                }
                start = index + 1;
            }
            _ => {}
        }
    }
    if !open.is_empty() || atomic {
        return Err(Unreadable::Unbalanced { at: tokens.last().map_or(0, |t| t.end as usize) });
    }
    if start < tokens.len() {
        if slices.len() == limits.statements {
            return Err(Unreadable::TooManyStatements);
        }
        slices.push(start..tokens.len());
    }
    Ok(slices)
}

/// CREATE [OR REPLACE] FUNCTION or PROCEDURE: nothing else has a BEGIN ATOMIC body.
fn makes_routine(text: &str, tokens: &[Token]) -> bool {
    let word = |i: usize, keyword: &str| tokens.get(i).is_some_and(|t| t.is(text, keyword));
    let at = if word(1, "or") && word(2, "replace") { 3 } else { 1 };
    word(0, "create") && (word(at, "function") || word(at, "procedure"))
}
