//! One statement while it runs: what was delivered of it, and what of that is recorded.

use std::borrow::Cow;
use std::ops::Range;
use std::rc::Rc;

use evidence::{Body, ResultChunk, StatementEnd, Stream, Times};
use masking::{MaskSet, RowPlan};
use policy::Verb;
use smallvec::SmallVec;
use sql::{CopyDirection, Statement};

use super::delivered::Delivered;
use super::ledger::Ledger;
use super::names::{Change, Portal};
use super::reading::Reading;
use crate::{Fault, Turn};

/// A statement, or a Query of several, on its way.
pub(crate) struct Run {
    /// Sequence in the session of the record of the message that started it.
    pub(crate) record: u64,
    pub(crate) reading: Rc<Reading>,
    /// The portal that an Execute runs.
    pub(crate) portal: Option<Rc<Portal>>,
    /// How the rows of the result that is coming are masked, for a Query.
    pub(crate) plan: Option<RowPlan>,
    /// Which statement of a Query the next message is about.
    pub(crate) at: usize,
    /// What is masked in it: the policy as of when it was sent.
    pub(crate) masks: Option<Rc<MaskSet>>,
    /// Names that the statements change, by statement.
    pub(crate) changes: Vec<(usize, Change)>,
    /// The server reads COPY data for it.
    pub(crate) copy_begun: bool,
    /// The error's text may hold what must not be recorded.
    pub(crate) veils_errors: bool,
    /// It is a Query, and no Sync came since messages of the extended protocol.
    pub(crate) ends_batch: bool,
    /// Data that the client copies in may hold what must not be recorded.
    pub(crate) veils_values: bool,
    /// A policy for the rows of what it meets looks at other relations, or calls functions of users.
    pub(crate) looks_beyond: bool,
    begun: Times,
    tags: SmallVec<[u8; 32]>,
    sqlstate: Vec<u8>,
    message: Vec<u8>,
    out: Delivered,
    /// What of it is in this turn's buffer for the client and not yet recorded.
    open: Option<Range<usize>>,
    copied_in: Delivered,
}

impl Run {
    /// Whether what fails in it tells of nothing masked. `veils_values` says it of relations, and `looks_beyond` of the
    /// policies for their rows. A Query behind messages without a Sync ends their transaction as well: what they deferred
    /// fails with it, in its place.
    pub(crate) fn meets_nothing_masked(&self) -> bool {
        !self.veils_values && !self.looks_beyond && !self.ends_batch && self.reading.meets_nothing_masked()
    }

    pub(crate) fn new(record: u64, reading: Rc<Reading>, begun: Times) -> Self {
        Run {
            record,
            reading,
            portal: None,
            plan: None,
            at: 0,
            masks: None,
            changes: Vec::new(),
            copy_begun: false,
            veils_errors: false,
            ends_batch: false,
            veils_values: false,
            looks_beyond: false,
            begun,
            tags: SmallVec::new(),
            sqlstate: Vec::new(),
            message: Vec::new(),
            out: Delivered::default(),
            open: None,
            copied_in: Delivered::default(),
        }
    }

    /// One of its statements is or may be a COPY from the client.
    pub(crate) fn may_copy_in(&self) -> bool {
        self.may_copy_in_from(0)
    }

    /// One of those that are still to come may be a COPY from the client.
    pub(crate) fn may_begin_copy_in(&self) -> bool {
        self.may_copy_in_from(self.at + usize::from(self.copy_begun))
    }

    fn may_copy_in_from(&self, from: usize) -> bool {
        // What was not understood may be more statements than one. A Parse may have prepared what an EXECUTE runs.
        let copies = |(at, s): (usize, &Statement)| {
            at >= from && (s.effects.copy == Some(CopyDirection::In) || s.effects.executes.is_some())
                || s.actions.iter().any(|action| action.verb == Verb::Opaque)
        };
        self.reading.statements().iter().enumerate().any(copies)
    }

