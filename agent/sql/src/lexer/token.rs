//! One token: its kind and its place. Values are made from the text when someone asks.

use std::borrow::Cow;
use std::ops::Range;

/// What a token is to PostgreSQL's grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An unquoted identifier or keyword.
    Word,
    /// `"…"`
    Quoted,
    /// `U&"…"`
    UnicodeQuoted,
    /// `'…'`
    String,
    /// `E'…'`, and `'…'` with `standard_conforming_strings` off.
    EscapeString,
    /// `U&'…'`
    UnicodeString,
    /// `N'…'`
    National,
    /// `$tag$…$tag$`
    Dollar,
    /// `B'…'`
    Bits,
    /// `X'…'`
    Hex,
    /// A number without point and exponent.
    Integer,
    /// A number with one of them.
    Number,
    /// `$1`
    Parameter,
    /// Operator characters.
    Operator,
    Comma,
    LeftParen,
    RightParen,
    LeftBracket,
    RightBracket,
    Dot,
    Semicolon,
    Colon,
    ColonColon,
    ColonEquals,
}

impl Kind {
    /// Strings of every spelling, bit strings among them.
    pub(crate) const fn is_string(self) -> bool {
        match self {
            Kind::String
            | Kind::EscapeString
            | Kind::UnicodeString
            | Kind::National
            | Kind::Dollar
            | Kind::Bits
            | Kind::Hex => true,
            Kind::Word
            | Kind::Quoted
            | Kind::UnicodeQuoted
            | Kind::Integer
            | Kind::Number
            | Kind::Parameter
            | Kind::Operator
            | Kind::Comma
            | Kind::LeftParen
            | Kind::RightParen
            | Kind::LeftBracket
            | Kind::RightBracket
            | Kind::Dot
            | Kind::Semicolon
            | Kind::Colon
            | Kind::ColonColon
            | Kind::ColonEquals => false,
        }
    }

    /// Strings and numbers.
    pub(crate) const fn is_constant(self) -> bool {
        self.is_string() || matches!(self, Kind::Integer | Kind::Number)
    }

    /// Words and quoted identifiers.
    pub(crate) const fn is_name(self) -> bool {
        matches!(self, Kind::Word | Kind::Quoted | Kind::UnicodeQuoted)
    }
}

/// One token of a text of less than 4 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    /// Offset of the first byte.
    pub(crate) start: u32,
    /// Offset behind the last byte.
    pub(crate) end: u32,
}

/// `NAMEDATALEN - 1`: longer names are cut by the server.
const NAME_BYTES: usize = 63;

impl Token {
    pub(crate) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// As it was written.
    pub(crate) fn written(self, text: &str) -> &str {
        text.get(self.range()).unwrap_or_default()
    }

    /// Whether it is this keyword (given in any case).
    pub(crate) fn is(self, text: &str, keyword: &str) -> bool {
        self.kind == Kind::Word && self.written(text).eq_ignore_ascii_case(keyword)
    }

