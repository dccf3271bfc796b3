//! What a process runs, and processes that change while they are looked at.

use std::process::{Command, Stdio};

use super::*;

fn sha256(path: &Path) -> Option<[u8; 32]> {
    let content = std::fs::read(path).unwrap();
    ring::digest::digest(&ring::digest::SHA256, &content).as_ref().try_into().ok()
}

#[test]
fn an_executable_has_the_digest_of_its_file() {
    let principal = Identifier::new(None).identify(&myself());
    assert_eq!(principal.executable_sha256, sha256(&std::env::current_exe().unwrap()));
}

#[test]
fn a_name_that_means_another_file_to_the_host_is_no_name_but_the_content_is_told() {
    let scratch = tempfile::tempdir().unwrap();
    let program = scratch.path().join("psql");
    std::fs::copy("/bin/cat", &program).unwrap();
    let mut child = Command::new(&program).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let peer = KernelPeer { pid: child.id(), ..myself() };
    let identifier = Identifier::new(None);
    let named = identifier.identify(&peer);
    assert_eq!(named.executable.as_deref(), program.to_str());
    // As in a mount namespace of its own: its file has no name here, and another has the one that it shows.
    std::fs::remove_file(&program).unwrap();
    let shown = scratch.path().join("psql (deleted)");
    std::fs::write(&shown, "another").unwrap();
    assert_eq!(std::fs::read_link(format!("/proc/{}/exe", child.id())).unwrap(), shown);
    let unnamed = identifier.identify(&peer);
    assert_eq!((unnamed.executable, unnamed.start_time), (None, named.start_time));
    assert_eq!(unnamed.executable_sha256, named.executable_sha256);
    assert_eq!(unnamed.executable_sha256, sha256(Path::new("/bin/cat")));
    drop(child.stdin.take());
    child.wait().unwrap();
}

#[test]
fn a_process_that_replaces_itself_while_it_is_looked_at_shows_neither_program() {
    let world = World::new();
    world.process(Process::default());
    let unchanged = world.identify_while(42, (42, "cmdline"), || {});
    assert_eq!(unchanged.executable.as_deref(), Some("/bin/sh"));
    assert_eq!(unchanged.executable_sha256, sha256(Path::new("/bin/sh")));
    let replaced = world.identify_while(42, (42, "cmdline"), || world.run(42, "/bin/cat"));
    assert_eq!((replaced.executable, replaced.executable_sha256, replaced.command_line), (None, None, None));
    assert_eq!((replaced.start_time, replaced.cgroup.as_deref()), (Some(5), Some("/job")));
}

#[test]
fn a_process_of_another_user_than_connected_shows_neither_program() {
    let world = World::new();
    world.process(Process::default());
    let status = world.folder(42).join("status");
    for (ids, shown) in [("1000 1000", true), ("0 1000", false), ("1000 0", false)] {
        let (uid, gid) = ids.split_once(' ').unwrap();
        std::fs::write(&status, format!("Uid:\t{uid}\t0\nGid:\t{gid}\t0\nNSpid:\t42\n")).unwrap();
        let principal = world.identifier.identify(&world.peer(42, "/job"));
        assert_eq!(
            (principal.executable.is_some(), principal.command_line.is_some()),
            (shown, shown),
            "{ids}"
        );
        assert_eq!(principal.start_time, Some(5), "{ids}");
    }
}

#[test]
fn a_pid_that_another_process_gets_while_it_is_looked_at_tells_nothing() {
    let world = World::new();
    world.process(Process { parent: 41, ..Process::default() });
    world.process(Process { pid: 41, started: 4, ..Process::default() });
    let principal = world.identify_while(42, (42, "cmdline"), || {
        world.set_stat(&Process { parent: 41, started: 6, ..Process::default() });
    });
    assert_eq!((principal.start_time, principal.executable, principal.command_line), (None, None, None));
    assert_eq!((principal.executable_sha256, principal.ancestors), (None, Vec::new()));
    assert_eq!((principal.uid, principal.cgroup.as_deref()), (1000, Some("/job")), "the kernel's word stays");
}
