//! Which ways around the interception stay open on this machine, and for what reason.
//!
//! Some are open on every machine, and are notes; others somebody has opened here, and should be looked at.

pub(super) mod accounts;
pub(super) mod processes;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs;

use self::accounts::Accounts;
use self::processes::Process;
use super::finding::{Area, Finding, short_list};
use super::stage::Stage;
use crate::intercept::inspect::{Interface, Namespaces, PacketSocket, Seen};

/// What the ways around are judged by.
#[derive(Debug)]
pub(super) struct Bypasses<'a> {
    pub(super) accounts: &'a Accounts,
    /// The users that the policy's rules name.
    pub(super) policy_users: BTreeSet<String>,
    /// The processes with a capability that matters, in the machine's own user namespace.
    pub(super) processes: Seen<Vec<Process>>,
    pub(super) namespaces: &'a Seen<Namespaces>,
    pub(super) packet_sockets: Seen<Vec<PacketSocket>>,
    /// Unix sockets of PostgreSQL servers.
    pub(super) unix_sockets: Vec<String>,
    /// `kernel.unprivileged_bpf_disabled`; none where the kernel does not have it.
    pub(super) unprivileged_bpf_disabled: Option<u8>,
}

/// `kernel.unprivileged_bpf_disabled`.
pub(super) fn unprivileged_bpf_disabled() -> Option<u8> {
    fs::read_to_string("/proc/sys/kernel/unprivileged_bpf_disabled").ok()?.trim().parse().ok()
}

/// Where PostgreSQL servers of this network namespace listen on Unix sockets (unix(7)).
pub(super) fn unix_sockets() -> Vec<String> {
    let table = fs::read_to_string("/proc/self/net/unix").unwrap_or_default();
    listed(&table)
}

fn listed(table: &str) -> Vec<String> {
    /// `__SO_ACCEPTCON`: it listens.
    const LISTENS: &str = "00010000";
    let mut found = BTreeSet::new();
    for line in table.lines().skip(1) {
        let fields: Vec<_> = line.split_whitespace().collect();
        if let [_, _, _, LISTENS, _, _, _, path] = fields[..]
            && path.contains("/.s.PGSQL.")
        {
            found.insert(path.to_owned());
        }
    }
    found.into_iter().collect()
}

/// What the ways around come to.
pub(super) fn judge(bypasses: &Bypasses<'_>, stage: &Stage) -> Vec<Finding> {
    let mut findings = accounts::judge(bypasses.accounts, &bypasses.policy_users, stage);
    findings.extend(processes::judge(&bypasses.processes, stage));
    findings.push(packet_sockets(&bypasses.packet_sockets, stage));
    if let Ok(namespaces) = bypasses.namespaces
        && !namespaces.entered.is_empty()
    {
        findings.push(uncovered(namespaces));
        findings.extend(tunnels(namespaces));
    }
    findings.push(unprivileged_bpf(bypasses.unprivileged_bpf_disabled));
    findings.push(unix(&bypasses.unix_sockets));
    findings.push(out_of_sight());
    findings
}

fn packet_sockets(sockets: &Seen<Vec<PacketSocket>>, stage: &Stage) -> Finding {
    const CHECK: &str = "packet-sockets";
    let sockets = match sockets {
        Ok(sockets) => sockets,
        Err(unseen) => return stage.unseen(Area::Bypasses, CHECK, "packet sockets", unseen),
    };
    if sockets.is_empty() {
        return Finding::ok(
            Area::Bypasses,
            CHECK,
            "no process has a packet socket in this network namespace",
        );
    }
    let owners: BTreeSet<String> = sockets
        .iter()
        .flat_map(|socket| match socket.owners.as_slice() {
            [] => vec![format!("somebody of uid {}", socket.uid)],
            owners => owners.iter().map(|(comm, pid)| format!("{comm} ({pid})")).collect(),
        })
        .collect();
    Finding::note(Area::Bypasses, CHECK, format!("processes have packet sockets here: {}", short_list(owners)))
        .why("what is sent by one from this network namespace passes no program of a cgroup and, if it likes, no other")
}

