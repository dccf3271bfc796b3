//! COPY: what is read or written, and whether the client or the server holds the other end.

use policy::{Action, Detail, Lineage, Verb};

use super::Read;
use super::expression::comma_parts;
use crate::CopyDirection;
use crate::cursor::Cursor;
use crate::lexer::Kind;
use crate::names::Name;
use crate::read::{Reader, Target};

impl<'a> Reader<'a> {
    pub(super) fn copy(&mut self, cursor: &mut Cursor<'a>) -> Option<Read> {
        const COPY: Read = Read::quiet("COPY");
        if cursor.sees_kind(Kind::LeftParen) {
            let tokens = cursor.group()?;
            let query = Cursor::new(self.text, tokens);
            let writes = ["insert", "update", "delete", "merge"].iter().any(|word| query.sees(word));
            let carried = if writes {
                self.data_statement(tokens);
                Lineage::Unknown
            } else {
                self.query_of(tokens).all()
            };
            self.store(carried);
            if !cursor.eat("to") {
                return None;
            }
            if self.copy_at_server(cursor)? {
                self.act(Action::bare(Verb::CopyServer));
            } else {
                self.act(Action::bare(Verb::CopyOut));
                self.effects.copy = Some(CopyDirection::Out);
            }
            options(cursor);
            return Some(COPY);
        }
        if cursor.rest.len() > 1
            && !cursor.rest[1].is(cursor.text, "from")
            && !cursor.rest[1].is(cursor.text, "to")
        {
            cursor.eat("binary");
        }
        let name = cursor.qualified()?;
        if let Some(columns) = cursor.group() {
            for column in comma_parts(columns) {
                if !matches!(column, [token] if token.kind.is_name()) {
                    return None;
                }
            }
        }
        let into = cursor.eat_one(&["from", "to"])? == "from";
        let server = self.copy_at_server(cursor)?;
        let (data, copy) = match (into, server) {
            (true, true) => (Verb::Insert, Verb::CopyServer),
            (true, false) => (Verb::Insert, Verb::CopyIn),
            (false, true) => (Verb::Select, Verb::CopyServer),
            (false, false) => (Verb::Select, Verb::CopyOut),
        };
        if !server {
            self.effects.copy = Some(if into { CopyDirection::In } else { CopyDirection::Out });
        }
        self.touch_for_copy(&name, data, copy);
        options(cursor);
        if into && cursor.eat("where") {
            let condition = cursor.rest;
            cursor.rest = &[];
            self.expression_of(condition, Some(&name));
        }
        Some(COPY)
    }

    fn touch_for_copy(&mut self, name: &Name, data: Verb, copy: Verb) {
        match self.touch(data, name) {
            Target::Known(relation) => {
                if data == Verb::Select {
                    self.store(crate::flow::column(relation.oid, 0));
                }
                self.act(Action {
                    verb: copy,
                    object: crate::read::relation_object(relation),
                    implied: false,
                    detail: Detail::NONE,
                });
            }
            Target::Created(_) | Target::Missing => self.act(Action::bare(copy)),
        }
    }

    /// The other end: a file or program of the server, or else the client. `None`: neither.
    fn copy_at_server(&mut self, cursor: &mut Cursor<'a>) -> Option<bool> {
        if cursor.eat_one(&["stdin", "stdout"]).is_some() {
            return Some(false);
        }
        cursor.eat("program");
        cursor.string().map(|_| true)
    }
}

/// `[WITH] ( … )` or the old words without parentheses; nothing in them reads or writes data.
fn options(cursor: &mut Cursor<'_>) {
    cursor.eat("with");
    if cursor.group().is_some() {
        return;
    }
    const WORDS: &[&str] = &[
        "binary",
        "freeze",
        "delimiter",
        "delimiters",
        "null",
        "csv",
        "header",
        "quote",
        "escape",
        "force",
        "not",
        "encoding",
        "as",
        "using",
    ];
    loop {
        if cursor.string().is_some() || cursor.eat_one(WORDS).is_some() || cursor.eat_kind(Kind::Comma) {
            continue;
        }
        if cursor.eat_operator("*") {
            continue;
        }
        // Columns of FORCE QUOTE, FORCE NOT NULL.
        if !cursor.sees("where") && cursor.name().is_some() {
            continue;
        }
        return;
    }
}
