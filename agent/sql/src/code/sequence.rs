//! The statements of code, one after another.

use policy::{Action, Lineage, Output, Verb};

use super::carried;
use super::text::{CodeText, has_backslash};
use crate::before::Before;
use crate::flow::constant;
use crate::inside::Inside;
use crate::lexer::{Kind, Token, character};
use crate::read::Reader;
use crate::split::slices;
use crate::statement::{Around, Form, read};
use crate::values::{NO_VALUES, Values};
use crate::{Effects, SearchPath, Settings, Statement};

/// Parts of code that are not understood; behind so many of them it is not read on.
const MAX_OPAQUE: usize = 16;

/// Code as it is read.
pub(crate) struct Code<'c, 'r, 'a> {
    /// What is found goes there.
    reader: &'r mut Reader<'a>,
    pub(crate) text: &'c str,
    /// Where something stands in the text is where it stands in the reader's.
    placed: bool,
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
        let Source { text, placed, inside, path, values } = source;
        let settings = Settings {
            standard_conforming_strings: self.names.conforming,
            utf8: true,
            search_path: path,
            reach: self.names.reach.cloned(),
            // What ends a transaction in it ends what was set before.
            unsettled: true,
        };
        let before = Before::code_in(self.names.before);
        let mut code = Code { reader: self, text, placed, settings, values, inside, before, opaque: 0 };
        read(&mut code)
    }

    /// Code in the text at hand.
    pub(crate) fn source(&self, values: Values) -> Source<'a> {
        let path = self.names.path.clone();
        Source { text: self.text, placed: true, inside: self.names.inside, path, values }
    }
}

impl Code<'_, '_, '_> {
    /// Reads one statement, or what follows a SELECT.
    pub(crate) fn piece(&mut self, tokens: &[Token], form: Form) {
        if self.opaque >= MAX_OPAQUE || !self.is_affordable(tokens) {
            return;
        }
        let around = Around {
            settings: &self.settings,
            limits: self.reader.limits,
            values: &self.values,
            inside: self.inside,
        };
        let statement = read(self.text, tokens, form, around, &mut self.before);
        let start = tokens.first().map(|token| token.start as usize);
        self.take(statement, start.filter(|_| self.placed));
    }

    /// Whether one more piece may be read; opaque otherwise.
    fn is_affordable(&mut self, tokens: &[Token]) -> bool {
        let fits = self.before.spend_piece();
        if !fits {
            self.opaque = MAX_OPAQUE;
            self.opaque_at("too much code", tokens.first().copied());
        }
        fits
    }

    /// Reads the statements of a text that a statement of the code runs.
    pub(crate) fn nested(&mut self, token: Token) {
        let Some(inside) = self.inside.deeper() else {
            return self.opaque_at("code in code, too deep", Some(token));
        };
        if !self.before.spend(token.range().len()) {
            return self.opaque_at("too much code", Some(token));
        }
        let limits = self.reader.limits;
        let conforming = self.settings.standard_conforming_strings && !self.before.string_syntax;
        let slices = CodeText::of(token, self.text, limits)
            .filter(|text| conforming || !text.has_backslash())
            .and_then(|text| Some((slices(&text.text, &text.tokens, limits).ok()?, text)));
        let Some((slices, text)) = slices else {
            return self.opaque_at("the text of EXECUTE is not understood", Some(token));
        };
        for slice in slices {
            if self.opaque >= MAX_OPAQUE || !self.is_affordable(&text.tokens[slice.clone()]) {
                return;
            }
            let around = Around { settings: &self.settings, limits, values: &NO_VALUES, inside };
            let tokens = &text.tokens[slice];
            let statement = read(&text.text, tokens, Form::Statement, around, &mut self.before);
            let start = tokens.first().map(|token| token.start as usize);
            self.take(statement, start.filter(|_| self.placed && text.placed));
        }
    }

    /// Opaque, at a token of the code.
    pub(crate) fn opaque_at(&mut self, what: &str, token: Option<Token>) {
        let mut action = Action::opaque(what);
        let start = token.map(|token| token.start as usize).filter(|_| self.placed);
        action.detail.position = start.map(|start| character(self.text.as_bytes(), start));
        let statement = Statement { actions: vec![action], ..Statement::opaque("") };
        self.before.add(&statement, &self.settings);
        self.take(statement, None);
    }

    /// Something that no SQL says. `hands_on`: values come from elsewhere.
    pub(crate) fn happens(&mut self, effects: Effects, hands_on: bool) {
        let written = if hands_on { Lineage::Unknown } else { constant() };
        let (actions, at_once, output) = (Vec::new(), 0, Output::None);
        let statement = Statement {
            actions,
            at_once,
            output,
            written,
            steers: constant(),
            effects,
            ..Statement::opaque("")
        };
        self.before.add(&statement, &self.settings);
        self.take(statement, None);
    }

    /// Whether anything in the code has changed what names mean.
    pub(crate) fn has_changed(&self) -> bool {
        self.before.has_changed()
    }

    /// Whether what changes names in the code may come before what it has been read with.
    pub(crate) fn is_unsettled(&self) -> bool {
        !self.inside.settled && self.before.has_changed() && self.opaque < MAX_OPAQUE
    }

    /// From here on all of that counts from the beginning.
    pub(crate) fn settle(&mut self, tokens: &[Token]) {
        self.inside.settled = true;
        if !self.may_read_again(tokens) {
            self.opaque_at("too much code", tokens.first().copied());
        }
    }

    /// Whether there may be so much code in all.
    pub(crate) fn may_read_again(&self, tokens: &[Token]) -> bool {
        let bytes = |first: &Token, last: &Token| last.range().end - first.range().start;
        tokens.first().zip(tokens.last()).is_none_or(|(first, last)| self.before.spend(bytes(first, last)))
    }

    /// Adds what a statement does that begins there in the reader's text.
    fn take(&mut self, mut statement: Statement, start: Option<usize>) {
        for action in statement.actions.iter_mut().filter(|a| a.verb == Verb::Opaque) {
            self.opaque += 1;
            if self.opaque < MAX_OPAQUE && action.detail.position.is_none() {
                action.detail.position = start.map(|start| character(self.text.as_bytes(), start));
            }
        }
        let effects = std::mem::take(&mut statement.effects);
        // Its rows go to variables, or to whoever calls: to where no mask is.
        let output = std::mem::replace(&mut statement.output, Output::None);
        self.reader.store(carried(output));
        self.reader.take(statement, self.placed);
        self.reader.follow(effects);
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
