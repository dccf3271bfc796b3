//! Quoted things: string constants with their continuation over lines, and quoted identifiers.

use super::{Kind, Lexer, Unreadable, is_newline, is_space};

impl Lexer<'_> {
    /// A string whose quote stands `prefix` bytes ahead, with all its continuations (4.1.2.1): a continued
    /// part has the kind of the first.
    pub(super) fn string(&mut self, prefix: usize, kind: Kind) -> Result<Kind, Unreadable> {
        let start = self.at;
        self.at += prefix + 1;
        loop {
            self.string_part(start, kind)?;
            let end = self.at;
            if !self.skip_to_continuation() {
                self.at = end;
                return Ok(kind);
            }
        }
    }

    /// From behind the opening quote to behind the closing one.
    fn string_part(&mut self, start: usize, kind: Kind) -> Result<(), Unreadable> {
        loop {
            let Some(byte) = self.peek(0) else { return Err(Unreadable::Unterminated { at: start }) };
            self.at += 1;
            match (byte, kind) {
                // A bit string knows no doubled quote: the next one begins another token.
                (b'\'', Kind::Bits | Kind::Hex) => return Ok(()),
                (b'\'', _) if self.peek(0) == Some(b'\'') => self.at += 1,
                (b'\'', _) => return Ok(()),
                (b'0' | b'1', Kind::Bits) => {}
                (_, Kind::Bits) => return Err(Unreadable::BitString { at: start }),
                (_, Kind::Hex) if !byte.is_ascii_hexdigit() => {
                    return Err(Unreadable::BitString { at: start });
                }
                (b'\\', Kind::EscapeString) => {
                    if self.peek(0).is_none() {
                        return Err(Unreadable::Unterminated { at: start });
                    }
                    self.at += 1;
                }
                // Not part of any valid text: PostgreSQL's protocol ends strings with it.
                (0, _) => return Err(Unreadable::Unexpected { at: self.at - 1 }),
                _ => {}
            }
        }
    }

    /// `quotecontinue` of scan.l: white space and `--` comments with at least one newline, then a quote.
    /// True: now behind that quote.
    fn skip_to_continuation(&mut self) -> bool {
        let mut newline = false;
        loop {
            match self.peek(0) {
                Some(byte) if is_space(byte) => {
                    newline |= is_newline(byte);
                    self.at += 1;
                }
                Some(b'-') if self.peek(1) == Some(b'-') => {
                    self.skip_while(|b| !is_newline(b));
                    if self.peek(0).is_none() {
                        return false;
                    }
                }
                Some(b'\'') if newline => {
                    self.at += 1;
                    return true;
                }
                _ => return false,
            }
        }
    }

    /// `"…"` whose quote stands `prefix` bytes ahead.
    pub(super) fn quoted_identifier(&mut self, prefix: usize) -> Result<(), Unreadable> {
        let start = self.at;
        self.at += prefix + 1;
        let inside = self.at;
        loop {
            match self.peek(0) {
                None => return Err(Unreadable::Unterminated { at: start }),
                Some(0) => return Err(Unreadable::Unexpected { at: self.at }),
                Some(b'"') if self.peek(1) == Some(b'"') => self.at += 2,
                Some(b'"') => {
                    if self.at == inside {
                        return Err(Unreadable::EmptyIdentifier { at: start });
                    }
                    self.at += 1;
                    if prefix == 2 && super::token::decode_unicode(&self.text[inside..self.at - 1]).is_none()
                    {
                        return Err(Unreadable::UnicodeEscape { at: start });
                    }
                    return Ok(());
                }
                Some(_) => self.at += 1,
            }
        }
    }
}
