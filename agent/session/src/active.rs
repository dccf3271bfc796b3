//! The session once both sides are logged in: statements go down, results come up.
//!
//! Each direction has its own file; what joins them is the queue of expected answers. The session never drops
//! or reorders a message of the client's: a refused one is replaced by one that must fail in its place.

mod backend;
mod cache;
mod clear;
mod clock;
mod delivered;
mod description;
mod expected;
mod extended;
mod facts;
mod failing;
mod frontend;
mod hold;
mod inherit;
mod judged;
mod judging;
mod ledger;
mod malformed;
mod measured;
mod names;
mod plans;
mod reading;
mod refusal;
mod replication;
mod run;
mod running;
mod simple;
mod streamed;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use masking::MaskSet;
use pgwire::Splitter;
use pgwire::backend::TransactionStatus;
use policy::{Catalog, SubjectPolicy};

use cache::Alike;
pub use cache::Cache;
pub use measured::Measured;

use crate::own::{Asked, Own};
use crate::{Fault, Options, Turn};
use expected::{Expected, Pushed, Queue};
use facts::Facts;
pub(crate) use hold::Ending;
use hold::Held;
use judging::Waiting;
pub(crate) use ledger::Ledger;
use names::Names;
use refusal::Refusal;
use streamed::{Decided, Streamed};

/// Everything that a session is once it runs.
pub(crate) struct Active {
    pub(crate) ledger: Ledger,
    options: Rc<Options>,
    cache: Rc<RefCell<Cache>>,
    /// Names the database in the cache's keys.
    database: Arc<str>,
    policy: Arc<SubjectPolicy>,
    /// Absent where nothing is masked for this principal.
    masks: Option<Rc<MaskSet>>,
    judgements: Rc<Alike>,
    /// Rises when the policy masks other columns than before.
    mask_rules: u64,
    clock: clock::Clock,
    facts: Facts,
    names: Names,
    queue: Queue,
    from_frontend: Splitter,
    from_backend: Splitter,
    status: TransactionStatus,
    /// The beginning of the CopyData message that is coming has been sent on.
    copy_data_leaves: bool,
    /// A message that is not read whole is on its way.
    streamed: Option<Streamed>,
    /// What was decided on the one in front, which waits to be read.
    decided: Option<Decided>,
    /// Messages of the extended protocol were sent since the last Sync.
    batch_open: bool,
    /// One of them was refused: the server skips the rest up to Sync, so nothing of it is held any more.
    batch_refused: bool,
    waiting: Option<Waiting>,
    held: Option<Held>,
    holds: u64,
    /// The catalog was read again for the message in front.
    catalog_asked: bool,
    /// It is asked for at the end of what may have changed it, and nothing has been sent since.
    catalog_early: bool,
    /// The server was asked for the search path for the message in front.
    facts_asked: bool,
    /// The same of what the role reaches.
    reach_asked: bool,
    /// The server was told to forget its plans for the message in front.
    renewal_asked: bool,
    /// How many times it has forgotten them.
    renewals: u64,
    /// When bodies of functions were last planned: how many times names had moved by then, and plans been renewed.
    bodies: Option<(u64, u64)>,
    /// The server is to be asked what it has answered behind a COPY.
    after_copy_unasked: bool,
    /// The client has cancelled the message in front, or its time is over.
    interrupted: Option<Refusal>,
    /// It is a replication connection.
    replicates: bool,
    /// A notice for the client that waits for the end of the frame that is on its way.
    notice: Option<String>,
    pub(crate) terminated: bool,
}

impl Active {
    pub(crate) fn new(
        options: Rc<Options>,
        cache: Rc<RefCell<Cache>>,
        ledger: Ledger,
        database: Arc<str>,
        policy: Arc<SubjectPolicy>,
        catalog: Arc<Catalog>,
    ) -> Self {
        let limits = options.limits.clone();
        let judgements = cache.borrow_mut().judgements.of(&policy, None);
        let mut active = Active {
            ledger,
            options,
            cache,
            database,
            policy,
            masks: None,
            judgements,
            mask_rules: 0,
            clock: clock::Clock::default(),
            facts: Facts::new(catalog),
            names: Names::default(),
            queue: Queue::default(),
            from_frontend: Splitter::new(limits.bind.max(limits.message)),
            from_backend: Splitter::new(limits.row),
            status: TransactionStatus::Idle,
            copy_data_leaves: false,
            streamed: None,
            decided: None,
            batch_open: false,
            batch_refused: false,
            waiting: None,
            held: None,
            holds: 0,
            catalog_asked: false,
            catalog_early: false,
            facts_asked: false,
            reach_asked: false,
            renewal_asked: false,
            renewals: 0,
            bodies: None,
            after_copy_unasked: false,
            interrupted: None,
            replicates: false,
            notice: None,
            terminated: false,
        };
        active.resolve_masks();
        active
    }