    /// A name as the server stores it: folded (ASCII only, as a UTF-8 server does), unescaped, cut to 63 bytes.
    pub(crate) fn name(self, text: &str) -> Cow<'_, str> {
        let written = self.written(text);
        match self.kind {
            Kind::Word => {
                let cut = truncate(written);
                if cut.bytes().any(|b| b.is_ascii_uppercase()) {
                    Cow::Owned(cut.to_ascii_lowercase())
                } else {
                    Cow::Borrowed(cut)
                }
            }
            Kind::Quoted => {
                let inside = written.get(1..written.len() - 1).unwrap_or_default();
                if inside.contains("\"\"") {
                    Cow::Owned(truncate(&inside.replace("\"\"", "\"")).to_owned())
                } else {
                    Cow::Borrowed(truncate(inside))
                }
            }
            Kind::UnicodeQuoted => {
                let inside = written.get(3..written.len() - 1).unwrap_or_default();
                let decoded = decode_unicode(inside.as_bytes()).unwrap_or_default();
                Cow::Owned(truncate(&decoded.replace("\"\"", "\"")).to_owned())
            }
            _ => Cow::Borrowed(written),
        }
    }

    /// The same, of a dollar quote too.
    pub(crate) fn literal(self, text: &str) -> Option<String> {
        let written = self.written(text);
        if self.kind == Kind::Dollar {
            let tag = written.get(1..)?.find('$')? + 2;
            return written.get(tag..written.len().checked_sub(tag)?).map(str::to_owned);
        }
        self.plain_string(text).map(Cow::into_owned)
    }

    /// The same, with the escapes of a string that has them; `None` for those that stand for a character by its number.
    pub(crate) fn decoded(self, text: &str) -> Option<String> {
        if self.kind != Kind::EscapeString {
            return self.literal(text);
        }
        let written = self.written(text);
        let inside = written.get(written.find('\'')? + 1..written.len() - 1)?;
        let mut value = String::with_capacity(inside.len());
        let mut characters = inside.chars();
        while let Some(character) = characters.next() {
            value.push(match character {
                '\\' => match characters.next()? {
                    'b' => '\x08',
                    'f' => '\x0c',
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    '0'..='9' | 'x' | 'u' | 'U' => return None,
                    other => other,
                },
                // Where it is not doubled, another part of the string follows.
                '\'' => characters.next().filter(|next| *next == '\'')?,
                other => other,
            });
        }
        Some(value)
    }

    /// The value of a plain string without escapes; `None` where it would have to be decoded.
    pub(crate) fn plain_string(self, text: &str) -> Option<Cow<'_, str>> {
        let written = self.written(text);
        match self.kind {
            Kind::String => {
                let inside = written.get(1..written.len() - 1)?;
                // A lone quote inside is a continuation.
                let halves = inside.bytes().filter(|b| *b == b'\'').count();
                if halves == 0 {
                    return Some(Cow::Borrowed(inside));
                }
                let value = inside.replace("''", "\0");
                (!value.contains('\'')).then(|| Cow::Owned(value.replace('\0', "'")))
            }
            Kind::EscapeString => {
                let open = written.find('\'')?;
                let inside = written.get(open + 1..written.len() - 1)?;
                (!inside.contains(['\\', '\''])).then_some(Cow::Borrowed(inside))
            }
            _ => None,
        }
    }
}

/// Cut to 63 bytes at a character's end, as `pg_mbcliplen` does.
fn truncate(name: &str) -> &str {
    if name.len() <= NAME_BYTES {
        return name;
    }
    let mut end = NAME_BYTES;
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.get(..end).unwrap_or_default()
}

/// `\XXXX`, `\+XXXXXX` and `\\` of `U&"…"` (4.1.2.3); `None` where PostgreSQL would refuse it.
pub(super) fn decode_unicode(inside: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(inside.len());
    let mut high: Option<u32> = None;
    let mut rest = inside;
    while let Some((first, tail)) = rest.split_first() {
        if *first != b'\\' || tail.first() == Some(&b'\\') {
            if high.is_some() {
                return None;
            }
            bytes.push(*first);
            rest = if *first == b'\\' { tail.get(1..)? } else { tail };
            continue;
        }
        let (digits, skip) = match tail.first() {
            Some(b'+') => (tail.get(1..7)?, 7),
            _ => (tail.get(..4)?, 4),
        };
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let mut code = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        rest = tail.get(skip..)?;
        match (high.take(), code) {
            (Some(first), 0xDC00..=0xDFFF) => code = 0x10000 + ((first - 0xD800) << 10) + (code - 0xDC00),
            (Some(_), _) => return None,
            (None, 0xD800..=0xDBFF) => {
                high = Some(code);
                continue;
            }
            (None, _) => {}
        }
        if code == 0 {
            return None;
        }
        let mut buffer = [0; 4];
        bytes.extend_from_slice(char::from_u32(code)?.encode_utf8(&mut buffer).as_bytes());
    }
    if high.is_some() { None } else { String::from_utf8(bytes).ok() }
}
