//! Resources that contradict one another, or that nobody speaks of.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use policy::{Address, Host, Policy};

use super::super::finding::{Area, Finding, counted, short_list};
use crate::config::Config;
use crate::intercept::Network;
use crate::proxy::tls::Mode;

/// Where each resource is, by its name: as the configuration and the policy say it.
pub(in super::super) fn addresses(config: &Config, policy: Option<&Policy>) -> Vec<(String, Address)> {
    let mut found = Vec::new();
    for (name, resource) in &config.resources {
        let described =
            policy.into_iter().flat_map(Policy::resources).filter(|described| described.name == *name);
        let all = resource.addresses.iter().chain(described.flat_map(|described| &described.addresses));
        found.extend(all.map(|address| (name.clone(), address.clone())));
    }
    found
}

/// What the resources come to, beside how they answer.
pub(super) fn judge(config: &Config, policy: &Policy) -> Vec<Finding> {
    let addresses = addresses(config, Some(policy));
    let mut findings = names(config, policy, &addresses);
    findings.extend(own_port(config, &addresses));
    let (same, overlapping) = meetings(&addresses);
    if !same.is_empty() {
        let what = format!("two resources have the same address: {}", short_list(same));
        let finding = Finding::warning(Area::Configuration, "same-address", what);
        findings.push(
            finding.why("one of them serves it, the other one never").cure("take it away from one of them"),
        );
    }
    if !overlapping.is_empty() {
        let what = format!("resources overlap: {}", short_list(overlapping));
        findings.push(
            Finding::note(Area::Configuration, "overlap", what).why("one of them serves what both have"),
        );
    }
    if findings.is_empty() {
        let what = format!("{}, none in the way of another", counted(config.resources.len(), "resource"));
        findings.push(Finding::ok(Area::Configuration, "resources", what));
    }
    findings.extend(clear_text(config, &addresses));
    findings
}

/// Resources whose statements and rows others can read on their way, which begins in the job's own network namespace.
fn clear_text(config: &Config, addresses: &[(String, Address)]) -> Vec<Finding> {
    const WHY: &str = "whoever has CAP_NET_RAW in a job's network namespace, as a container's root often has, can read \
                       what goes over it, before it is masked";
    let leaves = |name: &str| addresses.iter().any(|(of, at)| of == name && !stays(&at.host));
    let finding = |(name, mode): (&String, &Mode)| {
        let how = match mode {
            Mode::Disable => "is spoken to in clear text",
            Mode::Allow => {
                "is spoken to in clear text where its server, or somebody in its place, takes that"
            }
            Mode::Prefer => {
                "is spoken to in clear text where its server, or somebody in its place, says that it has no TLS"
            }
            Mode::Require | Mode::VerifyCa(_) | Mode::VerifyFull(_) => return None,
        };
        let finding = Finding::note(Area::Configuration, "clear-text", format!("resource \"{name}\" {how}"));
        Some(
            finding
                .why(WHY)
                .cure("give it `tls`: {mode: verify-full, ca_file: …}, or {mode: require} at least"),
        )
    };
    let resources = config.resources.iter().filter(|(name, _)| leaves(name));
    resources.filter_map(|(name, resource)| finding((name, &resource.tls.mode))).collect()
}

/// Whether what goes there never leaves the machine.
fn stays(host: &Host) -> bool {
    match host {
        Host::Name(name) => name.eq_ignore_ascii_case("localhost"),
        // A network that begins within the loopback's cannot be wider than it.
        _ => network(host).is_some_and(|network| network.address().is_loopback()),
    }
}

