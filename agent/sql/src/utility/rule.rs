//! CREATE RULE: what PostgreSQL does beside, or in the place of, a statement on a relation.
//!
//! Its actions run whenever somebody writes to the relation, as its owner. They are judged here like a view's query, as
//! what the statement itself does and by rules of their own: once the rule stands, others' statements carry them.

use policy::{ObjectKind, Verb};

use super::action;
use super::define::{Defined, When};
use crate::cursor::Cursor;
use crate::lexer::{Kind, Token};
use crate::read::{Over, Reader};
use crate::values::Values;

impl<'a> Reader<'a> {
    /// CREATE RULE from the name on.
    pub(super) fn rule(&mut self, cursor: &mut Cursor<'a>) -> Option<()> {
        let name = cursor.name()?.into_owned();
        self.act(action(Verb::Create, ObjectKind::Other, "rule", name));
        if !cursor.eat_all(&["as", "on"]) {
            return None;
        }
        cursor.eat_one(&["select", "insert", "update", "delete"])?;
        if !cursor.eat("to") {
            return None;
        }
        let table = cursor.qualified()?;
        self.touch(Verb::Alter, &table);
        if cursor.rest.iter().any(|token| token.kind.is_name() && is_row(&token.name(cursor.text))) {
            // Rows as they are there, and as they come.
            self.touch(Verb::Select, &table);
        }
        if cursor.eat("where") {
            let condition = up_to_do(cursor)?;
            self.defining(condition, Defined { over: Over::Rows(&table), when: When::Later });
        }
        if !cursor.eat("do") {
            return None;
        }
        cursor.eat_one(&["also", "instead"]);
        if cursor.eat("nothing") {
            return Some(());
        }
        let mut list = *cursor;
        let actions = match list.group() {
            Some(inside) if list.is_end() => inside,
            _ => cursor.rest,
        };
        if actions.is_empty() {
            return None;
        }
        cursor.rest = &[];
        let mut values = Values::default();
        values.add_rows();
        self.defines(|reader| {
            let source = reader.source(values);
            reader.code(source, |code| code.statements(actions));
        });
        Some(())
    }
}

fn is_row(name: &str) -> bool {
    matches!(name, "new" | "old")
}

/// The tokens before DO, which is reserved: it names nothing but a column, behind a dot.
fn up_to_do<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [Token]> {
    let mut depth = 0_usize;
    let mut before = None;
    let end = cursor.rest.iter().position(|token| {
        match token.kind {
            Kind::LeftParen | Kind::LeftBracket => depth += 1,
            Kind::RightParen | Kind::RightBracket => depth = depth.saturating_sub(1),
            _ => {}
        }
        let behind_dot = before.replace(token.kind) == Some(Kind::Dot);
        depth == 0 && !behind_dot && token.is(cursor.text, "do")
    })?;
    let (condition, rest) = cursor.rest.split_at(end);
    cursor.rest = rest;
    Some(condition)
}
