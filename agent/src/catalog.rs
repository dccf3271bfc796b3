//! What is known of each protected database, read over a side connection and kept up to date.
//!
//! For every (resource, database) that sessions use there is one keeper: a task with one connection of the
//! resource's own role, on a thread of its own. It reads the whole catalog once, looks every ten seconds
//! whether something changed, and then reads what did; a session can ask for a look at once. Sessions on
//! any worker see the newest catalog through a [`Live`], whose check for news is one atomic load.
//!
//! When the side connection is lost, the keeper connects again with growing pauses. Sessions that run keep the
//! last catalog; new ones get it for thirty seconds more and are refused after that, and every
//! [`Live::refresh`] fails until the connection is back. When a database's last session is gone the keeper lets its
//! connection go at once, so that the database can be dropped and its network namespace can end; the next session
//! gets what is remembered and logs in while the keeper does, and asks for a look before its first statement. A database that no session uses for ten minutes is forgotten; one
//! in another network namespace than the daemon's after five seconds.
//!
//! This module does not know how a connection is made (the daemon passes a [`Connect`]), nor what a catalog is
//! used for.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use policy::Catalog;
use serde::Deserialize;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};

mod connect;
mod keeper;
mod marks;
mod queries;
mod read;
mod view;

pub use connect::{Connect, Connected, Connecting, Stream, Way};
use keeper::{Keeper, Request, View};

/// The catalog's part of the daemon's configuration. Every key has a default.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How often a keeper looks for changes, in seconds (default 10).
    pub check_seconds: u64,
    /// How long new sessions get the last catalog after its connection was lost, in seconds (default 30).
    pub stale_seconds: u64,
    /// After how long without a session a database is forgotten, in seconds (default 600).
    pub idle_seconds: u64,
    /// How long connecting and logging in may take, in seconds (default 10).
    pub connect_seconds: u64,
    /// How long one read of the whole catalog may take, in seconds (default 30).
    pub read_seconds: u64,
    /// How many databases may be known at once; a job chooses their names (default 256).
    pub databases: usize,
    /// How many rows of one system catalog are read at most; a job can create tables (default 2,000,000).
    pub rows: u64,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            check_seconds: 10,
            stale_seconds: 30,
            idle_seconds: 600,
            connect_seconds: 10,
            read_seconds: 30,
            databases: 256,
            rows: 2_000_000,
        }
    }
}

/// One database of one protected resource.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The resource's name.
    pub resource: String,
    /// The database as the job names it.
    pub database: String,
    /// The cookie of the network namespace that it is reached from, where that is not the daemon's own: at the same
    /// address there is another server then, and what it says of itself must count for nobody else.
    pub netns: Option<u64>,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.resource, self.database)?;
        match self.netns {
            Some(cookie) => write!(f, " in network namespace {cookie}"),
            None => Ok(()),
        }
    }
}

/// Why a catalog cannot be had. A session that gets one is refused. The text is for the daemon's log: it names
/// the backend's role and the server's words, which the job is not told.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// No stream to the server, or no credentials for it.
    #[error("the catalog of {key} cannot be read: {source}")]
    Connect {
        /// Which database.
        key: Key,
        /// What the daemon's connector said.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The server refused the login or a query.
    #[error("the catalog of {key} cannot be read: {}; may its role log in and read pg_catalog?", said(.source))]
    Server {
        /// Which database.
        key: Key,
        /// What the server or the connection said.
        source: Arc<tokio_postgres::Error>,
    },
    /// It took too long.
    #[error("the catalog of {key} cannot be read: {doing} took longer than {} s", .limit.as_secs())]
    Slow {
        /// Which database.
        key: Key,
        /// What was being done.
        doing: &'static str,
        /// The time that was given.
        limit: Duration,
    },
    /// There is more in it than is read.
    #[error("the catalog of {key} is too large: {rows} rows in {table}; raise `catalog.rows` (now {limit})")]
    Large {
        /// Which database.
        key: Key,
        /// The system catalog.
        table: String,
        /// Its rows.
        rows: i64,
        /// The configured limit.
        limit: u64,
    },
    /// The side connection has been lost for too long.
    #[error("the catalog of {key} is out of date: its connection was lost {} s ago and is being tried", .lost.as_secs())]
    Stale {
        /// Which database.
        key: Key,
        /// For how long.
        lost: Duration,
    },
    /// More databases are in use than is configured.
    #[error("{limit} databases are in use already; raise `catalog.databases`")]
    TooMany {
        /// The configured limit.
        limit: usize,
    },
    /// The daemon is stopping.
    #[error("the catalogs have been stopped")]
    Stopped,
    /// The keeper's thread could not be started.
    #[error("the thread of the catalogs cannot be started: {0}")]
    Thread(Arc<std::io::Error>),
}

