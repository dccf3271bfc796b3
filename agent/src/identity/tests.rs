//! Principals of this process and of made-up `/proc` entries.

use super::*;

/// What the kernel would say of this test's process now.
fn myself() -> KernelPeer {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    KernelPeer {
        pid: std::process::id(),
        uid: rustix::process::geteuid().as_raw(),
        comm: "test".into(),
        ktime_ns: u64::try_from(now.tv_sec).unwrap() * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap(),
        ..KernelPeer::default()
    }
}

#[test]
fn a_living_process_has_its_executable_and_command_line() {
    let principal = Identifier::new(None).identify(&myself());
    let executable = std::env::current_exe().unwrap();
    assert_eq!(principal.executable.as_deref(), executable.to_str());
    assert!(principal.command_line.unwrap().contains("portreeve"));
    assert!(principal.start_time.is_some());
    assert_eq!((principal.cgroup, principal.unit), (None, None), "no hierarchy was given to check against");
}

#[test]
fn a_process_that_began_after_the_connection_is_another_one() {
    let peer = KernelPeer { ktime_ns: 1, ..myself() };
    let principal = Identifier::new(None).identify(&peer);
    assert_eq!((principal.start_time, principal.executable, principal.command_line), (None, None, None));
    assert_eq!((principal.pid, principal.uid), (peer.pid, peer.uid), "the kernel's word stays");
}

#[test]
fn a_process_that_has_gone_keeps_what_the_kernel_said() {
    let peer = KernelPeer { pid: u32::MAX, cgroup_id: 7, comm: "psql".into(), ..myself() };
    let principal = Identifier::new(None).identify(&peer);
    assert_eq!((principal.cgroup_id, principal.comm.as_str()), (7, "psql"));
    assert_eq!(principal.executable, None);
}

/// A `/proc` and a cgroup hierarchy of our own with one process in `cgroup`.
fn world(cgroup: &str) -> (tempfile::TempDir, Identifier, KernelPeer) {
    let folder = tempfile::tempdir().unwrap();
    let process = folder.path().join("proc/42");
    std::fs::create_dir_all(&process).unwrap();
    let stat = "42 (a) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 5 20\n";
    std::fs::write(process.join("stat"), stat).unwrap();
    std::fs::write(process.join("cgroup"), format!("1:name=systemd:/x\n0::{cgroup}\n")).unwrap();
    std::fs::write(process.join("cmdline"), b"psql\0-c\0select 1\0").unwrap();
    let cgroups = folder.path().join("cgroups");
    let inside = cgroups.join(cgroup.trim_start_matches('/'));
    std::fs::create_dir_all(&inside).unwrap();
    let passwd = folder.path().join("passwd");
    std::fs::write(&passwd, "root:x:0:0::/:/bin/sh\nci:x:1000:1000::/:/bin/sh\n").unwrap();
    let peer =
        KernelPeer { pid: 42, uid: 1000, cgroup_id: std::fs::metadata(inside).unwrap().ino(), ..myself() };
    let identifier = Identifier { proc: folder.path().join("proc"), passwd, cgroups: Some(cgroups) };
    (folder, identifier, peer)
}

#[test]
fn the_unit_is_the_one_whose_cgroup_the_kernel_saw() {
    let (_folder, identifier, peer) = world("/system.slice/buildkite-agent.service/job");
    let principal = identifier.identify(&peer);
    assert_eq!(principal.unit.as_deref(), Some("buildkite-agent.service"));
    assert_eq!(principal.cgroup.as_deref(), Some("/system.slice/buildkite-agent.service/job"));
    assert_eq!(principal.command_line.as_deref(), Some("psql -c select …"));
    assert_eq!(principal.user.as_deref(), Some("ci"));
    assert_eq!(principal.start_time, Some(5));

    let moved = KernelPeer { cgroup_id: peer.cgroup_id + 1, ..peer };
    let principal = identifier.identify(&moved);
    assert_eq!((principal.unit, principal.cgroup, principal.command_line), (None, None, None));
    assert_eq!(principal.user.as_deref(), Some("ci"), "the name goes by the kernel's uid");
}

#[test]
fn units_are_those_of_the_system_manager() {
    for (path, expect) in [
        ("/system.slice/a.service", Some("a.service")),
        ("/system.slice/system-getty.slice/getty@tty1.service", Some("getty@tty1.service")),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/a.service", Some("user@1000.service")),
        ("/user.slice/user-1000.slice/session-2.scope", Some("session-2.scope")),
        ("/system.slice/docker-abc.scope/system.slice/a.service", Some("docker-abc.scope")),
        ("/init.scope", Some("init.scope")),
        ("/system.slice/_cpu.service", Some("cpu.service")),
        ("/docker/abc/a.service", None),
        ("/system.slice", None),
        ("/", None),
        ("", None),
        ("/.service", None),
        ("/system.slice/a.timer", None),
    ] {
        assert_eq!(unit(path).as_deref(), expect, "{path}");
    }
}

#[test]
fn cgroup_lines_that_cannot_be_looked_up_are_none() {
    for (content, expect) in [
        ("0::/\n", Some("/")),
        ("12:cpu:/a\n0::/b c\n", Some("/b c")),
        ("0::/../a\n", None),
        ("0::/a (deleted)\n", None),
        ("0::a\n", None),
        ("12:cpu:/a\n", None),
        ("", None),
    ] {
        assert_eq!(process::parse_cgroup(content.as_bytes()).as_deref(), expect, "{content}");
    }
}

#[test]
fn passwords_and_texts_on_a_command_line_are_hidden() {
    for (arguments, expect) in [
        ("psql\0-c\0select 1\0", "psql -c select …"),
        ("psql\0-cselect 1\0", "psql -cselect …"),
        ("psql\0-c\0  delete from c where ssn = '1'\0", "psql -c delete …"),
        ("x\0'secret' y\0", "x …"),
        ("psql\0postgres://u:pw@h/d\0", "psql postgres://u:***@h/d"),
        ("psql\0postgres://u:p@w@h:5/d?x=1@2:3\0", "psql postgres://u:***@h:5/d?x=1@2:3"),
        ("psql\0postgres://h:5432/d\0", "psql postgres://h:5432/d"),
        ("psql\0postgres://u@h/d?password=pw&x=1\0", "psql postgres://u@h/d?password=***&x=1"),
        ("psql\0host=h password = 'p w' user=u\0", "psql host=h …"),
        ("x\0PGPASSWORD=pw\0y\0", "x PGPASSWORD=*** y"),
        ("x\0--db-password=pw\0", "x --db-password=***"),
        ("x\0password\0", "x password"),
        ("x\0password=\0", "x password=***"),
        ("a\nb\x1b[0m\0", "a\u{fffd}b\u{fffd}[0m"),
        ("\0", ""),
    ] {
        assert_eq!(command_line::display(arguments.as_bytes()), expect, "{arguments}");
    }
    command_line::display(b"\xff\xfe://\xff:\xff@ password='");
}

#[test]
fn stat_and_passwd_that_are_not_as_expected_are_none() {
    for stat in ["", "42", "42 (x", "42 (x) S 1 2", "42 (x) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 x"]
    {
        assert_eq!(process::parse_start_time(stat.as_bytes()), None, "{stat}");
    }
    let content = b"#c:x:1:1\n+nis\n:x:2:2\nbad\na:x:3:3\nb:x:3:3\nc:x:-1:0\n";
    for (uid, expect) in [(1, None), (2, None), (3, Some("a")), (u32::MAX, None)] {
        assert_eq!(passwd::parse(content, uid).as_deref(), expect, "{uid}");
    }
}
