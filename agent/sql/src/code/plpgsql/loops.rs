//! LOOP, WHILE, FOR and FOREACH.

use super::{Body, Stop};
use crate::lexer::Kind;
use crate::statement::{Form, is_data};

impl Body<'_, '_, '_, '_, '_> {
    /// Behind LOOP, up to its end.
    pub(super) fn loop_body(&mut self) -> Option<()> {
        self.statements()?;
        self.word("end")?;
        self.word("loop")?;
        if !self.at.sees_kind(Kind::Semicolon) {
            self.identifier()?;
        }
        self.semicolon()
    }

    /// The variables of a loop; one of integers makes its own.
    fn loop_variables(&mut self) -> Option<()> {
        loop {
            let name = self.variable()?;
            if let [name] = name.as_slice() {
                self.code.values.add(name.clone());
            }
            if !self.at.eat_kind(Kind::Comma) {
                return Some(());
            }
        }
    }

    pub(super) fn for_loop(&mut self) -> Option<()> {
        self.loop_variables()?;
        self.word("in")?;
        if self.at.eat("execute") {
            let (query, stop) = self.until(&[Stop::Word("using"), Stop::Word("loop")])?;
            self.dynamic(query)?;
            if stop == Stop::Word("using") {
                while self.expression(&[Stop::Comma, Stop::Word("loop")])? == Stop::Comma {}
            }
            return self.loop_body();
        }
        if self.over_cursor()? {
            return self.loop_body();
        }
        let dotted = self.at.rest.get(1).is_some_and(|next| next.kind == Kind::Dot);
        if !dotted {
            self.at.eat("reverse");
        }
        let (first, stop) = self.until(&[Stop::Range, Stop::Word("loop")])?;
        if stop == Stop::Range {
            self.selected(first)?;
            if self.expression(&[Stop::Word("loop"), Stop::Word("by")])? == Stop::Word("by") {
                self.expression(&[Stop::Word("loop")])?;
            }
        } else if first.is_empty() {
            return None;
        } else {
            self.code.piece(first, Form::Statement);
        }
        self.loop_body()
    }

    /// `FOR row IN cursor [(arguments)] LOOP`, up to LOOP.
    fn over_cursor(&mut self) -> Option<bool> {
        let mut at = self.at;
        let Some(name) = at.label().filter(|name| self.cursors.contains_key(&**name)) else {
            return Some(false);
        };
        let arguments = at.group();
        if !at.sees("loop") {
            return Some(false);
        }
        if is_data(&self.at) {
            // A cursor that is called as a query begins.
            return None;
        }
        at.next();
        self.at = at;
        self.opened(&name, arguments.unwrap_or_default())?;
        Some(true)
    }

    pub(super) fn for_each(&mut self) -> Option<()> {
        self.loop_variables()?;
        if self.at.eat("slice") && !self.at.eat_kind(Kind::Integer) {
            return None;
        }
        self.word("in")?;
        self.word("array")?;
        self.expression(&[Stop::Word("loop")])?;
        self.loop_body()
    }

    pub(super) fn exit(&mut self) -> Option<()> {
        if !self.at.sees("when") && !self.at.sees_kind(Kind::Semicolon) {
            self.identifier()?;
        }
        if self.at.eat("when") {
            return self.expression(&[Stop::Semicolon]).map(|_| ());
        }
        self.semicolon()
    }
}
