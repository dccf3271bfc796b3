//! Prepared statements and portals by name, as the server will have them once it has come to this point.
//!
//! A change of a name is entered when its message is sent, and settled by the server's answer. Until then it
//! counts for what is sent behind it up to the next Sync, Query or FunctionCall: were it to fail, the server
//! would skip all of that. Whatever comes later must not stand on it: the server may run another statement under
//! that name than the one that was judged.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use bytes::Bytes;
use masking::{MaskSet, RowPlan};
use policy::{Grant, Oid, Output, Verb};

use super::facts::Strings;
use super::judged::Told;
use super::reading::Reading;

/// A prepared statement: its text as the client gave it, and what it was last read and judged to be.
pub(crate) struct Prepared {
    /// The text that its Parse carried, or of the statement inside a PREPARE.
    pub(crate) text: Bytes,
    /// The types of users' that its Parse gave its parameters.
    pub(crate) types: Rc<[Oid]>,
    /// How its strings are read: the server has taken it apart, and does not do so again.
    pub(crate) strings: Strings,
    /// The text is a PREPARE or a DECLARE and stands for the statement inside.
    pub(crate) inside: bool,
    /// Sequence in the session of the record that holds the text.
    pub(crate) record: u64,
    /// About what its reading takes in memory, in bytes: what is read again is about the same.
    pub(crate) reading: usize,
    /// The last reading, good for one epoch.
    pub(crate) judged: RefCell<Option<Judged>>,
    /// What the server last took it to be, which it may still do.
    pub(crate) analysed: RefCell<Analysed>,
}

/// What a prepared statement meant when the server last took it apart. It does so again only where it sees a reason, so that
/// this is what it may run, whatever the names in it stand for by then.
pub(crate) struct Analysed {
    /// Not known if absent.
    pub(crate) reading: Option<Rc<Reading>>,
    /// Of what the session knew then.
    pub(crate) epoch: u64,
    /// How many times the server had forgotten its plans by then.
    pub(crate) renewals: u64,
}

/// A reading and what the policy says of it, as of one epoch of what the session knows.
#[derive(Clone)]
pub(crate) struct Judged {
    pub(crate) epoch: u64,
    pub(crate) reading: Rc<Reading>,
    pub(crate) judgement: Rc<Told>,
}

/// A portal, or a cursor: they share one name space.
pub(crate) struct Portal {
    /// What it runs.
    pub(crate) prepared: Rc<Prepared>,
    /// What it was judged to be when it was bound: what the server planned then is what Execute runs.
    pub(crate) judged: Judged,
    /// The approval that let it be bound, where one did: its executions are part of that approval.
    pub(crate) grant: Option<Grant>,
    /// Which statement of the reading it is.
    pub(crate) at: usize,
    /// Sequence in the session of the record of its Bind.
    pub(crate) record: u64,
    /// What is masked in it, as of then. Absent where nothing is.
    pub(crate) masks: Option<Rc<MaskSet>>,
    /// Which rules that was by.
    pub(crate) mask_rules: u64,
    /// How its rows are masked; set by the answer to the session's own Describe.
    pub(crate) plan: OnceCell<RowPlan>,
    /// Code may have closed it since, and opened another query in its name.
    pub(crate) reopened: Cell<bool>,
    /// A transaction has ended since: what is left of it are rows, and nothing runs any more.
    pub(crate) materialised: Cell<bool>,
}

impl Portal {
    /// What its rows are made of, as of when it was bound.
    pub(crate) fn output(&self) -> &Output {
        self.judged.reading.statements().get(self.at).map_or(&Output::None, |statement| &statement.output)
    }

    /// The server planned it when it was bound: its names stand for what they stood for then.
    pub(crate) fn is_planned(&self) -> bool {
        let creates = |statement: &sql::Statement| statement.actions.iter().any(|a| a.verb == Verb::Create);
        let planned = |statement: &sql::Statement| {
            matches!(statement.tag, "SELECT" | "INSERT" | "UPDATE" | "DELETE" | "MERGE")
                && !creates(statement)
        };
        self.judged.reading.statements().iter().all(planned)
    }

    /// It is a cursor WITH HOLD.
    fn outlives_its_transaction(&self) -> bool {
        self.judged.reading.statements().get(self.at).is_some_and(|statement| statement.effects.holds)
    }

    /// It was made by DECLARE, so that no Describe came with it.
    pub(crate) fn declared(&self) -> bool {
        self.judged.reading.statements().iter().any(|s| s.effects.declares.is_some())
    }
}

/// A change of a name, to be settled by the server's answer.
#[must_use = "a change that is never settled stays in doubt"]
pub(crate) struct Change {
    of: Of,
    number: u64,
}

enum Of {
    Statement(Vec<u8>),
    Portal(Vec<u8>),
    /// DEALLOCATE ALL.
    EveryStatement,
}

/// The session's names.
#[derive(Default)]
pub(crate) struct Names {
    statements: Space<Prepared>,
    portals: Space<Portal>,
    /// Number of the next change.
    next: u64,
    /// Which stretch between two of Sync, Query and FunctionCall this is.
    stretch: u64,
}

