//! Our tokens as `sqlparser`'s, rewritten where it would read another statement than PostgreSQL.
//!
//! The rewrites: ONLY before a relation is left out (the reading then covers more), `TABLE x` as a query becomes
//! `SELECT * FROM x`, `OPERATOR(schema.op)` becomes one operator, and modifiers that `sqlparser` does not know
//! (OVERRIDING … VALUE, NO KEY, SYMMETRIC, VARIADIC) are left out.

use sqlparser::ast::DollarQuotedString;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Location, Span, Token as To, TokenWithSpan, Word};

use crate::keywords::is_passed_on;
use crate::lexer::{Kind, Token};

pub(super) fn tokens(text: &str, tokens: &[Token]) -> Vec<TokenWithSpan> {
    let mut out = Vec::with_capacity(tokens.len() + 1);
    let mut index = 0;
    while let Some(token) = tokens.get(index) {
        let span = span(index);
        let skipped = without_place(text, tokens, index);
        if skipped > 0 {
            if let Some(token) = named_operator(text, &tokens[index..index + skipped]) {
                out.push(TokenWithSpan { token, span });
            }
            index += skipped;
            continue;
        }
        if token.is(text, "table") && table_is_query(text, tokens, index) {
            for word in [keyword("select", Keyword::SELECT), To::Mul, keyword("from", Keyword::FROM)] {
                out.push(TokenWithSpan { token: word, span });
            }
            index += 1;
            continue;
        }
        out.push(TokenWithSpan { token: one(text, *token), span });
        index += 1;
    }
    out
}

/// How many tokens from here on have no place of their own in the tree: ONLY, OVERRIDING … VALUE,
/// `OPERATOR(schema.op)`, and words that only modify what stands around them.
pub(crate) fn without_place(text: &str, tokens: &[Token], index: usize) -> usize {
    let Some(token) = tokens.get(index).filter(|t| t.kind == Kind::Word) else { return 0 };
    let is = |i: usize, keyword: &str| tokens.get(i).is_some_and(|t| t.is(text, keyword));
    let kind = |i: usize| tokens.get(i).map(|t| t.kind);
    if token.is(text, "only") && only_is_dropped(text, tokens, index) {
        return 1;
    }
    if token.is(text, "overriding")
        && (is(index + 1, "system") || is(index + 1, "user"))
        && is(index + 2, "value")
    {
        return 3;
    }
    let after = |keyword: &str| index.checked_sub(1).is_some_and(|i| is(i, keyword));
    // FOR NO KEY UPDATE, FOR KEY SHARE: weaker locks of the same rows.
    if token.is(text, "no") && after("for") && is(index + 1, "key") && is(index + 2, "update") {
        return 2;
    }
    if token.is(text, "key") && after("for") && is(index + 1, "share") {
        return 1;
    }
    // Reserved words that change how the same operands are compared or passed.
    if (token.is(text, "symmetric") || token.is(text, "asymmetric")) && after("between") {
        return 1;
    }
    if token.is(text, "variadic")
        && index.checked_sub(1).and_then(kind).is_some_and(|k| matches!(k, Kind::LeftParen | Kind::Comma))
    {
        return 1;
    }
    if token.is(text, "operator") && kind(index + 1) == Some(Kind::LeftParen) {
        let mut at = index + 2;
        if kind(at).is_some_and(Kind::is_name) && kind(at + 1) == Some(Kind::Dot) {
            at += 2;
        }
        if kind(at) == Some(Kind::Operator) && kind(at + 1) == Some(Kind::RightParen) {
            return at + 2 - index;
        }
    }
    0
}

/// The operator that `OPERATOR(schema.op)` names: PostgreSQL's own as itself, another with its schema.
fn named_operator(text: &str, tokens: &[Token]) -> Option<To> {
    match tokens {
        [_, _, op, _] => Some(operator(op.written(text))),
        [_, _, schema, _, op, _] => match &*schema.name(text) {
            "pg_catalog" => Some(operator(op.written(text))),
            schema => Some(To::CustomBinaryOperator(format!("{schema}.{}", op.written(text)))),
        },
        _ => None,
    }
}

fn span(index: usize) -> Span {
    let column = index as u64 + 1;
    Span::new(Location::new(1, column), Location::new(1, column))
}

fn keyword(value: &str, keyword: Keyword) -> To {
    To::Word(Word { value: value.to_owned(), quote_style: None, keyword })
}

