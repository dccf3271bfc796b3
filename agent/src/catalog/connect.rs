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

/// Makes connections for keepers. It is awaited on the catalogs' own thread, so that a socket belongs to that
/// thread's runtime. The error is the daemon's own and only shown. A keeper gives up after
/// [`super::Config::connect_seconds`].
pub trait Connect: Send + Sync {
    /// A new connection to the server of that database.
    fn connect<'a>(&'a self, key: &'a Key) -> Connecting<'a>;

    /// The server has refused a login over such a connection. Whether there is another way to connect to it, which the next
    /// connection takes.
    fn turn(&self, _key: &Key) -> bool {
        false
    }

    /// The next connection is made in the way that is tried first.
    fn begin(&self, _key: &Key) {}
}
