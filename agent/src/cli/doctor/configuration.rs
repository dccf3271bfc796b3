//! What is configured: whether it is understood, and whether it contradicts itself.

mod credentials;
mod limits;
mod resources;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use policy::Policy;

pub(super) use self::resources::{addresses, told};

use super::finding::{Area, Finding, counted};
use super::stage::Stage;
use super::systemd::Service;
use crate::config::{self, Config, PoliciesError, read_policies};
use crate::intercept::inspect::{Seen, Unseen};
use crate::proxy::Tls;

/// A configuration with what it leads to.
#[derive(Debug)]
pub(super) struct Configured<'a> {
    pub(super) config: &'a Config,
    pub(super) policies: &'a Result<Policy, PoliciesError>,
    /// Whether each resource's credentials can be had, by the name of the resource.
    pub(super) credentials: BTreeMap<String, credentials::Had>,
    /// Whether the store's password can be had, where there is one.
    pub(super) store_password: Option<Seen<()>>,
    /// Why no token of an issuer is taken, by the issuer.
    pub(super) token_keys: Vec<(String, Unseen)>,
    /// Why TLS cannot be set up for a resource, by the name of the resource.
    pub(super) tls: BTreeMap<String, String>,
    /// The members of the reviewers' group, where one is configured; none within if there is no such group.
    pub(super) reviewers: Option<Option<Vec<String>>>,
    /// The daemon's unit, where systemd has one.
    pub(super) service: Option<Service>,
}

impl<'a> Configured<'a> {
    /// Follows what a configuration names.
    pub(super) async fn look(
        config: &'a Config,
        policies: &'a Result<Policy, PoliciesError>,
        service: Option<&Service>,
    ) -> Self {
        let store = config.store.as_ref();
        let tls = config
            .resources
            .iter()
            .filter_map(|(name, resource)| Some((name.clone(), Tls::new(&resource.tls).err()?.to_string())));
        let group = fs::read_to_string("/etc/group").unwrap_or_default();
        Configured {
            config,
            policies,
            credentials: credentials::look(config).await,
            store_password: store.and_then(|store| store.password_file.as_deref()).map(credentials::password),
            token_keys: credentials::token_keys(&config.identity),
            tls: tls.collect(),
            reviewers: config.approvals.reviewers_group.as_deref().map(|name| limits::members(&group, name)),
            service: service.cloned(),
        }
    }
}

/// The policy documents of a configuration.
pub(super) fn policies(config: &Config) -> Result<Policy, PoliciesError> {
    read_policies(&config.base_policies, &config.policies).map(|(policy, _)| policy)
}

/// Whether there is a configuration.
pub(super) fn file(path: &Path, read: &Result<config::Read, config::Error>, stage: &Stage) -> Finding {
    const CHECK: &str = "file";
    match read {
        Ok(_) => Finding::ok(Area::Configuration, CHECK, format!("{} is understood", path.display())),
        Err(error @ config::Error::Written { .. }) => {
            Finding::failure(Area::Configuration, CHECK, "the configuration is not understood")
                .why(error.to_string())
        }
        Err(error @ config::Error::Read { path, .. }) => {
            let unseen = Unseen::of(error);
            if unseen.denied && stage.restricted {
                return stage.unseen(Area::Configuration, CHECK, &path.display().to_string(), &unseen);
            }
            Finding::failure(Area::Configuration, CHECK, "there is no configuration")
                .why(unseen.why)
                .cure("name it with --config, or begin with agent/dist/portreeve.yaml")
        }
    }
}

/// What a configuration that is understood comes to.
pub(super) fn judge(configured: &Configured<'_>, stage: &Stage) -> Vec<Finding> {
    let config = configured.config;
    let mut findings = Vec::new();
    match configured.policies {
        Ok(policy) => {
            findings.push(rules(config, policy));
            findings.extend(remarks(config, policy));
            findings.extend(claims(config, policy));
            findings.extend(resources::judge(config, policy));
        }
        Err(error) => {
            let told = Unseen::of(error);
            findings.push(match told.denied && stage.restricted {
                true => stage.unseen(Area::Configuration, "policies", "the policies", &told),
                false => Finding::failure(Area::Configuration, "policies", "the policies are not understood")
                    .why(told.why),
            });
        }
    }
    findings.extend(credentials::judge(configured, stage));
    findings.extend(limits::judge(configured));
    findings
}

fn rules(config: &Config, policy: &Policy) -> Finding {
    const CHECK: &str = "policies";
    let count = policy.rules().len();
    if count == 0 {
        let what = "the policies have no rule: nobody may do anything";
        return Finding::warning(Area::Configuration, CHECK, what)
            .cure(format!("write some in {}", paths(config)));
    }
    Finding::ok(
        Area::Configuration,
        CHECK,
        format!("the policies are understood: {}", counted(count, "rule")),
    )
}

/// Whoever shows no token that is taken has no claims that are known.
fn claims(config: &Config, policy: &Policy) -> Option<Finding> {
    let rule = policy.asking_for_claims().filter(|_| config.identity.tokens.is_empty())?;
    let what = "rules ask for claims, and no job can show any: `identity.tokens` names no issuer";
    let why = format!("rule \"{}\" at {}", rule.name(), rule.place());
    Some(Finding::warning(Area::Configuration, "tokens", what).why(why))
}

fn remarks(config: &Config, policy: &Policy) -> Option<Finding> {
    let remarks = policy.remarks();
    let first = remarks.first()?;
    let what = format!("rules are most likely not meant as they are written: {}", remarks.len());
    let cure = format!("portreeve policy check {}", paths(config));
    Some(Finding::note(Area::Configuration, "remarks", what).why(first.to_string()).cure(cure))
}

fn paths(config: &Config) -> String {
    let base = config.base_policies.iter().map(|path| format!("--base {}", path.display()));
    let policies = config.policies.iter().map(|path| path.display().to_string());
    base.chain(policies).collect::<Vec<_>>().join(" ")
}
