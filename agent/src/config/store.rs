//! The central store: its address, and how to speak TLS to it.

use std::net::IpAddr;

use crate::proxy::{Tls, TlsConfig, TlsError};
use crate::store::{self, Endpoint};

/// The `store` section.
pub type Config = store::Config<TlsConfig>;

/// TLS for the store. Unless told otherwise the certificate must be for the host's name as it is written.
///
/// # Errors
///
/// The certificate authorities cannot be read.
pub fn tls(config: &TlsConfig, endpoint: &Endpoint) -> Result<Tls, TlsError> {
    match (config, endpoint) {
        (TlsConfig::VerifyFull { ca_file, server_name: None }, Endpoint::Tcp(host, _))
            if host.parse::<IpAddr>().is_err() =>
        {
            let (ca_file, server_name) = (ca_file.clone(), Some(host.clone()));
            Tls::new(&TlsConfig::VerifyFull { ca_file, server_name })
        }
        _ => Tls::new(config),
    }
}
