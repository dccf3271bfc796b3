//! Where what bodies read may go: into other relations, to others, or into cursors of the session.

use policy::{Action, Lineage, ObjectKind, Oid, Verb};

use super::tokens::{assigned, begins};
use crate::flow::{add, column, constant};
use crate::lexer::Token;
use crate::read::Reader;

/// What runs a body, by what becomes of what it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(in crate::read) enum By {
    /// A call, whose result is shown as masked.
    #[default]
    Call,
    /// A write, beside which it runs.
    Write,
    /// A write, whose rows it fills: their defaults, and triggers before it.
    Filling,
}

/// What bodies have read, and whether they may have kept it.
#[derive(Debug)]
pub(in crate::read) struct Kept {
    read: Lineage,
    stored: bool,
}

impl Kept {
    pub(in crate::read) fn nothing() -> Self {
        Kept { read: constant(), stored: false }
    }
}

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
                self.note_read(Lineage::Unknown);
                self.give(Lineage::Unknown);
            }
        }
    }

    /// Notes what a body reads, and whether it stores anything. What triggers do with the rows that they are given is the
    /// database's own; what they and defaults read beside these is not.
    pub(in crate::read) fn note_in_body(&mut self, action: &Action) {
        if !self.implies {
            return;
        }
        self.give_found(action);
        match (action.verb, action.object.oid) {
            (Verb::Select, Some(oid)) if action.object.kind == ObjectKind::Relation => {
                match self.columns_in_body.take_if(|(of, _)| *of == oid) {
                    Some((_, columns)) => columns.into_iter().for_each(|at| self.note_read(column(oid, at))),
                    None => self.note_read(column(oid, 0)),
                }
            }
            // Of a sequence it is its next value.
            (Verb::Update, _) if action.object.class == "sequence" => {}
            (verb, _) => {
                let stored = stores(verb) || hands_on(action);
                if let Some(kept) = self.kept() {
                    kept.stored |= stored;
                }
            }
        }
    }

    pub(super) fn note_read(&mut self, lineage: Lineage) {
        match self.kept() {
            Some(kept) => add(&mut kept.read, lineage),
            None => self.store(lineage),
        }
    }

    /// What bodies keep that run as the one at hand; `None`: all that they read.
    fn kept(&mut self) -> Option<&mut Kept> {
        match self.runs_by {
            By::Call => Some(&mut self.calls_kept),
            By::Write => Some(&mut self.writes_kept),
            By::Filling => None,
        }
    }

    /// Notes of which columns alone the body at hand reads the relation that is told next.
    pub(super) fn note_columns(&mut self, of: Oid, columns: Option<Vec<i16>>) {
        self.columns_in_body = columns.filter(|_| self.runs_by != By::Call).map(|columns| (of, columns));
    }

    /// What bodies have read and may have stored leaves the reach of its mask.
    pub(crate) fn store_what_bodies_read(&mut self) {
        let kept = [&mut self.calls_kept, &mut self.writes_kept];
        let kept = kept.map(|kept| std::mem::replace(kept, Kept::nothing()));
        for kept in kept.into_iter().filter(|kept| kept.stored) {
            self.store(kept.read);
        }
    }
}

/// Whether it calls one of PostgreSQL's own functions that does more than to compute, and so may keep what it is given, or hand
/// it to somebody, the client among them: a notification, a sequence's value, a large object, the key of a lock. What
/// these are given is not known of a body.
fn hands_on(action: &Action) -> bool {
    let object = &action.object;
    object.kind == ObjectKind::Function
        && object.schema.as_deref() == Some("pg_catalog")
        && !GIVES_NOTHING_ON.contains(&&*object.name)
}

/// Those that leave nothing of what they are given to be seen.
const GIVES_NOTHING_ON: [&str; 9] = [
    "nextval",
    "pg_advisory_unlock",
    "pg_advisory_unlock_all",
    "pg_advisory_unlock_shared",
    "pg_cancel_backend",
    "pg_sleep",
    "pg_sleep_for",
    "pg_sleep_until",
    "pg_terminate_backend",
];

/// Whether what does this may keep a value, or hand it to somebody.
pub(super) fn stores(verb: Verb) -> bool {
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
