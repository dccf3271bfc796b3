//! PostgreSQL's scanner (`src/backend/parser/scan.l`, 15 to 18), byte for byte: where each token begins and ends.
//!
//! It knows nothing of grammar. What it refuses although PostgreSQL may take it (UESCAPE, digits that a bit
//! string cannot have) it refuses on purpose; it never takes what it would cut in another place than the server.

mod error;
mod number;
mod strings;
#[cfg(test)]
mod tests;
mod token;

pub use error::Unreadable;
pub(crate) use token::{Kind, Token};

use crate::{Limits, Settings};

/// Checks the encoding and makes all tokens of a text. Comments and white space leave no token.
pub(crate) fn lex<'a>(
    text: &'a [u8],
    settings: &Settings,
    limits: &Limits,
) -> Result<(&'a str, Vec<Token>), Unreadable> {
    lex_with(text, settings, limits, false)
}

fn lex_with<'a>(
    text: &'a [u8],
    settings: &Settings,
    limits: &Limits,
    ranges: bool,
) -> Result<(&'a str, Vec<Token>), Unreadable> {
    if !settings.utf8 && !text.is_ascii() {
        return Err(Unreadable::Encoding);
    }
    let checked = std::str::from_utf8(text).map_err(|e| Unreadable::NotUtf8 { at: e.valid_up_to() })?;
    if u32::try_from(text.len()).is_err() {
        return Err(Unreadable::TooLong);
    }
    let mut lexer = Lexer {
        text,
        at: 0,
        backslash: !settings.standard_conforming_strings,
        comment_depth: limits.comment_depth,
        ranges,
    };
    let mut tokens = Vec::with_capacity(text.len() / 5 + 4);
    while let Some(token) = lexer.next_token()? {
        if tokens.len() == limits.tokens {
            return Err(Unreadable::TooManyTokens);
        }
        tokens.push(token);
    }
    Ok((checked, tokens))
}

/// The number of the character that begins at that byte, from 1, as PostgreSQL's errors count.
pub(crate) fn character(text: &[u8], byte: usize) -> u32 {
    let before = text.get(..byte).unwrap_or(text);
    // Each character has one byte that continues none. Counted in pieces that fit a byte, as many bytes at once as the machine
    // can: of a text of many statements each that is not understood asks for its place.
    let of_piece = |piece: &[u8]| piece.iter().map(|byte| u8::from(byte & 0xc0 != 0x80)).sum::<u8>();
    let characters: usize = before.chunks(192).map(|piece| usize::from(of_piece(piece))).sum();
    u32::try_from(characters + 1).unwrap_or(u32::MAX)
}

/// The same of a body in PL/pgSQL, which has `..` beside what SQL has.
pub(crate) fn lex_body<'a>(
    text: &'a [u8],
    settings: &Settings,
    limits: &Limits,
) -> Result<(&'a str, Vec<Token>), Unreadable> {
    lex_with(text, settings, limits, true)
}

/// Operator characters in one run; PostgreSQL's longest operator has 63.
const MAX_OPERATOR_RUN: usize = 256;

struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    /// `standard_conforming_strings` is off.
    backslash: bool,
    comment_depth: usize,
    /// `..` is a token.
    ranges: bool,
}

/// `ident_start` of scan.l.
const fn is_ident_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

/// `ident_cont` of scan.l.
const fn is_ident_cont(byte: u8) -> bool {
    is_ident_start(byte) || byte.is_ascii_digit() || byte == b'$'
}

/// `space` of scan.l; the vertical tab is space from 16 on, and an error before.
const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

