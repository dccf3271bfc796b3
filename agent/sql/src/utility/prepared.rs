//! Statements that hold or run another: PREPARE, EXECUTE, DECLARE, FETCH, EXPLAIN, CALL.
//!
//! PREPARE and DECLARE return no rows; their output is that of the statement inside, for those who run it.

use policy::{Action, Lineage, ObjectKind, Output, Verb};

use super::{Read, action};
use crate::TransactionEffect;
use crate::cursor::Cursor;
use crate::flow::{add, constant};
use crate::lexer::Kind;
use crate::read::Reader;

impl<'a> Reader<'a> {
    pub(super) fn prepare(&mut self, cursor: &mut Cursor<'a>) -> Option<Read> {
        if cursor.sees("transaction") && cursor.rest.get(1).is_some_and(|t| t.kind.is_string()) {
            cursor.next();
            cursor.string()?;
            self.act(Action::bare(Verb::Transaction));
            self.effects.transaction = Some(TransactionEffect::Prepare);
            return Some(Read::quiet("PREPARE TRANSACTION"));
        }
        let name = cursor.name()?.into_owned();
        if let Some(types) = cursor.group() {
            self.types(types);
        }
        if !cursor.eat("as") {
            return None;
        }
        self.act(action(Verb::Prepare, ObjectKind::Other, "", &name));
        let output = self.inner(cursor);
        self.effects.prepares = Some(name);
        Some(Read { tag: "PREPARE", output })
    }

    /// The statement that the rest is; it may be any that is planned, and the utility ones that EXPLAIN takes.
    fn inner(&mut self, cursor: &mut Cursor<'a>) -> Output {
        let tokens = cursor.rest;
        cursor.rest = &[];
        self.planned(tokens).output
    }

    pub(super) fn execute(&mut self, cursor: &mut Cursor<'a>) -> Option<Read> {
        let name = cursor.name()?.into_owned();
        let arguments = match cursor.group() {
            Some(arguments) => self.expression_list(arguments),
            None => constant(),
        };
        self.effects.executes = Some(name.clone());
        // What was prepared is known to carry nothing in its parameters; these may.
        let output = if arguments == constant() { Output::Inherited(name) } else { Output::Unknown };
        self.store(arguments);
        Some(Read { tag: "EXECUTE", output })
    }

    pub(super) fn deallocate(&mut self, cursor: &mut Cursor<'a>) -> Option<Read> {
        if cursor.rest.len() > 1 {
            cursor.eat("prepare");
        }
        let name = if cursor.eat("all") { None } else { Some(cursor.name()?.into_owned()) };
        self.act(action(Verb::Prepare, ObjectKind::Other, "", name.clone().unwrap_or_default()));
        self.effects.deallocates = Some(name);
        Some(Read::quiet("DEALLOCATE"))
    }

    pub(super) fn declare(&mut self, cursor: &mut Cursor<'a>) -> Option<Read> {
        let name = cursor.name()?.into_owned();
        while cursor.eat_one(&["binary", "insensitive", "asensitive", "no", "scroll"]).is_some() {}
        if !cursor.eat("cursor") {
            return None;
        }
        let hold = cursor.eat_one(&["with", "without"]);
        if hold.is_some() && !cursor.eat("hold") {
            return None;
        }
        if !cursor.eat("for") {
            return None;
        }
        let output = self.inner(cursor);
        self.effects.declares = Some(name);
        self.effects.holds = hold == Some("with");
        Some(Read { tag: "DECLARE CURSOR", output })
    }

    pub(super) fn fetch(&mut self, head: &str, cursor: &mut Cursor<'a>) -> Option<Read> {
        const DIRECTIONS: &[&str] =
            &["next", "prior", "first", "last", "absolute", "relative", "forward", "backward", "all"];
        // The cursor's name is the last word; a direction may be missing and a cursor may be named like one.
        while cursor.rest.len() > 1 {
            let sign = cursor.eat_operator("-") || cursor.eat_operator("+");
            let counted = cursor.eat_kind(Kind::Integer);
            if sign && !counted {
                return None;
            }
            if !counted && cursor.eat_one(DIRECTIONS).is_none() && cursor.eat_one(&["from", "in"]).is_none() {
                return None;
            }
        }
        let name = cursor.name()?.into_owned();
        self.act(action(Verb::Cursor, ObjectKind::Other, "", &name));
        self.effects.fetches = Some(name.clone());
        if head == "move" {
            return Some(Read::quiet("MOVE"));
        }
        Some(Read { tag: "FETCH", output: Output::Inherited(name) })
    }

    pub(super) fn close_cursor(&mut self, cursor: &mut Cursor<'a>) -> Option<Read> {
        let name = if cursor.eat("all") { String::new() } else { cursor.name()?.into_owned() };
        self.act(action(Verb::Cursor, ObjectKind::Other, "", name));
        Some(Read::quiet("CLOSE CURSOR"))
    }

    pub(super) fn explain(&mut self, cursor: &mut Cursor<'a>) -> Option<Read> {
        self.act(Action::bare(Verb::Explain));
        // `EXPLAIN (SELECT …)` explains a query in parentheses.
        let options = cursor.sees_kind(Kind::LeftParen) && !opens_query(cursor);
        if options {
            let mut inside = Cursor::new(cursor.text, cursor.group()?);
            super::session::values(&mut inside);
            if !inside.is_end() {
                self.opaque_at("unsupported syntax", inside.peek());
            }
        } else {
            cursor.eat_one(&["analyze", "analyse"]);
            cursor.eat("verbose");
        }
        // The plan's text holds constants of the statement, and EXECUTE runs in it what was prepared.
        self.inner(cursor);
        Some(Read { tag: "EXPLAIN", output: Output::Unknown })
    }

    pub(super) fn call_procedure(&mut self, cursor: &mut Cursor<'a>) -> Option<Read> {
        let name = cursor.qualified()?;
        let arguments = cursor.group()?;
        let mut given = self.call(Verb::Call, &name).carried;
        let carried = self.expression_list(arguments);
        add(&mut given, carried.clone());
        self.store(carried);
        self.effects.ddl = true;
        self.effects.search_path = true;
        self.effects.string_syntax = true;
        // One row, of what it gives back by its parameters.
        let output = match given {
            Lineage::Exact(columns) | Lineage::Derived(columns) => Output::Within(columns),
            Lineage::Unknown => Output::Unknown,
        };
        Some(Read { tag: "CALL", output })
    }
}

/// Whether the parentheses ahead begin a query.
pub(super) fn opens_query(cursor: &Cursor<'_>) -> bool {
    let first = cursor.rest.iter().find(|t| t.kind != Kind::LeftParen);
    first.is_some_and(|t| ["select", "with", "values", "table"].iter().any(|word| t.is(cursor.text, word)))
}
