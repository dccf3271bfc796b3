use std::io;

use policy::Document;

use super::super::finding::Level;
use super::credentials::Had;
use super::*;

const POLICY: &str = "version: 1\nrules:\n  - {name: all, actions: [\"*\"], decision: allow}\n";

fn config(text: &str) -> Config {
    serde_saphyr::from_str(&format!("policies: [/p]\n{text}")).unwrap()
}

fn policy(text: &str) -> Result<Policy, PoliciesError> {
    Policy::parse(&[Document { name: "p.yaml", text }]).map_err(PoliciesError::Documents)
}

/// Exactly these are worse than well, of a configuration and a policy.
#[track_caller]
fn check(text: &str, document: &str, expect: &[(&str, Level, &str)]) {
    check_with(text, document, |_| {}, expect);
}

#[track_caller]
fn check_with(
    text: &str,
    document: &str,
    change: impl FnOnce(&mut Configured<'_>),
    expect: &[(&str, Level, &str)],
) {
    let (config, policies) = (config(text), policy(document));
    let mut configured = Configured {
        config: &config,
        policies: &policies,
        credentials: config.resources.keys().map(|name| (name.clone(), Had::Yes)).collect(),
        store_password: None,
        token_keys: Vec::new(),
        tls: BTreeMap::new(),
        reviewers: None,
        service: None,
    };
    change(&mut configured);
    let findings = judge(&configured, &Stage { restricted: true, ..Stage::default() });
    let bad: Vec<_> = findings.iter().filter(|finding| finding.level > Level::Ok).collect();
    assert_eq!(bad.len(), expect.len(), "{bad:?}");
    for (finding, (check, level, told)) in bad.iter().zip(expect) {
        assert_eq!((finding.check, finding.level), (*check, *level), "{finding:?}");
        let all = format!("{} {}", finding.what, finding.why.as_deref().unwrap_or_default());
        assert!(all.contains(told), "{told}: {finding:?}");
    }
}

fn resources(all: &[(&str, &str)]) -> String {
    let one = |(name, addresses): &(&str, &str)| {
        format!("  {name}: {{addresses: [{addresses}], tls: {{mode: require}}, credentials: {{file: /c}}}}\n")
    };
    format!("resources:\n{}", all.iter().map(one).collect::<String>())
}

fn unseen(denied: bool) -> Unseen {
    Unseen { denied, why: "it is so".to_owned() }
}

#[test]
fn what_fits_together_is_well() {
    check(&resources(&[("a", "'10.0.0.1:5432'"), ("b", "'10.0.0.1:5433', 'db.example'")]), POLICY, &[]);
}

#[test]
fn two_resources_at_one_address_are_found_however_it_is_written() {
    for (one, other) in [
        ("'10.0.0.1:5432'", "'10.0.0.1'"),
        ("'10.0.0.1'", "'10.0.0.1/32:5432'"),
        ("'10.0.0.1'", "'[::ffff:10.0.0.1]:5432'"),
        ("'db.example'", "'DB.example:5432'"),
    ] {
        let expect = [("same-address", Level::Warning, "a and b at")];
        check(&resources(&[("a", one), ("b", other)]), POLICY, &expect);
    }
}

#[test]
fn resources_that_overlap_are_told_and_those_that_do_not_are_not() {
    let overlap = [("overlap", Level::Note, "a at 10.0.0.0/24:5432 and b at 10.0.0.7:5432")];
    check(&resources(&[("a", "'10.0.0.0/24:5432'"), ("b", "'10.0.0.7:5432'")]), POLICY, &overlap);
    let networks = [("overlap", Level::Note, "a at 10.0.0.0/24:5432 and b at 10.0.0.0/16:5432")];
    check(&resources(&[("a", "'10.0.0.0/24:5432'"), ("b", "'10.0.0.0/16:5432'")]), POLICY, &networks);
    check(&resources(&[("a", "'10.0.0.0/24:5432'"), ("b", "'10.0.0.7:5433'")]), POLICY, &[]);
    check(&resources(&[("a", "'10.0.0.0/24:5432', '10.0.0.7:5432'")]), POLICY, &[]);
}

#[test]
fn a_resource_that_others_can_listen_to_is_told_unless_it_is_on_the_loopback() {
    let clear = [("clear-text", Level::Note, "\"a\" is spoken to in clear text whoever has CAP_NET_RAW")];
    let maybe = [("clear-text", Level::Note, "where its server, or somebody in its place")];
    for (tls, expect) in [
        ("{mode: disable}", &clear[..]),
        ("{mode: prefer}", &maybe),
        ("{mode: require}", &[]),
        ("{mode: verify-full, ca_file: system}", &[]),
    ] {
        for (addresses, leaves) in [
            ("'10.0.0.1'", true),
            ("'db.example'", true),
            ("'127.0.0.1', '10.0.0.1'", true),
            ("'126.0.0.0/7'", true),
            ("'127.0.0.1', '[::1]', 'localhost', '127.1.0.0/16', '[::ffff:127.0.0.1]'", false),
        ] {
            let one = format!("  a: {{addresses: [{addresses}], tls: {tls}, credentials: {{file: /c}}}}\n");
            check(&format!("resources:\n{one}"), POLICY, if leaves { expect } else { &[] });
        }
    }
}

#[test]
fn a_resource_where_connections_are_led_to_is_a_failure() {
    let expect = [("own-port", Level::Failure, "port 15001 of the loopback")];
    for address in ["'127.0.0.1:15001'", "'127.0.0.0/8:15001'", "'[::1]:15001'", "'localhost:15001'"] {
        check(&resources(&[("a", address)]), POLICY, &expect);
    }
    check(&resources(&[("a", "'10.0.0.1:15001', '127.0.0.1:5432'")]), POLICY, &[]);
    check(&format!("{}intercept: {{port: 0}}\n", resources(&[("a", "'127.0.0.1:15001'")])), POLICY, &[]);
}

#[test]
fn a_resource_that_one_side_does_not_know_is_told() {
    let both = "version: 1\nresources: [{name: b, addresses: ['10.0.0.2']}]\nrules:\n  \
                - {name: all, resources: [b], actions: ['*'], decision: allow}\n";
    check(
        &resources(&[("a", "'10.0.0.1'")]),
        both,
        &[
            ("resources", Level::Failure, "the policy describes resource \"b\""),
            ("resources", Level::Warning, "no rule is about resource \"a\""),
            ("resources", Level::Warning, "there is no resource `b`"),
        ],
    );
    check(&resources(&[("b", "")]), both, &[]);
    check(&resources(&[("a", "")]), POLICY, &[("resources", Level::Failure, "\"a\" has no address")]);
    check("resources: {}\n", POLICY, &[("resources", Level::Failure, "nothing is protected")]);
}

#[test]
fn policies_are_understood_or_told_with_their_place() {
    let some = resources(&[("a", "'10.0.0.1'")]);
    let wrong = "version: 1\nrules:\n  - {name: x, actions: [slect], decision: deny}\n";
    check(&some, wrong, &[("policies", Level::Failure, "p.yaml:3:")]);
    let rules =
        [("policies", Level::Warning, "nobody may do anything"), ("resources", Level::Warning, "no rule")];
    check(&some, "version: 1\nrules: []\n", &rules);
    let shadowed = format!("{POLICY}  - {{name: never, actions: [read], decision: allow}}\n");
    check(&some, &shadowed, &[("remarks", Level::Note, "\"never\" never decides")]);
    let claims = POLICY.replace("actions", "except: {claims: {ref: x}}, actions");
    check(&some, &claims, &[("tokens", Level::Warning, "names no issuer rule \"all\" at p.yaml:3:")]);
    let issuer = "identity: {tokens: [{issuer: a, audience: b, keys_file: /k}]}\n";
    check(&format!("{some}{issuer}"), &claims, &[]);
}

#[test]
fn credentials_that_cannot_be_had_are_a_failure_unless_they_are_only_hidden() {
    let some = resources(&[("a", "'10.0.0.1'")]);
    for (had, level, told) in [
        (Had::No(unseen(false)), Level::Failure, "it cannot be served it is so"),
        (Had::No(unseen(true)), Level::Note, "could not be looked at"),
        (Had::ByTheDaemon("systemd"), Level::Note, "cannot be seen from here"),
    ] {
        let change =
            |configured: &mut Configured<'_>| drop(configured.credentials.insert("a".to_owned(), had));
        check_with(&some, POLICY, change, &[("credentials", level, told)]);
    }
    let change = |configured: &mut Configured<'_>| {
        configured.tls.insert("a".to_owned(), "no certificate authority".to_owned());
        configured.store_password = Some(Err(unseen(false)));
        configured.token_keys.push(("https://ci".to_owned(), unseen(false)));
    };
    let expect = [
        ("tls", Level::Failure, "no certificate authority"),
        ("store-password", Level::Warning, "it is so"),
        ("tokens", Level::Warning, "no token of https://ci is taken"),
    ];
    check_with(&some, POLICY, change, &expect);
}

