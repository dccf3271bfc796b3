//! Whether what the daemon logs in with can be had. What it is never leaves this module.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::finding::{Area, Finding};
use super::super::stage::Stage;
use super::Configured;
use crate::config::Config;
use crate::credentials::{self, Credentials};
use crate::identity;
use crate::intercept::inspect::{Seen, Unseen};
use crate::secret::Secret;

/// Whether a resource's credentials can be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Had {
    /// They can, by the daemon as well.
    Yes,
    /// The daemon alone has them, from there.
    ByTheDaemon(&'static str),
    /// They cannot.
    No(Unseen),
}

/// Tries to have them, as a login would.
pub(super) async fn look(config: &Config) -> BTreeMap<String, Had> {
    let mut found = BTreeMap::new();
    for (name, resource) in &config.resources {
        let had = match &resource.credentials {
            credentials::Config::File(_) => lease(name, &resource.credentials).await,
            credentials::Config::Systemd(_) => Had::ByTheDaemon("systemd gives them to its unit"),
            credentials::Config::Environment(_) => {
                Had::ByTheDaemon("a variable of its environment has the password")
            }
        };
        found.insert(name.clone(), had);
    }
    found
}

async fn lease(name: &str, config: &credentials::Config) -> Had {
    let credentials = match Credentials::new([(name, config)]) {
        Ok(credentials) => credentials,
        Err(error) => return Had::No(Unseen::of(&error)),
    };
    match credentials.lease(name, "postgres").await {
        Ok(_) => Had::Yes,
        Err(error) => Had::No(Unseen::of(&error)),
    }
}

/// Whether a file with a password can be read, as a login would.
pub(super) fn password(path: &Path) -> Seen<()> {
    Secret::read(path).map(drop).map_err(|error| Unseen::of(&error))
}

/// Whose tokens cannot be verified, and why.
pub(super) fn token_keys(config: &identity::Config) -> Vec<(String, Unseen)> {
    let keys = |token: &identity::TokenConfig| {
        token.keys().err().map(|error| (token.issuer.clone(), Unseen::of(&error)))
    };
    config.tokens.iter().filter_map(keys).collect()
}

/// What that comes to.
pub(super) fn judge(configured: &Configured<'_>, stage: &Stage) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, had) in &configured.credentials {
        let what = format!("credentials of resource \"{name}\"");
        findings.push(match had {
            Had::Yes => Finding::ok(Area::Configuration, "credentials", format!("the {what} can be had")),
            Had::ByTheDaemon(from) => Finding::note(
                Area::Configuration,
                "credentials",
                format!("the {what} cannot be seen from here"),
            )
            .why(*from),
            Had::No(unseen) if unseen.denied && stage.restricted => {
                stage.unseen(Area::Configuration, "credentials", &format!("the {what}"), unseen)
            }
            Had::No(unseen) => Finding::failure(
                Area::Configuration,
                "credentials",
                format!("there are no {what}: it cannot be served"),
            )
            .why(&unseen.why),
        });
    }
    for (name, why) in &configured.tls {
        let what = format!("TLS to resource \"{name}\" cannot be set up, and the daemon does not start");
        findings.push(Finding::failure(Area::Configuration, "tls", what).why(why));
    }
    if let Some(Err(unseen)) = &configured.store_password {
        findings.push(match unseen.denied && stage.restricted {
            true => stage.unseen(Area::Configuration, "store-password", "the store's password", unseen),
            false => {
                Finding::warning(Area::Configuration, "store-password", "the store's password cannot be had")
                    .why(&unseen.why)
            }
        });
    }
    for (issuer, unseen) in &configured.token_keys {
        findings.push(match unseen.denied && stage.restricted {
            true => stage.unseen(Area::Configuration, "tokens", &format!("the keys of {issuer}"), unseen),
            false => {
                let what = format!("no token of {issuer} is taken: there are no keys to verify it by");
                Finding::warning(Area::Configuration, "tokens", what).why(&unseen.why)
            }
        });
    }
    findings
}
