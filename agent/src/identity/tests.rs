//! Principals of this process and of made-up `/proc` entries.

use std::path::Path;

use super::*;

mod ancestors;
mod replaced;
mod world;

use world::{Process, World};

/// What the kernel would say of this test's process now.
fn myself() -> KernelPeer {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    KernelPeer {
        pid: std::process::id(),
        uid: rustix::process::getuid().as_raw(),
        gid: rustix::process::getgid().as_raw(),
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

#[test]
fn the_unit_is_the_one_whose_cgroup_the_kernel_saw() {
    let world = World::new();
    let cgroup = "/system.slice/buildkite-agent.service/job";
    world.process(Process { pid: 42, cgroup, ..Process::default() });
    let peer = world.peer(42, cgroup);
    let principal = world.identifier.identify(&peer);
    assert_eq!(principal.unit.as_deref(), Some("buildkite-agent.service"));
    assert_eq!(principal.cgroup.as_deref(), Some(cgroup));
    assert_eq!(principal.container, None);
    assert_eq!(principal.command_line.as_deref(), Some("psql -c select …"));
    assert_eq!(principal.user.as_deref(), Some("ci"));
    assert_eq!(principal.start_time, Some(5));

    let unknown = KernelPeer { cgroup_id: u64::MAX, ..peer };
    let principal = world.identifier.identify(&unknown);
    assert_eq!((principal.unit, principal.cgroup, principal.command_line), (None, None, None));
    assert_eq!(principal.user.as_deref(), Some("ci"), "the name goes by the kernel's uid");
}

#[test]
fn a_process_that_has_gone_still_has_the_cgroup_that_it_connected_in() {
    let world = World::new();
    let id = "0123456789abcdef".repeat(4);
    let cgroup = format!("/system.slice/docker-{id}.scope/init");
    world.make_cgroup(&cgroup);
    for principal in [
        world.identifier.identify(&world.peer(42, &cgroup)),
        world.identifier.carried(&world.peer(42, &cgroup)),
    ] {
        assert_eq!(principal.cgroup.as_deref(), Some(cgroup.as_str()));
        assert_eq!(principal.unit, Some(format!("docker-{id}.scope")));
        assert_eq!(principal.container.as_ref(), Some(&id));
        assert_eq!((principal.uid, principal.start_time, principal.executable), (1000, None, None));
    }
}

#[test]
fn a_process_whose_cgroup_cannot_be_read_has_the_one_with_the_kernels_id() {
    let world = World::new();
    let cgroup = "/system.slice/agent.service";
    world.process(Process { pid: 42, cgroup, ..Process::default() });
    for content in ["0::/../../system.slice/agent.service\n", "1:cpu:/x\n", ""] {
        std::fs::write(world.folder(42).join("cgroup"), content).unwrap();
        let principal = world.identifier.identify(&world.peer(42, cgroup));
        assert_eq!(principal.unit.as_deref(), Some("agent.service"), "{content}");
        assert_eq!(principal.start_time, Some(5), "{content}");
    }
}

#[test]
fn a_process_that_moves_once_it_has_connected_is_told_where_it_was() {
    let world = World::new();
    let posing = format!("/system.slice/docker-{}.scope", "a".repeat(64));
    world.process(Process { pid: 42, cgroup: &posing, ..Process::default() });
    world.make_cgroup("/user.slice/x.service");
    let principal = world.identifier.identify(&world.peer(42, "/user.slice/x.service"));
    assert_eq!((principal.unit.as_deref(), principal.container), (Some("x.service"), None));
    assert_eq!((principal.start_time, principal.command_line), (None, None), "it may be another process");
}

#[test]
fn a_container_that_is_called_like_a_slice_gives_its_workload_no_unit() {
    let world = World::new();
    let cgroup = "/lxc.payload.a.slice/agent.service";
    world.make_cgroup(cgroup);
    let principal = world.identifier.identify(&world.peer(42, cgroup));
    assert_eq!((principal.container.as_deref(), principal.unit), (Some("a.slice"), None));
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
        ("x\0--id-token=eyJhbGciOi.eyJpc3M-_.c2ln\0y\0", "x --id-token=*** y"),
        ("sh\0-c\0T=eyJhbGciOi.eyJpc3M.c2ln ./deploy\0", "sh -c T=*** …"),
        ("x\0eyJ.a\0a.b.c\0", "x eyJ.a a.b.c"),
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
    let fields = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18";
    for stat in ["", "42", "42 (x", "42 )x( S 1", "42 (x) S 1 2", &format!("42 (x) S {fields} x")] {
        assert_eq!(process::parse_stat(stat.as_bytes()), None, "{stat}");
    }
    let stat = process::parse_stat(format!("42 (a) (b) S {fields} 5 20\n").as_bytes());
    assert_eq!(stat, Some(process::Stat { comm: "a) (b".into(), parent: 1, started: 5 }));
    let content = b"#c:x:1:1\n+nis\n:x:2:2\nbad\na:x:3:3\nb:x:3:3\nc:x:-1:0\n";
    for (uid, expect) in [(1, None), (2, None), (3, Some("a")), (u32::MAX, None)] {
        assert_eq!(passwd::parse(content, uid).as_deref(), expect, "{uid}");
    }
}
