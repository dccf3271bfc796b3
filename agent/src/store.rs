//! The central store: a PostgreSQL that has the records of all hosts, out of reach of whoever holds one of them.
//!
//! Records are shipped as they stand in the segments, with columns beside them for queries; what was verified on
//! the host is what is verified here. A record has one place, (boot, lane, sequence), so what is shipped twice is
//! stored once. The store's own word is how far it has each lane: nothing on the host can be out of step with it.
//!
//! It must never know where records come from (a [`Source`] gives them) or how connections are made (a [`Connect`]
//! makes them). Without a store configured none of this runs, and the segments on disk are the store.

#![forbid(unsafe_code)]

mod address;
mod config;
mod connect;
mod error;
mod facts;
mod forwarder;
mod ingest;
mod order;
mod read;
mod schema;
mod source;
#[cfg(test)]
pub(crate) mod tests;

pub use address::{Address, AddressError, Endpoint};
pub use config::Config;
pub use connect::{Connect, Connecting, Stream};
pub use error::Error;
pub use forwarder::{Forwarder, Own, Status};
pub use read::{Boot, Reader, Row};
pub use schema::{Initialized, init};
pub use source::{Backlog, Positions, Record, Source, SourceError};