/// Interfaces whose packets leave by another one and never come in by any that could be guarded.
fn uncovered(namespaces: &Namespaces) -> Finding {
    const CHECK: &str = "uncovered-interfaces";
    const KINDS: [&str; 5] = ["macvlan", "macvtap", "ipvlan", "ipvtap", "netkit"];
    let found = of_kinds(namespaces, &KINDS);
    if found.is_empty() {
        let what = "no network namespace has an interface that the guard of interfaces cannot stand on";
        return Finding::ok(Area::Bypasses, CHECK, what).why(format!("there is no {}", KINDS.join(", ")));
    }
    let what =
        format!("raw sockets behind these interfaces reach protected destinations: {}", short_list(found));
    Finding::warning(Area::Bypasses, CHECK, what)
        .why("their packets go out by another interface without coming in by one")
        .cure("connect containers and virtual machines by veth or tap, or give them no raw sockets (--cap-drop NET_RAW)")
}

fn tunnels(namespaces: &Namespaces) -> Option<Finding> {
    const KINDS: &str =
        "wireguard gre gretap ip6gre ip6gretap ipip ip6tnl sit vti vti6 xfrm vxlan geneve ovpn";
    // The kernel makes these with a module, and nobody uses them.
    const UNUSED: &str = "gre0 gretap0 ip6gre0 tunl0 ip6tnl0 sit0 ip_vti0 ip6_vti0";
    let kinds: Vec<&str> = KINDS.split(' ').collect();
    let used = |told: &String| !UNUSED.split(' ').any(|name| told.starts_with(&format!("{name} ")));
    let found: Vec<String> = of_kinds(namespaces, &kinds).into_iter().filter(used).collect();
    if found.is_empty() {
        return None;
    }
    let what = format!("there are tunnels: {}", short_list(found));
    let why = "a database that is reached at another address on their far side is protected under that address alone";
    Some(Finding::note(Area::Bypasses, "tunnels", what).why(why))
}

fn of_kinds(namespaces: &Namespaces, kinds: &[&str]) -> Vec<String> {
    let all = namespaces.entered.iter().flat_map(|namespace| {
        let interfaces = namespace.interfaces.as_deref().unwrap_or_default();
        interfaces.iter().map(move |interface| (namespace, interface))
    });
    let wanted = all.filter(|(_, interface)| kinds.contains(&interface.kind.as_str()));
    let told = wanted.map(|(namespace, Interface { name, kind, .. })| match namespace.home {
        true => format!("{name} ({kind})"),
        false => format!("{name} ({kind}) of {}", namespace.known_by),
    });
    told.collect()
}

fn unprivileged_bpf(disabled: Option<u8>) -> Finding {
    const CHECK: &str = "unprivileged-bpf";
    match disabled {
        Some(0) => Finding::warning(Area::Bypasses, CHECK, "every user may load programs into the kernel")
            .why("kernel.unprivileged_bpf_disabled is 0; a fault of its verifier would be a way to root")
            .cure("sysctl -w kernel.unprivileged_bpf_disabled=1"),
        Some(_) | None => Finding::ok(Area::Bypasses, CHECK, "programs in the kernel are not for every user"),
    }
}

fn unix(sockets: &[String]) -> Finding {
    const CHECK: &str = "unix-sockets";
    if sockets.is_empty() {
        return Finding::ok(Area::Bypasses, CHECK, "no PostgreSQL of this machine listens on a Unix socket");
    }
    let what = format!("PostgreSQL listens on Unix sockets here: {}", short_list(sockets.iter().cloned()));
    Finding::note(Area::Bypasses, CHECK, what)
        .why("connections that stay in the machine without TCP are out of scope: nobody takes them")
        .cure("let such a server's pg_hba.conf and the folder's mode say who may use it")
}

/// Open on every machine.
fn out_of_sight() -> Finding {
    Finding::note(Area::Bypasses, "out-of-sight", "what another protocol carries is not seen")
        .why(
            "SSH, HTTPS, a SOCKS proxy or a VPN of a process's own to a relay elsewhere reaches a database from there; \
             so does UDP, and a server that connects to the job",
        )
        .cure("let the databases take connections from this machine's addresses alone, with credentials that no job has")
}
