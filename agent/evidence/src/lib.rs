//! What is kept for the auditor: typed records, their hash chain, the segment format, and its verification.
//!
//! A record is a header and a body. The header names its place (boot, lane, sequence) and holds SHA-256 of the
//! header before it and of its own body, so the chain runs over headers and a body can be erased later without
//! breaking it. Beats, session ends and the host's stop are signed by a key that lives in memory alone.
//!
//! This crate does no I/O and reads no clock: times are given to it, and bytes come out of it. It knows nothing
//! of PostgreSQL's protocol: frames are bytes here.

#![forbid(unsafe_code)]

pub mod body;
mod cbor;
pub mod header;
pub mod id;
pub mod lane;
pub mod segment;
pub mod sign;
pub mod verify;

pub use body::{
    Beat, Body, Decision, Finding, Hold, HoldEnd, HoldOutcome, HostStart, HostStop, Incident, Judged, List,
    Parameter, PolicyReloaded, Previous, Protocol, Reclaimed, ResultChunk, ResultCut, Ruling, SessionEnd,
    SessionStart, Statement, StatementEnd, Stream, Tip, Would,
};
pub use cbor::DecodeError;
pub use header::{Header, Kind};
pub use id::{BootId, Digest, Hasher, NotAnId, SessionId};
pub use lane::{Appended, Lane, Mark, TooLarge};
pub use sign::{PublicKey, Signer};

/// When something happened. The crate's callers read the clocks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// Microseconds since the Unix epoch, by the host's wall clock.
    pub wall_us: u64,
    /// Nanoseconds by a monotonic clock since a fixed point of the daemon's life: orders the records of one boot
    /// when the wall clock jumps.
    pub mono_ns: u64,
}
