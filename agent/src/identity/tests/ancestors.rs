//! The chain of parents, of made-up processes and of real ones.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::*;

const UNIT: &str = "/system.slice/agent.service";

/// The pids of the chain of a world's process 42, whose parent is 41 and so on.
#[track_caller]
fn check(world: &World, cgroup: &str, expect: &[u32]) {
    let principal = world.identifier.identify(&world.peer(42, cgroup));
    let pids: Vec<u32> = principal.ancestors.iter().map(|ancestor| ancestor.pid).collect();
    assert_eq!(pids, expect);
}

/// Processes 42, 41, … each the child of the next, in these cgroups.
fn family(cgroups: &[&str]) -> World {
    let world = World::new();
    for (pid, cgroup) in (1..=42).rev().zip(cgroups) {
        let started = u64::from(pid);
        world.process(Process { pid, parent: pid - 1, started, inner: pid, cgroup, ..Process::default() });
    }
    world
}

#[test]
fn each_ancestor_is_told_with_its_name_and_executable() {
    let world = World::new();
    let parent =
        Process { pid: 41, parent: 1, started: 4, comm: "sh", executable: "bin/sh", ..Process::default() };
    world.process(Process { pid: 42, parent: 41, ..Process::default() });
    world.process(Process { pid: 1, parent: 0, inner: 1, started: 0, comm: "init", ..parent.clone() });
    world.process(Process { executable: "/bin/sh", ..parent });
    world.run(1, "../../../elsewhere");
    let principal = world.identifier.identify(&world.peer(42, "/job"));
    let ancestor = |pid, start_time, comm: &str, executable: Option<&str>| policy::Ancestor {
        pid,
        start_time,
        comm: comm.to_owned(),
        executable: executable.map(str::to_owned),
    };
    assert_eq!(principal.ancestors, [ancestor(41, 4, "sh", Some("/bin/sh")), ancestor(1, 0, "init", None)]);
}

#[test]
fn the_chain_ends_at_the_last_process_of_the_same_unit() {
    let (job, other) = ("/system.slice/agent.service/job-7", "/system.slice/agent.service/job-8");
    check(&family(&[job, job, other, UNIT, "/init.scope"]), job, &[41, 40, 39]);
    check(&family(&[job, "/system.slice/agent.servicex"]), job, &[]);
    check(&family(&["/a/b", "/a", "/a/c", "/b"]), "/a/b", &[41, 40]);
    check(&family(&["/", "/", "/a", "/"]), "/", &[41]);
}

#[test]
fn the_chain_ends_at_the_last_process_of_the_same_container() {
    let id = "a".repeat(64);
    for (inside, runtime) in [
        (format!("/system.slice/docker-{id}.scope"), "/system.slice/containerd.service".to_owned()),
        (format!("/docker/{id}"), format!("/docker/{}", "b".repeat(64))),
        (format!("/kubepods/burstable/pod1/{id}"), "/kubepods/burstable/pod1".to_owned()),
    ] {
        let deeper = format!("{inside}/x");
        check(&family(&[&deeper, &inside, &runtime]), &deeper, &[41]);
    }
}

#[test]
fn the_chain_ends_at_the_first_process_of_a_pid_namespace() {
    let world = family(&["/job"; 4]);
    world.process(Process { pid: 41, parent: 40, inner: 1, started: 5, ..Process::default() });
    check(&world, "/job", &[41]);
    world.process(Process { pid: 42, parent: 41, inner: 1, ..Process::default() });
    check(&world, "/job", &[]);
}

#[test]
fn without_cgroups_the_chain_ends_at_the_hosts_first_process() {
    let world = family(&["/a"]).without_cgroups();
    world.process(Process { pid: 41, parent: 1, started: 3, cgroup: "/b", ..Process::default() });
    world.process(Process { pid: 1, inner: 1, started: 0, cgroup: "/c", ..Process::default() });
    check(&world, "/a", &[41, 1]);
}

#[test]
fn a_chain_has_an_end_however_deep_a_job_nests() {
    check(&family(&["/job"; 40]), "/job", &(10..42).rev().collect::<Vec<_>>());
}

#[test]
fn a_process_that_is_younger_than_its_child_is_not_its_parent() {
    let world = family(&["/job"; 3]);
    world.process(Process { pid: 41, parent: 40, started: 43, ..Process::default() });
    check(&world, "/job", &[]);
}

#[test]
fn a_parents_pid_that_another_process_gets_meanwhile_is_not_told() {
    let world = family(&["/job"; 3]);
    let unchanged = world.identify_while(42, (41, "cgroup"), || {});
    assert_eq!(unchanged.ancestors.len(), 2);
    let principal = world.identify_while(42, (41, "cgroup"), || {
        // 41 has ended, its child was handed to 1, and its pid is another's, who poses as older.
        world.set_stat(&Process { pid: 42, parent: 1, started: 42, ..Process::default() });
        world.run(41, "/bin/true");
    });
    assert_eq!(principal.ancestors, []);
    assert_eq!(principal.start_time, Some(42), "the process itself is still there");
}

#[test]
fn a_parent_that_ends_halfway_up_leaves_what_was_shown_below_it() {
    let world = family(&["/job"; 4]);
    let principal = world.identify_while(42, (40, "cgroup"), || {
        world.set_stat(&Process { pid: 41, parent: 1, started: 41, ..Process::default() });
    });
    assert_eq!(principal.ancestors.iter().map(|ancestor| ancestor.pid).collect::<Vec<_>>(), [41]);
}

#[test]
fn a_real_process_descends_from_a_shell_and_from_this_test() {
    let mut shell = Command::new("sh")
        .args(["-c", "sh -c 'echo $$; read line; true'; true"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = String::new();
    BufReader::new(shell.stdout.take().unwrap()).read_line(&mut told).unwrap();
    let peer = KernelPeer { pid: told.trim().parse().unwrap(), ..myself() };
    let principal = Identifier::new(None).identify(&peer);
    // It reads the end of its input.
    drop(shell.stdin.take());
    shell.wait().unwrap();
    let chain = &principal.ancestors;
    let sh = std::fs::canonicalize("/bin/sh").unwrap();
    assert_eq!((chain[0].pid, chain[0].comm.as_str()), (shell.id(), "sh"));
    assert_eq!(chain[0].executable.as_deref(), sh.to_str());
    assert_eq!(chain[1].pid, std::process::id());
    assert_eq!(chain[1].executable.as_deref(), std::env::current_exe().unwrap().to_str());
    assert_eq!(chain.last().unwrap().pid, 1);
}
