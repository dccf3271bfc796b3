//! The ABI between the kernel side and the agent: every value that lies in a shared map; and, in [`opening`],
//! what the kernel side thinks, where tests on the host can follow.
//!
//! This library is all that the agent sees of the kernel side. It knows no program, no helper and no
//! map handle; it compiles for the host and for the BPF target alike and must mean the same on both.
//! Values are `repr(C)` without padding, so that a whole value can be read as bytes; a change of any
//! of them, or of what a field means, raises [`ABI_VERSION`].
#![no_std]
#![forbid(unsafe_code)]

mod counter;
mod event;
mod opener;
pub mod opening;
mod stream;

pub use counter::{COUNTERS, Counter};
pub use event::{Event, EventKind};
pub use opener::Opener;
pub use stream::{Stream, StreamState};

/// The version of everything in this file. The agent refuses to adopt pinned maps of another version.
pub const ABI_VERSION: u32 = 3;

/// `AF_INET`, as it stands in [`Destination::family`] and [`Origin::family`].
pub const AF_INET: u16 = 2;
/// `AF_INET6`, as it stands in [`Destination::family`] and [`Origin::family`].
pub const AF_INET6: u16 = 10;

/// The largest number of protected destinations.
pub const MAX_DESTINATIONS: usize = 4096;
/// The number of words of [`maps::PORTS`].
pub const PORT_WORDS: usize = (1 << 16) / 64;
/// How many of the last connections to what is not protected are remembered by who opened them.
pub const MAX_OPENERS: usize = 16384;
/// The largest number of redirected connections between their SYN and their acceptance.
pub const MAX_TUPLES: usize = 16384;
/// The largest number of network namespaces.
pub const MAX_NAMESPACES: usize = 8192;
/// The size of the ring of [`Event`]s, in bytes.
pub const EVENTS_BYTES: usize = 256 << 10;
/// The length of a task's name with its final zero (`TASK_COMM_LEN`).
pub const COMM_LEN: usize = 16;

/// The maps that outlive the daemon, by their names in the object, which are their pins' names too.
pub mod maps {
    /// Array of one [`Settings`](crate::Settings).
    pub const SETTINGS: &str = "SETTINGS";
    /// Longest-prefix trie from [`Destination`](crate::Destination) to a `u32` that is not read: what is protected.
    pub const DESTINATIONS: &str = "DESTINATIONS";
    /// Array of [`PORT_WORDS`](crate::PORT_WORDS) `u64`, bit `port % 64` of word `port / 64`: the ports that
    /// [`DESTINATIONS`] has, which alone are looked up there. Ports that it has no more may stand here still.
    pub const PORTS: &str = "PORTS";
    /// Hash from a network namespace's cookie (`u64`) to [`Namespace`](crate::Namespace): where the daemon listens.
    pub const NAMESPACES: &str = "NAMESPACES";
    /// Socket storage, `u32`, one of [`OWN_UPSTREAM`](crate::OWN_UPSTREAM) and
    /// [`OWN_LISTENER`](crate::OWN_LISTENER): the daemon's own sockets. Accepted sockets inherit it.
    pub const OWN: &str = "OWN";
    /// Socket storage, [`Stream`](crate::Stream): what was decided of a socket's connection, and who opened it. Sockets
    /// that have nothing to do with what is protected have none.
    pub const STREAMS: &str = "STREAMS";
    /// Array of [`MAX_OPENERS`](crate::MAX_OPENERS) [`Opener`](crate::Opener)s, at the place of the socket's cookie:
    /// who opened the last connections to what is not protected. A socket with a [`Stream`](crate::Stream) has it
    /// there.
    pub const OPENERS: &str = "OPENERS";
    /// Hash from [`Tuple`](crate::Tuple) to [`Origin`](crate::Origin): between SYN and acceptance.
    pub const TUPLES: &str = "TUPLES";
    /// Socket storage of the accepted socket, [`Origin`](crate::Origin): what the daemon reads.
    pub const ACCEPTED: &str = "ACCEPTED";
    /// Per-CPU array of `u64`, indexed by [`Counter`](crate::Counter).
    pub const COUNTERS: &str = "COUNTERS";
    /// Ring buffer of [`Event`](crate::Event)s.
    pub const EVENTS: &str = "EVENTS";

    /// All of them.
    pub const ALL: [&str; 11] = [
        SETTINGS,
        DESTINATIONS,
        PORTS,
        NAMESPACES,
        OWN,
        STREAMS,
        OPENERS,
        TUPLES,
        ACCEPTED,
        COUNTERS,
        EVENTS,
    ];
}

/// [`maps::OWN`]: a connection of the daemon to a backend; it is never redirected.
pub const OWN_UPSTREAM: u32 = 1;
/// [`maps::OWN`]: the daemon's listener, and, by inheritance, what it accepts.
pub const OWN_LISTENER: u32 = 2;

