//! One turn of a session: what it is told, and what becomes of what it gives.

use std::rc::Rc;
use std::sync::atomic::Ordering;

use bytes::{Buf as _, BytesMut};
use pgwire::backend::NoticeFields;
use session::{Event, Request, Turn};

use super::super::journal::LaneJournal;
use super::{Connection, LINGER};
use crate::recorder;

pub(super) enum Input<'a> {
    Frontend(&'a [u8]),
    Backend(&'a [u8]),
    Event(Event),
}

/// How it was before the turns whose records are to be written.
#[derive(Clone, Copy, Default)]
pub(super) struct Before {
    /// Bytes on their way to the client and to the server.
    outgoing: (usize, usize),
    /// No frame is half on its way to the client.
    whole: bool,
}

impl Connection {
    /// One step of the session. What it gives moves when its records are safe.
    pub(super) fn step(&mut self, input: Input<'_>) {
        if self.closing || self.requests.iter().any(|request| matches!(request, Request::Close)) {
            return;
        }
        let local = Rc::clone(&self.local);
        if !self.standing.waits() {
            self.before = Before {
                outgoing: (self.to_frontend.bytes.len(), self.to_backend.bytes.len()),
                whole: self.session.is_frontend_whole(),
            };
        }
        let mut lane = local.batch.lane();
        let mut journal = LaneJournal { lane: &mut lane, appended: false, failed: None };
        let mut turn = Turn::new(
            local.shared.clock.now(),
            &mut journal,
            &mut self.to_backend.bytes,
            &mut self.to_frontend.bytes,
            &mut self.requests,
        );
        let session = &mut self.session;
        match input {
            Input::Frontend(bytes) => {
                feed(&mut self.from_frontend, bytes, |bytes| session.frontend(bytes, &mut turn));
            }
            Input::Backend(bytes) => {
                feed(&mut self.from_backend, bytes, |bytes| session.backend(bytes, &mut turn));
            }
            Input::Event(event) => session.event(event, &mut turn),
        }
        // What had to wait may be able to go on now.
        while !self.from_frontend.is_empty() && !session.is_blocked() {
            match session.frontend(&self.from_frontend, &mut turn) {
                0 => break,
                taken => self.from_frontend.advance(taken),
            }
        }
        if self.draining {
            session.event(Event::Drain { now: false }, &mut turn);
        }
        let (appended, failed) = (journal.appended, journal.failed.take());
        drop(lane);
        if appended || failed.is_some() {
            local.batch.join(&self.standing);
        }
        if let Some(error) = failed {
            local.batch.discard(error);
        } else if local.sessions.borrow().len() < 2 {
            local.batch.commit();
        }
        self.settle();
    }

    /// Goes on if what the last turns gave may move; ends if it never may.
    pub(super) fn settle(&mut self) {
        if self.standing.waits() {
            return;
        }
        match self.standing.lost() {
            Some(error) => self.unrecorded(&error),
            None => self.carry_out(),
        }
    }

    /// The records of the last turns could not be written: nothing of these turns moves, and the session ends.
    fn unrecorded(&mut self, error: &recorder::Error) {
        let Before { outgoing, whole } = self.before;
        tracing::error!(%error, "a session ends: its record cannot be written");
        self.local.shared.counters.unrecorded.fetch_add(1, Ordering::Relaxed);
        self.to_frontend.bytes.truncate(outgoing.0);
        self.to_backend.bytes.truncate(outgoing.1);
        self.requests.clear();
        if whole {
            let message = "the statement was not run, because its record cannot be written on this machine";
            let detail = error.to_string();
            let fields = NoticeFields {
                detail: Some(&detail),
                // disk_full
                ..NoticeFields::new("FATAL", "53100", message)
            };
            if fields.encode_error(&mut self.to_frontend.bytes).is_err() {
                tracing::debug!("the client could not be told");
            }
        }
        self.close();
    }

    pub(super) fn close(&mut self) {
        self.closing = true;
        self.linger();
        self.cancelling.clear();
        (self.login, self.refresh, self.hold, self.cancel, self.live) = (None, None, None, None, None);
        self.abandoned = None;
    }

    pub(super) fn linger(&mut self) {
        self.deadline = Some(Box::pin(tokio::time::sleep(LINGER)));
    }

    /// Whether the session may have another turn now.
    pub(super) fn goes_on(&self) -> bool {
        !self.closing && !self.standing.waits()
    }
}

/// Hands bytes over, behind what is left of earlier ones, and keeps what is not taken.
fn feed(left: &mut BytesMut, bytes: &[u8], take: impl FnOnce(&[u8]) -> usize) {
    if left.is_empty() {
        let taken = take(bytes);
        left.extend_from_slice(bytes.get(taken..).unwrap_or_default());
    } else {
        left.extend_from_slice(bytes);
        let taken = take(left);
        left.advance(taken.min(left.len()));
    }
}
