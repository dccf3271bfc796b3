//! Messages from the client, each judged before it moves on ("Message Flow" in PostgreSQL's manual).

use std::rc::Rc;

use pgwire::frontend::{Message, Target, tag};
use pgwire::{FrameError, HEADER_LEN, Piece, Whole};

use super::Active;
use super::expected::Expected;
use super::judging::Waiting;
use super::reading::Reading;
use super::run::Run;
use super::streamed::HEAD;
use crate::own::Own;
use crate::{Fault, Turn};

/// What became of a message.
pub(super) enum Taken {
    Yes,
    /// It stays where it is until something else has come.
    NotYet,
}

/// More Syncs than this in the data of one COPY are as if the server had ignored them.
const MOST_CROSSED: usize = 10_000;

/// Names, and messages without text or values, are short.
const SHORT: usize = 1 << 20;

impl Active {
    /// Takes as many messages from `input` as can be judged now, and says how many bytes they were.
    pub(crate) fn frontend(&mut self, input: &[u8], turn: &mut Turn<'_>) -> Result<usize, Fault> {
        let (message, bind) = (self.options.limits.message, self.options.limits.bind);
        let whole = |tag: u8| match tag {
            tag::COPY_DATA => Whole::Streamed,
            tag::QUERY | tag::PARSE => Whole::UpTo { limit: message, head: HEAD },
            tag::BIND | tag::FUNCTION_CALL => Whole::UpTo { limit: bind, head: HEAD },
            _ => Whole::Needed { limit: SHORT },
        };
        let streams = |tag: u8, length: usize| match whole(tag) {
            Whole::UpTo { limit, .. } => length > HEADER_LEN + limit,
            Whole::Needed { .. } | Whole::Streamed => false,
        };
        let mut at = 0;
        loop {
            self.ask_after_copy(turn);
            if self.blocked() {
                break;
            }
            if self.queue.is_full() && self.from_frontend.at_boundary() {
                if self.queue.wants_flush() {
                    turn.own(Own::Flush);
                }
                break;
            }
            let rest = input.get(at..).unwrap_or_default();
            if self.from_frontend.at_boundary()
                && let Some(tag) = rest.first()
            {
                if tag::name(*tag).is_none() {
                    return Err(Fault::Frontend(FrameError::UnknownTag { tag: *tag }));
                }
                if self.queue.crossed() > 0 && !may_cross(*tag) {
                    self.doubt_after_copy(turn);
                    break;
                }
            }
            let Some(piece) = self.from_frontend.next(rest, whole).map_err(Fault::Frontend)? else { break };
            let taken = match piece {
                Piece::Frame { tag: tag::COPY_DATA, frame } => self.copy_data(frame, turn)?,
                // Long, and there all the same.
                Piece::Frame { tag, frame } if self.decided.is_some() || streams(tag, frame.len()) => {
                    match self.begins(frame, turn)? {
                        Taken::Yes => self.ends(turn).map(|()| Taken::Yes)?,
                        Taken::NotYet => Taken::NotYet,
                    }
                }
                Piece::Frame { tag, frame } => self.message(tag, frame, turn)?,
                Piece::Begin { tag: tag::COPY_DATA, bytes, .. } => self.copy_data(bytes, turn)?,
                Piece::Middle { tag: tag::COPY_DATA, bytes } | Piece::End { tag: tag::COPY_DATA, bytes } => {
                    self.more_copy_data(bytes, turn)?
                }
                Piece::Begin { bytes, .. } => self.begins(bytes, turn)?,
                Piece::Middle { bytes, .. } => {
                    self.goes_on(bytes, turn)?;
                    Taken::Yes
                }
                Piece::End { bytes, .. } => {
                    self.goes_on(bytes, turn)?;
                    self.ends(turn)?;
                    Taken::Yes
                }
            };
            match taken {
                Taken::Yes => at += piece.len(),
                Taken::NotYet => {
                    if let Piece::Begin { .. } = piece {
                        self.from_frontend.put_back();
                    }
                    break;
                }
            }
        }
        Ok(at)
    }

    fn message(&mut self, tag: u8, frame: &[u8], turn: &mut Turn<'_>) -> Result<Taken, Fault> {
        let body = frame.get(HEADER_LEN..).unwrap_or_default();
        let message = match Message::parse(tag, body) {
            Ok(message) => message,
            Err(error) => return self.malformed(tag, body, error, turn),
        };
        let taken = match message {
            Message::Query(text) => self.query(text, frame, turn)?,
            Message::Parse(parse) => self.parse(&parse, frame, turn)?,
            Message::Bind(bind) => self.bind(&bind, frame, turn)?,
            Message::Execute { portal, max_rows } => self.execute(portal, max_rows, frame, turn)?,
            Message::FunctionCall(call) => self.function_call(&call, frame, turn)?,
            Message::Describe { target, name } => {
                if matches!(target, Target::Statement)
                    && let Taken::NotYet = self.takes_apart(name, turn)
                {
                    return Ok(Taken::NotYet);
                }
                self.batch_open = true;
                turn.control(tag, frame)?;
                let described = match target {
                    Target::Statement => Expected::DescribeStatement {
                        of: self.names.statement(name).map(|prepared| prepared.record),
                    },
                    Target::Portal => {
                        let portal = self.names.portal(name).filter(|portal| portal.masks.is_none());
                        Expected::DescribePortal { of: portal.map(|portal| portal.record) }
                    }
                };
                self.expect(described, turn)?;
                Taken::Yes
            }
            Message::Close { target, name } => {
                self.batch_open = true;
                turn.control(tag, frame)?;
                let change = match target {
                    Target::Statement => self.names.close_statement(name),
                    Target::Portal => self.names.close_portal(name),
                };
                self.expect(Expected::Close { change }, turn)?;
                Taken::Yes
            }
            Message::Sync => self.sync(frame, turn)?,
            Message::Flush => {
                turn.control(tag, frame)?;
                Taken::Yes
            }
            Message::CopyDone | Message::CopyFail(_) => {
                turn.control(tag, frame)?;
                self.expect(Expected::CopyEnd, turn)?;
                if self.queue.crossed() > 0 {
                    // It may keep its answer to itself up to a Sync.
                    turn.own(Own::Flush);
                    self.waiting = Some(Waiting::AfterCopy);
                }
                Taken::Yes
            }
            Message::Terminate => {
                turn.control(tag, frame)?;
                self.terminated = true;
                Taken::Yes
            }
            Message::Password(_) => return Err(Fault::FrontendOutOfPlace { message: "PasswordMessage" }),
            Message::CopyData(_) => self.copy_data(frame, turn)?,
        };
        if matches!(taken, Taken::Yes) {
            self.taken();
        }
        Ok(taken)
    }

