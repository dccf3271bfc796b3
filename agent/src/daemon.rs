//! `portreeve run`: puts the parts together, keeps them going, and ends them in order.
//!
//! Interception outlives the daemon on purpose: when it stops, what it protects is refused until the next one
//! takes over, or until `portreeve release`.

#![forbid(unsafe_code)]

mod control;
mod error;
mod policies;
mod protection;
mod run;
mod shipping;
mod watch;

pub use error::Error;
pub use run::run;
pub use shipping::Recorded;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock, RwLock};
use std::time::Instant;

use evidence::Digest;

use crate::config::Config;
use crate::drain::Drain;
use crate::intercept::Interception;
use crate::proxy::{Shared, Worker};
use crate::store::Forwarder;

/// The running daemon, as its tasks see it.
struct Daemon {
    config: Config,
    /// Of the file that `config` was read from.
    digest: Digest,
    begun: Instant,
    interception: Interception,
    protection: protection::Protection,
    shared: Arc<Shared>,
    workers: Arc<Vec<Worker>>,
    drain: Drain,
    /// How many programs of the kernel side are off.
    detached: AtomicU64,
    /// Ships the record, where there is a central store.
    store: Option<Forwarder>,
    /// Names of the policy documents that hold.
    documents: RwLock<Vec<String>>,
    /// Held by the one reload that may run.
    reloading: tokio::sync::Mutex<()>,
    /// Until when sessions may end by themselves, once the daemon stops.
    stopping: OnceLock<Instant>,
}
