//! Where the store is: a connection URI as PostgreSQL's own clients take it (manual, section 34.1.1.2), without
//! what must not stand in it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::Deserialize;
use tokio_postgres::config::{Host, SslMode};

/// PostgreSQL's port.
const PORT: u16 = 5432;

/// One server, one database, one role.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Address {
    /// Where the server listens.
    pub endpoint: Endpoint,
    /// The role to log in as.
    pub user: String,
    /// The database.
    pub database: String,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A host's name or IP address, and a port.
    Tcp(String, u16),
    /// A Unix socket.
    Unix(PathBuf),
}

/// A URI that does not say where the store is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not a connection URI.
    #[error("not a connection URI such as postgresql://user@host:5432/database: {0}")]
    Malformed(String),
    /// A secret where everybody sees it.
    #[error("a password does not belong into the URI; name a file that has it")]
    Password,
    /// More than one server.
    #[error("the URI names no host, or several; name one")]
    Host,
    /// Nobody to log in as.
    #[error("the URI names no user; write postgresql://user@host/database")]
    User,
    /// TLS is configured elsewhere.
    #[error("sslmode does not belong into the URI; how to use TLS is said beside it")]
    Tls,
}

impl Address {
    /// Whether a text is meant as an address, and not as a folder.
    pub fn is_meant(text: &str) -> bool {
        text.starts_with("postgresql://") || text.starts_with("postgres://")
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if !Address::is_meant(text) {
            return Err(AddressError::Malformed("it begins otherwise".to_owned()));
        }
        let config: tokio_postgres::Config = text
            .parse()
            .map_err(|error: tokio_postgres::Error| AddressError::Malformed(error.to_string()))?;
        if config.get_password().is_some() {
            return Err(AddressError::Password);
        }
        if config.get_ssl_mode() != SslMode::Prefer || text.contains("sslmode=") {
            return Err(AddressError::Tls);
        }
        let port = config.get_ports().first().copied().unwrap_or(PORT);
        let endpoint = match config.get_hosts() {
            [Host::Tcp(name)] => Endpoint::Tcp(name.clone(), port),
            [Host::Unix(folder)] => Endpoint::Unix(folder.join(format!(".s.PGSQL.{port}"))),
            _ => return Err(AddressError::Host),
        };
        let user = config.get_user().ok_or(AddressError::User)?.to_owned();
        let database = config.get_dbname().unwrap_or(&user).to_owned();
        Ok(Address { endpoint, user, database })
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Endpoint::Tcp(host, port) => write!(f, "{host}:{port}"),
            Endpoint::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Address { endpoint, user, database } = self;
        write!(f, "database {database} at {endpoint} as {user}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_server_one_database_one_role() {
        let cases = [
            ("postgresql://a@store.example/audit", Ok("database audit at store.example:5432 as a")),
            ("postgres://a@[::1]:6000", Ok("database a at [::1]:6000 as a")),
            ("postgresql://a@/audit?host=/run/pg", Ok("database audit at /run/pg/.s.PGSQL.5432 as a")),
            ("postgresql://a:secret@h/d", Err(AddressError::Password)),
            ("postgresql://h/d", Err(AddressError::User)),
            ("postgresql://a@h,i/d", Err(AddressError::Host)),
            ("postgresql:///d", Err(AddressError::Host)),
            ("postgresql://a@h/d?sslmode=require", Err(AddressError::Tls)),
        ];
        for (text, expect) in cases {
            let got = text.parse::<Address>().map(|address| address.to_string());
            assert_eq!(got, expect.map(str::to_owned), "{text}");
        }
        for text in ["", "host=h user=a", "/var/lib", "postgresql://a@h:port/d"] {
            assert!(matches!(text.parse::<Address>(), Err(AddressError::Malformed(_))), "{text}");
        }
    }
}
