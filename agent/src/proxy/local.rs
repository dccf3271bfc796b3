//! What the sessions of one worker share, and how they are told what happens elsewhere in the daemon.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use session::{Cache, Event};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use super::Shared;
use super::batch::Batch;
use super::cancel::Cancelling;

/// What reaches a session from elsewhere in the daemon.
#[derive(Debug)]
pub(super) enum Signal {
    /// For the session itself.
    Event(Event),
    /// Its client asks on another connection to cancel what runs.
    Cancel(Cancelling),
    /// Another policy holds.
    Policy,
}

/// What the sessions of a worker share, without locks.
pub(super) struct Local {
    pub(super) shared: Arc<Shared>,
    pub(super) batch: Batch,
    /// What sockets are read into; a session keeps only what is left over.
    pub(super) buffer: RefCell<Vec<u8>>,
    pub(super) cache: Rc<RefCell<Cache>>,
    pub(super) sessions: RefCell<HashMap<u64, UnboundedSender<Signal>>>,
}

/// A connection on the list of those that are told, until this is dropped: at the end of its task, also by a panic,
/// which ends that task alone.
pub(super) struct Listed {
    pub(super) local: Rc<Local>,
    number: u64,
}

impl Local {
    /// Puts a connection on the list. The number is its own.
    pub(super) fn list(
        self: &Rc<Self>,
        number: u64,
    ) -> (Listed, UnboundedSender<Signal>, UnboundedReceiver<Signal>) {
        let (signal, signals) = mpsc::unbounded_channel();
        self.sessions.borrow_mut().insert(number, signal.clone());
        (Listed { local: Rc::clone(self), number }, signal, signals)
    }

    pub(super) fn tell(&self, signal: impl Fn() -> Signal) {
        for session in self.sessions.borrow().values() {
            // One that ends just now needs no telling.
            drop(session.send(signal()));
        }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.local.sessions.borrow_mut().remove(&self.number);
    }
}

/// Waits until the daemon stops; with `now`, until its patience is over.
pub(super) async fn drained(signals: &mut UnboundedReceiver<Signal>, now: bool) {
    while let Some(signal) = signals.recv().await {
        if matches!(signal, Signal::Event(Event::Drain { now: over }) if over || !now) {
            return;
        }
    }
    // Nobody is left who could say so.
    std::future::pending().await
}
