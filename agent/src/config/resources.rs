//! The protected servers: where they are, from the policy and the configuration, and how to log in to them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use policy::{Address, Host, Policy};
use postgres_protocol::password::scram_sha_256;
use serde::Deserialize;
use session::Verifier;
use session::authentication::Rules;

use crate::credentials::{self as source, Credentials};
use crate::intercept::{Destination, Network, NetworkError};
use crate::proxy::authentication;
use crate::proxy::{Resource, Resources, Tls, TlsConfig, TlsError};
use crate::secret::Secret;

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
    /// A password that its clients have to know, in a file.
    pub client_password_file: Option<PathBuf>,
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
    /// A password that its clients have to know, in a file: they are asked for it by SCRAM-SHA-256, over TLS also with
    /// channel binding. The file holds the password, or what PostgreSQL keeps of one (`SCRAM-SHA-256$…`). Without it they
    /// are not asked: who they are, the kernel says.
    client_password_file: Option<PathBuf>,
}

impl TryFrom<Written> for Config {
    type Error = authentication::Mistake;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let Written { addresses, tls, credentials, authentication, channel_binding, client_password_file } =
            written;
        let rules = authentication::rules(authentication.as_deref(), channel_binding, &tls)?;
        Ok(Config { addresses, tls, credentials, rules, client_password_file })
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
    /// The clients' password cannot be had.
    #[error("resource \"{name}\": `client_password_file`: {what}")]
    ClientPassword {
        /// The resource.
        name: String,
        /// What is wrong.
        what: String,
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
        let mut resource = Resource::new(name.clone(), written, names, tls, config.rules.clone());
        if let Some(file) = &config.client_password_file {
            let wrong = |what: String| Error::ClientPassword { name: name.clone(), what };
            let secret = Secret::read(file).map_err(|error| wrong(error.to_string()))?;
            let none = || wrong(format!("there is no password in {}", file.display()));
            resource.clients = Some(Arc::new(verifier(&secret).ok_or_else(none)?));
        }
        resources.push(resource);
    }
    Ok(Resources::new(resources))
}

/// What proves a password, of the password or as it is written.
fn verifier(secret: &Secret) -> Option<Verifier> {
    let written = std::str::from_utf8(secret.expose()).ok().and_then(Verifier::parse);
    let of_password = || Verifier::parse(&scram_sha_256(secret.expose()));
    written.or_else(|| of_password().filter(|_| !secret.expose().is_empty()))
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_password_of_clients_is_read_as_it_is_or_as_postgresql_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("clients");
        let yaml = format!(
            "{{addresses: ['10.0.0.5'], credentials: {{file: /c}}, client_password_file: {}}}",
            file.display()
        );
        let config: Config = serde_saphyr::from_str(&yaml).unwrap();
        let configs = BTreeMap::from([("shop".to_owned(), config)]);
        let policy = Policy::parse(&[]).unwrap();
        let described = || describe(&configs, &policy);
        let error = || described().err().map(|error| error.to_string()).unwrap_or_default();
        let absent = error();
        assert!(
            absent.contains("\"shop\": `client_password_file`") && absent.contains("clients"),
            "{absent}"
        );

        let kept = scram_sha_256(b"correct horse");
        for (written, verifier) in [("correct horse\n", None), (&format!("{kept}\n"), Verifier::parse(&kept))]
        {
            fs::write(&file, written).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
            let clients = described().unwrap().named("shop").unwrap().clients.clone().unwrap();
            assert!(verifier.is_none_or(|verifier| verifier == *clients), "{written}");
        }
        fs::write(&file, "").unwrap();
        assert!(error().contains("there is no password in"), "{}", error());
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(error().contains("644"), "{}", error());
    }
}
