//! How the store is reached: over a stream from the daemon or the command line, which know sockets and TLS.

use std::error::Error as StdError;
use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, NoTls};

use super::{Address, Error};

/// A byte stream to a server.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The answer of a [`Connect`].
pub type Connecting<'a> =
    Pin<Box<dyn Future<Output = Result<Box<dyn Stream>, Box<dyn StdError + Send + Sync>>> + Send + 'a>>;

/// Makes connections to an address. It is awaited on the runtime that will use the stream.
pub trait Connect: Send + Sync {
    /// A new connection, with TLS where it is wanted. It is ready for a StartupMessage; the server then asks for
    /// nothing more, because the stream answers it.
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
        let stream = connector
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
        let (client, connection) =
            config.connect_raw(stream, NoTls).await.map_err(|error| Error::server(address, error))?;
        Ok(Login { client, driver: tokio::spawn(connection) })
    });
    logged_in.await.unwrap_or_else(|_| Err(Error::Slow { address: address.clone(), patience }))
}