impl Error {
    /// Whether the server may be well, and there is no way to it from where it was tried.
    pub fn is_of_the_way(&self) -> bool {
        match self {
            Error::Connect { .. } | Error::Slow { .. } | Error::Stale { .. } => true,
            Error::Server { .. } | Error::Large { .. } | Error::TooMany { .. } => false,
            Error::Stopped | Error::Thread(_) => false,
        }
    }
}

/// The server's own words where it has spoken, and the reason where the connection has failed: tokio-postgres's text
/// leaves them out.
fn said(error: &tokio_postgres::Error) -> String {
    match (error.as_db_error(), std::error::Error::source(error)) {
        (Some(server), _) => format!("{} (SQLSTATE {})", server.message(), server.code().code()),
        (None, Some(reason)) => format!("{error}: {reason}"),
        (None, None) => error.to_string(),
    }
}

/// The catalogs of all databases in use. Cheap to clone; dropping the last one stops the keepers.
#[derive(Debug, Clone)]
pub struct Catalogs {
    shared: Arc<Shared>,
    runtime: Handle,
    _stop: Arc<oneshot::Sender<()>>,
}

/// What keepers and sessions share.
struct Shared {
    config: Config,
    connector: Arc<dyn Connect>,
    keepers: Mutex<HashMap<Key, mpsc::Sender<Request>>>,
    /// One count for all databases, so that a generation means one content of one database.
    generation: AtomicU64,
    /// What the sums of [`marks`] are begun with: nobody can make a change that they do not show.
    salt: i64,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Shared {
    fn keepers(&self) -> MutexGuard<'_, HashMap<Key, mpsc::Sender<Request>>> {
        self.keepers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn salt() -> Result<i64, Error> {
    let mut salt = [0; 8];
    let filled = ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut salt);
    filled.map_err(|_| Error::Thread(Arc::new(std::io::Error::other("the kernel gives no random bytes"))))?;
    Ok(i64::from_ne_bytes(salt))
}

/// How many requests may wait for one keeper before those who ask wait to ask.
const QUEUE: usize = 64;

impl Catalogs {
    /// Starts the thread on which all keepers run; `connector` is called on it.
    pub fn start(config: Config, connector: Arc<dyn Connect>) -> Result<Self, Error> {
        let thread = |error| Error::Thread(Arc::new(error));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(thread)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        std::thread::Builder::new()
            .name("catalog".into())
            .spawn(move || {
                // Ends when the sender is dropped; the runtime then drops the keepers with their connections.
                let _ = runtime.block_on(stopped);
            })
            .map_err(thread)?;
        let shared = Shared {
            config,
            connector,
            keepers: Mutex::default(),
            generation: AtomicU64::new(0),
            salt: salt()?,
        };
        Ok(Catalogs { shared: Arc::new(shared), runtime: handle, _stop: Arc::new(stop) })
    }

    /// The catalog of a database, read first if no session uses it yet. Callable from any runtime.
    pub async fn get(&self, key: &Key) -> Result<Live, Error> {
        // A keeper that has just ended drops what it was asked: then a new one is asked.
        for _ in 0..3 {
            let (reply, answer) = oneshot::channel();
            let (requests, unsent) = self.keeper(key, Request::Get(reply))?;
            if let Some(request) = unsent
                && requests.send(request).await.is_err()
            {
                continue;
            }
            if let Ok(answer) = answer.await {
                return answer.map(|View { catalog, unchecked, way }| Live {
                    catalog,
                    requests,
                    unchecked,
                    way,
                });
            }
        }
        Err(Error::Stopped)
    }

