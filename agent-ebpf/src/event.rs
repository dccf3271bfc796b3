//! What the kernel side tells the daemon at once.

use crate::Origin;

/// Something that happened, in [`maps::EVENTS`](crate::maps::EVENTS).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// One of [`EventKind`]. A `u32`, because an enum of another value would be no value at all.
    pub kind: u32,
    /// What depends on the kind: for [`EventKind::LinkDropped`] the interface, for [`EventKind::OpeningFound`]
    /// the [`Verdict`](crate::opening::Verdict)'s code, for [`EventKind::BindRefused`] nothing.
    pub detail: u32,
    /// Who, and where to: the packet's own destination, which is not always what connect() asked for. Where the
    /// socket is older than the programs, or the packet is not of a socket, the process is all zero.
    pub origin: Origin,
    /// The packet's source address; for IPv4 its four bytes, then zeros.
    pub source: [u8; 16],
    /// The packet's source port, host byte order.
    pub source_port: u16,
    /// 1 if this socket has told of this kind before.
    pub again: u16,
    /// Zero.
    pub reserved: u32,
}

/// [`Event::kind`].
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A socket was made, or a protected connection begun, in a network namespace without a listener.
    Namespace = 1,
    /// The SYN of a redirected connection met no listener of ours and was dropped.
    Held = 2,
    /// A packet of a TCP socket to a protected destination was dropped.
    GuardDropped = 3,
    /// A packet of a raw socket to a protected destination was dropped.
    RawDropped = 4,
    /// bind() to a listener's port was refused.
    BindRefused = 5,
    /// A stream to an unprotected port began like PostgreSQL.
    OpeningFound = 6,
    /// A SYN to a protected destination, or data of no TCP socket, came in by a virtual interface and was dropped.
    LinkDropped = 7,
    /// A redirected connection's record found no room.
    TuplesFull = 8,
    /// A protected connection was refused: no socket storage.
    NoStorage = 9,
}

const _: () = assert!(size_of::<Event>() == 120 && align_of::<Event>() == 8);