/// ONLY in front of a relation: behind a word or sign that a relation follows, and before a name or `(`.
/// It is reserved, so there it cannot be anything else.
fn only_is_dropped(text: &str, tokens: &[Token], index: usize) -> bool {
    let Some(previous) = index.checked_sub(1).and_then(|i| tokens.get(i)) else { return false };
    let follows = previous.kind == Kind::Comma
        || previous.kind == Kind::LeftParen
        || ["from", "join", "update", "into", "using", "table", "lateral"]
            .iter()
            .any(|word| previous.is(text, word));
    follows && tokens.get(index + 1).is_some_and(|t| t.kind.is_name() || t.kind == Kind::LeftParen)
}

/// TABLE as a query: not a label, not the noise word of INTO.
fn table_is_query(text: &str, tokens: &[Token], index: usize) -> bool {
    let next = tokens.get(index + 1).is_some_and(|t| t.kind.is_name());
    let previous = index.checked_sub(1).and_then(|i| tokens.get(i));
    let excluded = previous.is_some_and(|p| {
        p.kind == Kind::Dot
            || ["as", "into", "temp", "temporary", "unlogged"].iter().any(|word| p.is(text, word))
    });
    next && !excluded
}

fn one(text: &str, token: Token) -> To {
    let written = || token.written(text).to_owned();
    match token.kind {
        Kind::Word => {
            let value = token.name(text).into_owned();
            let keyword = if is_passed_on(&value) {
                match To::make_word(&value, None) {
                    To::Word(word) => word.keyword,
                    _ => Keyword::NoKeyword,
                }
            } else {
                Keyword::NoKeyword
            };
            To::Word(Word { value, quote_style: None, keyword })
        }
        Kind::Quoted | Kind::UnicodeQuoted => To::Word(Word {
            value: token.name(text).into_owned(),
            quote_style: Some('"'),
            keyword: Keyword::NoKeyword,
        }),
        Kind::String => To::SingleQuotedString(written()),
        Kind::EscapeString => To::EscapedStringLiteral(written()),
        Kind::UnicodeString => To::UnicodeStringLiteral(written()),
        Kind::National => To::NationalStringLiteral(written()),
        Kind::Dollar => To::DollarQuotedString(DollarQuotedString { value: written(), tag: None }),
        Kind::Bits => To::SingleQuotedByteStringLiteral(written()),
        Kind::Hex => To::HexStringLiteral(written()),
        Kind::Integer | Kind::Number => To::Number(written(), false),
        Kind::Parameter => To::Placeholder(written()),
        Kind::Comma => To::Comma,
        Kind::LeftParen => To::LParen,
        Kind::RightParen => To::RParen,
        Kind::LeftBracket => To::LBracket,
        Kind::RightBracket => To::RBracket,
        Kind::Dot => To::Period,
        Kind::Semicolon => To::SemiColon,
        Kind::Colon => To::Colon,
        Kind::ColonColon => To::DoubleColon,
        Kind::ColonEquals => To::Assignment,
        Kind::Operator => operator(token.written(text)),
    }
}

fn operator(written: &str) -> To {
    match written {
        "=" => To::Eq,
        "<>" | "!=" => To::Neq,
        "<" => To::Lt,
        ">" => To::Gt,
        "<=" => To::LtEq,
        ">=" => To::GtEq,
        "=>" => To::RArrow,
        "+" => To::Plus,
        "-" => To::Minus,
        "*" => To::Mul,
        "/" => To::Div,
        "%" => To::Mod,
        "^" => To::Caret,
        "||" => To::StringConcat,
        "&" => To::Ampersand,
        "|" => To::Pipe,
        "#" => To::Sharp,
        "##" => To::DoubleSharp,
        "~" => To::Tilde,
        "~*" => To::TildeAsterisk,
        "!~" => To::ExclamationMarkTilde,
        "!~*" => To::ExclamationMarkTildeAsterisk,
        "~~" => To::DoubleTilde,
        "~~*" => To::DoubleTildeAsterisk,
        "!~~" => To::ExclamationMarkDoubleTilde,
        "!~~*" => To::ExclamationMarkDoubleTildeAsterisk,
        "<<" => To::ShiftLeft,
        ">>" => To::ShiftRight,
        "&&" => To::Overlap,
        "^@" => To::CaretAt,
        "|/" => To::PGSquareRoot,
        "||/" => To::PGCubeRoot,
        "@" => To::AtSign,
        "->" => To::Arrow,
        "->>" => To::LongArrow,
        "#>" => To::HashArrow,
        "#>>" => To::HashLongArrow,
        "@>" => To::AtArrow,
        "<@" => To::ArrowAt,
        "#-" => To::HashMinus,
        "@?" => To::AtQuestion,
        "@@" => To::AtAt,
        "?" => To::Question,
        "?&" => To::QuestionAnd,
        "?|" => To::QuestionPipe,
        other => To::CustomBinaryOperator(other.to_owned()),
    }
}
