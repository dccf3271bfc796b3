//! A place in a slice of tokens, and the small steps that utility statements are read by.

use std::borrow::Cow;

use crate::keywords::may_name_column;
use crate::lexer::{Kind, Token};
use crate::name::Name;

/// A place in the tokens of one statement.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a> {
    pub(crate) text: &'a str,
    /// What is still ahead.
    pub(crate) rest: &'a [Token],
}

impl<'a> Cursor<'a> {
    pub(crate) const fn new(text: &'a str, tokens: &'a [Token]) -> Self {
        Cursor { text, rest: tokens }
    }

    pub(crate) fn peek(&self) -> Option<Token> {
        self.rest.first().copied()
    }

    pub(crate) const fn is_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn next(&mut self) -> Option<Token> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// Whether this keyword is next.
    pub(crate) fn sees(&self, keyword: &str) -> bool {
        self.rest.first().is_some_and(|t| t.is(self.text, keyword))
    }

    /// Whether these keywords are next, in this order.
    pub(crate) fn sees_all(&self, keywords: &[&str]) -> bool {
        self.rest.len() >= keywords.len()
            && keywords.iter().zip(self.rest).all(|(keyword, token)| token.is(self.text, keyword))
    }

    pub(crate) fn sees_kind(&self, kind: Kind) -> bool {
        self.rest.first().is_some_and(|t| t.kind == kind)
    }

    /// Steps over the keyword if it is next.
    pub(crate) fn eat(&mut self, keyword: &str) -> bool {
        self.eat_all(&[keyword])
    }

    /// Steps over all of them, or none.
    pub(crate) fn eat_all(&mut self, keywords: &[&str]) -> bool {
        let sees = self.sees_all(keywords);
        if sees {
            self.rest = &self.rest[keywords.len()..];
        }
        sees
    }

    /// Steps over one of them; gives which.
    pub(crate) fn eat_one<'k>(&mut self, keywords: &[&'k str]) -> Option<&'k str> {
        keywords.iter().copied().find(|keyword| self.eat(keyword))
    }

    pub(crate) fn eat_kind(&mut self, kind: Kind) -> bool {
        let sees = self.sees_kind(kind);
        if sees {
            self.rest = &self.rest[1..];
        }
        sees
    }

    pub(crate) fn eat_operator(&mut self, operator: &str) -> bool {
        let sees =
            self.rest.first().is_some_and(|t| t.kind == Kind::Operator && t.written(self.text) == operator);
        if sees {
            self.rest = &self.rest[1..];
        }
        sees
    }

    /// A name (`ColId`): reserved words are none without quotes.
    pub(crate) fn name(&mut self) -> Option<Cow<'a, str>> {
        let token = self.peek().filter(|t| t.kind.is_name())?;
        let name = token.name(self.text);
        if token.kind == Kind::Word && !may_name_column(&name) {
            return None;
        }
        self.rest = &self.rest[1..];
        Some(name)
    }

    /// Any word or quoted name (`ColLabel`).
    pub(crate) fn label(&mut self) -> Option<Cow<'a, str>> {
        let token = self.peek().filter(|t| t.kind.is_name())?;
        self.rest = &self.rest[1..];
        Some(token.name(self.text))
    }

    /// `name[.name …]`, all parts.
    pub(crate) fn chain(&mut self) -> Option<Vec<String>> {
        let mut parts = vec![self.name()?.into_owned()];
        while self.sees_kind(Kind::Dot) {
            self.next();
            parts.push(self.label()?.into_owned());
        }
        Some(parts)
    }

    /// `[[database.]schema.]name`.
    pub(crate) fn qualified(&mut self) -> Option<Name> {
        Name::of(self.chain()?)
    }

    /// `[schema.]operator`.
    pub(crate) fn operator(&mut self) -> Option<Name> {
        let mut schema = None;
        while self.rest.get(1).is_some_and(|t| t.kind == Kind::Dot) {
            schema = Some(self.label()?.into_owned());
            self.next();
        }
        let operator = self.next().filter(|t| t.kind == Kind::Operator)?;
        Some(Name { schema, name: operator.written(self.text).to_owned() })
    }

    /// A role: a name, or CURRENT_USER and its like, or `public`.
    pub(crate) fn role(&mut self) -> Option<String> {
        self.eat("group");
        for word in ["current_user", "current_role", "session_user"] {
            if self.eat(word) {
                return Some(word.to_owned());
            }
        }
        self.name().map(Cow::into_owned)
    }

    /// Whether `%TYPE` or `%ROWTYPE` is next.
    pub(crate) fn sees_type_of(&self) -> bool {
        let [sign, word, ..] = self.rest else { return false };
        sign.kind == Kind::Operator
            && sign.written(self.text) == "%"
            && (word.is(self.text, "type") || word.is(self.text, "rowtype"))
    }

    pub(crate) fn string(&mut self) -> Option<Token> {
        let token = self.peek().filter(|t| t.kind.is_string())?;
        self.rest = &self.rest[1..];
        Some(token)
    }

    /// `( … )` with what is inside; the split has balanced them.
    pub(crate) fn group(&mut self) -> Option<&'a [Token]> {
        if !self.sees_kind(Kind::LeftParen) {
            return None;
        }
        let mut depth = 0_usize;
        for (index, token) in self.rest.iter().enumerate() {
            match token.kind {
                Kind::LeftParen => depth += 1,
                Kind::RightParen => {
                    depth -= 1;
                    if depth == 0 {
                        let inside = &self.rest[1..index];
                        self.rest = &self.rest[index + 1..];
                        return Some(inside);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// `[*]` behind a relation: its children too, as always.
    pub(crate) fn star(&mut self) {
        self.eat_operator("*");
    }
}
