//! The statements of code, one after another.

use policy::{Output, Verb};

use super::carried;
use super::text::has_backslash;
use crate::before::Before;
use crate::lexer::{Kind, Token};
use crate::read::Reader;
use crate::statement::{Around, Form, Inside, read};
use crate::values::Values;
use crate::{SearchPath, Settings, Statement};

/// When code runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// With the statement that brings it.
    Now,
    /// Whenever somebody calls it, or does what it is for.
    Later,
}

/// Parts of code that are not understood; behind so many of them it is not read on.
const MAX_OPAQUE: usize = 16;

/// Code as it is read.
pub(crate) struct Code<'c, 'r, 'a> {
    /// What is found goes there.
    reader: &'r mut Reader<'a>,
    pub(crate) text: &'c str,
    /// Where something stands in the text is where it stands in the reader's.
    placed: bool,
    when: When,
    settings: Settings,
    pub(crate) values: Values,
    inside: Inside,
    before: Before<'a>,
    opaque: usize,
}

/// Where code stands, and what its names mean.
pub(crate) struct Source<'c> {
    pub(crate) text: &'c str,
    /// Where something stands in the text is where it stands in the reader's.
    pub(crate) placed: bool,
    pub(crate) when: When,
    pub(crate) inside: Inside,
    pub(crate) path: SearchPath,
    pub(crate) values: Values,
}

impl<'a> Reader<'a> {
    /// Reads code.
    pub(crate) fn code<'c, T>(
        &mut self,
        source: Source<'c>,
        read: impl FnOnce(&mut Code<'c, '_, 'a>) -> T,
    ) -> T {
        let Source { text, placed, when, inside, path, values } = source;
        let settings = Settings {
            standard_conforming_strings: self.names.conforming,
            utf8: true,
            search_path: path,
            // What ends a transaction in it ends what was set before.
            unsettled: true,
        };
        let before = Before::code_in(self.names.before);
        let mut code = Code { reader: self, text, placed, when, settings, values, inside, before, opaque: 0 };
        read(&mut code)
    }

    /// Code in the text at hand.
    pub(crate) fn source(&self, when: When, values: Values) -> Source<'a> {
        let path = self.names.path.clone();
        Source { text: self.text, placed: true, when, inside: self.names.inside, path, values }
    }
}

impl Code<'_, '_, '_> {
    /// Reads one statement, or what follows a SELECT.
    pub(crate) fn piece(&mut self, tokens: &[Token], form: Form) {
        if self.opaque >= MAX_OPAQUE {
            return;
        }
        let around = Around {
            settings: &self.settings,
            catalog: self.reader.names.catalog,
            limits: self.reader.limits,
            values: &self.values,
            inside: self.inside,
        };
        let mut statement = read(self.text, tokens, form, around, &mut self.before);
        let start = tokens.first().map(|token| token.start as usize);
        for action in statement.actions.iter_mut().filter(|a| a.verb == Verb::Opaque) {
            self.opaque += 1;
            if self.opaque < MAX_OPAQUE && action.detail.position.is_none() {
                action.detail.position =
                    start.map(|start| crate::lexer::character(self.text.as_bytes(), start));
            }
        }
        self.take(statement);
    }

    /// Adds what a statement does.
    fn take(&mut self, mut statement: Statement) {
        let effects = std::mem::take(&mut statement.effects);
        // Its rows go to variables, or to whoever calls: to where no mask is.
        let output = std::mem::replace(&mut statement.output, Output::None);
        self.reader.store(carried(output));
        self.reader.take(statement, self.placed);
        if self.when == When::Now {
            self.reader.follow(effects);
        }
    }

    /// Statements with semicolons between, outside of parentheses.
    pub(crate) fn statements(&mut self, tokens: &[Token]) {
        for statement in semicolon_parts(tokens) {
            match statement {
                [] => {}
                // Of a function's body that is no string.
                [first, value @ ..] if first.is(self.text, "return") => self.piece(value, Form::Selected),
                statement => self.piece(statement, Form::Statement),
            }
        }
    }

    /// Opaque where strings in these tokens may be read otherwise by the time they run.
    pub(crate) fn strings(&mut self, tokens: &[Token]) {
        if self.before.string_syntax && has_backslash(self.text, tokens) {
            self.reader.opaque("strings in code that may be read otherwise when it runs");
        }
    }
}

/// The parts between semicolons outside of parentheses.
pub(crate) fn semicolon_parts(tokens: &[Token]) -> impl Iterator<Item = &[Token]> {
    let mut depth = 0_usize;
    tokens.split(move |token| {
        match token.kind {
            Kind::LeftParen | Kind::LeftBracket => depth += 1,
            Kind::RightParen | Kind::RightBracket => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && token.kind == Kind::Semicolon
    })
}
