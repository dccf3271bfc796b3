//! The protected servers: where they are, from the policy and the configuration, and how to log in to them.

use std::collections::BTreeMap;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Mutex;

use policy::{Address, Host, Policy};
use serde::Deserialize;

use crate::credentials::{self as source, Credentials};
use crate::intercept::{Destination, Network, NetworkError};
use crate::proxy::{Resource, Resources, Tls, TlsConfig, TlsError};

/// One resource, as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where it is reached, beside what the policy's documents say.
    #[serde(default)]
    pub addresses: Vec<Address>,
    /// How to speak to it.
    #[serde(default)]
    pub tls: TlsConfig,
    /// How to log in to it.
    pub credentials: source::Config,
}

/// Why the resources cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The policy names it, the configuration does not.
    #[error(
        "the policy describes resource \"{name}\", and `resources` of the configuration does not: it has no \
         credentials; add `{name}: {{credentials: …}}` there"
    )]
    NotConfigured {
        /// Its name.
        name: String,
    },
    /// Nobody says where it is.
    #[error(
        "resource \"{name}\" has no address; give it `addresses`, in the configuration or in a policy document"
    )]
    NoAddress {
        /// Its name.
        name: String,
    },
    /// A host name that stands for nothing.
    #[error("resource \"{name}\": {host} cannot be resolved: {source}")]
    Unresolved {
        /// The resource.
        name: String,
        /// The host.
        host: String,
        /// What the resolver said.
        source: std::io::Error,
    },
    /// A network that is none.
    #[error("resource \"{name}\": {source}")]
    Network {
        /// The resource.
        name: String,
        /// What is wrong with it.
        source: NetworkError,
    },
    /// TLS cannot be set up.
    #[error("resource \"{name}\": {source}")]
    Tls {
        /// The resource.
        name: String,
        /// What is wrong.
        source: TlsError,
    },
}

/// All resources, ready to be served. Host names are resolved here.
///
/// # Errors
///
/// The first resource that cannot be served, and why.
pub fn resolve(configs: &BTreeMap<String, Config>, policy: &Policy) -> Result<Resources, Error> {
    if let Some(unknown) = policy.resources().iter().find(|r| !configs.contains_key(&r.name)) {
        return Err(Error::NotConfigured { name: unknown.name.clone() });
    }
    let mut resources = Vec::new();
    for (name, config) in configs {
        let described = policy.resources().iter().filter(|r| r.name == *name).flat_map(|r| &r.addresses);
        let mut destinations = Vec::new();
        for address in config.addresses.iter().chain(described) {
            destinations.extend(
                networks(name, address)?
                    .into_iter()
                    .map(|network| Destination { network, port: address.port }),
            );
        }
        if destinations.is_empty() {
            return Err(Error::NoAddress { name: name.clone() });
        }
        destinations.sort_unstable();
        destinations.dedup();
        let tls = Tls::new(&config.tls).map_err(|source| Error::Tls { name: name.clone(), source })?;
        resources.push(Resource { name: name.clone(), destinations, tls, last: Mutex::default() });
    }
    Ok(Resources::new(resources))
}

fn networks(name: &str, address: &Address) -> Result<Vec<Network>, Error> {
    let network = |ip: IpAddr, bits| {
        Network::new(ip, bits).map_err(|source| Error::Network { name: name.to_owned(), source })
    };
    let whole = |ip: IpAddr| network(ip, if ip.is_ipv4() { 32 } else { 128 });
    match &address.host {
        Host::Ip(ip) => Ok(vec![whole(*ip)?]),
        Host::Net(ip, bits) => Ok(vec![network(*ip, *bits)?]),
        Host::Name(host) => {
            let unresolved = |source| Error::Unresolved { name: name.to_owned(), host: host.clone(), source };
            let found = (host.as_str(), address.port).to_socket_addrs().map_err(unresolved)?;
            found.map(|address| whole(address.ip())).collect()
        }
    }
}

/// The credential sources of all resources.
///
/// # Errors
///
/// A systemd credential is named, and systemd gave none.
pub fn credentials(configs: &BTreeMap<String, Config>) -> Result<Credentials, source::Error> {
    Credentials::new(configs.iter().map(|(name, config)| (name.as_str(), &config.credentials)))
}