#[test]
fn a_file_of_credentials_is_tried_and_its_content_is_never_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.yaml");
    let config = config(&format!("resources: {{a: {{credentials: {{file: {}}}}}}}\n", path.display()));
    let look = || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(credentials::look(&config)).remove("a").unwrap()
    };
    assert!(matches!(look(), Had::No(Unseen { denied: false, .. })));
    std::fs::write(&path, "role: app\npassword: hunter2\n").unwrap();
    let mode = |mode| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(&path, mode).unwrap();
    };
    mode(0o640);
    let Had::No(unseen) = look() else { panic!("others may read it") };
    assert!(unseen.why.contains("chmod 600") && !unseen.why.contains("hunter2"), "{unseen:?}");
    mode(0o600);
    assert_eq!(look(), Had::Yes);
}

#[test]
fn the_time_to_stop_has_to_be_longer_than_the_time_to_drain() {
    let some = resources(&[("a", "'10.0.0.1'")]);
    for (stop, expect) in [
        (Some(40), &[][..]),
        (Some(34), &[("stop-timeout", Level::Warning, "34 s to stop, and drain_seconds is 25")]),
        (None, &[]),
    ] {
        let service = Service { unit: "p.service".to_owned(), stop_seconds: stop, ..Service::default() };
        check_with(&some, POLICY, |configured| configured.service = Some(service), expect);
    }
}

