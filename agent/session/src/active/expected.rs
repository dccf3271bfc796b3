//! The answers that the server still owes, in the order in which it will give them.
//!
//! PostgreSQL's manual, "Message Flow": every message of the extended protocol has one answer, an error skips
//! everything up to the next Sync, and Sync and Query end with ReadyForQuery. What is not in this queue the
//! server may send at any time (NoticeResponse, ParameterStatus, NotificationResponse).

use std::collections::VecDeque;
use std::rc::Rc;

use evidence::Times;
use pgwire::backend::TransactionStatus;

use super::names::{Change, Portal};
use super::refusal::Refusal;
use super::run::Run;
use crate::own::Asked;

/// One answer that is owed.
pub(crate) enum Expected {
    /// `length`: of its text, in bytes.
    Parse {
        sent: Sent,
        change: Change,
        length: usize,
        refusal: Option<Refusal>,
    },
    Bind {
        sent: Sent,
        change: Option<Change>,
        refusal: Option<Refusal>,
    },
    /// The session's own Describe of a portal: its answer makes the masks and is swallowed.
    OwnDescribe {
        portal: Rc<Portal>,
    },
    /// `of`: the record of the Parse that its answer describes, where that is known.
    DescribeStatement {
        of: Option<u64>,
    },
    /// `of`: the record of the Bind, where its description is not recorded on the session's own account.
    DescribePortal {
        of: Option<u64>,
    },
    Execute {
        run: Box<Run>,
        refusal: Option<Refusal>,
    },
    Close {
        change: Change,
    },
    Sync,
    Query {
        run: Box<Run>,
        refusal: Option<Refusal>,
    },
    FunctionCall {
        run: Box<Run>,
        refusal: Option<Refusal>,
    },
    /// CopyDone or CopyFail: no answer of its own, but it ends the time in which Sync is ignored.
    CopyEnd,
    /// The session's own Close of a name that stands for nothing; its answer is swallowed.
    OwnClose,
    /// The session's own question behind a COPY: the statuses that ReadyForQuery has told since.
    AfterCopy {
        ready: Vec<TransactionStatus>,
        extended: bool,
    },
    /// The session's own Sync; its answer is swallowed.
    OwnSync,
    /// A message of the session's own that must fail; its error is swallowed, and the server skips up to a Sync.
    OwnFailing,
    /// The session's own question, and what has been told.
    OwnFacts {
        told: Vec<String>,
        asked: Asked,
        failed: bool,
    },
}

/// What of a Parse or a Bind is needed to record that it failed.
pub(crate) struct Sent {
    /// Sequence in the session of its record.
    pub(crate) record: u64,
    pub(crate) begun: Times,
    /// The error's text may hold what must not be recorded.
    pub(crate) veiled: bool,
    /// What fails in it tells of nothing masked.
    pub(crate) clear: bool,
}

impl Expected {
    /// About what it takes while it waits, in bytes. What an Execute runs belongs to its statement.
    fn weight(&self) -> usize {
        match self {
            Expected::Query { run, .. } => ENTRY + TEXT * run.reading.text_len(),
            Expected::Parse { length, .. } => ENTRY + TEXT * length,
            _ => ENTRY,
        }
    }
}

/// What an answer that is owed takes, without the text behind it, in bytes.
const ENTRY: usize = 1 << 10;
/// What is known of a text takes up to so many times as much as the text, which may have a statement in every nine bytes.
const TEXT: usize = 64;

/// More than this is not waited for at once, in bytes: the client is not read until some answers have come, so that a
/// session takes no more while its server does not answer.
const MOST_WEIGHT: usize = 4 << 20;

/// The queue.
#[derive(Default)]
pub(crate) struct Queue {
    entries: VecDeque<Expected>,
    /// What the entries weigh.
    weight: usize,
    /// The server has been told to keep none of these answers to itself.
    flushed: bool,
    /// An error has come and its Sync has not been sent yet: what is sent until then is not answered.
    skipping: bool,
    /// The server reads COPY data: Sync and Flush are ignored until CopyDone or CopyFail.
    copying: bool,
    /// How many Syncs were sent while the server read COPY data. It ignores them, but answers those that it reads behind
    /// data that fails.
    crossing: usize,
}

/// What became of an entry that was handed in.
pub(crate) enum Pushed {
    /// It waits for its answer.
    Queued,
    /// The server will not answer it; what its name stood for is to be put back.
    Skipped(Expected),
}

impl Queue {
    /// A message has been sent.
    pub(crate) fn push(&mut self, entry: Expected) -> Pushed {
        match &entry {
            Expected::Sync if self.copying => {
                self.crossing += 1;
                return Pushed::Skipped(entry);
            }
            Expected::AfterCopy { .. } | Expected::OwnSync | Expected::OwnFailing => {}
            Expected::Sync => self.skipping = false,
            Expected::CopyEnd if self.copying => {
                self.copying = false;
                return Pushed::Skipped(entry);
            }
            // The server ignores it where it reads no COPY data.
            Expected::CopyEnd if self.copying_run().is_none() => return Pushed::Skipped(entry),
            _ if self.skipping => return Pushed::Skipped(entry),
            _ => {}
        }
        self.weight += entry.weight();
        self.flushed = false;
        self.entries.push_back(entry);
        Pushed::Queued
    }

