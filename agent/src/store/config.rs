//! The `store` section of the configuration.

use std::path::PathBuf;

use serde::Deserialize;

use super::Address;

/// Where records are shipped to, and how. `T` is how TLS is written, which only the connector understands.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config<T> {
    /// `postgresql://role@host:port/database`, without a password.
    pub url: Address,
    /// A file with the role's password, which nobody but its owner can read. It is read at each login.
    pub password_file: Option<PathBuf>,
    /// How to speak to the server (default: in clear text).
    #[serde(default)]
    pub tls: T,
    /// The most records in one batch (default 2000).
    #[serde(default = "batch_records")]
    pub batch_records: usize,
    /// About the most bytes in one batch (default 4 MiB).
    #[serde(default = "batch_bytes")]
    pub batch_bytes: usize,
    /// How long new records may wait for others to come along, in milliseconds (default 200).
    #[serde(default = "interval_ms")]
    pub interval_ms: u64,
    /// How long the server may take to answer, in seconds (default 30).
    #[serde(default = "timeout_seconds")]
    pub timeout_seconds: u64,
}

const fn batch_records() -> usize {
    2000
}

const fn batch_bytes() -> usize {
    4 << 20
}

const fn interval_ms() -> u64 {
    200
}

const fn timeout_seconds() -> u64 {
    30
}

impl<T: Default> Config<T> {
    /// A configuration with a default for everything but the address.
    pub fn new(url: Address) -> Self {
        Config {
            url,
            password_file: None,
            tls: T::default(),
            batch_records: batch_records(),
            batch_bytes: batch_bytes(),
            interval_ms: interval_ms(),
            timeout_seconds: timeout_seconds(),
        }
    }
}
