//! COPY: what is read or written, and whether the client or the server holds the other end.

use policy::{Action, Detail, Lineage, Object, Verb};

use super::Read;
use super::expression::comma_parts;
use crate::CopyDirection;
use crate::cursor::Cursor;
use crate::lexer::Kind;
use crate::name::Name;
use crate::read::{Over, Reader, Target};

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
            match self.other_end(cursor)? {
                End::Client => {
                    self.act(Action::bare(Verb::CopyOut));
                    self.effects.copy = Some(CopyDirection::Out);
                }
                End::File => self.act(Action::bare(Verb::CopyServer)),
                End::Program => self.act(Action::bare(Verb::CopyProgram)),
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
        let end = self.other_end(cursor)?;
        let data = if into { Verb::Insert } else { Verb::Select };
        let copy = match (into, end) {
            (_, End::Program) => Verb::CopyProgram,
            (_, End::File) => Verb::CopyServer,
            (true, End::Client) => Verb::CopyIn,
            (false, End::Client) => Verb::CopyOut,
        };
        if end == End::Client {
            self.effects.copy = Some(if into { CopyDirection::In } else { CopyDirection::Out });
        }
        self.touch_for_copy(&name, data, copy);
        options(cursor);
        if into && cursor.eat("where") {
            let condition = cursor.rest;
            cursor.rest = &[];
            self.expression_of(condition, Over::Relation(&name));
        }
        Some(COPY)
    }

    fn touch_for_copy(&mut self, name: &Name, data: Verb, copy: Verb) {
        let target = self.touch(data, name);
        let certain = matches!(target, Target::Known(_));
        for relation in target.relations() {
            if data == Verb::Select {
                let whole = crate::flow::column(relation.oid, 0);
                self.store(if certain { whole } else { policy::Lineage::Unknown });
            }
            // What a program does is not done to the relation: its pattern must not stand for it.
            let object = match copy {
                Verb::CopyProgram => Object::none(),
                _ => crate::read::relation_object(relation),
            };
            self.act(Action { verb: copy, object, implied: false, detail: Detail::NONE });
        }
        if target.relations().is_empty() {
            self.act(Action::bare(copy));
        }
    }

    fn other_end(&mut self, cursor: &mut Cursor<'a>) -> Option<End> {
        if cursor.eat_one(&["stdin", "stdout"]).is_some() {
            return Some(End::Client);
        }
        let end = if cursor.eat("program") { End::Program } else { End::File };
        cursor.string().map(|_| end)
    }
}

/// Who holds the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Client,
    /// A file of the server.
    File,
    /// A program that the server runs.
    Program,
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
