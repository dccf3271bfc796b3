//! Why the store cannot be used.

use std::error::Error as StdError;
use std::time::Duration;

use tokio_postgres::error::SqlState;

use super::{Address, SourceError};

/// Why the store cannot be used. Records stay where they are.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection, or no password.
    #[error("cannot connect to the store, {address}: {source}")]
    Connect {
        /// Where.
        address: Address,
        /// Why.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// No answer in time.
    #[error("the store, {address}, did not answer within {} s", patience.as_secs())]
    Slow {
        /// Where.
        address: Address,
        /// How long was waited.
        patience: Duration,
    },
    /// The server says no, or the connection is lost.
    #[error("the store, {address}: {}", told(.source))]
    Server {
        /// Where.
        address: Address,
        /// What it said.
        source: Box<tokio_postgres::Error>,
    },
    /// The database has no schema of ours.
    #[error(
        "the store, {address}, is not prepared: run `portreeve store init --url …` there as its administrator"
    )]
    NotInitialized {
        /// Where.
        address: Address,
    },
    /// A later Portreeve has changed the schema.
    #[error("the store's schema has version {found}, and this Portreeve knows {known}: use a later one")]
    Later {
        /// Its version.
        found: i32,
        /// Ours.
        known: i32,
    },
    /// Texts of any script must find room.
    #[error("the store, {address}, has the encoding {encoding}; create the database with ENCODING 'UTF8'")]
    Encoding {
        /// Where.
        address: Address,
        /// What it has.
        encoding: String,
    },
    /// The records cannot be read here.
    #[error("records cannot be read for shipping: {0}")]
    Source(SourceError),
}

impl Error {
    pub(super) fn server(address: &Address, source: tokio_postgres::Error) -> Self {
        let missing =
            [SqlState::UNDEFINED_TABLE, SqlState::UNDEFINED_FUNCTION, SqlState::INVALID_SCHEMA_NAME];
        if source.code().is_some_and(|code| missing.contains(code)) {
            return Error::NotInitialized { address: address.clone() };
        }
        Error::Server { address: address.clone(), source: Box::new(source) }
    }

    /// Whether the server refuses a boot's records for what they are: others may still be taken.
    pub(super) fn is_about_boot(&self) -> bool {
        let Error::Server { source, .. } = self else { return false };
        // Class 23 is integrity constraint violation.
        source.code().is_some_and(|code| {
            *code == SqlState::INSUFFICIENT_PRIVILEGE
                || matches!(code.code().get(..2), Some("22" | "23" | "54"))
        })
    }

    /// Whether the server has refused a record's content: not the connection, not its own state.
    pub(super) fn is_about_content(&self) -> bool {
        let Error::Server { source, .. } = self else { return false };
        // Class 22 is data exception, 54 program limit exceeded (manual, appendix A).
        source.code().is_some_and(|code| matches!(code.code().get(..2), Some("22" | "54")))
    }
}

fn told(error: &tokio_postgres::Error) -> String {
    match (error.as_db_error(), error.source()) {
        (Some(db), _) => {
            let hint = db.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
            format!("{}: {} ({}){hint}", db.severity(), db.message(), db.code().code())
        }
        (None, Some(reason)) => format!("{error}: {reason}"),
        (None, None) => error.to_string(),
    }
}