    pub(crate) fn front(&mut self) -> Option<&mut Expected> {
        while matches!(self.entries.front(), Some(Expected::CopyEnd)) {
            self.take_front();
        }
        self.entries.front_mut()
    }

    /// An entry may weigh something else than when it came: what it runs may have become known in between.
    fn lighten(&mut self, entry: Option<&Expected>) {
        self.weight = match self.entries.is_empty() {
            true => 0,
            false => self.weight.saturating_sub(entry.map_or(0, Expected::weight)),
        };
    }

    fn take_front(&mut self) -> Option<Expected> {
        let entry = self.entries.pop_front();
        self.lighten(entry.as_ref());
        entry
    }

    /// What was taken from the front is still owed.
    pub(crate) fn put_back(&mut self, entry: Expected) {
        self.weight += entry.weight();
        self.entries.push_front(entry);
    }

    pub(crate) fn pop(&mut self) -> Option<Expected> {
        self.front();
        self.take_front()
    }

    /// CopyInResponse has come for the entry in front. Returns whether that can be: no Sync is behind it, before the end
    /// of the data, since none is sent while [`Self::copy_in_is_open`].
    pub(crate) fn copy_in_begins(&mut self) -> bool {
        let ends = |entry: &Expected| matches!(entry, Expected::CopyEnd | Expected::Sync);
        match self.entries.iter().position(ends) {
            Some(end) if matches!(self.entries.get(end), Some(Expected::Sync)) => return false,
            Some(end) => {
                let entry = self.entries.remove(end);
                self.lighten(entry.as_ref());
            }
            None => self.copying = true,
        }
        true
    }

    /// An error has come in the extended protocol. Returns what is skipped, the front first, up to the Sync.
    pub(crate) fn skip_to_sync(&mut self) -> Vec<Expected> {
        self.copying = false;
        let mut skipped = Vec::new();
        loop {
            match self.entries.front() {
                None => {
                    self.skipping = true;
                    return skipped;
                }
                Some(Expected::Sync | Expected::AfterCopy { .. }) => return skipped,
                Some(_) => skipped.extend(self.take_front()),
            }
        }
    }

    /// The simple protocol's error ends a COPY too.
    pub(crate) fn copy_in_ends(&mut self) {
        self.copying = false;
    }

    /// The server reads COPY data.
    pub(crate) fn copying(&self) -> bool {
        self.copying
    }

    /// How many Syncs were sent into the COPY that is running or has just ended.
    pub(crate) fn crossed(&self) -> usize {
        self.crossing
    }

    /// It has ended as it should, and the server has ignored them; or the server is asked.
    pub(crate) fn uncross(&mut self) {
        self.crossing = 0;
    }

    /// The server was asked behind a COPY, and has answered how many of the Syncs. Returns whether it skips what comes now.
    pub(crate) fn after_copy(&mut self, answered: usize, extended: bool) -> bool {
        self.skipping = extended && answered == 0;
        self.put_back(Expected::OwnSync);
        self.skipping
    }

    /// What may be a COPY from the client has been sent and the server has not said yet whether it reads the data.
    pub(crate) fn copy_in_is_open(&self) -> bool {
        let copies = |entry: &Expected| match entry {
            Expected::Query { run, refusal: None } | Expected::Execute { run, refusal: None } => {
                run.may_begin_copy_in()
            }
            _ => false,
        };
        !self.skipping && self.entries.iter().any(copies)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.iter().all(|e| matches!(e, Expected::CopyEnd))
    }

    pub(crate) fn skipping(&self) -> bool {
        self.skipping
    }

    /// Nothing more may be sent until some of it has been answered.
    pub(crate) fn is_full(&self) -> bool {
        self.weight >= MOST_WEIGHT
    }

    /// Whether the server has to be told to send what it owes, which is so once.
    pub(crate) fn wants_flush(&mut self) -> bool {
        !self.comes_to_rest() && !std::mem::replace(&mut self.flushed, true)
    }

    /// The COPY from the client that is running, or that was sent last and has not been answered yet.
    pub(crate) fn copying_run(&mut self) -> Option<&mut Run> {
        if self.skipping {
            return None;
        }
        self.entries.iter_mut().rev().find_map(|entry| match entry {
            Expected::Query { run, refusal: None } | Expected::Execute { run, refusal: None } => {
                (run.may_copy_in() || run.copy_begun).then_some(&mut **run)
            }
            _ => None,
        })
    }

    /// The last entry will end in ReadyForQuery, so that the server comes to rest by itself.
    pub(crate) fn comes_to_rest(&self) -> bool {
        self.entries.iter().rev().find(|e| !matches!(e, Expected::CopyEnd)).is_some_and(|last| {
            matches!(
                last,
                Expected::Sync
                    | Expected::Query { .. }
                    | Expected::FunctionCall { .. }
                    | Expected::OwnFacts { .. }
            )
        })
    }

    /// Everything that is still owed, when the connection ends.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Expected> + '_ {
        self.weight = 0;
        self.entries.drain(..)
    }
}
