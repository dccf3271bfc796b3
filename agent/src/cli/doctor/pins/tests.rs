use super::*;
use crate::intercept::inspect::{HookState, Tcx, Tried, Unseen};

fn kernel() -> Kernel {
    let tried = |program, tag| Tried { program, feature: "", tag: Ok(tag) };
    Kernel {
        release: "6.12".to_owned(),
        programs: Ok(vec![tried("connect4", 4), tried("guard", 9)]),
        btf: true,
        netns_cookie: Ok(()),
        sock_destroy: Ok(()),
        tcx: Tcx::Attached,
    }
}

fn hook(program: &'static str, tag: u64, followers: Vec<Follower>) -> Hook {
    Hook { program, state: Ok(HookState::InForce), tag: Some(tag), followers }
}

fn pinned() -> Pinned {
    Pinned {
        private: true,
        difference: Ok(None),
        settings: None,
        hooks: vec![hook("connect4", 4, vec![]), hook("guard", 9, vec![])],
        interfaces: vec![],
    }
}

fn pins(bpffs: bool, pinned: Option<Pinned>) -> Pins {
    Pins { directory: "/sys/fs/bpf/portreeve".into(), bpffs: Ok(bpffs), holder: None, pinned: Ok(pinned) }
}

#[track_caller]
fn check(pins: &Pins, stage: Stage, expect: &[(&str, Level, &str)]) {
    let findings = judge(pins, &kernel(), &stage);
    let bad: Vec<_> = findings.iter().filter(|finding| finding.level > Level::Ok).collect();
    assert_eq!(bad.len(), expect.len(), "{bad:?}");
    for (finding, (check, level, what)) in bad.iter().zip(expect) {
        assert_eq!((finding.check, finding.level), (*check, *level), "{finding:?}");
        assert!(finding.what.contains(what), "{finding:?}");
    }
}

const SILENT: Stage = Stage { before_start: false, daemon: false, restricted: false };
const RUNNING: Stage = Stage { daemon: true, ..SILENT };
const BEFORE: Stage = Stage { before_start: true, ..SILENT };

#[test]
fn what_is_pinned_by_this_version_and_comes_last_is_well() {
    check(&pins(true, Some(pinned())), RUNNING, &[]);
}

#[test]
fn nothing_pinned_is_told_unless_the_daemon_is_still_to_come() {
    check(&pins(true, None), SILENT, &[("directory", Level::Note, "nothing is pinned")]);
    check(&pins(true, None), RUNNING, &[("directory", Level::Note, "nothing is pinned")]);
    check(&pins(true, None), BEFORE, &[]);
}

#[test]
fn without_a_bpf_file_system_nothing_can_be_seen_or_pinned() {
    check(
        &pins(false, None),
        SILENT,
        &[("file-system", Level::Failure, "/sys/fs/bpf is on no BPF file system")],
    );
    check(&pins(false, None), BEFORE, &[("file-system", Level::Note, "the daemon will mount one")]);
    check(&pins(false, None), RUNNING, &[("file-system", Level::Warning, "and a daemon runs")]);
    let other = Pins { directory: "/srv/pins/p".into(), ..pins(false, None) };
    check(&other, BEFORE, &[("file-system", Level::Failure, "/srv/pins is on no")]);
}

#[test]
fn a_directory_that_may_not_be_seen_is_not_known() {
    let unseen = || Unseen { denied: true, why: "Permission denied".to_owned() };
    let hidden = Pins { pinned: Err(unseen()), ..pins(true, None) };
    let restricted = Stage { restricted: true, ..RUNNING };
    check(&hidden, restricted, &[("directory", Level::Note, "could not be looked at")]);
    check(&hidden, RUNNING, &[("directory", Level::Warning, "could not be looked at")]);
}

#[test]
fn a_directory_that_others_may_write_to_is_a_failure() {
    let open = Pinned { private: false, ..pinned() };
    check(&pins(true, Some(open)), SILENT, &[("directory", Level::Failure, "by others")]);
}

#[test]
fn another_version_is_told_and_is_worse_where_it_runs() {
    let other = Pinned { difference: Ok(Some("ABI 1, not 2".to_owned())), ..pinned() };
    check(&pins(true, Some(other.clone())), SILENT, &[("version", Level::Note, "another version")]);
    check(&pins(true, Some(other)), RUNNING, &[("version", Level::Warning, "another version")]);
    let other = Pinned { hooks: vec![hook("connect4", 5, vec![]), hook("guard", 9, vec![])], ..pinned() };
    check(
        &pins(true, Some(other)),
        RUNNING,
        &[("programs", Level::Note, "another build than this one's: connect4")],
    );
}

#[test]
fn a_stranger_after_connect_may_lead_elsewhere_and_one_after_the_guard_may_not() {
    let stranger = |tag| vec![Follower { id: 77, name: "dae".to_owned(), tag }];
    let with = |connect: Vec<Follower>, guard: Vec<Follower>| {
        let hooks = vec![hook("connect4", 4, connect), hook("guard", 9, guard)];
        pins(true, Some(Pinned { hooks, ..pinned() }))
    };
    check(
        &with(stranger(1), vec![]),
        RUNNING,
        &[("followers", Level::Warning, "dae (id 77) after connect4")],
    );
    check(&with(vec![], stranger(1)), RUNNING, &[("followers", Level::Note, "cannot undo")]);
    // Another Portreeve's program does the same.
    check(&with(stranger(4), vec![]), RUNNING, &[("followers", Level::Note, "connect4")]);
}
