//! The road between a job and its database: workers, each with its sessions, each session with its two sockets.
//!
//! One thread per core runs one current-thread runtime, and a session lives on one of them from its first byte
//! to its last: nothing on a statement's way crosses a channel or takes a lock that others hold for long. What
//! a statement may do is decided in `session`; here bytes are carried, records are made safe before the bytes
//! that they describe move, and what a session asks for is fetched.

#![forbid(unsafe_code)]

mod accept;
mod aside;
mod authenticating;
pub mod authentication;
mod backend;
mod batch;
mod cancel;
mod config;
mod connection;
mod frontend;
mod journal;
mod local;
mod login;
mod misnamed;
mod outgoing;
mod resources;
mod side;
mod stream;
pub mod tls;
mod unmatched;
mod worker;

use std::sync::{Arc, RwLock};

use policy::Policy;

use crate::approvals::Approvals;
use crate::authority::Authority;
use crate::catalog::Catalogs;
use crate::credentials::Credentials;
use crate::identity::Identifier;
use crate::intercept::OwnSockets;
use crate::recorder::{Clock, Recorder};

pub use accept::{accept, kernel_peer};
pub use authenticating::Authenticating;
pub use backend::{Error as BackendError, connect as connect_backend, secure, speaks_tls};
pub use cancel::Cancels;
pub use config::Config;
pub use misnamed::Misnamed;
pub use resources::{Overlap, Resource, Resources};
pub use side::SideConnector;
pub use stream::{BackendStream, FrontendStream, Stream};
pub use tls::{Config as TlsConfig, Error as TlsError, Tls};
pub use unmatched::Unmatched;
pub use worker::{Arrival, Message, Worker};

/// What all workers share. None of it is touched on a statement's way.
pub struct Shared {
    /// The proxy's own settings.
    pub config: Config,
    /// Vouches to clients that ask for TLS.
    pub authority: Authority,
    /// Makes connections that interception lets through.
    pub own_sockets: OwnSockets,
    /// Logins for the servers.
    pub credentials: Arc<RwLock<Arc<Credentials>>>,
    /// What is known of each database.
    pub catalogs: Catalogs,
    /// Holds and their reviewers.
    pub approvals: Approvals,
    /// Tells who connected.
    pub identifier: Identifier,
    /// The record.
    pub recorder: Arc<Recorder>,
    /// Stamps records.
    pub clock: Clock,
    /// Whose client may cancel what.
    pub cancels: Cancels,
    /// The protected servers.
    pub resources: Arc<RwLock<Arc<Resources>>>,
    /// What becomes of connections that no resource names.
    pub unmatched: Unmatched,
    /// The policy that new sessions begin with.
    pub policy: RwLock<Arc<Policy>>,
    /// What masks and digests are keyed with: random at each start, and in memory alone.
    pub key: masking::HashKey,
    /// Sessions that have ended or run, for `status`.
    pub counters: Counters,
    /// What the policy names and databases do not have, for `status`.
    pub misnamed: Arc<Misnamed>,
}

/// What `status` tells of the proxy.
#[derive(Debug, Default)]
pub struct Counters {
    /// Sessions that run now.
    pub sessions: std::sync::atomic::AtomicU64,
    /// Sessions since the start.
    pub sessions_total: std::sync::atomic::AtomicU64,
    /// Connections since the start that no resource names, refused or let through.
    pub unmatched: std::sync::atomic::AtomicU64,
    /// Those of them that are let through now.
    pub passing: std::sync::atomic::AtomicU64,
    /// Sessions and connections that were refused or ended because the record could not be written.
    pub unrecorded: std::sync::atomic::AtomicU64,
}

/// Reads a value that is replaced as a whole.
pub(crate) fn current<T>(slot: &RwLock<Arc<T>>) -> Arc<T> {
    Arc::clone(&slot.read().unwrap_or_else(std::sync::PoisonError::into_inner))
}