    /// These bytes, which were just put before the client, belong to the result.
    pub(crate) fn delivered(&mut self, turn: &mut Turn<'_>, from: usize) {
        let end = turn.frontend().len();
        self.out.bytes += end.saturating_sub(from) as u64;
        self.open = Some(match self.open.take() {
            Some(open) if open.end == from => open.start..end,
            // Something of the session's own stands between: the caller has recorded what was before it.
            _ => from..end,
        });
    }

    /// How the rows that are coming are masked.
    pub(crate) fn row_plan(&self) -> Option<&RowPlan> {
        match &self.portal {
            Some(portal) => portal.plan.get(),
            None => self.plan.as_ref(),
        }
    }

    pub(crate) fn rows(&mut self, count: u64) {
        self.out.rows += count;
    }

    /// CommandComplete.
    pub(crate) fn complete(&mut self, tag: &[u8]) {
        if !self.tags.is_empty() {
            self.tags.extend_from_slice(b"; ");
        }
        self.tags.extend_from_slice(tag);
        self.at += 1;
        self.plan = None;
        self.copy_begun = false;
    }

    /// ErrorResponse.
    pub(crate) fn failed(&mut self, sqlstate: &[u8], message: &[u8]) {
        self.sqlstate = sqlstate.to_vec();
        self.message = if self.veils_errors { Vec::new() } else { message.to_vec() };
    }

    /// The turn is over, or something else comes between: what was delivered is recorded now.
    pub(crate) fn flush(&mut self, ledger: &mut Ledger, turn: &mut Turn<'_>, most: u64) -> Result<(), Fault> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let (record, mut at) = (self.record, open.start);
        while at < open.end && self.out.recorded < most {
            let end = open.end.min(at + ResultChunk::MAX);
            ledger.write_delivered(turn, at..end, |frames| {
                Body::ResultChunk(ResultChunk {
                    statement: record,
                    stream: Stream::Backend,
                    frames: Cow::Borrowed(frames),
                })
            })?;
            self.out.recorded += (end - at) as u64;
            at = end;
        }
        self.out.leave(turn.frontend().get(at..open.end).unwrap_or_default());
        Ok(())
    }

    /// COPY data from the client. `veiled`: it may hold what must not be recorded.
    pub(crate) fn copy_in(
        &mut self,
        ledger: &mut Ledger,
        turn: &mut Turn<'_>,
        bytes: &[u8],
        veiled: bool,
        most: u64,
    ) -> Result<(), Fault> {
        self.copied_in.record((self.record, Stream::CopyIn), bytes, veiled, most, ledger, turn)
    }

    /// Everything has come.
    pub(crate) fn end(mut self, ledger: &mut Ledger, turn: &mut Turn<'_>, most: u64) -> Result<(), Fault> {
        let record = self.record;
        let last = match &self.open {
            Some(open) if open.len() <= ResultChunk::MAX && self.out.recorded < most => self.open.take(),
            _ => None,
        };
        self.flush(ledger, turn, most)?;
        self.out.recorded += last.as_ref().map_or(0, |last| last.len() as u64);
        self.out.cut((record, Stream::Backend), ledger, turn)?;
        self.copied_in.cut((record, Stream::CopyIn), ledger, turn)?;
        let tags = std::mem::take(&mut self.tags);
        let end = StatementEnd {
            statement: record,
            tag: Cow::Borrowed(&tags),
            rows: self.out.rows,
            bytes: self.out.bytes,
            sqlstate: Cow::Owned(std::mem::take(&mut self.sqlstate)),
            message: Cow::Owned(std::mem::take(&mut self.message)),
            duration_us: turn.now.mono_ns.saturating_sub(self.begun.mono_ns) / 1000,
            frames: Cow::Borrowed(&[]),
        };
        match last {
            None => ledger.write(turn, &Body::StatementEnd(end)).map(drop),
            Some(last) => ledger.write_delivered(turn, last, |frames| {
                Body::StatementEnd(StatementEnd { frames: Cow::Borrowed(frames), ..end })
            }),
        }
    }
}
