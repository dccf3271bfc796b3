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
/// What the section names cannot be read.
pub fn tls(config: &TlsConfig, endpoint: &Endpoint) -> Result<Tls, TlsError> {
    match endpoint {
        Endpoint::Tcp(host, _) if config.server_name.is_none() && host.parse::<IpAddr>().is_err() => {
            Tls::new(&TlsConfig { server_name: Some(host.clone()), ..config.clone() })
        }
        _ => Tls::new(config),
    }
}
