//! The authority's part of the configuration.

use std::path::PathBuf;

use serde::Deserialize;

/// Where the authority is. Every key has a default.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where this machine's own authority is, or is made at the first start (default `/var/lib/portreeve/authority`).
    pub directory: PathBuf,
    /// The operator's own authority instead: a PEM file with its certificate, and behind it those up to the one that
    /// clients trust, which itself may be left out.
    pub certificate_file: Option<PathBuf>,
    /// The private key of `certificate_file`'s first certificate: a PEM file (PKCS #8) that nobody but root can read.
    pub key_file: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Config { directory: "/var/lib/portreeve/authority".into(), certificate_file: None, key_file: None }
    }
}