/// Resources of which the policy or the configuration does not know enough.
fn names(config: &Config, policy: &Policy, addresses: &[(String, Address)]) -> Vec<Finding> {
    let area = Area::Configuration;
    let mut findings = Vec::new();
    if config.resources.is_empty() {
        let finding = Finding::failure(area, "resources", "no resource is configured: nothing is protected");
        findings.push(finding.cure("write some below `resources`"));
    }
    for described in
        policy.resources().iter().filter(|described| !config.resources.contains_key(&described.name))
    {
        let name = &described.name;
        let what = format!("the policy describes resource \"{name}\", and the configuration does not");
        let finding = Finding::failure(area, "resources", what)
            .why("it has no credentials, and the daemon does not start");
        findings.push(finding.cure(format!("add `{name}: {{credentials: …}}` below `resources`")));
    }
    for name in config.resources.keys() {
        if !addresses.iter().any(|(resource, _)| resource == name) {
            let what = format!("resource \"{name}\" has no address, and the daemon does not start");
            let finding = Finding::failure(area, "resources", what);
            findings.push(finding.cure("give it `addresses`, in the configuration or in a policy document"));
        }
        if !policy.rules().iter().any(|rule| rule.concerns(name)) {
            let what = format!("no rule is about resource \"{name}\": nobody may use it");
            let finding = Finding::warning(area, "resources", what);
            findings.push(finding.cure("write a rule for it, or take it out of the configuration"));
        }
    }
    let known: Vec<&str> = config.resources.keys().map(String::as_str).collect();
    for unknown in policy.unknown_resources(&known) {
        let what = format!("{}: {}", unknown.place, unknown.message);
        findings.push(Finding::warning(area, "resources", what).cure(unknown.cure));
    }
    findings
}

/// A resource that is where connections are led to would be led to itself.
fn own_port(config: &Config, addresses: &[(String, Address)]) -> Option<Finding> {
    let port = config.intercept.port;
    let is_loopback = |host: &Host| match host {
        Host::Ip(ip) => ip.to_canonical().is_loopback(),
        Host::Net(ip, bits) => Network::new(*ip, *bits).is_ok_and(|network| {
            network.contains(IpAddr::V4(Ipv4Addr::LOCALHOST))
                || network.contains(IpAddr::V6(Ipv6Addr::LOCALHOST))
        }),
        Host::Name(name) => name == "localhost",
    };
    let (name, _) = addresses.iter().find(|(_, at)| port != 0 && at.port == port && is_loopback(&at.host))?;
    let what = format!("resource \"{name}\" is where connections are led to: port {port} of the loopback");
    Some(
        Finding::failure(Area::Configuration, "own-port", what)
            .why("the daemon would be led to itself")
            .cure("choose another intercept.port"),
    )
}

/// Pairs of addresses of different resources: those that are the same, and those of which one has the other.
fn meetings(addresses: &[(String, Address)]) -> (Vec<String>, Vec<String>) {
    let (mut same, mut overlapping) = (Vec::new(), Vec::new());
    for (at, (one, first)) in addresses.iter().enumerate() {
        for (other, second) in addresses.iter().skip(at + 1) {
            if one == other || first.port != second.port {
                continue;
            }
            if equal(&first.host, &second.host) {
                same.push(format!("{one} and {other} at {}", told(first)));
            } else if has(&first.host, &second.host) || has(&second.host, &first.host) {
                overlapping.push(format!("{one} at {} and {other} at {}", told(first), told(second)));
            }
        }
    }
    (same, overlapping)
}

fn equal(one: &Host, other: &Host) -> bool {
    match (one, other) {
        (Host::Name(one), Host::Name(other)) => one.eq_ignore_ascii_case(other),
        _ => network(one).is_some() && network(one) == network(other),
    }
}

/// Whether the first holds the second.
fn has(one: &Host, other: &Host) -> bool {
    match (network(one), other) {
        (Some(network), Host::Ip(ip) | Host::Net(ip, _)) => {
            let bits = |host: &Host| match host {
                Host::Net(_, bits) => *bits,
                _ => u8::MAX,
            };
            network.contains(*ip) && bits(one) < bits(other)
        }
        _ => false,
    }
}

fn network(host: &Host) -> Option<Network> {
    match host {
        Host::Ip(ip) => Some(Network::from(*ip)),
        Host::Net(ip, bits) => Network::new(*ip, *bits).ok(),
        Host::Name(_) => None,
    }
}

/// An address as it is written.
pub(in super::super) fn told(address: &Address) -> String {
    let port = address.port;
    match &address.host {
        Host::Ip(IpAddr::V6(ip)) => format!("[{ip}]:{port}"),
        Host::Ip(ip) => format!("{ip}:{port}"),
        Host::Net(IpAddr::V6(ip), bits) => format!("[{ip}/{bits}]:{port}"),
        Host::Net(ip, bits) => format!("{ip}/{bits}:{port}"),
        Host::Name(name) => format!("{name}:{port}"),
    }
}
