//! The central store: its address, and how to speak TLS to it.

use std::net::IpAddr;

use session::authentication::{Method, Rules};

use crate::proxy::{Tls, TlsConfig, TlsError};
use crate::store::{self, Endpoint};

/// The `store` section.
pub type Config = store::Config<TlsConfig>;

/// What the store may ask for at a login: the password itself only where nobody but it can hear it.
pub fn rules(config: &TlsConfig, endpoint: &Endpoint) -> Rules {
    let all = [Method::None, Method::ScramSha256, Method::Md5, Method::Password];
    let alone = config.is_verified() || matches!(endpoint, Endpoint::Unix(_));
    Rules { methods: alone.then(|| all.to_vec()), ..Rules::default() }
}

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
