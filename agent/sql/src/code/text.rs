//! The text of code that stands in a string.

use std::borrow::Cow;

use crate::lexer::{Kind, Token, lex_body};
use crate::{Limits, Settings};

/// Code in a string, with its tokens.
pub(crate) struct CodeText<'t> {
    pub(crate) text: Cow<'t, str>,
    pub(crate) tokens: Vec<Token>,
    /// Its tokens stand where they stand in the text around.
    pub(crate) placed: bool,
}

impl<'t> CodeText<'t> {
    /// Of a string of that text; `None` where its value is not known, or has no tokens.
    pub(crate) fn of(token: Token, text: &'t str, limits: &Limits) -> Option<Self> {
        let settings = Settings { utf8: true, ..Settings::default() };
        let value = token.decoded(text)?;
        let (_, mut tokens) = lex_body(value.as_bytes(), &settings, limits).ok()?;
        let written = token.written(text);
        // A string without quotes in it is its own value.
        let open = if token.kind == Kind::Dollar {
            written.get(1..)?.find('$')? + 2
        } else {
            written.find('\'')? + 1
        };
        let start = token.start as usize + open;
        if text.get(start..start + value.len()) != Some(&*value) {
            return Some(CodeText { text: Cow::Owned(value), tokens, placed: false });
        }
        let shift = u32::try_from(start).ok()?;
        for token in &mut tokens {
            token.start += shift;
            token.end += shift;
        }
        Some(CodeText { text: Cow::Borrowed(text), tokens, placed: true })
    }

    /// Whether it would be read otherwise where `\` is an escape in strings.
    pub(crate) fn has_backslash(&self) -> bool {
        has_backslash(&self.text, &self.tokens)
    }
}

/// Whether a string of these tokens would be read otherwise where `\` is an escape in it.
pub(crate) fn has_backslash(text: &str, tokens: &[Token]) -> bool {
    let plain = |kind| matches!(kind, Kind::String | Kind::National | Kind::UnicodeString);
    tokens.iter().any(|token| plain(token.kind) && token.written(text).contains('\\'))
}
