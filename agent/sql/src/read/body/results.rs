//! What the results of functions are made of, beside their arguments: whatever their bodies read, since it is not followed
//! how they make the one of the other.

use std::collections::HashMap;

use policy::{Action, Function, Lineage, ObjectKind, Verb};

use super::By;
use crate::flow::{add, column, constant};
use crate::names::{Builtin, builtin};
use crate::read::Reader;
use crate::read::access::is_own;

/// A body, by the path with which it runs and by what runs it.
pub(in crate::read) type Run = (*const Function, usize, By);

/// What bodies give, as far as they have been read.
#[derive(Debug)]
pub(in crate::read) struct Results {
    /// Of the body at hand.
    at_hand: Lineage,
    /// Of those that have been read to their end.
    of: HashMap<Run, Lineage>,
    /// Those that are being read, innermost last.
    within: Vec<Run>,
    /// Of those that were read once more, since the path may have moved before they run.
    moved: Lineage,
}

impl Results {
    pub(in crate::read) fn nothing() -> Self {
        Results { at_hand: constant(), of: HashMap::new(), within: Vec::new(), moved: constant() }
    }
}

impl Reader<'_> {
    /// Reads a body for the first time.
    pub(super) fn reading(&mut self, run: Run, read: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.results.at_hand, constant());
        self.results.within.push(run);
        read(self);
        self.results.within.pop();
        let result = std::mem::replace(&mut self.results.at_hand, outer);
        self.results.of.insert(run, result);
    }

    /// What the body gives to whatever calls it, of which it becomes a part.
    pub(super) fn result_of(&mut self, run: Run) -> Lineage {
        let result = match self.results.of.get(&run) {
            Some(result) => result.clone(),
            // It calls itself, and gives what it reads.
            None if self.results.within.last() == Some(&run) => constant(),
            None => Lineage::Unknown,
        };
        self.give(result.clone());
        result
    }

    /// The body at hand gives that as well.
    pub(super) fn give(&mut self, part: Lineage) {
        add(&mut self.results.at_hand, part);
    }

    /// The body at hand does that, and may give what it finds.
    pub(super) fn give_found(&mut self, action: &Action) {
        let object = &action.object;
        match object.kind {
            ObjectKind::Relation => {
                let relation = object.oid.and_then(|oid| self.names.catalog.relation(oid));
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
