//! What a session asks of its driver, and what it is told.

use std::fmt;
use std::sync::Arc;

use crate::Refusal;
use crate::authentication::{Channel, Rules};
use policy::{Binding, Catalog, Finding, SubjectPolicy, Verdict};

/// What the driver is to do. What it has done comes back as an [`Event`], where there is anything to come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Find the credential, the catalog and the policy for this client, and connect to the server.
    /// Answer: [`Event::Granted`] or [`Event::Refused`].
    Login {
        /// The database that the client asked for.
        database: String,
        /// Whether it is connected to one: a physical replication connection is to none, and needs no catalog.
        connected: bool,
    },
    /// Read the catalog again. Answer: [`Event::Catalog`], with what was read after this request.
    RefreshCatalog,
    /// The same, and tell the client nothing until then: other sessions are to go by what has changed once it knows that it has.
    ShareCatalog,
    /// Put a held statement before the reviewers. Answer: [`Event::Verdict`], or [`Event::HoldExpired`] once
    /// its time is over.
    AskApproval(Box<ApprovalRequest>),
    /// The held statement with this id is no longer to be decided on.
    WithdrawApproval(String),
    /// Send the server a CancelRequest with its own key, over a connection of its own.
    CancelBackend {
        /// The server process.
        process_id: i32,
        /// Its secret.
        secret: Vec<u8>,
    },
    /// The client is there to cancel another session's statement: the one whose client has this key.
    CancelOther {
        /// The server process, as the client knows it.
        process_id: i32,
        /// The secret that we gave.
        secret: Vec<u8>,
    },
    /// The session's client knows it by this key from now on.
    Cancellable {
        /// The server process.
        process_id: i32,
        /// The secret that we gave.
        secret: Vec<u8>,
    },
    /// Write what is left for the server, then close that direction: the server answers what it has, and ends.
    FinishBackend,
    /// Write what is left for both sides, then close the connections. The session is over.
    Close,
}

/// A statement that waits, as a reviewer needs to see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalRequest {
    /// Short, unique on this host, and what the client was told.
    pub id: String,
    /// What the verdict has to be about.
    pub binding: Binding,
    /// The text as it is recorded: values that may meet a masked column are not in it.
    pub statement: String,
    /// The bound values as they are recorded, `$1` first.
    pub values: Vec<String>,
    /// What was found on each action.
    pub findings: Vec<Finding>,
    /// When it is denied if nobody answers, in microseconds since the Unix epoch.
    pub expires_us: u64,
}

/// What the driver tells the session, beside the bytes of both sides.
#[derive(Debug)]
pub enum Event {
    /// The connection to the server stands.
    Granted(Box<Granted>),
    /// The client cannot be let through; it is told this.
    Refused(Refusal),
    /// A catalog, asked for or not.
    Catalog(Arc<Catalog>),
    /// The catalog that was asked for cannot be had. What depends on it is refused; the session goes on.
    CatalogLost,
    /// Another policy holds from the next statement on.
    Policy(Arc<SubjectPolicy>),
    /// A reviewer has decided.
    Verdict(Verdict),
    /// Nobody has decided in time.
    HoldExpired,
    /// The client asked on another connection to cancel what runs.
    Cancel,
    /// The client has closed its side.
    FrontendClosed,
    /// The server has closed its side.
    BackendClosed,
    /// The daemon stops: a session between two statements ends now, any other at the deadline.
    Drain {
        /// The deadline is over.
        now: bool,
    },
}

/// What is needed to log in for a client.
pub struct Granted {
    /// The role to log in as.
    pub role: String,
    /// Its password, where it has one. It never leaves the session but as `rules` allow it.
    pub password: Option<Vec<u8>>,
    /// What the server may ask for.
    pub rules: Rules,
    /// The connection to the server.
    pub channel: Channel,
    /// The database at the server, which may have another name than the client's.
    pub database: String,
    /// What is known of the database.
    pub catalog: Arc<Catalog>,
    /// It may be out of date: a newer one is asked for before the first statement is judged.
    pub catalog_unchecked: bool,
    /// The policy for this principal on this resource and database.
    pub policy: Arc<SubjectPolicy>,
    /// Names the database in caches: the same for all sessions of one resource and database.
    pub cache_key: Arc<str>,
}

impl fmt::Debug for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Granted")
            .field("role", &self.role)
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}
