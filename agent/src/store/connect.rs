//! How the store is reached: over a stream from the daemon or the command line, which know sockets and TLS.

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, NoTls};

use super::{Address, Error};
use crate::secret::Secret;

/// A byte stream to a server.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A stream with TLS behind it where it is wanted, and the password to log in with.
pub struct Connected {
    /// Ready for a StartupMessage.
    pub stream: Box<dyn Stream>,
    /// The role's password.
    pub password: Option<Secret>,
}

impl fmt::Debug for Connected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connected").finish_non_exhaustive()
    }
}

/// The answer of a [`Connect`].
pub type Connecting<'a> =
    Pin<Box<dyn Future<Output = Result<Connected, Box<dyn StdError + Send + Sync>>> + Send + 'a>>;

/// Makes connections to an address. It is awaited on the runtime that will use the stream.
pub trait Connect: Send + Sync {
    /// A new connection.
    fn connect<'a>(&'a self, address: &'a Address) -> Connecting<'a>;
}

/// A login at the store; dropping it closes the connection.
#[derive(Debug)]
pub(super) struct Login {
    pub(super) client: Client,
    driver: JoinHandle<Result<(), tokio_postgres::Error>>,
}

impl Drop for Login {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Connects and logs in.
pub(super) async fn log_in(
    connector: &dyn Connect,
    address: &Address,
    application_name: &str,
    patience: Duration,
) -> Result<Login, Error> {
    let logged_in = timeout(patience, async {
        let connected = connector
            .connect(address)
            .await
            .map_err(|source| Error::Connect { address: address.clone(), source })?;
        let mut config = tokio_postgres::Config::new();
        config
            .user(&address.user)
            .dbname(&address.database)
            .application_name(application_name)
            // TLS, if any, is the stream's.
            .ssl_mode(SslMode::Disable);
        if let Some(password) = &connected.password {
            config.password(password.expose());
        }
        let (client, connection) = config
            .connect_raw(connected.stream, NoTls)
            .await
            .map_err(|error| Error::server(address, error))?;
        Ok(Login { client, driver: tokio::spawn(connection) })
    });
    logged_in.await.unwrap_or_else(|_| Err(Error::Slow { address: address.clone(), patience }))
}
