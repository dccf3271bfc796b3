//! One worker's own chain of records, encoded straight into the bytes of its segment.
//!
//! A lane knows where its chain stands and nothing of files: what it appends to a buffer counts as written only
//! when the caller says so by not rolling back.

use std::sync::Arc;

use crate::Times;
use crate::body::{Body, Tip};
use crate::cbor;
use crate::header::Header;
use crate::id::{BootId, Digest, SessionId};
use crate::segment;
use crate::sign::{Place, Signer};

/// Where a record went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Its place in the lane.
    pub sequence: u64,
    /// SHA-256 of its header.
    pub digest: Digest,
}

/// A body longer than a segment can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a record of {0} bytes is longer than the evidence can hold ({max})", max = segment::MAX_BODY)]
pub struct TooLarge(pub usize);

/// A state of a lane that [`Lane::rollback`] returns to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    next: u64,
    predecessor: Digest,
}

/// One chain of records.
#[derive(Debug)]
pub struct Lane {
    boot: BootId,
    lane: u32,
    next: u64,
    predecessor: Digest,
    signer: Arc<Signer>,
    scratch: Vec<u8>,
}

impl Lane {
    /// A lane without records. Lane 0 is the host's own.
    pub fn new(boot: BootId, lane: u32, signer: Arc<Signer>) -> Self {
        Lane { boot, lane, next: 0, predecessor: Digest::NONE, signer, scratch: Vec::new() }
    }

    /// The lane's number.
    pub fn number(&self) -> u32 {
        self.lane
    }

    /// The place of the record that comes next.
    pub fn next_sequence(&self) -> u64 {
        self.next
    }

    /// SHA-256 of the last record's header, which the next one will name.
    pub fn predecessor(&self) -> Digest {
        self.predecessor
    }

    /// The last record, if there is one.
    pub fn tip(&self) -> Option<Tip> {
        let sequence = self.next.checked_sub(1)?;
        Some(Tip { lane: self.lane, sequence, digest: self.predecessor })
    }

    /// The state to return to if what comes next cannot be written.
    pub fn mark(&self) -> Mark {
        Mark { next: self.next, predecessor: self.predecessor }
    }

    /// Forgets the records since `mark`, which nobody must have been told of.
    pub fn rollback(&mut self, mark: Mark) {
        self.next = mark.next;
        self.predecessor = mark.predecessor;
    }

    /// The head of a segment file that begins with the next record.
    pub fn segment_head(&self) -> segment::Head {
        segment::Head { boot: self.boot, lane: self.lane, first: self.next, predecessor: self.predecessor }
    }

    /// Appends one record to `out` as a frame of a segment. Kinds that are signed get their signature here.
    ///
    /// Nothing is appended where the body is too long.
    pub fn append(
        &mut self,
        session: Option<(SessionId, u64)>,
        body: &Body<'_>,
        times: Times,
        out: &mut Vec<u8>,
    ) -> Result<Appended, TooLarge> {
        let frame = segment::begin(out);
        let kind = body.kind();
        let mut header = Header {
            boot: self.boot,
            lane: self.lane,
            sequence: self.next,
            session,
            kind,
            times,
            predecessor: self.predecessor,
            body: Digest::NONE,
            body_len: 0,
        };
        if kind.is_signed() {
            self.scratch.clear();
            body.encode(&mut self.scratch);
            let signature = self.signer.sign(&Place::of(&header), &self.scratch);
            cbor::list(out, &[&self.scratch[..], &signature[..]], |out, part| cbor::bytes(out, part));
        } else {
            body.encode(out);
        }
        let body_bytes = frame.body(out);
        let body_len = body_bytes.len();
        header.body = Digest::of(body_bytes);
        header.body_len = body_len as u64;
        if body_len > segment::MAX_BODY {
            frame.abandon(out);
            return Err(TooLarge(body_len));
        }
        let header_at = out.len();
        header.encode(out);
        let digest = Digest::of(out.get(header_at..).unwrap_or_default());
        frame.finish(out, header_at);
        let sequence = self.next;
        self.next += 1;
        self.predecessor = digest;
        Ok(Appended { sequence, digest })
    }
}
