//! The protected servers: where they are, from the policy and the configuration, and how to log in to them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use policy::{Address, Host, Policy};
use serde::Deserialize;
use session::authentication::Rules;

use crate::credentials::{self as source, Credentials};
use crate::intercept::{Destination, Network, NetworkError};
use crate::proxy::authentication;
use crate::proxy::{Resource, Resources, Tls, TlsConfig, TlsError};

/// One resource, as far as it fits together.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Written")]
pub struct Config {
    /// Where it is reached, beside what the policy's documents say.
    pub addresses: Vec<Address>,
    /// How to speak to it.
    pub tls: TlsConfig,
    /// How to log in to it.
    pub credentials: source::Config,
    /// What it may ask for at a login.
    pub rules: Rules,
}

/// One resource, as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    addresses: Vec<Address>,
    #[serde(default)]
    tls: TlsConfig,
    credentials: source::Config,
    #[serde(default)]
    authentication: Option<Vec<authentication::Method>>,
    #[serde(default)]
    channel_binding: authentication::ChannelBinding,
}

impl TryFrom<Written> for Config {
    type Error = authentication::Mistake;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let Written { addresses, tls, credentials, authentication, channel_binding } = written;
        let rules = authentication::rules(authentication.as_deref(), channel_binding, &tls)?;
        Ok(Config { addresses, tls, credentials, rules })
    }
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

/// All resources, as they are described in the policy and here. What their host names stand for is not known yet.
///
/// # Errors
///
/// The first resource that cannot be served, and why.
pub fn describe(configs: &BTreeMap<String, Config>, policy: &Policy) -> Result<Resources, Error> {
    if let Some(unknown) = policy.resources().iter().find(|r| !configs.contains_key(&r.name)) {
        return Err(Error::NotConfigured { name: unknown.name.clone() });
    }
    let mut resources = Vec::new();
    for (name, config) in configs {
        let described = policy.resources().iter().filter(|r| r.name == *name).flat_map(|r| &r.addresses);
        let (mut written, mut names) = (Vec::new(), Vec::new());
        for Address { host, port } in config.addresses.iter().chain(described) {
            let network = match host {
                Host::Name(host) => {
                    names.push((host.clone(), *port));
                    continue;
                }
                Host::Ip(ip) => Network::from(*ip),
                Host::Net(ip, bits) => network(name, *ip, *bits)?,
            };
            written.push(Destination { network, port: *port });
        }
        if written.is_empty() && names.is_empty() {
            return Err(Error::NoAddress { name: name.clone() });
        }
        written.sort_unstable();
        written.dedup();
        names.sort_unstable();
        names.dedup();
        let tls = Tls::new(&config.tls).map_err(|source| Error::Tls { name: name.clone(), source })?;
        resources.push(Resource::new(name.clone(), written, names, tls, config.rules.clone()));
    }
    Ok(Resources::new(resources))
}

fn network(name: &str, ip: IpAddr, bits: u8) -> Result<Network, Error> {
    Network::new(ip, bits).map_err(|source| Error::Network { name: name.to_owned(), source })
}

/// The credential sources of all resources.
///
/// # Errors
///
/// A systemd credential is named, and systemd gave none.
pub fn credentials(configs: &BTreeMap<String, Config>) -> Result<Credentials, source::Error> {
    Credentials::new(configs.iter().map(|(name, config)| (name.as_str(), &config.credentials)))
}
