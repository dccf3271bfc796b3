//! Statements that are read from their tokens alone: all that are neither a query nor INSERT, UPDATE, DELETE, MERGE.
//!
//! Every reader consumes the whole statement; what is left over makes it opaque. Queries and expressions inside
//! go back to the parser with their own tokens.

mod along;
mod alter;
mod alter_table;
mod block;
mod copy;
mod create;
mod define;
mod drop;
mod expression;
mod extension;
mod foreign;
mod kind;
mod made;
mod maintain;
mod moving;
mod of_type;
mod owned;
mod parts;
mod prepared;
mod privileges;
mod routine;
mod rule;
mod schema;
mod session;
mod standing;
mod transaction;

pub(crate) use expression::comma_parts;

use policy::{Action, Detail, Object, ObjectKind, Output, Verb};

use crate::Effects;
use crate::cursor::Cursor;
use crate::read::Reader;

/// A statement as its reader leaves it.
pub(crate) struct Read {
    pub(crate) tag: &'static str,
    pub(crate) output: Output,
}

impl Read {
    /// One that returns no rows.
    const fn quiet(tag: &'static str) -> Self {
        Read { tag, output: Output::None }
    }
}

/// An action on something that is no relation.
fn action(verb: Verb, kind: ObjectKind, class: &'static str, name: impl Into<String>) -> Action {
    Action {
        verb,
        object: Object { kind, class, schema: None, name: name.into(), oid: None },
        implied: false,
        detail: Detail::NONE,
    }
}

impl<'a> Reader<'a> {
    /// Reads the utility statement at the cursor.
    pub(crate) fn utility(&mut self, mut cursor: Cursor<'a>) -> Read {
        let start = cursor;
        let head = cursor.next().map(|t| t.name(self.text).into_owned()).unwrap_or_default();
        let read = match head.as_str() {
            "begin" | "start" | "commit" | "end" | "rollback" | "abort" | "savepoint" | "release" => {
                self.transaction(&head, &mut cursor)
            }
            "set" => self.set(&mut cursor),
            "reset" => self.reset(&mut cursor),
            "show" => self.show(&mut cursor),
            "discard" => self.discard(&mut cursor),
            "listen" | "unlisten" | "notify" => self.notify(&head, &mut cursor),
            "load" => self.load(&mut cursor),
            "prepare" => self.prepare(&mut cursor),
            "execute" => self.execute(&mut cursor),
            "deallocate" => self.deallocate(&mut cursor),
            "declare" => self.declare(&mut cursor),
            "fetch" | "move" => self.fetch(&head, &mut cursor),
            "close" => self.close_cursor(&mut cursor),
            "explain" => self.explain(&mut cursor),
            "copy" => self.copy(&mut cursor),
            "call" => self.call_procedure(&mut cursor),
            "do" => self.block(&mut cursor),
            "vacuum" | "analyze" | "analyse" | "cluster" | "reindex" | "refresh" | "checkpoint" => {
                self.maintain(&head, &mut cursor)
            }
            "truncate" => self.truncate(&mut cursor),
            "lock" => self.lock(&mut cursor),
            "comment" | "security" => self.comment(&head, &mut cursor),
            "create" => self.create_statement(&mut cursor),
            "alter" => self.alter_statement(&mut cursor),
            "drop" => self.drop_statement(&mut cursor),
            "grant" | "revoke" => self.privileges(&head, &mut cursor),
            "reassign" => self.reassign(&mut cursor),
            "import" => self.import(&mut cursor),
            _ => {
                cursor = start;
                None
            }
        };
        match read {
            Some(read) if cursor.is_end() => read,
            Some(Read { tag, .. }) => {
                self.not_read(cursor);
                Read { tag, output: Output::Unknown }
            }
            None => {
                self.not_read(cursor);
                Read { tag: "", output: Output::Unknown }
            }
        }
    }

    fn not_read(&mut self, cursor: Cursor<'a>) {
        self.opaque_at("unsupported syntax", cursor.peek());
        let Effects { ddl, search_path, string_syntax, .. } = Effects::anything();
        self.effects.ddl = ddl;
        self.effects.search_path = search_path;
        self.effects.string_syntax = string_syntax;
    }
}
