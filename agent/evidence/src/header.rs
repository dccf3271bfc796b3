//! A record's header: its place, its time, and the digests that make the chain.
//!
//! The header's bytes are what the chain runs over, so each header has exactly one form. What a body means is
//! not known here.

use std::fmt;

use minicbor::Decoder;

use crate::Times;
use crate::cbor::{self, DecodeError};
use crate::id::{BootId, Digest, SessionId};

/// No header is longer than this: a limit for readers of foreign bytes.
pub const MAX_HEADER: usize = 256;

/// What a record's body is. The numbers are part of the format and never change their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// The daemon began; first record of the host's lane.
    HostStart,
    /// Sign of life each second, signed.
    Beat,
    /// The daemon ended in order, signed.
    HostStop,
    /// Other policy documents hold from here on.
    PolicyReloaded,
    /// Something happened that is not a session's own doing, such as a connection that came past the kernel side.
    Incident,
    /// Segments were removed to make room, after they had been shipped.
    Reclaimed,
    /// A workload's connection was taken.
    SessionStart,
    /// A statement, before it leaves.
    Statement,
    /// A decision on a statement that was recorded before.
    Decision,
    /// A statement waits for a reviewer.
    Hold,
    /// The wait is over.
    HoldEnd,
    /// Frames as they were delivered.
    ResultChunk,
    /// Frames beyond the configured size were delivered but not recorded.
    ResultCut,
    /// A statement has ended.
    StatementEnd,
    /// The connection is over, signed.
    SessionEnd,
    /// A kind that this version does not know.
    Other(u32),
}

impl Kind {
    /// The number in the header.
    pub const fn code(self) -> u32 {
        match self {
            Kind::HostStart => 0,
            Kind::Beat => 1,
            Kind::HostStop => 2,
            Kind::PolicyReloaded => 3,
            Kind::Incident => 4,
            Kind::Reclaimed => 5,
            Kind::SessionStart => 16,
            Kind::Statement => 17,
            Kind::Decision => 18,
            Kind::Hold => 19,
            Kind::HoldEnd => 20,
            Kind::ResultChunk => 21,
            Kind::ResultCut => 22,
            Kind::StatementEnd => 23,
            Kind::SessionEnd => 24,
            Kind::Other(code) => code,
        }
    }

    /// The kind of a number in a header.
    pub const fn from_code(code: u32) -> Self {
        match code {
            0 => Kind::HostStart,
            1 => Kind::Beat,
            2 => Kind::HostStop,
            3 => Kind::PolicyReloaded,
            4 => Kind::Incident,
            5 => Kind::Reclaimed,
            16 => Kind::SessionStart,
            17 => Kind::Statement,
            18 => Kind::Decision,
            19 => Kind::Hold,
            20 => Kind::HoldEnd,
            21 => Kind::ResultChunk,
            22 => Kind::ResultCut,
            23 => Kind::StatementEnd,
            24 => Kind::SessionEnd,
            other => Kind::Other(other),
        }
    }

    /// The kind's name for people and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::HostStart => "host-start",
            Kind::Beat => "beat",
            Kind::HostStop => "host-stop",
            Kind::PolicyReloaded => "policy-reloaded",
            Kind::Incident => "incident",
            Kind::Reclaimed => "reclaimed",
            Kind::SessionStart => "session-start",
            Kind::Statement => "statement",
            Kind::Decision => "decision",
            Kind::Hold => "hold",
            Kind::HoldEnd => "hold-end",
            Kind::ResultChunk => "result-chunk",
            Kind::ResultCut => "result-cut",
            Kind::StatementEnd => "statement-end",
            Kind::SessionEnd => "session-end",
            Kind::Other(_) => "unknown",
        }
    }

    /// Whether the body carries the tips of all lanes and a signature.
    pub const fn is_signed(self) -> bool {
        matches!(self, Kind::Beat | Kind::HostStop | Kind::SessionEnd)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A record's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The daemon's life that it belongs to.
    pub boot: BootId,
    /// Lane 0 is the host's own; each worker has one of the others.
    pub lane: u32,
    /// Place in the lane, from 0 without a gap.
    pub sequence: u64,
    /// The session, and the record's place in it, from 0.
    pub session: Option<(SessionId, u64)>,
    /// What the body is.
    pub kind: Kind,
    /// When it was made.
    pub times: Times,
    /// SHA-256 of the header before it in the lane; [`Digest::NONE`] for the first.
    pub predecessor: Digest,
    /// SHA-256 of the body.
    pub body: Digest,
    /// Length of the body in bytes, which stays here when the body is erased.
    pub body_len: u64,
}

