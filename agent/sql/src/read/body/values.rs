//! Where what bodies read may go: into other relations, to others, or into cursors of the session.

use policy::{Action, Lineage, ObjectKind, Verb};

use super::tokens::{assigned, begins};
use crate::flow::{add, column, constant};
use crate::lexer::Token;
use crate::read::Reader;

impl Reader<'_> {
    /// What a body does with cursors, which it may share with the session: by statements of plpgsql's own, or, in a text
    /// that is handed on or in SQL, as the session itself does.
    pub(super) fn cursors_in_body(&mut self, text: &str, tokens: &[Token], own: bool, shown: &str) {
        for (at, token) in tokens.iter().enumerate().filter(|(at, _)| begins(text, tokens, *at)) {
            let is = |word: &str| token.is(text, word);
            if assigned(text, tokens, at) {
                continue;
            }
            if !own && ["declare", "close", "fetch", "move", "execute"].into_iter().any(is) {
                self.opaque(format!("{shown} gives names of prepared statements or cursors another meaning"));
            }
            self.effects.reopens |= is("open") || is("close");
            if is("fetch") || is("move") {
                add(&mut self.bodies_read, Lineage::Unknown);
            }
        }
    }

    /// Notes what a body reads, and whether it stores anything. What the database's own triggers and defaults do with the
    /// rows that they are given is theirs.
    pub(in crate::read) fn note_in_body(&mut self, action: &Action) {
        if !self.implies || self.triggered {
            return;
        }
        match (action.verb, action.object.oid) {
            (Verb::Select, Some(oid)) if action.object.kind == ObjectKind::Relation => {
                add(&mut self.bodies_read, column(oid, 0));
            }
            // Of a sequence it is its next value.
            (Verb::Update, _) if action.object.class == "sequence" => {}
            (verb, _) => self.bodies_store |= stores(verb),
        }
    }

    /// What bodies have read and may have stored leaves the reach of its mask.
    pub(crate) fn store_what_bodies_read(&mut self) {
        if self.bodies_store {
            let read = std::mem::replace(&mut self.bodies_read, constant());
            self.store(read);
        }
    }
}

/// Whether what does this may keep a value, or hand it to somebody.
fn stores(verb: Verb) -> bool {
    match verb {
        Verb::Insert
        | Verb::Update
        | Verb::UpdateAll
        | Verb::CopyIn
        | Verb::CopyOut
        | Verb::CopyServer
        | Verb::CopyProgram
        | Verb::Create
        | Verb::Alter
        | Verb::Set
        | Verb::Notify
        | Verb::System
        | Verb::Replicate
        | Verb::Opaque => true,
        Verb::Select
        | Verb::Predicate
        | Verb::Delete
        | Verb::DeleteAll
        | Verb::Truncate
        | Verb::Lock
        | Verb::References
        | Verb::Drop
        | Verb::Maintain
        | Verb::Grant
        | Verb::Revoke
        | Verb::Role
        | Verb::SetRole
        | Verb::Show
        | Verb::Transaction
        | Verb::Prepare
        | Verb::Cursor
        | Verb::Explain
        | Verb::Call
        | Verb::Function
        | Verb::Do => false,
    }
}
