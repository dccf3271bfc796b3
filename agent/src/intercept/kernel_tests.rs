//! The interception on the kernel that runs the test: root, and `PORTREEVE_E2E=1`.

/// The test's own world; where the kernel may not be touched the test does not run.
macro_rules! world {
    () => {
        match World::new() {
            Some(world) => world,
            None => return,
        }
    };
}

mod attacks;
mod container;
mod content;
mod guard;
mod inspect;
mod io_uring;
mod lifecycle;
mod namespaces;
mod openers;
mod packets;
mod ports;
mod redirect;
mod restarts;
mod world;

use std::{
    io::{self, BufRead as _, BufReader, Read as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket},
    os::{
        fd::{AsFd as _, AsRawFd as _},
        unix::{fs::MetadataExt as _, process::CommandExt as _},
    },
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use agent_ebpf::{ABI_VERSION, Settings, maps};
use aya::maps::{Array, MapData};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use self::world::{
    Killed, World, destinations, eventually, in_another_netns, reaches_the_server, server, unused_address,
};
use super::{
    Config, Content, Error, Fault, Inherited, Interception, InterfaceGuard, Route, abi, pins::PinDirectory,
    release, sys,
};

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    TcpStream::connect_timeout(&address, Duration::from_secs(10))
}

#[track_caller]
fn refused(address: SocketAddr, expect: i32) {
    match connect(address) {
        Err(error) => assert_eq!(error.raw_os_error(), Some(expect), "{error}"),
        Ok(stream) => panic!("{address} answered as {stream:?}"),
    }
}

fn mapped(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(v4) => SocketAddr::new(v4.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(_) => address,
    }
}

fn v6_server() -> SocketAddr {
    server(SocketAddr::from((Ipv6Addr::LOCALHOST, 0)))
}

/// Connects, accepts, and compares what both sides see.
#[track_caller]
fn check(world: &World, interception: &Interception, connect_to: SocketAddr, expect: SocketAddr) {
    let client = connect(connect_to).unwrap();
    let accepted = world.accept(interception);
    assert_eq!(accepted.destination, expect);
    assert_eq!(accepted.stream.peer_addr().unwrap().port(), client.local_addr().unwrap().port());
    let seen = client.peer_addr().unwrap();
    assert_eq!((seen.ip().to_canonical(), seen.port()), (expect.ip(), expect.port()));
    assert_eq!(seen.is_ipv6(), connect_to.is_ipv6());
}

/// Nothing comes of a connection: it waits for a listener that is not there.
#[track_caller]
fn shut(address: SocketAddr) {
    match TcpStream::connect_timeout(&address, Duration::from_millis(400)) {
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}"),
        Ok(stream) => panic!("{address} answered as {stream:?}"),
    }
}

fn set_option(socket: &Socket, level: i32, option: i32, value: i32) -> io::Result<()> {
    // SAFETY: the kernel reads the 4 bytes of `value`.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), 4) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