/// One name space.
struct Space<T> {
    /// Most clients use no other name: it is there without being looked for.
    unnamed: Entry<T>,
    named: HashMap<Vec<u8>, Entry<T>>,
    /// Changes of all names at once, but the empty one: number and stretch, in their order.
    clears: VecDeque<(u64, u64)>,
    bytes: usize,
}

struct Entry<T> {
    settled: Option<Rc<T>>,
    pending: VecDeque<Pending<T>>,
}

struct Pending<T> {
    number: u64,
    stretch: u64,
    value: Option<Rc<T>>,
}

/// More names of portals are not kept behind a transaction.
const MOST_HELD: usize = 256;

/// More bytes behind names than any honest client holds.
const MOST_BYTES: usize = 256 << 20;

impl Names {
    pub(crate) fn statement(&self, name: &[u8]) -> Option<&Rc<Prepared>> {
        self.statements.get(name)
    }

    pub(crate) fn portal(&self, name: &[u8]) -> Option<&Rc<Portal>> {
        self.portals.get(name)
    }

    /// Whether [`Names::statement`] tells what the server will find; else its answers have to be waited for.
    pub(crate) fn statement_is_certain(&self, name: &[u8]) -> bool {
        self.statements.is_certain(name, self.stretch)
    }

    /// The same for [`Names::portal`].
    pub(crate) fn portal_is_certain(&self, name: &[u8]) -> bool {
        self.portals.is_certain(name, self.stretch)
    }

    pub(crate) fn prepare(&mut self, name: &[u8], prepared: Rc<Prepared>) -> Change {
        self.change_statement(name, Some(prepared))
    }

    pub(crate) fn close_statement(&mut self, name: &[u8]) -> Change {
        self.change_statement(name, None)
    }

    pub(crate) fn bind(&mut self, name: &[u8], portal: Rc<Portal>) -> Change {
        self.change_portal(name, Some(portal))
    }

    pub(crate) fn close_portal(&mut self, name: &[u8]) -> Change {
        self.change_portal(name, None)
    }

    /// DEALLOCATE ALL.
    pub(crate) fn deallocate_all(&mut self) -> Change {
        let number = self.number();
        self.statements.clears.push_back((number, self.stretch));
        Change { of: Of::EveryStatement, number }
    }

    /// A Sync, a Query or a FunctionCall has been sent: an error before it does not skip what comes behind it.
    pub(crate) fn stretch_ends(&mut self) {
        self.stretch += 1;
    }

    /// The server has carried it out.
    pub(crate) fn happened(&mut self, change: Change) {
        match change.of {
            Of::Statement(name) => self.statements.settle(&name, change.number, true),
            Of::Portal(name) => self.portals.settle(&name, change.number, true),
            Of::EveryStatement => self.statements.settle_clear(change.number, true),
        }
    }

    /// The server has not carried it out.
    pub(crate) fn undone(&mut self, change: Change) {
        match change.of {
            Of::Statement(name) => self.statements.settle(&name, change.number, false),
            Of::Portal(name) => self.portals.settle(&name, change.number, false),
            Of::EveryStatement => self.statements.settle_clear(change.number, false),
        }
    }

    /// The Parse that it belongs to has failed: one of the unnamed statement takes the old one with it.
    pub(crate) fn parse_failed(&mut self, change: Change) {
        if let Of::Statement(name) = &change.of
            && name.is_empty()
            && let Some(pending) =
                self.statements.unnamed.pending.iter_mut().find(|p| p.number == change.number)
        {
            self.statements.bytes -= cost(b"", pending.value.take().as_deref());
            return self.happened(change);
        }
        self.undone(change);
    }

    /// A statement goes that may close any portal, and open another query in its name.
    pub(crate) fn reopen(&self) {
        self.portals().for_each(|portal| portal.reopened.set(true));
    }

    /// Cursors WITH HOLD whose rows are still to be made.
    pub(crate) fn held(&self) -> impl Iterator<Item = &Rc<Portal>> {
        self.portals().filter(|portal| portal.outlives_its_transaction() && !portal.materialised.get())
    }

    /// Those that the server has, and those on their way.
    fn portals(&self) -> impl Iterator<Item = &Rc<Portal>> {
        let Space { unnamed, named, .. } = &self.portals;
        std::iter::once(unnamed).chain(named.values()).flat_map(|entry| {
            entry.settled.iter().chain(entry.pending.iter().filter_map(|pending| pending.value.as_ref()))
        })
    }

    /// The transaction has ended, and with it every portal that the server has but cursors WITH HOLD. Those on their way
    /// stay. A cursor that is closed, or gone with a transaction that failed, is not noticed: so many are not kept.
    pub(crate) fn end_of_transaction(&mut self) {
        self.portals.keep(|portal| {
            portal.materialised.set(true);
            portal.outlives_its_transaction()
        });
        if self.portals.named.len() > MOST_HELD {
            self.portals.keep(|_| false);
        }
    }

    /// Whether there is no room for one more prepared statement with a name, where there may be so many.
    pub(crate) fn statements_full(&self, most: usize) -> bool {
        self.statements.has(most) || self.bytes_full()
    }

