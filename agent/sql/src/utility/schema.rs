//! CREATE SCHEMA, with the elements that it makes at once.
//!
//! They run as the role that will own the schema, in an order of PostgreSQL's own (sequences, tables, views, indexes,
//! triggers, grants), and with the new schema before all others. So names that are not theirs are looked for only where
//! that role would find what the session's would.

use policy::{Action, ObjectKind, Verb};

use super::action;
use crate::SearchPath;
use crate::code::Source;
use crate::cursor::Cursor;
use crate::lexer::{Kind, Token};
use crate::read::Reader;
use crate::statement::Form;
use crate::values::NO_VALUES;

impl<'a> Reader<'a> {
    /// CREATE SCHEMA from the name on.
    pub(super) fn schema(&mut self, cursor: &mut Cursor<'a>) -> Option<()> {
        let name = if cursor.sees("authorization") { None } else { Some(cursor.name()?.into_owned()) };
        let mut other = None;
        if cursor.eat("authorization") {
            let own = ["current_user", "current_role", "session_user"].iter().any(|word| cursor.sees(word));
            let owner = cursor.role()?;
            other = (!own).then(|| owner.clone());
            self.act(made(name.as_ref().unwrap_or(&owner), Some(owner.clone())));
            if own && name.is_none() && !cursor.is_end() {
                self.opaque("elements of a schema that is named after the session's role");
            }
        } else {
            self.act(made(name.as_ref()?, None));
        }
        if cursor.is_end() {
            return Some(());
        }
        if let Some(owner) = &other {
            self.assign("role", Some(owner));
        }
        let schema = name.or_else(|| other.clone()).unwrap_or_default();
        let elements = elements(cursor.text, cursor.rest)?;
        cursor.rest = &[];
        let path = match self.names.path {
            SearchPath::Known { schemas, .. } if other.is_none() => {
                // PostgreSQL's own come first where they are not listed, and the session's temporary ones.
                let (implied, listed): (Vec<String>, Vec<String>) = schemas
                    .iter()
                    .cloned()
                    .partition(|s| s == "pg_catalog" || s == "pg_temp" || s.starts_with("pg_temp_"));
                let schemas = implied.into_iter().chain([schema.clone()]).chain(listed).collect();
                SearchPath::Known { schemas, creation: Some(schema) }
            }
            _ => SearchPath::Unknown,
        };
        let source = Source { path, ..self.source(NO_VALUES.clone()) };
        self.code(source, |code| {
            for (_, element) in elements {
                code.piece(element, Form::Statement);
            }
        });
        Some(())
    }
}

fn made(schema: &str, owner: Option<String>) -> Action {
    let mut made = action(Verb::Create, ObjectKind::Schema, "schema", schema);
    made.detail.roles.extend(owner);
    made
}

/// The elements, in the order in which they run.
fn elements<'a>(text: &str, tokens: &'a [Token]) -> Option<Vec<(usize, &'a [Token])>> {
    let mut starts = Vec::new();
    let mut depth = 0_usize;
    let mut grants = false;
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::LeftParen | Kind::LeftBracket => depth += 1,
            Kind::RightParen | Kind::RightBracket => depth = depth.saturating_sub(1),
            _ => {}
        }
        let before = at.checked_sub(1).map(|before| tokens[before]);
        let is = |word: &str| token.is(text, word);
        // A label, a name behind a dot, WITH GRANT OPTION, and the privilege.
        let other = before.is_some_and(|b| {
            b.kind == Kind::Dot
                || b.is(text, "as")
                || (is("grant") && b.is(text, "with"))
                || (is("create") && grants && (b.is(text, "grant") || b.kind == Kind::Comma))
        });
        if depth == 0 && !other && (is("create") || is("grant")) {
            starts.push(at);
            grants = is("grant");
        } else if is("on") {
            grants = false;
        }
    }
    if starts.first() != Some(&0) {
        return None;
    }
    let ends = starts.iter().skip(1).copied().chain([tokens.len()]);
    let mut elements: Vec<(usize, &[Token])> = starts
        .iter()
        .zip(ends)
        .map(|(start, end)| &tokens[*start..end])
        .map(|e| (order(text, e), e))
        .collect();
    elements.sort_by_key(|(order, _)| *order);
    Some(elements)
}

/// When an element runs (`transformCreateSchemaStmtElements`).
fn order(text: &str, element: &[Token]) -> usize {
    const KINDS: [&str; 5] = ["sequence", "table", "view", "index", "trigger"];
    if element.first().is_some_and(|token| token.is(text, "grant")) {
        return KINDS.len();
    }
    // TEMP, UNLOGGED, OR REPLACE, RECURSIVE, UNIQUE and CONSTRAINT stand before the word, never a name.
    element.iter().find_map(|token| KINDS.iter().position(|kind| token.is(text, kind))).unwrap_or(0)
}
