//! What the results of functions are made of, beside their arguments: whatever their bodies read, since it is not followed
//! how they make the one of the other.

use std::collections::HashMap;

use policy::{Action, Function, Lineage, ObjectKind, Oid, Verb};

use super::By;
use crate::flow::{add, column, constant};
use crate::lexer::Token;
use crate::names::{Builtin, builtin};
use crate::read::Reader;
use crate::read::access::is_own;

/// A body, by the path with which it runs and by what runs it.
pub(in crate::read) type Run = (*const Function, usize, By);

/// A write to a relation, by the path with which its triggers run and by what runs them.
pub(in crate::read) type Write = (Oid, Verb, usize, By);

/// What a body gives.
#[derive(Debug, Clone)]
struct Given {
    made_of: Lineage,
    /// It says what errors say that came in it.
    says_errors: bool,
    /// They may come of what no text names: an expression in a policy for rows or in the check of a type, which may hold anything.
    fails_untold: bool,
}

impl Given {
    fn nothing() -> Self {
        Given { made_of: constant(), says_errors: false, fails_untold: false }
    }
}

/// What bodies give, as far as they have been read.
#[derive(Debug)]
pub(in crate::read) struct Results {
    /// The body at hand.
    at_hand: Given,
    /// Those that have been read to their end.
    of: HashMap<Run, Given>,
    /// What runs with writes to a relation, as far as it has been read.
    with_writes: HashMap<Write, Given>,
    /// Those that are being read, innermost last.
    within: Vec<Run>,
    /// Of those that were read once more, since the path may have moved before they run.
    moved: Lineage,
}

impl Results {
    pub(in crate::read) fn nothing() -> Self {
        Results {
            at_hand: Given::nothing(),
            of: HashMap::new(),
            with_writes: HashMap::new(),
            within: Vec::new(),
            moved: constant(),
        }
    }
}

impl Reader<'_> {
    /// Reads a body for the first time.
    pub(super) fn reading(&mut self, run: Run, read: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.results.at_hand, Given::nothing());
        self.results.within.push(run);
        read(self);
        self.results.within.pop();
        let mut given = std::mem::replace(&mut self.results.at_hand, outer);
        if given.says_errors && given.fails_untold {
            given.made_of = Lineage::Unknown;
            self.note_read(Lineage::Unknown);
        }
        self.results.of.insert(run, given);
    }

    /// Reads for the first time what runs with a write, and becomes a part of the body that writes.
    pub(super) fn reading_write(&mut self, write: Write, read: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.results.at_hand, Given::nothing());
        read(self);
        let given = std::mem::replace(&mut self.results.at_hand, outer);
        self.results.with_writes.insert(write, given);
        self.give_of_write(&write);
    }

    /// The same where it was read before, or is being read.
    pub(super) fn give_of_write(&mut self, write: &Write) {
        let (made_of, fails_untold) = match self.results.with_writes.get(write) {
            Some(given) => (given.made_of.clone(), given.fails_untold),
            None => (Lineage::Unknown, false),
        };
        self.results.at_hand.fails_untold |= fails_untold;
        self.give(made_of);
    }

    /// What the body gives to whatever calls it, of which it becomes a part.
    pub(super) fn result_of(&mut self, run: Run) -> Lineage {
        let result = match self.results.of.get(&run) {
            Some(given) => {
                self.results.at_hand.fails_untold |= given.fails_untold;
                given.made_of.clone()
            }
            // It calls itself, and gives what it reads.
            None if self.results.within.last() == Some(&run) => constant(),
            None => Lineage::Unknown,
        };
        self.give(result.clone());
        result
    }

    /// Notes whether the body at hand says what errors say, and whether these may come of what others have deferred, or of the
    /// check of a value, whose type need not be named.
    pub(super) fn note_errors(&mut self, text: &str, tokens: &[Token]) {
        let has = |word: &str| tokens.iter().any(|token| token.is(text, word));
        self.results.at_hand.says_errors |= has("sqlerrm") || has("diagnostics");
        self.results.at_hand.fails_untold |=
            has("constraints") || !self.names.catalog.calls().types.is_empty();
    }

    /// What a block says of errors, which may come of what no text names, leaves the reach of masks.
    pub(crate) fn store_what_errors_say(&mut self, text: &str, tokens: &[Token]) {
        self.note_errors(text, tokens);
        let looks = |oid: &Oid| self.names.catalog.relation(*oid).is_some_and(|of| of.policies_look_beyond);
        let fails_untold = self.results.at_hand.fails_untold || self.relations.iter().any(looks);
        if self.results.at_hand.says_errors && fails_untold {
            self.store(Lineage::Unknown);
        }
    }

    /// The body at hand gives that as well.
    pub(super) fn give(&mut self, part: Lineage) {
        add(&mut self.results.at_hand.made_of, part);
    }

    /// The body at hand does that, and may give what it finds.
    pub(super) fn give_found(&mut self, action: &Action) {
        let object = &action.object;
        match object.kind {
            ObjectKind::Relation => {
                let relation = object.oid.and_then(|oid| self.names.catalog.relation(oid));
                self.results.at_hand.fails_untold |= relation.is_some_and(|of| of.policies_look_beyond);
                self.give(match relation {
                    // What statistics and their like hold is of others' rows, and no mask is on them.
                    Some(relation) if is_own(relation) => Lineage::Unknown,
                    Some(relation) => column(relation.oid, 0),
                    None => Lineage::Unknown,
                });
            }
            ObjectKind::Function if object.schema.as_deref() == Some("pg_catalog") => {
                if builtin(&object.name) == Builtin::Other {
                    self.give(Lineage::Unknown);
                }
            }
            _ if action.verb == Verb::Opaque => self.give(Lineage::Unknown),
            ObjectKind::Function
            | ObjectKind::Schema
            | ObjectKind::Role
            | ObjectKind::Setting
            | ObjectKind::Other => {}
        }
    }

    /// Reads a body once more, along another path.
    pub(super) fn reading_moved(&mut self, run: Run, read: impl FnOnce(&mut Self)) {
        self.reading(run, read);
        let moved = self.result_of(run);
        add(&mut self.results.moved, moved);
    }

    /// What is given by those that were read once more: any result of the statement's may be made of it.
    pub(super) fn moved_results(&mut self) -> Lineage {
        std::mem::replace(&mut self.results.moved, constant())
    }
}