/// What holds in all network namespaces.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// [`ABI_VERSION`] of the daemon that wrote this.
    pub abi_version: u32,
    /// The port on 127.0.0.1, host byte order, of a namespace that has no listener yet: where one is made.
    pub port4: u16,
    /// Likewise on `::1`; 0 refuses every protected IPv6 connection there.
    pub port6: u16,
    /// The first retransmission timeout of a redirected connection's SYN, in jiffies: it is dropped while there is
    /// no listener, and should soon be tried again.
    pub syn_timeout: u32,
    /// How often a redirected connection's SYN is sent again before connect() fails (`TCP_SYNCNT`).
    pub syn_retries: u32,
    /// What is done about PostgreSQL on ports that are not protected: one of [`ContentMode`].
    pub content: u32,
    /// Zero.
    pub reserved: u32,
}

/// [`Settings::content`].
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentMode {
    /// Nobody looks.
    Off = 0,
    /// What is found is told, and passes.
    Report = 1,
    /// What is found is told, and dropped.
    Refuse = 2,
}

/// Where the daemon listens in a network namespace.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Whether there is a listener: 0 while the daemon has only been told of the namespace.
    pub served: u32,
    /// The listener's port on 127.0.0.1, host byte order.
    pub port4: u16,
    /// The listener's port on `::1`, host byte order; 0 refuses every protected IPv6 connection.
    pub port6: u16,
}

/// What the trie matches: after the port and the family come as many bits of the address as the
/// prefix has, so that one lookup answers for an exact port and any prefix.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Destination {
    /// The port, network byte order.
    pub port: [u8; 2],
    /// [`AF_INET`] or [`AF_INET6`], network byte order. An IPv4-mapped IPv6 address is `AF_INET` here.
    pub family: [u8; 2],
    /// The address; for IPv4 its four bytes, then zeros.
    pub address: [u8; 16],
}

impl Destination {
    /// The bits before the address, to add to a prefix's own length.
    pub const PREFIX_BASE: u32 = 32;
    /// The length of a key that names one IPv6 address; lookups use it for both families, because
    /// what follows an IPv4 address is always zero.
    pub const FULL_PREFIX: u32 = Self::PREFIX_BASE + 128;

    /// The key of an IPv4 address (network order bytes) and a port (host byte order).
    #[inline(always)]
    pub const fn v4(address: [u8; 4], port: u16) -> Self {
        let [a, b, c, d] = address;
        let address = [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        Self { port: port.to_be_bytes(), family: AF_INET.to_be_bytes(), address }
    }

    /// The key of an IPv6 address (network order bytes, not IPv4-mapped) and a port (host byte order).
    #[inline(always)]
    pub const fn v6(address: [u8; 16], port: u16) -> Self {
        Self { port: port.to_be_bytes(), family: AF_INET6.to_be_bytes(), address }
    }
}

/// Who opened a connection, and to where.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The original destination's address; for IPv4 its four bytes, then zeros.
    pub address: [u8; 16],
    /// The original destination's port, host byte order.
    pub port: u16,
    /// [`AF_INET`] (also for an IPv4-mapped destination) or [`AF_INET6`].
    pub family: u16,
    /// The process (`tgid`) as the initial pid namespace numbers it.
    pub tgid: u32,
    /// The thread, likewise.
    pub tid: u32,
    /// The real uid in the initial user namespace.
    pub uid: u32,
    /// The real gid in the initial user namespace.
    pub gid: u32,
    /// The interface that the socket was bound to (`SO_BINDTODEVICE`), which had to be lifted; 0 for none.
    pub device: u32,
    /// The process's cgroup in the cgroup2 hierarchy: the inode of its directory.
    pub cgroup_id: u64,
    /// The socket's network namespace (`SO_NETNS_COOKIE`).
    pub netns_cookie: u64,
    /// The socket (`SO_COOKIE`).
    pub socket_cookie: u64,
    /// When connect() was called, nanoseconds of `CLOCK_MONOTONIC`.
    pub ktime_ns: u64,
    /// The thread's name, ended by a zero. The process chooses it: a decoration, never an identity.
    pub comm: [u8; COMM_LEN],
}

/// A redirected connection as both of its ends see it, named from the client's side.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuple {
    /// The network namespace of both ends (a redirect goes to its own loopback).
    pub netns_cookie: u64,
    /// The client's address, IPv4 as IPv4-mapped IPv6, network byte order per 32-bit word.
    pub local: [u32; 4],
    /// The listener's address, likewise.
    pub remote: [u32; 4],
    /// The client's port, host byte order.
    pub local_port: u16,
    /// The listener's port, host byte order.
    pub remote_port: u16,
    /// Zero; fills the value to a multiple of its alignment.
    pub reserved: u32,
}

// A hole in one of these would reach the other side as uninitialised bytes, and a different size
// would be another ABI.
const _: () = {
    assert!(size_of::<Settings>() == 24);
    assert!(size_of::<Namespace>() == 8);
    assert!(size_of::<Destination>() == 20 && align_of::<Destination>() == 1);
    assert!(size_of::<Origin>() == 88 && align_of::<Origin>() == 8);
    assert!(size_of::<Tuple>() == 48 && align_of::<Tuple>() == 8);
};
