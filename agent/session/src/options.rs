//! What a session is told when it begins.

use std::fmt;
use std::net::SocketAddr;

use evidence::SessionId;
use masking::HashKey;
use policy::Principal;

use crate::ClientAuthentication;

/// Bounds on what one session may hold in memory, and on what of a result is recorded. In bytes, where nothing else is
/// said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The longest Query or Parse.
    pub message: usize,
    /// The longest Bind or FunctionCall that is read whole. Longer ones pass as they come: their values are recorded as
    /// a result's bytes are, and a reviewer sees the beginning of them.
    pub bind: usize,
    /// The longest row that has to be masked; others pass in pieces.
    pub row: usize,
    /// How much of one statement's result is recorded before it is cut.
    pub recorded: u64,
    /// How many prepared statements with a name there may be at once, and how many portals: more than any honest client
    /// has.
    pub names: usize,
}

impl Default for Limits {
    fn default() -> Self {
        // A text and what is said of it are one record, which has at most 64 MiB (`evidence::segment`).
        Limits { message: 60 << 20, bind: 1 << 20, row: 64 << 20, recorded: 64 << 20, names: 100_000 }
    }
}

/// Who connected, and where to.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Who.
    pub principal: Principal,
    /// The client's own address, where it is known.
    pub source: Option<SocketAddr>,
    /// Where the client meant to connect to.
    pub destination: SocketAddr,
    /// The protected server's name in the configuration.
    pub resource: String,
}

/// What a session is told when it begins.
pub struct Options {
    /// Its name in the record.
    pub id: SessionId,
    /// Who connected, and where to.
    pub peer: Peer,
    /// Bounds.
    pub limits: Limits,
    /// How the client proves who it is; none if it is taken for who the kernel says it is.
    pub authentication: Option<ClientAuthentication>,
    /// The secret part of the cancel key that the client gets instead of the server's: all of it, or in protocol 3.0 its
    /// first four bytes.
    pub cancel_secret: [u8; 32],
    /// A name that no prepared statement and no portal has: nobody but us knows it.
    pub absent: String,
    /// What masks and digests of values are keyed with.
    pub key: HashKey,
    /// What the ids of this session's holds begin with: short, and unique on this host.
    pub hold_id: String,
    /// How long a statement waits for a reviewer, in microseconds; then it counts as denied.
    pub hold_timeout_us: u64,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("id", &self.id).field("peer", &self.peer).finish_non_exhaustive()
    }
}
