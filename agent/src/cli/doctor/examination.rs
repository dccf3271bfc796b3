//! All looks and judgements, one after the other.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use policy::Policy;

use super::bypasses::{self, Bypasses, accounts, processes};
use super::configuration::{self, Configured};
use super::daemon::{Daemon, OnDisk};
use super::finding::Finding;
use super::layers::Layers;
use super::stage::Stage;
use super::{
    authority, cgroup, clock, daemon, disk, files, kernel, layers, namespaces, pins, resources, stage, store,
    systemd,
};
use crate::config::{Config, Read};
use crate::intercept::inspect::{self, Kernel, Namespaces, Pins, Seen};
use crate::{approvals, intercept, recorder};

/// What a running daemon has not done yet it has done after one of these: it looks for new network namespaces every
/// two seconds.
const LOOKS: u32 = 4;
const BETWEEN: Duration = Duration::from_secs(1);

/// Looks at everything.
pub(super) async fn examine(path: &Path, before_start: bool) -> Vec<Finding> {
    let missing = stage::missing();
    let read = Config::read(path);
    let config = read.as_ref().ok().map(|Read { config, .. }| config);
    let digest = read.as_ref().ok().map(|Read { digest, .. }| digest.to_string());
    // Where there is no configuration it is looked where there would be without one.
    let defaults = intercept::Config::default();
    let intercept = config.map_or(&defaults, |config| &config.intercept);
    let socket =
        config.map_or_else(|| approvals::Config::default().socket, |config| config.approvals.socket.clone());

    let answer = daemon::ask(&socket);
    let kernel = inspect::kernel();
    let cgroups = inspect::cgroups(intercept.cgroup.as_deref());
    let first = inspect::pins(intercept);
    let daemon = Daemon { answer, holder: first.holder };
    let stage = Stage { before_start, daemon: daemon.runs(), restricted: !missing.is_empty() };
    let service = systemd::service(daemon.holder);
    let (pins, namespaces) = settled(intercept, &kernel, &daemon, first).await;
    let policies = config.map(configuration::policies);
    let policy = policies.as_ref().and_then(|policies| policies.as_ref().ok());

    let mut findings = vec![stage::privileges(&missing)];
    let on_disk = OnDisk { configuration: digest, policy: policy.map(|policy| hex::encode(policy.digest())) };
    findings.extend(daemon::judge(&daemon, &on_disk, &stage));
    findings.extend(kernel::judge(&kernel, &stage));
    findings.extend(cgroup::judge(&cgroups, &stage));
    findings.extend(pins::judge(&pins, &kernel, &stage));
    findings.extend(namespaces::judge(&namespaces, &stage));
    let layers = Layers {
        config: intercept,
        kernel: &kernel,
        pins: &pins,
        namespaces: &namespaces,
        status: daemon.status(),
        service: service.as_ref(),
    };
    findings.extend(layers::judge(&layers, &stage));
    findings.extend(ways_around(policy, &namespaces, &stage));
    findings.push(configuration::file(path, &read, &stage));
    if let (Some(config), Some(policies)) = (config, &policies) {
        let configured = Configured::look(config, policies, service.as_ref()).await;
        findings.extend(configuration::judge(&configured, &stage));
        findings.push(authority::judge(&authority::look(&config.authority)));
        findings.extend(servers(config, policy, &daemon, &stage).await);
    }
    let evidence = config.map_or_else(recorder::Config::default, |config| config.evidence.clone());
    findings.extend(clock::judge(&clock::look(&evidence.directory), &stage));
    let shipped = config.is_some_and(|config| config.store.is_some());
    findings.extend(disk::judge(&disk::look(&evidence, shipped), &stage));
    findings.extend(files::judge(&files::look(path, config), &stage));
    findings.sort_by_key(|finding| finding.area);
    findings
}

/// What is pinned and which network namespaces there are, once a running daemon has had the time to see what is new.
async fn settled(
    config: &intercept::Config,
    kernel: &Kernel,
    daemon: &Daemon,
    first: Pins,
) -> (Pins, Seen<Namespaces>) {
    let (mut pins, mut namespaces) = (first, inspect::namespaces(config));
    for _ in 0..LOOKS {
        let status = daemon.status();
        let layers = Layers { config, kernel, pins: &pins, namespaces: &namespaces, status, service: None };
        if !daemon.runs() || !layers.is_behind() {
            break;
        }
        tokio::time::sleep(BETWEEN).await;
        // In this order: an interface that is new by the second look has not been guarded by the first.
        namespaces = inspect::namespaces(config);
        pins = inspect::pins(config);
    }
    (pins, namespaces)
}

fn ways_around(policy: Option<&Policy>, namespaces: &Seen<Namespaces>, stage: &Stage) -> Vec<Finding> {
    let rules = policy.map(Policy::rules).unwrap_or_default();
    let policy_users: BTreeSet<String> =
        rules.iter().flat_map(|rule| rule.users()).map(str::to_owned).collect();
    let accounts = accounts::look();
    let bypasses = Bypasses {
        accounts: &accounts,
        policy_users,
        processes: processes::look(),
        namespaces,
        packet_sockets: inspect::packet_sockets(),
        unix_sockets: bypasses::unix_sockets(),
        unprivileged_bpf_disabled: bypasses::unprivileged_bpf_disabled(),
    };
    bypasses::judge(&bypasses, stage)
}

async fn servers(config: &Config, policy: Option<&Policy>, daemon: &Daemon, stage: &Stage) -> Vec<Finding> {
    let way = inspect::way(&config.intercept);
    let mut findings = resources::judge(&resources::look(config, policy, &way).await, stage);
    let tried = match &config.store {
        Some(store) => Some(store::look(store, &way).await),
        None => None,
    };
    let status = daemon.status().map(|status| &status["store"]);
    findings.extend(store::judge(tried.as_ref(), status, stage));
    findings
}