    /// The message in front has been taken: the next one may ask again.
    pub(super) fn taken(&mut self) {
        self.interrupted = None;
        self.catalog_asked = false;
        // A replication connection speaks the simple protocol alone: there the path stays unknown.
        self.facts_asked = self.replicates;
        self.reach_asked = self.replicates;
        self.renewal_asked = self.replicates;
    }

    /// While the server reads COPY data it ignores Sync, and answers it as soon as the COPY has failed: what becomes of
    /// one that crosses the failure is asked then. None is sent behind what may be a COPY of which it is not known yet
    /// whether it has begun.
    pub(super) fn sync(&mut self, frame: &[u8], turn: &mut Turn<'_>) -> Result<Taken, Fault> {
        if self.queue.copying() {
            if self.queue.crossed() < MOST_CROSSED {
                turn.control(tag::SYNC, frame)?;
                self.expect(Expected::Sync, turn)?;
            }
            return Ok(Taken::Yes);
        }
        if self.queue.copy_in_is_open() {
            // It may keep its answer to itself up to a Sync.
            turn.own(Own::Flush);
            self.waiting = Some(Waiting::CopyIn);
            return Ok(Taken::NotYet);
        }
        turn.control(tag::SYNC, frame)?;
        self.batch_open = false;
        self.batch_refused = false;
        self.names.stretch_ends();
        self.expect(Expected::Sync, turn)?;
        Ok(Taken::Yes)
    }

    /// Data of a COPY. What belongs to no COPY the server would ignore: it does not leave.
    pub(super) fn copy_data(&mut self, bytes: &[u8], turn: &mut Turn<'_>) -> Result<Taken, Fault> {
        let most = self.options.limits.recorded;
        let run = self.queue.copying_run();
        self.copy_data_leaves = run.is_some();
        let Some(run) = run else { return Ok(Taken::Yes) };
        // The run is borrowed from the queue; whether it veils was settled when it was sent.
        let veiled = run.veils_values;
        run.copy_in(&mut self.ledger, turn, bytes, veiled, most)?;
        turn.control(tag::COPY_DATA, bytes)?;
        Ok(Taken::Yes)
    }

    /// More of a CopyData message that did not come whole. It goes where its beginning went, also where the COPY has
    /// failed since: the server ignores it then, but would take what comes next for the rest of it.
    fn more_copy_data(&mut self, bytes: &[u8], turn: &mut Turn<'_>) -> Result<Taken, Fault> {
        if !self.copy_data_leaves {
            return Ok(Taken::Yes);
        }
        if self.queue.copying_run().is_some() {
            return self.copy_data(bytes, turn);
        }
        turn.control(tag::COPY_DATA, bytes)?;
        Ok(Taken::Yes)
    }

    /// A statement with this reading is on its way to the server.
    pub(super) fn sent(&mut self, reading: &Reading) {
        if reading.changes().reopens {
            self.names.reopen();
        }
        self.plans_bodies(reading);
        self.facts.sent(reading);
        self.catalog_early = false;
    }

    pub(super) fn run(&self, record: u64, reading: &Rc<Reading>, turn: &Turn<'_>) -> Box<Run> {
        let mut run = Run::new(record, Rc::clone(reading), turn.now);
        run.veils_values = self.veils(reading);
        run.veils_errors = run.veils_values || reading.has_secrets();
        run.looks_beyond = self.masks.is_some() && self.looks_beyond(reading);
        run.masks = self.masks.clone();
        Box::new(run)
    }

    /// The server skips what comes now, up to Sync: there is nothing to hold.
    pub(super) fn skips(&self) -> bool {
        self.batch_refused || self.queue.skipping()
    }

    /// Enters what is owed. Where the server will not answer, it ends here.
    pub(super) fn expect(&mut self, expected: Expected, turn: &mut Turn<'_>) -> Result<(), Fault> {
        match self.push(expected) {
            Some(skipped) => self.skip(skipped, turn),
            None => Ok(()),
        }
    }
}

/// What a client may send in the middle of a COPY. Anything else ends the connection where the server still reads data.
fn may_cross(tag: u8) -> bool {
    matches!(tag, tag::COPY_DATA | tag::COPY_DONE | tag::COPY_FAIL | tag::SYNC | tag::FLUSH | tag::TERMINATE)
}