    /// The same for portals.
    pub(crate) fn portals_full(&self, most: usize) -> bool {
        self.portals.has(most) || self.bytes_full()
    }

    fn bytes_full(&self) -> bool {
        self.statements.bytes + self.portals.bytes >= MOST_BYTES
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn change_statement(&mut self, name: &[u8], value: Option<Rc<Prepared>>) -> Change {
        let number = self.number();
        self.statements.change(name, Pending { number, stretch: self.stretch, value });
        Change { of: Of::Statement(name.to_vec()), number }
    }

    fn change_portal(&mut self, name: &[u8], value: Option<Rc<Portal>>) -> Change {
        let number = self.number();
        self.portals.change(name, Pending { number, stretch: self.stretch, value });
        Change { of: Of::Portal(name.to_vec()), number }
    }
}

impl<T> Default for Space<T> {
    fn default() -> Self {
        Space { unnamed: Entry::default(), named: HashMap::new(), clears: VecDeque::new(), bytes: 0 }
    }
}

impl<T> Default for Entry<T> {
    fn default() -> Self {
        Entry { settled: None, pending: VecDeque::new() }
    }
}

impl<T: Weighs> Space<T> {
    fn entry(&self, name: &[u8]) -> Option<&Entry<T>> {
        if name.is_empty() { Some(&self.unnamed) } else { self.named.get(name) }
    }

    fn get(&self, name: &[u8]) -> Option<&Rc<T>> {
        let entry = self.entry(name)?;
        let cleared = self.last_clear(name).map(|clear| clear.0);
        match entry.pending.back() {
            Some(pending) if Some(pending.number) > cleared => pending.value.as_ref(),
            _ if cleared.is_some() => None,
            Some(pending) => pending.value.as_ref(),
            None => entry.settled.as_ref(),
        }
    }

    /// The last change of all names that takes this one with it: DEALLOCATE ALL leaves the unnamed statement
    /// (`DropAllPreparedStatements`).
    fn last_clear(&self, name: &[u8]) -> Option<(u64, u64)> {
        self.clears.back().copied().filter(|_| !name.is_empty())
    }

    /// Whether so many names, or more, stand for something once what is in flight has happened.
    fn has(&self, most: usize) -> bool {
        self.named.len() >= most
            && self.named.keys().filter(|name| self.get(name).is_some()).take(most).count() == most
    }

    fn is_certain(&self, name: &[u8], stretch: u64) -> bool {
        let last = self.entry(name).and_then(|entry| entry.pending.back());
        let changed = last.map(|pending| (pending.number, pending.stretch));
        changed.max(self.last_clear(name)).is_none_or(|(_, of)| of == stretch)
    }

    fn change(&mut self, name: &[u8], pending: Pending<T>) {
        self.bytes += cost(name, pending.value.as_deref());
        let entry = match name.is_empty() {
            true => &mut self.unnamed,
            false => self.named.entry(name.to_vec()).or_default(),
        };
        entry.pending.push_back(pending);
    }

    fn settle(&mut self, name: &[u8], number: u64, happened: bool) {
        let entry = match name.is_empty() {
            true => Some(&mut self.unnamed),
            false => self.named.get_mut(name),
        };
        let Some(entry) = entry else { return };
        let Some(at) = entry.pending.iter().position(|p| p.number == number) else { return };
        let Some(pending) = entry.pending.remove(at) else { return };
        let gone = match happened {
            true => std::mem::replace(&mut entry.settled, pending.value),
            false => pending.value,
        };
        self.bytes -= cost(name, gone.as_deref());
        if entry.settled.is_none() && entry.pending.is_empty() && !name.is_empty() {
            self.named.remove(name);
        }
    }

    fn settle_clear(&mut self, number: u64, happened: bool) {
        self.clears.retain(|clear| clear.0 != number);
        if happened {
            self.keep_named(|_| false);
        }
    }

    /// Of what is settled, nothing else is there any more.
    fn keep(&mut self, stays: impl Fn(&T) -> bool) {
        self.bytes -= cost(b"", self.unnamed.settled.take_if(|value| !stays(value)).as_deref());
        self.keep_named(stays);
    }

    /// The same of what has a name.
    fn keep_named(&mut self, stays: impl Fn(&T) -> bool) {
        let bytes = &mut self.bytes;
        self.named.retain(|name, entry| {
            *bytes -= cost(name, entry.settled.take_if(|value| !stays(value)).as_deref());
            entry.settled.is_some() || !entry.pending.is_empty()
        });
    }
}

/// About what something takes in memory, in bytes.
trait Weighs {
    fn weight(&self) -> usize;
}

impl Weighs for Prepared {
    fn weight(&self) -> usize {
        // What it was last taken to be, and what it is now.
        256 + self.text.len() + size_of_val(&*self.types) + 2 * self.reading
    }
}

impl Weighs for Portal {
    fn weight(&self) -> usize {
        256 + self.prepared.weight()
    }
}

fn cost<T: Weighs>(name: &[u8], value: Option<&T>) -> usize {
    value.map_or(0, |value| name.len() + value.weight())
}
