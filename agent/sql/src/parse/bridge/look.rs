//! What stands where.

use crate::keywords::is_reserved;
use crate::lexer::{Kind, Token};

use super::Bridge;

impl Bridge<'_> {
    pub(super) fn kind(&self, index: usize) -> Option<Kind> {
        self.tokens.get(index).map(|token| token.kind)
    }

    pub(super) fn is(&self, index: usize, word: &str) -> bool {
        self.tokens.get(index).is_some_and(|token| token.is(self.text, word))
    }

    /// Whether these words follow each other from `index` on.
    pub(super) fn are(&self, index: usize, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(offset, word)| self.is(index + offset, word))
    }

    pub(super) fn is_operator(&self, index: usize, operator: &str) -> bool {
        let is = |t: &Token| t.kind == Kind::Operator && t.written(self.text) == operator;
        self.tokens.get(index).is_some_and(is)
    }

    pub(super) fn before(&self, index: usize) -> Option<Token> {
        index.checked_sub(1).and_then(|i| self.tokens.get(i)).copied()
    }

    pub(super) fn is_before(&self, index: usize, word: &str) -> bool {
        self.before(index).is_some_and(|token| token.is(self.text, word))
    }

    pub(super) fn is_two_before(&self, index: usize, word: &str) -> bool {
        index.checked_sub(1).is_some_and(|index| self.is_before(index, word))
    }

    /// Whether what stands here is asked of a value: behind IS or IS NOT. A type and a column may be called `is`, and what
    /// stands behind them is a label.
    pub(super) fn is_asked(&self, index: usize) -> bool {
        let is = if self.is_before(index, "not") { index.checked_sub(2) } else { index.checked_sub(1) };
        is.is_some_and(|is| self.is(is, "is") && !self.is_label(is))
    }

    pub(super) fn is_before_dot(&self, index: usize) -> bool {
        self.before(index).is_some_and(|token| token.kind == Kind::Dot)
    }

    /// Behind a dot or AS any word is a label, and behind `::` it is a type. A column may be called `as` behind a dot.
    pub(super) fn is_label(&self, index: usize) -> bool {
        let is_as = |before: usize| self.is(before, "as") && !self.is_before_dot(before);
        self.is_before_dot(index)
            || index.checked_sub(1).is_some_and(is_as)
            || self.before(index).is_some_and(|token| token.kind == Kind::ColonColon)
    }

    /// Whether an item of a list may end before this token: what stands behind a label, and before no operand.
    pub(super) fn ends_item(&self, index: usize) -> bool {
        let clauses = [
            "from",
            "into",
            "where",
            "group",
            "having",
            "window",
            "union",
            "intersect",
            "except",
            "order",
            "limit",
            "offset",
            "fetch",
            "for",
            "on",
            "returning",
        ];
        self.tokens.get(index).is_none_or(|token| {
            matches!(token.kind, Kind::Comma | Kind::RightParen | Kind::RightBracket | Kind::Semicolon)
                || clauses.iter().any(|clause| token.is(self.text, clause))
        })
    }

    /// Tokens of `name[.name …]` from `index` on; 0 where there is no name that may begin one.
    pub(super) fn chain(&self, index: usize) -> usize {
        let begins = self.tokens.get(index).is_some_and(|token| {
            token.kind.is_name() && !(token.kind == Kind::Word && is_reserved(&token.name(self.text)))
        });
        if !begins {
            return 0;
        }
        let mut count = 1;
        while self.kind(index + count) == Some(Kind::Dot)
            && self.kind(index + count + 1).is_some_and(Kind::is_name)
        {
            count += 2;
        }
        count
    }

    /// Where the parentheses or brackets end that open at `index`.
    pub(super) fn closing(&self, index: usize) -> Option<usize> {
        let mut depth = 0_usize;
        for (at, token) in self.tokens.iter().enumerate().skip(index) {
            match token.kind {
                Kind::LeftParen | Kind::LeftBracket => depth += 1,
                Kind::RightParen | Kind::RightBracket => {
                    depth = depth.checked_sub(1)?;
                    if depth == 0 {
                        return Some(at);
                    }
                }
                _ => {}
            }
        }
        None
    }
}
