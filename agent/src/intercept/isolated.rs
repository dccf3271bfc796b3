//! Threads of tests that leave what the threads of a process share.

use std::{panic, process::Command, thread};

use rustix::thread::{UnshareFlags, unshare_unsafe};

/// Runs `test` in a network namespace that has nothing but its loopback, and ends with the last thread, process
/// and descriptor of it. Needs root and `PORTREEVE_E2E=1`; says so, and does nothing, without.
pub(super) fn in_a_private_netns(test: impl FnOnce() + Send + 'static) {
    if std::env::var_os("PORTREEVE_E2E").is_none_or(|value| value != "1") {
        println!("NOT RUN: this test makes a network namespace; it runs as root with PORTREEVE_E2E=1");
        return;
    }
    run(move || {
        // SAFETY: the thread's network namespace alone is replaced; descriptors stay shared.
        unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.unwrap();
        ip("link set lo up");
        test();
    });
}

/// Runs `test` with descriptors of its own, which begin as a copy of the process's.
pub(super) fn with_own_descriptors(test: impl FnOnce() + Send + 'static) {
    run(move || {
        // SAFETY: what `test` opens and closes is its own; it brings no descriptor that another thread
        // could close, and leaves none.
        unsafe { unshare_unsafe(UnshareFlags::FILES) }.unwrap();
        test();
    });
}

fn run(test: impl FnOnce() + Send + 'static) {
    if let Err(reason) = thread::spawn(test).join() {
        panic::resume_unwind(reason);
    }
}

/// Runs ip(8) in the network namespace of this thread.
#[track_caller]
pub(super) fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status().unwrap();
    assert!(status.success(), "ip {arguments}: {status}");
}
