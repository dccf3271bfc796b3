//! ALTER of a relation: its commands, one by one. Those that hold neither names of relations nor expressions are known by
//! their first words.

use std::collections::BTreeSet;

use policy::{Action, Detail, Object, ObjectKind, Verb};

use super::define::{Defined, When};
use super::expression::comma_parts;
use super::kind::ObjectType;
use crate::cursor::Cursor;
use crate::lexer::Token;
use crate::name::Name;
use crate::read::{Over, Reader, relation_object};

/// Beginnings of commands that change nothing but the relation itself.
const PLAIN: &[&[&str]] = &[
    &["as"],
    &["cache"],
    &["cluster", "on"],
    &["cycle"],
    &["disable"],
    &["drop"],
    &["enable"],
    &["force"],
    &["increment"],
    &["logged"],
    &["maxvalue"],
    &["minvalue"],
    &["no"],
    &["not", "of"],
    &["options"],
    &["owned", "by"],
    &["replica", "identity"],
    &["reset"],
    &["restart"],
    &["set"],
    &["start"],
    &["depends"],
];

/// The same behind ALTER COLUMN.
const PLAIN_OF_COLUMN: &[&[&str]] = &[
    &["add", "generated"],
    &["drop", "default"],
    &["drop", "expression"],
    &["drop", "identity"],
    &["drop", "not"],
    &["options"],
    &["reset"],
    &["restart"],
    &["set"],
];

/// Those that are said of the sequence of an identity column, or may be.
const OF_IDENTITY: &[&[&str]] = &[
    &["restart"],
    &["set", "cache"],
    &["set", "cycle"],
    &["set", "generated"],
    &["set", "increment"],
    &["set", "maxvalue"],
    &["set", "minvalue"],
    &["set", "no"],
    &["set", "restart"],
    &["set", "sequence"],
    &["set", "start"],
];

impl<'a> Reader<'a> {
    /// What follows the name in ALTER TABLE and its like.
    pub(super) fn alter_commands(
        &mut self,
        cursor: &mut Cursor<'a>,
        object_type: ObjectType,
        name: &Name,
    ) -> Option<()> {
        let parts = comma_parts(cursor.rest);
        cursor.rest = &[];
        for part in parts {
            let mut command = Cursor::new(self.text, part);
            self.alter_command(&mut command, object_type, name)?;
            if !command.is_end() {
                self.opaque_at("unsupported syntax", command.peek());
            }
        }
        Some(())
    }

    fn alter_command(&mut self, cursor: &mut Cursor<'a>, object_type: ObjectType, name: &Name) -> Option<()> {
        // Where it need not be there, what it has is not known.
        let over = match self.names.relations(name).is_empty() {
            false => Over::Relation(name),
            true => Over::New { name, columns: &[], more: true },
        };
        let defined = Defined { over, when: When::Now };
        let part = *cursor;
        if self.moves(cursor, ObjectKind::Relation, object_type.class, name)? {
            self.stands_for_another(part, object_type.class, name);
            return Some(());
        }
        if cursor.eat("rename") {
            if cursor.eat("constraint") {
                cursor.rest = &[];
                return Some(());
            }
            cursor.eat("column");
            return self.renames_column(cursor);
        }
        if cursor.eat_all(&["attach", "partition"]) {
            let child = self.touch_named(cursor, Verb::Alter)?;
            // Its rows are held against the bounds, and one that does not fit is told.
            self.implying(|reader| reader.touch(Verb::Select, &child));
            self.inherits(name, &child);
            return if cursor.is_end() { Some(()) } else { self.bounds(cursor) };
        }
        if cursor.eat_all(&["detach", "partition"]) {
            self.touch_named(cursor, Verb::Alter)?;
            cursor.eat_one(&["concurrently", "finalize"]);
            return Some(());
        }
        if cursor.eat("inherit") {
            let parent = self.touch_named(cursor, Verb::Alter)?;
            self.inherits(&parent, name);
            return Some(());
        }
        if cursor.eat_all(&["no", "inherit"]) {
            // What is read with it may get less.
            self.told_moves += 1;
            self.touch_named(cursor, Verb::Alter)?;
            return Some(());
        }
        if cursor.eat("of") {
            let of = cursor.qualified()?;
            self.becomes_of(&of);
            return Some(());
        }
        if cursor.eat_all(&["validate", "constraint"]) {
            // A value that does not fit is told.
            self.reads_rows(defined);
            // The check that is there already runs, one of these.
            let functions = self.names.relations(name).into_iter().flat_map(|r| &r.writes.functions);
            self.implying(|reader| functions.for_each(|oid| reader.call_member(*oid)));
            match self.names.relation(name) {
                Some(relation) => self.steer(crate::flow::column(relation.oid, 0)),
                None => self.steer(policy::Lineage::Unknown),
            }
            return cursor.name().map(|_| ());
        }
        if cursor.eat_all(&["alter", "constraint"]) {
            if cursor.rest.iter().any(|token| token.is(self.text, "enforced")) {
                // It was not held against the rows before, and is now.
                self.reads_rows(defined);
            }
            cursor.rest = &[];
            return Some(());
        }
        if cursor.eat("alter") {
            return self.alter_column(cursor, defined);
        }
        if PLAIN.iter().any(|words| cursor.sees_all(words)) {
            let cascades = cursor.rest.last().is_some_and(|token| token.is(self.text, "cascade"));
            if cursor.sees_all(&["set", "logged"]) || cursor.sees_all(&["set", "unlogged"]) {
                self.alter_owned(Verb::Alter, name, None);
            }
            if cursor.eat("drop") {
                if !cursor.sees("constraint") {
                    cursor.eat_one(&["column", "attribute"]);
                    cursor.eat_all(&["if", "exists"]);
                    let column = cursor.name();
                    self.drops_column(name, column.as_deref());
                    self.alter_owned(Verb::Drop, name, column.as_deref());
                }
                if cascades {
                    self.drop_dependents();
                }
            }
            if object_type.class == "sequence" {
                self.belongs_to(*cursor)?;
            }
            cursor.rest = &[];
            return Some(());
        }
        if !cursor.eat("add") {
            return None;
        }
        if self.is_no_column(cursor.rest) {
            return self.table_constraint(cursor, defined);
        }
        cursor.eat_one(&["column", "attribute"]);
        cursor.eat_all(&["if", "not", "exists"]);
        self.column(cursor, defined, false)?;
        cursor.eat_one(&["cascade", "restrict"]);
        Some(())
    }