const fn is_newline(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// `op_chars` of scan.l.
const fn is_op_char(byte: u8) -> bool {
    matches!(
        byte,
        b'~' | b'!'
            | b'@'
            | b'#'
            | b'^'
            | b'&'
            | b'|'
            | b'`'
            | b'?'
            | b'+'
            | b'-'
            | b'*'
            | b'/'
            | b'%'
            | b'<'
            | b'>'
            | b'='
    )
}

/// Characters that let an operator end in `+` or `-`.
const fn is_free_op_char(byte: u8) -> bool {
    matches!(byte, b'~' | b'!' | b'@' | b'#' | b'^' | b'&' | b'|' | b'`' | b'?' | b'%')
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    fn starts_with(&self, prefix: &[u8]) -> bool {
        self.text[self.at..].starts_with(prefix)
    }

    fn skip_while(&mut self, test: impl Fn(u8) -> bool) {
        while self.peek(0).is_some_and(&test) {
            self.at += 1;
        }
    }

    fn token(&self, kind: Kind, start: usize) -> Token {
        Token { kind, start: start as u32, end: self.at as u32 }
    }

    fn next_token(&mut self) -> Result<Option<Token>, Unreadable> {
        loop {
            self.skip_while(is_space);
            if self.starts_with(b"--") {
                self.skip_while(|b| !is_newline(b));
            } else if self.starts_with(b"/*") {
                self.comment()?;
            } else {
                break;
            }
        }
        let start = self.at;
        let Some(first) = self.peek(0) else { return Ok(None) };
        let second = self.peek(1);
        let kind = match first {
            b'\'' => self.string(0, if self.backslash { Kind::EscapeString } else { Kind::String })?,
            b'e' | b'E' if second == Some(b'\'') => self.string(1, Kind::EscapeString)?,
            b'n' | b'N' if second == Some(b'\'') => {
                self.string(1, if self.backslash { Kind::EscapeString } else { Kind::National })?
            }
            b'b' | b'B' if second == Some(b'\'') => self.string(1, Kind::Bits)?,
            b'x' | b'X' if second == Some(b'\'') => self.string(1, Kind::Hex)?,
            b'u' | b'U' if second == Some(b'&') && self.peek(2) == Some(b'\'') => {
                if self.backslash {
                    // PostgreSQL refuses U&'…' then (4.1.2.3).
                    return Err(Unreadable::UnicodeEscape { at: start });
                }
                self.string(2, Kind::UnicodeString)?
            }
            b'u' | b'U' if second == Some(b'&') && self.peek(2) == Some(b'"') => {
                self.quoted_identifier(2)?;
                Kind::UnicodeQuoted
            }
            b'"' => {
                self.quoted_identifier(0)?;
                Kind::Quoted
            }
            _ if is_ident_start(first) => {
                self.skip_while(is_ident_cont);
                if self.text[start..self.at].eq_ignore_ascii_case(b"uescape") {
                    return Err(Unreadable::UnicodeEscape { at: start });
                }
                Kind::Word
            }
            b'0'..=b'9' => self.number()?,
            b'.' if second.is_some_and(|b| b.is_ascii_digit()) => self.number()?,
            b'$' => self.dollar()?,
            b',' => self.one(Kind::Comma),
            b'(' => self.one(Kind::LeftParen),
            b')' => self.one(Kind::RightParen),
            b'[' => self.one(Kind::LeftBracket),
            b']' => self.one(Kind::RightBracket),
            b';' => self.one(Kind::Semicolon),
            // `..` and `:=` mean something in PL/pgSQL alone.
            b'.' if second == Some(b'.') && self.ranges => {
                self.at += 2;
                Kind::Operator
            }
            b'.' if second == Some(b'.') => return Err(Unreadable::Unexpected { at: start }),
            b'.' => self.one(Kind::Dot),
            b':' if second == Some(b':') => {
                self.at += 2;
                Kind::ColonColon
            }
            b':' if second == Some(b'=') => {
                self.at += 2;
                Kind::ColonEquals
            }
            b':' => self.one(Kind::Colon),
            _ if is_op_char(first) => self.operator()?,
            _ => return Err(Unreadable::Unexpected { at: start }),
        };
        Ok(Some(self.token(kind, start)))
    }

    fn one(&mut self, kind: Kind) -> Kind {
        self.at += 1;
        kind
    }

    /// `/* … */`, nested.
    fn comment(&mut self) -> Result<(), Unreadable> {
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            if self.starts_with(b"/*") {
                depth += 1;
                if depth > self.comment_depth {
                    return Err(Unreadable::CommentDepth { at: start });
                }
                self.at += 2;
            } else if self.starts_with(b"*/") {
                depth -= 1;
                self.at += 2;
                if depth == 0 {
                    return Ok(());
                }
            } else if self.at < self.text.len() {
                self.at += 1;
            } else {
                return Err(Unreadable::Unterminated { at: start });
            }
        }
    }

    /// The longest run of operator characters, cut where a comment begins, and without a trailing `+` or `-`
    /// unless it holds one of `~ ! @ # ^ & | ? %` or a backtick (4.1.3).
    fn operator(&mut self) -> Result<Kind, Unreadable> {
        let start = self.at;
        while self.peek(0).is_some_and(is_op_char) && !self.starts_with(b"--") && !self.starts_with(b"/*") {
            self.at += 1;
            // What is trimmed is read again, so an unbounded run would cost quadratic time.
            if self.at - start > MAX_OPERATOR_RUN {
                return Err(Unreadable::Unexpected { at: start });
            }
        }
        let run = &self.text[start..self.at];
        let mut length = run.len();
        if !run.iter().copied().any(is_free_op_char) {
            while length > 1 && matches!(run[length - 1], b'+' | b'-') {
                length -= 1;
            }
        }
        if length >= 64 {
            return Err(Unreadable::Unexpected { at: start });
        }
        self.at = start + length;
        Ok(Kind::Operator)
    }
}
