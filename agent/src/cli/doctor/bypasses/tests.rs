use super::super::finding::Level;
use super::*;
use crate::intercept::inspect::{Namespace, Unseen};

fn namespaces(interfaces: &[(&str, &str)]) -> Seen<Namespaces> {
    let interface = |(name, kind): &(&str, &str)| Interface {
        name: (*name).to_owned(),
        index: 3,
        kind: (*kind).to_owned(),
        entrance: false,
    };
    let namespace = |home: bool, interfaces: &[(&str, &str)]| Namespace {
        known_by: "process 7 (job)".to_owned(),
        home,
        listening: true,
        interfaces: Ok(interfaces.iter().map(interface).collect()),
    };
    let (first, rest) = interfaces.split_at(interfaces.len().min(1));
    Ok(Namespaces {
        list: true,
        entered: vec![namespace(true, first), namespace(false, rest)],
        unentered: vec![],
    })
}

#[track_caller]
fn check(bypasses: &Bypasses<'_>, expect: &[(&str, Level, &str)]) {
    let findings = judge(bypasses, &Stage { restricted: true, ..Stage::default() });
    // Open everywhere.
    let always = ["host-root", "out-of-sight"];
    let bad = findings.iter().filter(|finding| finding.level > Level::Ok && !always.contains(&finding.check));
    let bad: Vec<_> = bad.collect();
    assert_eq!(bad.len(), expect.len(), "{bad:?}");
    for (finding, (check, level, what)) in bad.iter().zip(expect) {
        assert_eq!((finding.check, finding.level), (*check, *level), "{finding:?}");
        assert!(finding.what.contains(what), "{finding:?}");
    }
    assert!(always.iter().all(|check| findings.iter().any(|finding| finding.check == *check)));
}

fn bypasses<'a>(accounts: &'a Accounts, namespaces: &'a Seen<Namespaces>) -> Bypasses<'a> {
    Bypasses {
        accounts,
        policy_users: BTreeSet::new(),
        processes: Ok(vec![]),
        namespaces,
        packet_sockets: Ok(vec![]),
        unix_sockets: vec![],
        unprivileged_bpf_disabled: Some(2),
    }
}

#[test]
fn a_plain_machine_has_what_every_machine_has() {
    check(&bypasses(&Accounts::default(), &namespaces(&[])), &[]);
}

#[test]
fn interfaces_that_nobody_can_guard_are_named_with_their_namespace() {
    let found = namespaces(&[("wan", "macvlan"), ("eth0", "ipvlan"), ("br", "bridge")]);
    let expect =
        [("uncovered-interfaces", Level::Warning, "wan (macvlan), eth0 (ipvlan) of process 7 (job)")];
    check(&bypasses(&Accounts::default(), &found), &expect);
}

#[test]
fn tunnels_are_named_but_for_those_that_come_with_a_module() {
    let found = namespaces(&[("sit0", "sit"), ("wg0", "wireguard"), ("tunl0", "ipip")]);
    check(
        &bypasses(&Accounts::default(), &found),
        &[("tunnels", Level::Note, "there are tunnels: wg0 (wireguard) of")],
    );
}

#[test]
fn packet_sockets_are_named_by_their_owners() {
    let (accounts, found) = (Accounts::default(), namespaces(&[]));
    let socket = |owners: &[(&str, u32)]| PacketSocket {
        uid: 107,
        owners: owners.iter().map(|(comm, pid)| ((*comm).to_owned(), *pid)).collect(),
    };
    let packet_sockets = Ok(vec![socket(&[("dhclient", 7)]), socket(&[("dhclient", 7)]), socket(&[])]);
    let with = Bypasses { packet_sockets, ..bypasses(&accounts, &found) };
    check(&with, &[("packet-sockets", Level::Note, "here: dhclient (7), somebody of uid 107")]);
    let unseen = Unseen { denied: true, why: "no".to_owned() };
    let with = Bypasses { packet_sockets: Err(unseen), ..bypasses(&accounts, &found) };
    check(&with, &[("packet-sockets", Level::Note, "could not be looked at")]);
}

#[test]
fn programs_for_every_user_should_be_looked_at() {
    let (accounts, found) = (Accounts::default(), namespaces(&[]));
    for (disabled, expect) in
        [(Some(0), &[("unprivileged-bpf", Level::Warning, "every user")][..]), (Some(1), &[]), (None, &[])]
    {
        check(&Bypasses { unprivileged_bpf_disabled: disabled, ..bypasses(&accounts, &found) }, expect);
    }
}

#[test]
fn unix_sockets_of_servers_are_named() {
    let table = "Num       RefCount Protocol Flags    Type St Inode Path\n\
                 0000: 00000002 00000000 00010000 0001 01 11 /run/postgresql/.s.PGSQL.5432\n\
                 0000: 00000003 00000000 00000000 0001 03 12 /run/postgresql/.s.PGSQL.5432\n\
                 0000: 00000002 00000000 00010000 0001 01 13 /run/other\n\
                 0000: 00000002 00000000 00010000 0001 01 14\n";
    let unix_sockets = listed(table);
    assert_eq!(unix_sockets, ["/run/postgresql/.s.PGSQL.5432"]);
    let (accounts, found) = (Accounts::default(), namespaces(&[]));
    let with = Bypasses { unix_sockets, ..bypasses(&accounts, &found) };
    check(&with, &[("unix-sockets", Level::Note, "/run/postgresql/.s.PGSQL.5432")]);
}
