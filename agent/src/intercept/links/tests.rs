//! The interfaces of private network namespaces on the kernel that runs the test: root, and
//! `PORTREEVE_E2E=1`.

use std::{
    collections::HashSet,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    net::sockopt::set_socket_recv_buffer_size,
};
use tokio::runtime::{Builder, Runtime};

use super::{Changes, Kind, Watch, entrances};
use crate::intercept::isolated::{in_a_private_netns, ip};

/// How long anything that must happen may take.
const PATIENCE: Duration = Duration::from_secs(10);

#[track_caller]
fn check(expect: &[(&str, Kind)]) {
    let mut found: Vec<_> = entrances().unwrap().into_iter().map(|link| (link.name, link.kind)).collect();
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    let expect: Vec<_> = expect.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
    assert_eq!(found, expect);
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Waits for a change, and for nothing more to be there.
#[track_caller]
fn changes(runtime: &Runtime, changes: &Changes) {
    runtime.block_on(async { tokio::time::timeout(PATIENCE, changes.next()).await }).unwrap().unwrap();
    assert!(!is_readable(changes));
}

fn is_readable(changes: &Changes) -> bool {
    let mut descriptors = [PollFd::new(changes.0.get_ref(), PollFlags::IN)];
    poll(&mut descriptors, Some(&rustix::time::Timespec::default())).unwrap() > 0
}

#[test]
fn veth_tun_and_tap_are_entrances_and_others_are_not() {
    in_a_private_netns(|| {
        check(&[]);
        ip("link add va type veth peer name vb");
        ip("tuntap add mode tap name tap0");
        ip("tuntap add mode tun name tun0");
        ip("link add br0 type bridge");
        ip("link add link va name mv0 type macvlan");
        ip("link set vb master br0");
        check(&[("tap0", Kind::Tap), ("tun0", Kind::Tun), ("va", Kind::Veth), ("vb", Kind::Veth)]);
        ip("link del va");
        check(&[("tap0", Kind::Tap), ("tun0", Kind::Tun)]);
    });
}

#[test]
fn an_entrance_has_the_index_that_the_kernel_knows_it_by() {
    in_a_private_netns(|| {
        ip("link add va index 77 type veth peer name vb index 300");
        let mut found: Vec<_> =
            entrances().unwrap().into_iter().map(|link| (link.index, link.name)).collect();
        found.sort();
        assert_eq!(found, [(77, "va".to_owned()), (300, "vb".to_owned())]);
    });
}

#[test]
fn three_hundred_entrances_are_all_listed_while_others_come_and_go() {
    in_a_private_netns(|| {
        for n in 0..150 {
            ip(&format!("link add va{n} type veth peer name vb{n}"));
        }
        let stays = entrances().unwrap();
        assert_eq!(stays.len(), 300);
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    ip("link add xa type veth peer name xb");
                    ip("link del xa");
                }
            });
            let looked: Vec<_> = (0..50).map(|_| entrances()).collect();
            stop.store(true, Ordering::Relaxed);
            for found in looked {
                let found: HashSet<_> = found.unwrap().into_iter().collect();
                assert!(stays.iter().all(|link| found.contains(link)));
            }
        });
    });
}

#[test]
fn a_namespace_has_its_own_entrances_and_changes() {
    in_a_private_netns(|| {
        let (from_there, here) = mpsc::channel();
        let (go, gone) = mpsc::channel::<()>();
        let there = thread::spawn(|| {
            in_a_private_netns(move || {
                let thread = rustix::thread::gettid().as_raw_nonzero();
                let path = format!("/proc/{}/task/{thread}/ns/net", std::process::id());
                from_there.send((path, Watch::in_this_namespace().unwrap())).unwrap();
                gone.recv().unwrap();
                check(&[("vb", Kind::Veth)]);
            });
        });
        let (path, of_there) = here.recv().unwrap();
        let runtime = runtime();
        let context = runtime.enter();
        let of_here = Watch::in_this_namespace().unwrap().register().unwrap();
        let of_there = of_there.register().unwrap();
        drop(context);

        ip("link add va type veth peer name vb");
        changes(&runtime, &of_here);
        assert!(!is_readable(&of_there));
        check(&[("va", Kind::Veth), ("vb", Kind::Veth)]);

        ip(&format!("link set vb netns {path}"));
        changes(&runtime, &of_there);
        changes(&runtime, &of_here);
        check(&[("va", Kind::Veth)]);
        go.send(()).unwrap();
        there.join().unwrap();
    });
}

#[test]
fn more_changes_than_a_watch_can_hold_are_one() {
    in_a_private_netns(|| {
        let runtime = runtime();
        let watch = Watch::in_this_namespace().unwrap();
        set_socket_recv_buffer_size(&watch.0, 1).unwrap();
        let context = runtime.enter();
        let watched = watch.register().unwrap();
        drop(context);
        for n in 0..10 {
            ip(&format!("link add va{n} type veth peer name vb{n}"));
        }
        changes(&runtime, &watched);
        ip("link del va3");
        changes(&runtime, &watched);
    });
}
