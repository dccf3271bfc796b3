//! Whose sockets are. These need neither root nor a namespace.

use std::{
    os::fd::{AsRawFd, OwnedFd},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use super::*;
use crate::intercept::{
    isolated::with_own_descriptors,
    sock_diag::{Owner, owners},
};

/// A process that does not outlive the test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn owner(pid: u32, fd: &impl AsRawFd) -> Owner {
    let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap().trim_end().to_owned();
    Owner { pid, fd: fd.as_raw_fd().try_into().unwrap(), comm }
}

/// Asks until these are the owners.
#[track_caller]
fn check(inode: u64, mut expect: Vec<Owner>) {
    expect.sort_by_key(|owner| (owner.pid, owner.fd));
    eventually(|| {
        let mut found = owners(&HashSet::from([inode])).unwrap().remove(&inode).unwrap_or_default();
        found.sort_by_key(|owner| (owner.pid, owner.fd));
        if found == expect { Ok(()) } else { Err(format!("{found:?} instead of {expect:?}")) }
    });
}

#[test]
fn a_socket_that_processes_share_has_all_of_them() {
    let listener = TcpListener::bind(v4(0)).unwrap();
    let inode = inode(&listener);
    let us = std::process::id();
    check(inode, vec![owner(us, &listener)]);

    let twice = listener.try_clone().unwrap();
    check(inode, vec![owner(us, &listener), owner(us, &twice)]);
    drop(twice);

    // `sleep` keeps what it is given, and does not read it.
    let stdin = Stdio::from(OwnedFd::from(listener.try_clone().unwrap()));
    let child = Killed(Command::new("sleep").arg("1000").stdin(stdin).spawn().unwrap());
    let childs = Owner { pid: child.0.id(), fd: 0, comm: "sleep".to_owned() };
    check(inode, vec![owner(us, &listener), childs.clone()]);
    drop(listener);
    check(inode, vec![childs]);
    drop(child);
    check(inode, vec![]);
}

#[test]
fn sockets_are_told_apart_and_nobodys_is_left_out() {
    let (one, other) = (TcpListener::bind(v4(0)).unwrap(), TcpListener::bind(v4(0)).unwrap());
    let nobodys = inode(TcpListener::bind(v4(0)).unwrap());
    let wanted = HashSet::from([inode(&one), inode(&other), nobodys]);
    let us = std::process::id();
    let found = owners(&wanted).unwrap();
    assert!(found[&inode(&one)].contains(&owner(us, &one)), "{found:?}");
    assert!(found[&inode(&other)].contains(&owner(us, &other)), "{found:?}");
    check(nobodys, vec![]);
    assert_eq!(owners(&HashSet::new()).unwrap().len(), 0);
}

#[test]
fn a_thread_with_descriptors_of_its_own_is_found_out() {
    with_own_descriptors(|| {
        let listener = TcpListener::bind(v4(0)).unwrap();
        let shown = format!("/proc/self/fd/{}", listener.as_raw_fd());
        let of_the_process = fs::read_link(shown).unwrap_or_default();
        assert_ne!(of_the_process.to_str(), Some(format!("socket:[{}]", inode(&listener)).as_str()));
        check(inode(&listener), vec![owner(std::process::id(), &listener)]);
    });
}

#[test]
fn processes_that_end_meanwhile_are_passed_over() {
    let listener = TcpListener::bind(v4(0)).unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    assert!(Command::new("true").status().unwrap().success());
                }
            });
        }
        let inode = inode(&listener);
        // A stranger among them, so that the threads are walked through as well.
        let looked: Vec<_> = (0..100).map(|_| owners(&HashSet::from([inode, 1]))).collect();
        stop.store(true, Ordering::Relaxed);
        for found in looked {
            assert!(found.unwrap()[&inode].contains(&owner(std::process::id(), &listener)));
        }
    });
}
