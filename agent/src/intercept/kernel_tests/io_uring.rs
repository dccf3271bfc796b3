//! Connections that are asked for in a queue: the system call is made by a thread of the kernel's, or by none.

use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};

use ::io_uring::{IoUring, opcode, squeue, types};
use socket2::SockAddr;

use super::*;

/// How an entry is worked off.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// By the system call that submits it, as far as it need not wait.
    Inline,
    /// By a worker thread.
    Async,
    /// By a thread that polls the queue.
    Polled,
}

/// A queue, or none where the kernel or its administrator has none.
fn queue(way: Way) -> Option<IoUring> {
    let mut builder = IoUring::builder();
    if matches!(way, Way::Polled) {
        builder.setup_sqpoll(1000);
    }
    let queue = builder.build(4);
    if let Err(error) = &queue {
        println!("NOT RUN: there is no io_uring here: {error}");
    }
    queue.ok()
}

/// Does one thing, and gives its result.
fn run(queue: &mut IoUring, entry: squeue::Entry, way: Way) -> io::Result<RawFd> {
    let flags = if matches!(way, Way::Async) { squeue::Flags::ASYNC } else { squeue::Flags::empty() };
    // SAFETY: what the entry points to lives until it is done, which is waited for here.
    unsafe { queue.submission().push(&entry.flags(flags)) }.unwrap();
    queue.submit_and_wait(1).unwrap();
    let result = eventually("the entry is done", || queue.completion().next()).result();
    if result < 0 { Err(io::Error::from_raw_os_error(-result)) } else { Ok(result) }
}

#[test]
fn a_connection_that_is_asked_for_in_a_queue_is_redirected() {
    let world = world!();
    let (at, v6) = (unused_address(), v6_server());
    let interception = world.start(&[at, v6]);
    for way in [Way::Inline, Way::Async, Way::Polled] {
        let Some(mut queue) = queue(way) else { continue };
        for to in [at, v6, mapped(at)] {
            let address = SockAddr::from(to);
            let made = opcode::Socket::new(address.family().into(), libc::SOCK_STREAM, 0).build();
            let socket = run(&mut queue, made, way).unwrap();
            let connects = opcode::Connect::new(types::Fd(socket), address.as_ptr().cast(), address.len());
            run(&mut queue, connects.build(), way).unwrap();
            // SAFETY: the queue made this descriptor for us; nobody else knows it.
            let stream = TcpStream::from(unsafe { OwnedFd::from_raw_fd(socket) });
            assert_eq!(stream.peer_addr().unwrap(), to, "{way:?}");
            let accepted = world.accept(&interception);
            assert_eq!(accepted.destination, SocketAddr::new(to.ip().to_canonical(), to.port()), "{way:?}");
            let peer = accepted.peer;
            let uid = rustix::process::getuid().as_raw();
            assert_eq!((peer.pid, peer.uid), (std::process::id(), uid), "{way:?}");
        }
    }
    interception.release().unwrap();
}

#[test]
fn a_listeners_port_is_not_had_by_a_queue_either() {
    let world = world!();
    let interception = world.start(&[unused_address()]);
    let address = SockAddr::from(interception.listen_address());
    let mut tried = 0;
    for way in [Way::Inline, Way::Async, Way::Polled] {
        let Some(mut queue) = queue(way) else { continue };
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let fd = types::Fd(socket.as_raw_fd());
        let binds = opcode::Bind::new(fd, address.as_ptr().cast(), address.len()).build();
        match run(&mut queue, binds, way).map_err(|error| error.raw_os_error()) {
            Err(Some(libc::EINVAL)) => println!("NOT RUN: io_uring has no bind here (Linux 6.11)"),
            bound => {
                assert_eq!(bound, Err(Some(libc::EPERM)), "{way:?}");
                tried += 1;
            }
        }
    }
    assert_eq!(interception.counters().unwrap().bind_refused, tried);
    interception.release().unwrap();
}
