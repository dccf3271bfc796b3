//! One connection's life as states: inputs in, outputs out.
//!
//! A [`Session`] takes the bytes of both sides and what its driver learns (a verdict, a newer catalog, another
//! policy), and gives back bytes, records and requests through a [`Turn`]. It opens no socket, reads no clock
//! and never waits: where it needs something, it asks for it and takes no more of the client's messages until
//! it has come. So a split packet, a pipeline or a time-out is a plain unit test.
//!
//! What must hold here, whatever comes:
//! - a message with a statement leaves with a [`policy::Permit`], after its record;
//! - what the client gets is recorded as it gets it, after masking;
//! - a refused message is replaced by one that fails in its place, so both sides stay in step.

#![forbid(unsafe_code)]

mod active;
pub mod authentication;
mod fault;
mod login;
mod options;
mod own;
mod refusal;
mod request;
mod scram;
mod session;
mod startup;
#[cfg(test)]
mod tests;
mod turn;

pub use active::{Cache, Measured};
pub use fault::Fault;
pub use options::{Limits, Options, Peer};
pub use refusal::Refusal;
pub use request::{ApprovalRequest, Event, Granted, Request};
pub use scram::{ClientAuthentication, Verifier};
pub use session::Session;
pub use turn::{Journal, Turn};