#[test]
fn reviewers_and_the_filter_of_the_log_are_looked_up() {
    let some = resources(&[("a", "'10.0.0.1'")]);
    let with_group = format!("{some}approvals: {{reviewers_group: dba}}\n");
    let group = "root:x:0:\ndba:x:9:ada,alan\nempty:x:8:\n";
    assert_eq!(limits::members(group, "dba"), Some(vec!["ada".to_owned(), "alan".to_owned()]));
    for (members, expect) in [
        (limits::members(group, "none"), &[("reviewers", Level::Failure, "there is no group \"dba\"")][..]),
        (limits::members(group, "empty"), &[("reviewers", Level::Note, "root alone")]),
        (limits::members(group, "dba"), &[]),
    ] {
        check_with(&with_group, POLICY, |configured| configured.reviewers = Some(members), expect);
    }
    check(&format!("{some}log: {{filter: 'a=b=c'}}\n"), POLICY, &[("log-filter", Level::Failure, "a=b=c")]);
}

#[test]
fn a_configuration_that_is_not_understood_is_told_with_its_place() {
    let path = Path::new("/etc/portreeve/portreeve.yaml");
    let told = |error, restricted| file(path, &Err(error), &Stage { restricted, ..Stage::default() });
    let written =
        || config::Error::Written { path: path.into(), line: 3, column: 1, message: "unknown".to_owned() };
    let finding = told(written(), false);
    assert_eq!(finding.level, Level::Failure);
    assert!(finding.why.unwrap().contains("portreeve.yaml:3:1: unknown"));
    let read = |kind: io::ErrorKind| config::Error::Read { path: path.into(), source: kind.into() };
    assert_eq!(told(read(io::ErrorKind::NotFound), true).level, Level::Failure);
    assert_eq!(told(read(io::ErrorKind::PermissionDenied), true).level, Level::Note);
    assert_eq!(told(read(io::ErrorKind::PermissionDenied), false).level, Level::Failure);
}
