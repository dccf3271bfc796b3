//! What happened: one type for each kind of record, each with its CBOR form.
//!
//! Bodies borrow where they can, so that writing one copies nothing. What must not be recorded (secrets, masked
//! values) has been taken out by the caller: nothing here knows which those are.

mod host;
mod list;
mod principal;
mod session;
mod statement;

pub use host::{Beat, HostStart, HostStop, Incident, PolicyReloaded, Previous, Reclaimed, Tip};
pub use list::List;
pub use session::{SessionEnd, SessionStart};
pub use statement::{
    Decision, Finding, Hold, HoldEnd, HoldOutcome, Judged, Parameter, Protocol, ResultChunk, ResultCut,
    Ruling, Statement, StatementEnd, Stream, Would,
};

use minicbor::Decoder;

use crate::cbor::{self, DecodeError};
use crate::header::Kind;
use crate::sign::SIGNATURE_LEN;

/// A record's body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body<'a> {
    /// See [`Kind::HostStart`].
    HostStart(HostStart<'a>),
    /// See [`Kind::Beat`].
    Beat(Beat),
    /// See [`Kind::HostStop`].
    HostStop(HostStop<'a>),
    /// See [`Kind::PolicyReloaded`].
    PolicyReloaded(PolicyReloaded<'a>),
    /// See [`Kind::Incident`].
    Incident(Incident<'a>),
    /// See [`Kind::Reclaimed`].
    Reclaimed(Reclaimed),
    /// See [`Kind::SessionStart`].
    SessionStart(Box<SessionStart<'a>>),
    /// See [`Kind::Statement`].
    Statement(Statement<'a>),
    /// See [`Kind::Decision`].
    Decision(Judged<'a>),
    /// See [`Kind::Hold`].
    Hold(Hold<'a>),
    /// See [`Kind::HoldEnd`].
    HoldEnd(HoldEnd<'a>),
    /// See [`Kind::ResultChunk`].
    ResultChunk(ResultChunk<'a>),
    /// See [`Kind::ResultCut`].
    ResultCut(ResultCut),
    /// See [`Kind::StatementEnd`].
    StatementEnd(StatementEnd<'a>),
    /// See [`Kind::SessionEnd`].
    SessionEnd(SessionEnd<'a>),
    /// A kind that this version does not know, with its bytes.
    Other(u32, &'a [u8]),
}

impl<'a> Body<'a> {
    /// The kind that the header names.
    pub fn kind(&self) -> Kind {
        match self {
            Body::HostStart(_) => Kind::HostStart,
            Body::Beat(_) => Kind::Beat,
            Body::HostStop(_) => Kind::HostStop,
            Body::PolicyReloaded(_) => Kind::PolicyReloaded,
            Body::Incident(_) => Kind::Incident,
            Body::Reclaimed(_) => Kind::Reclaimed,
            Body::SessionStart(_) => Kind::SessionStart,
            Body::Statement(_) => Kind::Statement,
            Body::Decision(_) => Kind::Decision,
            Body::Hold(_) => Kind::Hold,
            Body::HoldEnd(_) => Kind::HoldEnd,
            Body::ResultChunk(_) => Kind::ResultChunk,
            Body::ResultCut(_) => Kind::ResultCut,
            Body::StatementEnd(_) => Kind::StatementEnd,
            Body::SessionEnd(_) => Kind::SessionEnd,
            Body::Other(code, _) => Kind::Other(*code),
        }
    }

    /// Appends the body's CBOR; for signed kinds the part that the signature covers.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Body::HostStart(body) => body.encode(out),
            Body::Beat(body) => body.encode(out),
            Body::HostStop(body) => body.encode(out),
            Body::PolicyReloaded(body) => body.encode(out),
            Body::Incident(body) => body.encode(out),
            Body::Reclaimed(body) => body.encode(out),
            Body::SessionStart(body) => body.encode(out),
            Body::Statement(body) => body.encode(out),
            Body::Decision(body) => body.encode(out),
            Body::Hold(body) => body.encode(out),
            Body::HoldEnd(body) => body.encode(out),
            Body::ResultChunk(body) => body.encode(out),
            Body::ResultCut(body) => body.encode(out),
            Body::StatementEnd(body) => body.encode(out),
            Body::SessionEnd(body) => body.encode(out),
            Body::Other(_, bytes) => out.extend_from_slice(bytes),
        }
    }

    /// Reads the body of a record of this kind, as it stands in the segment.
    pub fn decode(kind: Kind, bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let bytes = if kind.is_signed() { Signed::decode(bytes)?.payload } else { bytes };
        let mut decoder = Decoder::new(bytes);
        let d = &mut decoder;
        let body = match kind {
            Kind::HostStart => Body::HostStart(HostStart::decode(d)?),
            Kind::Beat => Body::Beat(Beat::decode(d)?),
            Kind::HostStop => Body::HostStop(HostStop::decode(d)?),
            Kind::PolicyReloaded => Body::PolicyReloaded(PolicyReloaded::decode(d)?),
            Kind::Incident => Body::Incident(Incident::decode(d)?),
            Kind::Reclaimed => Body::Reclaimed(Reclaimed::decode(d)?),
            Kind::SessionStart => Body::SessionStart(Box::new(SessionStart::decode(d)?)),
            Kind::Statement => Body::Statement(Statement::decode(d)?),
            Kind::Decision => Body::Decision(Judged::decode(d)?),
            Kind::Hold => Body::Hold(Hold::decode(d)?),
            Kind::HoldEnd => Body::HoldEnd(HoldEnd::decode(d)?),
            Kind::ResultChunk => Body::ResultChunk(ResultChunk::decode(d)?),
            Kind::ResultCut => Body::ResultCut(ResultCut::decode(d)?),
            Kind::StatementEnd => Body::StatementEnd(StatementEnd::decode(d)?),
            Kind::SessionEnd => Body::SessionEnd(SessionEnd::decode(d)?),
            Kind::Other(code) => return Ok(Body::Other(code, bytes)),
        };
        if decoder.position() == bytes.len() { Ok(body) } else { Err(DecodeError::Trailing) }
    }

    /// The tips that a signed body carries; none in the others.
    pub fn tips(&self) -> &[Tip] {
        match self {
            Body::Beat(body) => &body.tips,
            Body::HostStop(body) => &body.tips,
            Body::SessionEnd(body) => &body.tips,
            _ => &[],
        }
    }
}

/// The body of a signed kind: an array of the payload's bytes and the signature's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signed<'a> {
    pub(crate) payload: &'a [u8],
    pub(crate) signature: &'a [u8],
}

impl<'a> Signed<'a> {
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::new(bytes);
        if decoder.array()? != Some(2) {
            return Err(DecodeError::Value("signed body"));
        }
        let signed = Signed { payload: decoder.bytes()?, signature: decoder.bytes()? };
        if signed.signature.len() != SIGNATURE_LEN {
            return Err(DecodeError::Value("signature"));
        }
        if decoder.position() == bytes.len() { Ok(signed) } else { Err(DecodeError::Trailing) }
    }
}

fn read_texts<'b>(d: &mut Decoder<'b>) -> Result<Vec<std::borrow::Cow<'b, str>>, DecodeError> {
    cbor::read_list(d, cbor::read_text)
}
