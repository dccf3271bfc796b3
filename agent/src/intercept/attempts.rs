//! What the kernel side saw that should not be.

#![forbid(unsafe_code)]

use std::{net::SocketAddr, sync::Arc};

use agent_ebpf::Event;
use tokio::sync::{Mutex, mpsc};

use super::{Peer, listener::address, sock_diag::Owner};

/// What somebody tried, or what failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttemptKind {
    /// A redirected connection met no listener of ours: there is none yet, or a firewall leads it elsewhere.
    Held,
    /// A packet of a TCP socket to a protected destination, dropped: the socket is older than the programs, or a
    /// firewall leads it there.
    Guard,
    /// A packet of a raw socket to a protected destination, dropped.
    Raw,
    /// bind() to a listener's port, refused.
    Bind,
    /// PostgreSQL on a port that is not protected.
    Opening,
    /// A SYN to a protected destination, or data of no TCP socket, that came in by a virtual interface, dropped.
    Link,
    /// A connection to a protected destination that is older than its protection.
    Older,
    /// A redirected connection whose record found no room.
    TuplesFull,
    /// A protected connection refused, because no record of it could be kept.
    NoStorage,
}

impl AttemptKind {
    /// A short name in kebab-case, for records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Held => "held-connection",
            Self::Guard => "guarded-packet",
            Self::Raw => "guarded-raw-packet",
            Self::Bind => "guarded-port",
            Self::Opening => "unprotected-postgresql",
            Self::Link => "guarded-interface",
            Self::Older => "older-connection",
            Self::TuplesFull => "connection-table-full",
            Self::NoStorage => "socket-storage-full",
        }
    }
}

/// One of them, and who it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// What.
    pub kind: AttemptKind,
    /// Who, where the kernel could tell: of a socket that is older than the programs only uid, cgroup and socket
    /// are known, of a packet that is no socket's nothing.
    pub peer: Option<Peer>,
    /// From where.
    pub source: Option<SocketAddr>,
    /// To where; for [`AttemptKind::Bind`] the address that was asked for.
    pub destination: Option<SocketAddr>,
    /// What depends on the kind: the interface of [`AttemptKind::Link`], what [`AttemptKind::Opening`] began with,
    /// 1 if an [`AttemptKind::Older`] was ended.
    pub detail: u32,
}

impl Attempt {
    pub(super) fn new(kind: AttemptKind, event: &Event) -> Self {
        let origin = &event.origin;
        let known = origin.socket_cookie != 0;
        Self {
            kind,
            peer: known.then(|| Peer::from(origin)),
            source: address(origin.family, &event.source, event.source_port)
                .filter(|_| event.source_port != 0),
            destination: address(origin.family, &origin.address, origin.port),
            detail: event.detail,
        }
    }

    /// The same with the process that was found to hold the socket, where the kernel side did not know it.
    pub(super) fn owned_by(mut self, owner: Option<Owner>) -> Self {
        if let Some(owner) = owner
            && let Some(peer) = self.peer.take_if(|peer| peer.pid == 0)
        {
            self.peer = Some(peer.found_now(owner.pid, owner.comm));
        }
        self
    }
}

/// Where attempts are told. All clones are the same queue.
#[derive(Clone, Debug)]
pub struct Attempts(Arc<Mutex<mpsc::Receiver<Attempt>>>);

impl Attempts {
    pub(super) fn new(receiver: mpsc::Receiver<Attempt>) -> Self {
        Self(Arc::new(Mutex::new(receiver)))
    }

    /// The next one; none once the interception has ended.
    pub async fn next(&self) -> Option<Attempt> {
        self.0.lock().await.recv().await
    }
}
