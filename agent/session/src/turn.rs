//! What one step of a session gives back, in the order in which it must be carried out.
//!
//! Records go into the journal as they arise; bytes for the two sockets are collected. The driver makes the
//! journal safe first and writes the sockets then, so that nothing moves before its record does. A message
//! that carries a statement leaves through [`Turn::statement`] alone, and that takes a [`Permit`].

use bytes::BytesMut;
use evidence::{Body, SessionId, Times};
use policy::Permit;

use crate::own::Own;
use crate::{Fault, Request};

/// Where records go. The driver implements it on its worker's lane.
pub trait Journal {
    /// Appends one record. The tips of a session's end are the journal's to fill in.
    ///
    /// # Errors
    /// Where the record can never be written (it is longer than the format allows). A full disk shows later,
    /// when the driver makes the turn's records safe.
    fn append(
        &mut self,
        session: (SessionId, u64),
        body: &Body<'_>,
        times: Times,
    ) -> Result<(), evidence::TooLarge>;
}

/// The beginning of a message with a statement has left, with its permit.
pub(crate) struct Begun(());

/// The outputs of one step.
pub struct Turn<'a> {
    /// When the step happens.
    pub now: Times,
    journal: &'a mut dyn Journal,
    backend: &'a mut BytesMut,
    frontend: &'a mut BytesMut,
    requests: &'a mut Vec<Request>,
    permits: u64,
}

impl<'a> Turn<'a> {
    /// A step at `now` that appends to these.
    pub fn new(
        now: Times,
        journal: &'a mut dyn Journal,
        backend: &'a mut BytesMut,
        frontend: &'a mut BytesMut,
        requests: &'a mut Vec<Request>,
    ) -> Self {
        Turn { now, journal, backend, frontend, requests, permits: 0 }
    }

    /// How many statement-carrying messages have left in this step: one for each permit.
    pub fn permits(&self) -> u64 {
        self.permits
    }

    /// A whole message with a statement goes to the server, as the client sent it.
    pub(crate) fn statement(&mut self, permit: Permit, frame: &[u8]) {
        let _spent = permit;
        self.permits += 1;
        self.backend.extend_from_slice(frame);
    }

    /// The beginning of such a message; the rest of it may follow.
    pub(crate) fn statement_begins(&mut self, permit: Permit, bytes: &[u8]) -> Begun {
        self.statement(permit, bytes);
        Begun(())
    }

    /// More of a message whose beginning has left.
    pub(crate) fn statement_goes_on(&mut self, _begun: &Begun, bytes: &[u8]) {
        self.backend.extend_from_slice(bytes);
    }

    /// A message without a statement, or a piece of one, goes to the server as the client sent it.
    pub(crate) fn control(&mut self, tag: u8, bytes: &[u8]) -> Result<(), Fault> {
        use pgwire::frontend::tag;
        if matches!(tag, tag::QUERY | tag::PARSE | tag::BIND | tag::EXECUTE | tag::FUNCTION_CALL) {
            return Err(Fault::Unpermitted);
        }
        self.backend.extend_from_slice(bytes);
        Ok(())
    }

    /// A message of the session's own goes to the server.
    pub(crate) fn own(&mut self, own: Own<'_>) {
        own.encode(self.backend);
    }

    /// The start-up and authentication messages, which come before any statement.
    pub(crate) fn login(&mut self) -> &mut BytesMut {
        self.backend
    }

    /// Where messages to the client are encoded.
    pub(crate) fn frontend(&mut self) -> &mut BytesMut {
        self.frontend
    }

    /// Something that the driver is to do.
    pub(crate) fn request(&mut self, request: Request) {
        self.requests.push(request);
    }

    pub(crate) fn record(&mut self, session: (SessionId, u64), body: &Body<'_>) -> Result<(), Fault> {
        self.journal.append(session, body, self.now).map_err(Fault::Record)
    }

    /// A record of bytes that this step has put before the client, from `start` of its buffer on.
    pub(crate) fn record_delivered<'b>(
        &'b mut self,
        session: (SessionId, u64),
        delivered: std::ops::Range<usize>,
        body: impl FnOnce(&'b [u8]) -> Body<'b>,
    ) -> Result<(), Fault> {
        let bytes = self.frontend.get(delivered).unwrap_or_default();
        self.journal.append(session, &body(bytes), self.now).map_err(Fault::Record)
    }
}
