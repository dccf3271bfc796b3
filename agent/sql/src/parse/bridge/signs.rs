//! One token of ours as one of `sqlparser`'s.

use sqlparser::ast::DollarQuotedString;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token as To, Word};

use crate::keywords::is_passed_on;
use crate::lexer::{Kind, Token};

pub(super) fn one(text: &str, token: Token) -> To {
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
        // The older spelling of `=>` (4.3.2); nowhere else.
        Kind::ColonEquals => To::RArrow,
        Kind::Operator => operator(token.written(text)),
    }
}

pub(super) fn operator(written: &str) -> To {
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
        "?-" => To::QuestionMarkDash,
        "@-@" => To::AtDashAt,
        // NOT of a text search query; the same sign for a factorial is of the past.
        "!!" => To::DoubleExclamationMark,
        other => To::CustomBinaryOperator(other.to_owned()),
    }
}
