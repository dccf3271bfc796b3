//! Who opened a connection that was none of our business then.

use std::{io::Write as _, net::TcpListener};

use super::*;
use crate::intercept::AttemptKind;

#[test]
fn who_opened_a_connection_is_known_when_its_destination_becomes_protected() {
    let world = world!();
    // Nobody accepts, and nobody closes.
    let listener = TcpListener::bind((unused_address().ip(), 0)).unwrap();
    let at = listener.local_addr().unwrap();
    let interception = world.start(&[unused_address()]);
    // Some others come after it.
    let mut client = connect(at).unwrap();
    let _others: Vec<_> = (0..100).map(|_| connect(at).unwrap()).collect();
    client.write_all(b"before").unwrap();
    interception.protected().set(&destinations(&[at])).unwrap();
    client.write_all(b"after").unwrap();
    let told = world.attempt(&interception, AttemptKind::Guard);
    assert_eq!((told.destination, told.source), (Some(at), Some(client.local_addr().unwrap())));
    let peer = told.peer.unwrap();
    let thread = rustix::thread::gettid().as_raw_nonzero().get().cast_unsigned();
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    assert_eq!((peer.pid, peer.tid, peer.uid, peer.gid), (std::process::id(), thread, uid, gid));
    let comm = std::fs::read_to_string("/proc/thread-self/comm").unwrap();
    assert_eq!(peer.comm, comm.trim_end());
    assert_eq!(peer.netns_cookie, sys::netns_cookie(client.as_fd()).unwrap());
    assert_eq!(peer.socket_cookie, sys::socket_cookie(client.as_fd()).unwrap());
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic).tv_sec.cast_unsigned();
    assert!((1..=60_000_000_000).contains(&((now + 1) * 1_000_000_000 - peer.ktime_ns)), "{peer:?}");
    interception.release().unwrap();
}