impl Header {
    /// Appends the header's one form.
    pub fn encode(&self, out: &mut Vec<u8>) {
        cbor::map(out, |fields| {
            fields.bytes(0, &self.boot.0);
            fields.uint(1, self.lane);
            fields.uint(2, self.sequence);
            if let Some((session, sequence)) = self.session {
                fields.bytes(3, &session.0);
                fields.uint(4, sequence);
            }
            fields.uint(5, self.kind.code());
            fields.uint(6, self.times.wall_us);
            fields.uint(7, self.times.mono_ns);
            fields.bytes(8, &self.predecessor.0);
            fields.bytes(9, &self.body.0);
            fields.uint(10, self.body_len);
        });
    }

    /// The body's length that a header at the start of `bytes` names; other bytes may follow it.
    pub(crate) fn prefix_body_len(bytes: &[u8]) -> Option<usize> {
        let mut decoder = Decoder::new(bytes);
        let mut body_len = None;
        cbor::fields(&mut decoder, |key, d| {
            if key == 10 {
                body_len = Some(d.u64()?);
            }
            Ok(key == 10)
        })
        .ok()?;
        usize::try_from(body_len?).ok()
    }

    /// Reads a header that must be in its one form, with nothing after it.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MAX_HEADER {
            return Err(DecodeError::Value("header"));
        }
        let mut decoder = Decoder::new(bytes);
        let (mut boot, mut lane, mut sequence, mut kind) = (None, None, None, None);
        let (mut session, mut in_session) = (None, None);
        let (mut wall_us, mut mono_ns) = (None, None);
        let (mut predecessor, mut body, mut body_len) = (None, None, None);
        cbor::fields(&mut decoder, |key, d| {
            match key {
                0 => boot = Some(BootId(cbor::read_array(d, "boot")?)),
                1 => lane = Some(d.u32()?),
                2 => sequence = Some(d.u64()?),
                3 => session = Some(SessionId(cbor::read_array(d, "session")?)),
                4 => in_session = Some(d.u64()?),
                5 => kind = Some(Kind::from_code(d.u32()?)),
                6 => wall_us = Some(d.u64()?),
                7 => mono_ns = Some(d.u64()?),
                8 => predecessor = Some(cbor::read_digest(d, "predecessor")?),
                9 => body = Some(cbor::read_digest(d, "body")?),
                10 => body_len = Some(d.u64()?),
                _ => return Err(DecodeError::NotCanonical),
            }
            Ok(true)
        })?;
        let header = Header {
            boot: boot.ok_or(DecodeError::Missing("boot"))?,
            lane: lane.ok_or(DecodeError::Missing("lane"))?,
            sequence: sequence.ok_or(DecodeError::Missing("sequence"))?,
            session: match (session, in_session) {
                (Some(session), Some(sequence)) => Some((session, sequence)),
                (None, None) => None,
                _ => return Err(DecodeError::Missing("session")),
            },
            kind: kind.ok_or(DecodeError::Missing("kind"))?,
            times: Times {
                wall_us: wall_us.ok_or(DecodeError::Missing("wall"))?,
                mono_ns: mono_ns.ok_or(DecodeError::Missing("mono"))?,
            },
            predecessor: predecessor.ok_or(DecodeError::Missing("predecessor"))?,
            body: body.ok_or(DecodeError::Missing("body"))?,
            body_len: body_len.ok_or(DecodeError::Missing("body length"))?,
        };
        let mut again = Vec::with_capacity(bytes.len());
        header.encode(&mut again);
        if again == bytes { Ok(header) } else { Err(DecodeError::NotCanonical) }
    }
}
