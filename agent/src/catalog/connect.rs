//! How a keeper gets its connection: from the daemon, which knows sockets, TLS and credentials.
//!
//! This module only says what is needed.

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

use super::Key;

/// A byte stream to a server.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A stream with TLS behind it where it is wanted, and who it is for.
pub struct Connected {
    /// Ready for a StartupMessage; the server then asks for nothing more, because the stream answers it.
    pub stream: Box<dyn Stream>,
    /// The role to log in as.
    pub role: String,
    /// The database's real name.
    pub database: String,
}

impl fmt::Debug for Connected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connected")
            .field("role", &self.role)
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

/// The answer of a [`Connect`].
pub type Connecting<'a> =
    Pin<Box<dyn Future<Output = Result<Connected, Arc<dyn StdError + Send + Sync>>> + Send + 'a>>;

/// Which way a connection to a server takes, where there are two: with TLS or without.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Way {
    /// The one that is tried first.
    #[default]
    First,
    /// The one that is taken where the server refuses a login over the first.
    Other,
}

/// Makes connections for keepers. It is awaited on the catalogs' own thread, so that a socket belongs to that
/// thread's runtime. The error is the daemon's own and only shown. A keeper gives up after
/// [`super::Config::connect_seconds`].
pub trait Connect: Send + Sync {
    /// A new connection to the server of that database.
    fn connect<'a>(&'a self, key: &'a Key, way: Way) -> Connecting<'a>;

    /// Whether there is [`Way::Other`].
    fn has_other_way(&self, _key: &Key) -> bool {
        false
    }
}
