//! PostgreSQL's frontend/backend protocol 3.0 and 3.2: frames to bytes and back, for both sides, without state.
//!
//! Everything borrows: a parser checks a whole body once and gives views into it, an encoder appends to a
//! buffer. Nothing here knows which message may follow which, nor anything of sessions, policies or masks.
//! Source: PostgreSQL manual, chapter "Frontend/Backend Protocol", section "Message Formats".

#![forbid(unsafe_code)]

pub mod backend;
pub mod frame;
pub mod frontend;
mod read;
pub mod startup;
pub mod values;
mod write;

pub use frame::{FrameError, HEADER_LEN, Header, Piece, Splitter, Whole};
pub use values::{Format, Formats, Oids, Values};
pub use write::EncodeError;

/// A PostgreSQL object identifier, as it stands on the wire.
pub type Oid = u32;
