//! Prepared statements and portals by name, as the server will have them once it has come to this point.
//!
//! A name is entered when its Parse or Bind is sent, before the server's answer is known. The entry keeps what
//! it replaced, so that a failure puts that back: judging an Execute by a portal that the server never made
//! would judge another statement than the one that runs.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use bytes::Bytes;
use masking::RowPlan;
use policy::{Grant, Judgement, Output};

use super::reading::Reading;

/// A prepared statement: its text as the client gave it, and what it was last read and judged to be.
pub(crate) struct Prepared {
    /// The text that its Parse carried, or of the statement inside a PREPARE.
    pub(crate) text: Bytes,
    /// Sequence in the session of the record that holds the text.
    pub(crate) record: u64,
    /// The last reading, good for one epoch.
    pub(crate) judged: RefCell<Option<Judged>>,
}

/// A reading and what the policy says of it, as of one epoch of what the session knows.
#[derive(Clone)]
pub(crate) struct Judged {
    pub(crate) epoch: u64,
    pub(crate) reading: Rc<Reading>,
    pub(crate) judgement: Rc<Judgement>,
}

/// A portal, or a cursor: they share one name space.
pub(crate) struct Portal {
    /// What it runs.
    pub(crate) prepared: Rc<Prepared>,
    /// What it was judged to be when it was bound: what the server planned then is what Execute runs.
    pub(crate) judged: Judged,
    /// The approval that let it be bound, where one did: its executions are part of that approval.
    pub(crate) grant: Option<Grant>,
    /// What its rows are made of, as of then.
    pub(crate) output: Output,
    /// Sequence in the session of the record of its Bind.
    pub(crate) record: u64,
    /// How its rows are masked; set by the answer to the session's own Describe. Absent where nothing is masked.
    pub(crate) plan: OnceCell<RowPlan>,
}

/// What a name stood for before: to be put back if the message that changed it fails.
pub(crate) enum Undo {
    Statement(Vec<u8>, Option<Rc<Prepared>>),
    Portal(Vec<u8>, Option<Rc<Portal>>),
}

/// The session's names.
#[derive(Default)]
pub(crate) struct Names {
    statements: HashMap<Vec<u8>, Rc<Prepared>>,
    portals: HashMap<Vec<u8>, Rc<Portal>>,
}

/// More names than any honest client holds: the memory of a session is bounded.
const MOST: usize = 100_000;

impl Names {
    pub(crate) fn statement(&self, name: &[u8]) -> Option<&Rc<Prepared>> {
        self.statements.get(name)
    }

    pub(crate) fn portal(&self, name: &[u8]) -> Option<&Rc<Portal>> {
        self.portals.get(name)
    }

    pub(crate) fn prepare(&mut self, name: &[u8], prepared: Rc<Prepared>) -> Undo {
        Undo::Statement(name.to_vec(), self.statements.insert(name.to_vec(), prepared))
    }

    pub(crate) fn bind(&mut self, name: &[u8], portal: Rc<Portal>) -> Undo {
        Undo::Portal(name.to_vec(), self.portals.insert(name.to_vec(), portal))
    }

    pub(crate) fn close_statement(&mut self, name: &[u8]) -> Undo {
        Undo::Statement(name.to_vec(), self.statements.remove(name))
    }

    pub(crate) fn close_portal(&mut self, name: &[u8]) -> Undo {
        Undo::Portal(name.to_vec(), self.portals.remove(name))
    }

    /// DEALLOCATE ALL. It cannot fail once it runs, so there is nothing to put back.
    pub(crate) fn deallocate_all(&mut self) {
        self.statements.clear();
    }

    /// The transaction has ended, and with it every portal, but for those that `more` of have been sent since.
    pub(crate) fn end_of_transaction(&mut self, more: bool) {
        if !more {
            self.portals.clear();
        }
    }

    pub(crate) fn undo(&mut self, undo: Undo) {
        match undo {
            Undo::Statement(name, Some(old)) => drop(self.statements.insert(name, old)),
            Undo::Statement(name, None) => drop(self.statements.remove(&name)),
            Undo::Portal(name, Some(old)) => drop(self.portals.insert(name, old)),
            Undo::Portal(name, None) => drop(self.portals.remove(&name)),
        }
    }

    pub(crate) fn full(&self) -> bool {
        self.statements.len() >= MOST || self.portals.len() >= MOST
    }
}

/// The part of a text that one statement of it is.
pub(crate) fn slice(text: &Bytes, range: &Range<usize>) -> Bytes {
    text.slice(range.clone())
}
