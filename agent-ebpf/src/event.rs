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

impl Event {
    /// What it is about; none for a kind that this version does not know.
    pub const fn kind(&self) -> Option<EventKind> {
        Some(match self.kind {
            1 => EventKind::Namespace,
            2 => EventKind::Held,
            3 => EventKind::GuardDropped,
            4 => EventKind::RawDropped,
            5 => EventKind::BindRefused,
            6 => EventKind::OpeningFound,
            7 => EventKind::LinkDropped,
            8 => EventKind::TuplesFull,
            9 => EventKind::NoStorage,
            _ => return None,
        })
    }
}

const _: () = assert!(size_of::<Event>() == 120 && align_of::<Event>() == 8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_known_by_its_number() {
        let event = |kind| Event {
            kind,
            detail: 0,
            origin: Origin::default(),
            source: [0; 16],
            source_port: 0,
            again: 0,
            reserved: 0,
        };
        for number in 1..=EventKind::NoStorage as u32 {
            assert_eq!(event(number).kind().map(|kind| kind as u32), Some(number));
        }
        assert_eq!((event(0).kind(), event(10).kind()), (None, None));
    }
}
