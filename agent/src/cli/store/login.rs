//! How a person logs in to the central store: where the password comes from, and TLS.
//!
//! The connection is an ordinary one. On a host where the store's address is protected, it is intercepted as any
//! other program's.

use std::env;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use session::authentication::{Channel, Rules};
use tokio::net::{TcpStream, UnixStream};

use crate::config::{store_rules, store_tls};
use crate::proxy::tls::{Mistake, Written, WrittenMode};
use crate::proxy::{Authenticating, Tls, TlsConfig, TlsError, secure};
use crate::secret::{self, Secret};
use crate::store::{Address, Connect, Connecting, Endpoint, SourceError, Stream};

/// How to log in to the central store.
#[derive(Debug, Clone, Default, Args)]
pub struct Login {
    /// A file with the password, which nobody but its owner can read. Else PGPASSWORD counts.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// How to speak to the store.
    #[arg(long, value_enum, default_value_t)]
    tls: TlsMode,
    /// Certificates of authorities in PEM, for `--tls verify-ca` and `verify-full`; or `system`, for the machine's own.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

/// As libpq's sslmode.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum TlsMode {
    /// In clear text.
    #[default]
    Disable,
    /// Encrypted where the store speaks TLS.
    Prefer,
    /// Encrypted, without a look at who the server is.
    Require,
    /// Encrypted, with a certificate of an authority.
    VerifyCa,
    /// Encrypted, with a certificate for the host's name.
    VerifyFull,
}

/// Why nobody can log in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// TLS.
    #[error("the store: {0}")]
    Tls(#[from] TlsError),
    /// What was said of TLS does not fit together.
    #[error("--tls and --ca-file, as in a configuration's `tls`: {0}")]
    Mistake(#[from] Mistake),
    /// The password.
    #[error(transparent)]
    Password(#[from] secret::Error),
    /// The system.
    #[error("the system does not give what is needed to connect: {0}")]
    System(#[from] std::io::Error),
}

impl Login {
    /// What connects so.
    ///
    /// # Errors
    /// The password's file or the authorities' cannot be read.
    pub fn connector(&self, address: &Address) -> Result<Connector, LoginError> {
        let mode = match self.tls {
            TlsMode::Disable => WrittenMode::Disable,
            TlsMode::Prefer => WrittenMode::Prefer,
            TlsMode::Require => WrittenMode::Require,
            TlsMode::VerifyCa => WrittenMode::VerifyCa,
            TlsMode::VerifyFull => WrittenMode::VerifyFull,
        };
        let written = Written { mode, ca_file: self.ca_file.clone(), ..Written::default() };
        let tls = TlsConfig::try_from(written)?;
        if let Some(file) = &self.password_file {
            // Told now, and not as an error of the connection.
            Secret::read(file)?;
        }
        let rules = store_rules(&tls, &address.endpoint);
        let tls = store_tls(&tls, &address.endpoint)?;
        Ok(Connector { tls, rules, password_file: self.password_file.clone() })
    }
}

/// Connects as a person does.
#[derive(Debug)]
pub struct Connector {
    tls: Tls,
    rules: Rules,
    password_file: Option<PathBuf>,
}

impl Connector {
    fn password(&self) -> Result<Option<Secret>, secret::Error> {
        match &self.password_file {
            Some(file) => Secret::read(file).map(Some),
            None => Ok(env::var_os("PGPASSWORD").map(|password| Secret::new(password.into_vec()))),
        }
    }

    async fn stream(&self, address: &Address) -> Result<Box<dyn Stream>, SourceError> {
        let password = self.password()?;
        let (user, password, rules) = (&address.user, password.as_ref(), &self.rules);
        Ok(match &address.endpoint {
            Endpoint::Unix(path) => {
                let stream = UnixStream::connect(path).await?;
                Box::new(Authenticating::new(stream, Channel::local(), user, password, rules))
            }
            Endpoint::Tcp(host, port) => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                let stream = secure(stream, &self.tls).await?;
                let channel = stream.channel();
                Box::new(Authenticating::new(stream, channel, user, password, rules))
            }
        })
    }
}

impl Connect for Connector {
    fn connect<'a>(&'a self, address: &'a Address) -> Connecting<'a> {
        Box::pin(self.stream(address))
    }
}

/// Runs one thing to its end on a runtime of its own.
///
/// # Errors
/// The system gives no runtime.
pub fn block_on<T>(work: impl Future<Output = T>) -> Result<T, LoginError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(work))
}
