//! Numbers and what begins with `$`: parameters and dollar quotes.

use super::{Kind, Lexer, Unreadable, is_ident_cont, is_ident_start};

impl Lexer<'_> {
    /// `decinteger`, `hexinteger`, `octinteger`, `bininteger`, `numeric`, `real` of scan.l (16 and later;
    /// earlier versions refuse the underscores, or 15 on, the prefixes).
    pub(super) fn number(&mut self) -> Result<Kind, Unreadable> {
        let start = self.at;
        let radix: Option<fn(u8) -> bool> = match (self.peek(0), self.peek(1)) {
            (Some(b'0'), Some(b'x' | b'X')) => Some(|b| b.is_ascii_hexdigit()),
            (Some(b'0'), Some(b'o' | b'O')) => Some(|b| matches!(b, b'0'..=b'7')),
            (Some(b'0'), Some(b'b' | b'B')) => Some(|b| matches!(b, b'0' | b'1')),
            _ => None,
        };
        if let Some(digit) = radix {
            self.at += 2;
            let digits = self.at;
            self.digits(digit, true);
            if self.at == digits {
                return Err(Unreadable::Junk { at: start });
            }
            return self.end_of_number(start, Kind::Integer);
        }
        let mut kind = Kind::Integer;
        self.digits(|b| b.is_ascii_digit(), false);
        if self.peek(0) == Some(b'.') {
            if self.peek(1) == Some(b'.') && self.ranges {
                return self.end_of_number(start, kind);
            }
            if self.peek(1) == Some(b'.') {
                return Err(Unreadable::Unexpected { at: self.at });
            }
            kind = Kind::Number;
            self.at += 1;
            self.digits(|b| b.is_ascii_digit(), false);
        }
        if matches!(self.peek(0), Some(b'e' | b'E')) {
            kind = Kind::Number;
            self.at += 1;
            if matches!(self.peek(0), Some(b'+' | b'-')) {
                self.at += 1;
            }
            let exponent = self.at;
            self.digits(|b| b.is_ascii_digit(), false);
            if self.at == exponent {
                return Err(Unreadable::Junk { at: start });
            }
        }
        self.end_of_number(start, kind)
    }

    /// Digits with single underscores between them; `leading`: one may also stand before the first.
    fn digits(&mut self, digit: fn(u8) -> bool, leading: bool) {
        let mut before = leading;
        loop {
            match self.peek(0) {
                Some(b) if digit(b) => {
                    self.at += 1;
                    before = true;
                }
                Some(b'_') if before && self.peek(1).is_some_and(digit) => self.at += 2,
                _ => return,
            }
        }
    }

    fn end_of_number(&self, start: usize, kind: Kind) -> Result<Kind, Unreadable> {
        // Before 15, `1x` was 1 with the label x; since then it is an error. Refused for all.
        if self.peek(0).is_some_and(is_ident_start) {
            return Err(Unreadable::Junk { at: start });
        }
        Ok(kind)
    }

    /// `$1`, `$$…$$`, `$tag$…$tag$`.
    pub(super) fn dollar(&mut self) -> Result<Kind, Unreadable> {
        let start = self.at;
        self.at += 1;
        if self.peek(0).is_some_and(|b| b.is_ascii_digit()) {
            self.skip_while(|b| b.is_ascii_digit());
            if self.peek(0).is_some_and(is_ident_cont) {
                return Err(Unreadable::Junk { at: start });
            }
            return Ok(Kind::Parameter);
        }
        if self.peek(0).is_some_and(is_ident_start) {
            self.skip_while(|b| is_ident_start(b) || b.is_ascii_digit());
        }
        if self.peek(0) != Some(b'$') {
            return Err(Unreadable::Unexpected { at: start });
        }
        self.at += 1;
        let text = self.text;
        let tag = &text[start..self.at];
        // A `$` inside that does not complete the tag may begin it, so every place is tried.
        match find(&text[self.at..], tag) {
            Some(length) => {
                self.at += length + tag.len();
                Ok(Kind::Dollar)
            }
            None => Err(Unreadable::Unterminated { at: start }),
        }
    }
}

/// Where `tag` (which begins and ends with `$`) first stands in `text`.
fn find(text: &[u8], tag: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(dollar) = text[from..].iter().position(|b| *b == b'$') {
        let at = from + dollar;
        if text[at..].starts_with(tag) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}
