//! What is remembered of a socket's connection.

use crate::{Origin, opening::Opening};

/// A connection as the programs follow it, in the storage of the socket that opened it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// One of [`StreamState`].
    pub state: u32,
    /// 1 if connect() was redirected to the listener.
    pub redirected: u32,
    /// The sequence number of the SYN, host byte order, from the SYN on.
    pub initial_sequence: u32,
    /// One bit for each [`EventKind`](crate::EventKind) that was told of this socket.
    pub told: u32,
    /// Who opened it, and to where; all zero for a socket that is older than the programs.
    pub origin: Origin,
    /// What its first bytes have shown so far; only while [`StreamState::Opening`].
    pub opening: Opening,
}

/// [`Stream::state`].
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamState {
    /// connect() was called; no packet has been judged yet.
    Connecting = 0,
    /// Its SYN has gone out; where nobody redirected it, its first bytes are looked at.
    Opening = 1,
    /// Judged: its packets pass without a look.
    Passed = 2,
    /// Found to be PostgreSQL where that is refused: its packets are dropped.
    Refused = 3,
}

const _: () = assert!(size_of::<Stream>() == 144 && align_of::<Stream>() == 8);