    /// A column goes, with its values, and with it those of the relations that inherit it.
    fn drops_column(&mut self, name: &Name, column: Option<&str>) {
        let (mut work, mut seen) = (self.names.relations(name), BTreeSet::new());
        let named = work.len();
        while let Some(relation) = work.pop() {
            let implied = seen.len() >= named;
            if !seen.insert(relation.oid) {
                continue;
            }
            // Not the relation itself: its number stands for the whole.
            let object = Object { class: "column", oid: None, ..relation_object(relation) };
            let columns = column.map(|column| vec![column.to_owned()]);
            self.act(Action {
                verb: Verb::Drop,
                object,
                implied,
                detail: Detail { columns, ..Detail::NONE },
            });
            let children = relation.children.iter().filter_map(|oid| self.names.catalog.relation(*oid));
            work.splice(0..0, children);
        }
    }

    fn alter_column(&mut self, cursor: &mut Cursor<'a>, defined: Defined<'_>) -> Option<()> {
        cursor.eat_one(&["column", "attribute"]);
        // Of an index, a number.
        let altered = cursor.rest.get(..1).unwrap_or_default();
        if cursor.name().is_none() {
            cursor.next()?;
        }
        if cursor.eat_all(&["set", "default"]) {
            let value = cursor.rest;
            cursor.rest = &[];
            self.defining(value, Defined { when: When::Later, ..defined });
            return Some(());
        }
        if cursor.eat_all(&["set", "expression", "as"]) {
            let value = cursor.group()?;
            self.storing(value, defined);
            return Some(());
        }
        if cursor.eat("type") || cursor.eat_all(&["set", "data", "type"]) {
            // Every value is cast, and one that cannot be is told.
            self.reads_rows(defined);
            self.decides_by(altered, defined);
            // That of an identity column is of its type.
            self.sequence_of_column(Verb::Alter, altered, defined);
            self.column_type(cursor, When::Now)?;
            if cursor.eat("collate") {
                cursor.chain()?;
            }
            if cursor.eat("using") {
                let value = cursor.rest;
                cursor.rest = &[];
                self.storing(value, defined);
            }
            cursor.eat_one(&["cascade", "restrict"]);
            return Some(());
        }
        if cursor.sees_all(&["set", "not", "null"]) {
            // Whether one is NULL is told.
            self.reads_rows(defined);
        }
        if PLAIN_OF_COLUMN.iter().any(|words| cursor.sees_all(words)) {
            if cursor.sees_all(&["drop", "identity"]) {
                self.sequence_of_column(Verb::Drop, altered, defined);
            } else if OF_IDENTITY.iter().any(|words| cursor.sees_all(words)) {
                self.sequence_of_column(Verb::Alter, altered, defined);
            }
            cursor.rest = &[];
            return Some(());
        }
        None
    }

    /// OWNED BY among what is said of a sequence, which goes with that table from then on.
    pub(super) fn belongs_to(&mut self, mut cursor: Cursor<'a>) -> Option<()> {
        while !cursor.is_end() && !cursor.eat_all(&["owned", "by"]) {
            cursor.next();
        }
        if !cursor.is_end() {
            let is_none = cursor.sees("none");
            let mut parts = cursor.chain()?;
            if is_none && parts.len() == 1 {
                return Some(());
            }
            parts.pop();
            let table = Name { name: parts.pop()?, schema: parts.pop() };
            self.implying(|reader| reader.touch(Verb::Alter, &table));
        }
        Some(())
    }

    /// The sequence of the column in these tokens.
    fn sequence_of_column(&mut self, verb: Verb, altered: &[Token], defined: Defined<'_>) {
        let (Over::New { name: table, .. } | Over::Relation(table)) = defined.over else { return };
        let column = altered.first().filter(|token| token.kind.is_name()).map(|token| token.name(self.text));
        self.alter_owned(verb, table, column.as_deref());
    }

    /// Tells the statement's actions so far who gains or loses by them; nothing where it is the session's own role.
    pub(super) fn gives_to(&mut self, mut roles: Vec<String>) {
        if roles.iter().any(|role| ["current_user", "current_role", "session_user"].contains(&role.as_str()))
        {
            roles.clear();
        }
        for action in &mut self.actions {
            if matches!(action.verb, Verb::Alter | Verb::Grant | Verb::Revoke | Verb::Role) {
                action.detail.roles.clone_from(&roles);
            }
        }
    }
}
