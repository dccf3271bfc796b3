//! Why the daemon does not run.

use crate::config::{PoliciesError, ResourcesError};
use crate::proxy::TlsError;
use crate::{approvals, authority, catalog, config, credentials, intercept, recorder};

/// Why the daemon does not run. Nothing that was protected before has become open by it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// The policy documents.
    #[error(transparent)]
    Policies(#[from] PoliciesError),
    /// The resources.
    #[error(transparent)]
    Resources(#[from] ResourcesError),
    /// The credentials.
    #[error(transparent)]
    Credentials(#[from] credentials::Error),
    /// Who vouches for the servers to clients.
    #[error(transparent)]
    Authority(#[from] authority::Error),
    /// The record.
    #[error(transparent)]
    Record(#[from] recorder::Error),
    /// The kernel side.
    #[error(transparent)]
    Intercept(#[from] intercept::Error),
    /// The catalogs.
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
    /// The control socket.
    #[error(transparent)]
    Control(#[from] approvals::SocketError),
    /// `log.filter` is not understood.
    #[error("`log.filter: {filter}` is not understood: {message}")]
    Filter {
        /// What was written.
        filter: String,
        /// What is wrong with it.
        message: String,
    },
    /// TLS to the central store.
    #[error("the store: {0}")]
    Store(#[from] TlsError),
    /// Threads, signals or random numbers.
    #[error("the system does not give what the daemon needs: {0}")]
    System(#[from] std::io::Error),
}