    /// The databases in use, in order: for `status`.
    pub fn databases(&self) -> Vec<Key> {
        let keepers = self.shared.keepers();
        let used = keepers.iter().filter(|(_, requests)| !requests.is_closed());
        let mut keys: Vec<Key> = used.map(|(key, _)| key.clone()).collect();
        keys.sort();
        keys
    }

    /// The way to ask the keeper of a database. If there is none, one begins with `request`; else the request
    /// comes back, to be sent.
    fn keeper(&self, key: &Key, request: Request) -> Result<(mpsc::Sender<Request>, Option<Request>), Error> {
        let mut keepers = self.shared.keepers();
        keepers.retain(|_, requests| !requests.is_closed());
        if let Some(requests) = keepers.get(key) {
            return Ok((requests.clone(), Some(request)));
        }
        let limit = self.shared.config.databases;
        // Those of other network namespaces for themselves: who makes many of these takes no room from the others.
        if keepers.keys().filter(|known| known.netns.is_some() == key.netns.is_some()).count() >= limit {
            return Err(Error::TooMany { limit });
        }
        let (requests, queue) = mpsc::channel(QUEUE);
        // Before the keeper runs: it may fail and end before anything could be sent to it.
        let unsent = requests.try_send(request).err().map(mpsc::error::TrySendError::into_inner);
        self.runtime.spawn(Keeper::new(self.shared.clone(), key.clone(), queue).keep());
        keepers.insert(key.clone(), requests.clone());
        Ok((requests, unsent))
    }
}

/// One session's view of a catalog. The database stays known as long as there is one.
#[derive(Debug, Clone)]
pub struct Live {
    catalog: watch::Receiver<Arc<Catalog>>,
    requests: mpsc::Sender<Request>,
    unchecked: bool,
    way: Way,
}

impl Live {
    /// Whether it was given as it was remembered, with no look at the server since its last session: to be refreshed
    /// before anything is judged by it.
    pub const fn is_unchecked(&self) -> bool {
        self.unchecked
    }

    /// By which way the server let its keeper log in.
    pub const fn way(&self) -> Way {
        self.way
    }

    /// The newest catalog that has been read.
    pub fn current(&self) -> Arc<Catalog> {
        self.catalog.borrow().clone()
    }

    /// The newest catalog if there has been a newer one since the last call: one atomic load where there has
    /// not, so that it can be asked before every statement.
    pub fn changed(&mut self) -> Option<Arc<Catalog>> {
        match self.catalog.has_changed() {
            Ok(false) | Err(_) => None,
            Ok(true) => Some(self.catalog.borrow_and_update().clone()),
        }
    }

    /// Waits for a newer catalog. Pends for ever once the catalogs have been stopped.
    pub async fn wait(&mut self) -> Arc<Catalog> {
        match self.catalog.changed().await {
            Ok(()) => self.catalog.borrow_and_update().clone(),
            Err(_) => std::future::pending().await,
        }
    }

    /// A catalog that is not older than this call: the keeper looks for changes and reads them if there are
    /// any. Where nothing changed it has the same generation as before. For after DDL has gone through and has
    /// been committed (what an open transaction did is invisible to the side connection), and for an unknown
    /// OID. One look answers all who ask while it has not begun.
    pub fn refresh(&self) -> impl Future<Output = Result<Arc<Catalog>, Error>> + Send + 'static {
        let requests = self.requests.clone();
        async move {
            let (reply, answer) = oneshot::channel();
            requests.send(Request::Refresh(reply)).await.map_err(|_| Error::Stopped)?;
            answer.await.unwrap_or(Err(Error::Stopped))
        }
    }
}

#[cfg(test)]
mod tests;