    /// The next message of the client's has to wait.
    pub(crate) fn blocked(&self) -> bool {
        self.waiting.is_some() || self.held.is_some() || self.terminated
    }

    pub(crate) fn held(&self) -> bool {
        self.held.is_some()
    }

    /// Nothing is in flight and nothing waits: the connection may be closed without cutting anything off.
    pub(crate) fn between_statements(&self) -> bool {
        self.at_rest() && !self.batch_open && self.held.is_none() && self.idle()
    }

    /// Every answer has come.
    pub(crate) fn settled(&self) -> bool {
        self.queue.is_empty()
    }

    /// The client's last frame was taken whole, so that another may stand behind it.
    pub(crate) fn backend_at_boundary(&self) -> bool {
        self.from_frontend.at_boundary()
    }

    /// No frame is half on its way to the client.
    pub(crate) fn frontend_at_boundary(&self) -> bool {
        self.from_backend.at_boundary()
    }

    /// The catalog that was asked for cannot be had: the message in front is judged by what is known.
    pub(crate) fn catalog_lost(&mut self) {
        self.catalog_early = false;
        if self.waiting == Some(Waiting::Catalog) {
            self.waiting = None;
            self.facts.catalog_lost();
        }
    }

    /// A CancelRequest. Returns whether it has met what the server does not have yet: nothing of the client's is there
    /// that it could cancel, and what we ask it on our own account must not be.
    pub(crate) fn cancel(&mut self, turn: &mut Turn<'_>) -> Result<bool, Fault> {
        if self.held.is_some() {
            self.end_hold(Ending::Cancelled, turn)?;
            return Ok(true);
        }
        let ours = match self.waiting {
            Some(Waiting::Facts) => true,
            Some(Waiting::Catalog) => self.at_rest(),
            _ => false,
        };
        if ours {
            self.interrupted = Some(Refusal::cancelled());
        }
        Ok(ours)
    }

    /// The catalog may be out of date.
    pub(crate) fn doubt_catalog(&mut self) {
        self.facts.doubt_catalog();
    }

    /// A newer catalog has come.
    pub(crate) fn catalog_is(&mut self, catalog: Arc<Catalog>) {
        let asked = self.waiting == Some(Waiting::Catalog);
        let early = std::mem::take(&mut self.catalog_early);
        let settled = (asked || early) && self.idle() && self.at_rest();
        self.facts.catalog_is(catalog, settled);
        self.resolve_masks();
        if asked {
            self.waiting = None;
        }
    }

    pub(crate) fn parameter_status(&mut self, name: &[u8], value: &[u8]) {
        self.facts.parameter(name, value);
    }

    fn idle(&self) -> bool {
        self.status == TransactionStatus::Idle
    }

    fn failed(&self) -> bool {
        self.status == TransactionStatus::Failed
    }

    /// The server owes nothing, and no batch of the extended protocol is open.
    fn at_rest(&self) -> bool {
        self.queue.is_empty() && !self.batch_open && !self.queue.skipping()
    }

    /// It will be at rest without anything more from the client.
    fn comes_to_rest(&self) -> bool {
        self.queue.comes_to_rest() && !self.batch_open
    }

    fn ask_facts(&mut self, asked: Asked, turn: &mut Turn<'_>) {
        let name = format!("{}-facts", self.options.absent);
        turn.own(Own::Facts { name: name.as_bytes(), asked });
        self.push(Expected::OwnFacts { told: Vec::new(), asked, failed: false });
    }

    /// Enters what the server will answer. What it will not answer is undone at once.
    fn push(&mut self, expected: Expected) -> Option<Expected> {
        match self.queue.push(expected) {
            Pushed::Queued => None,
            Pushed::Skipped(skipped) => Some(skipped),
        }
    }
}
