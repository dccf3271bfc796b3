//! What the kernel tells of a TCP socket.

use std::net::SocketAddr;

/// A TCP socket of a network namespace, as it was when it was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::intercept) struct Socket {
    /// The socket's own. One of IPv6 may have IPv4 addresses, which are then shown as such.
    pub(in crate::intercept) family: Family,
    /// Its own address; unspecified if it listens on all. A link-local one has its scope.
    pub(in crate::intercept) local: SocketAddr,
    /// Its peer's; unspecified if it has none.
    pub(in crate::intercept) remote: SocketAddr,
    /// Its state.
    pub(in crate::intercept) state: State,
    /// Who made it, seen from our user namespace.
    pub(in crate::intercept) uid: u32,
    /// What `/proc/PID/fd` shows of it; 0 if no process has it any more, or not yet.
    pub(in crate::intercept) inode: u64,
    /// `SO_COOKIE`: no other socket of this boot has it.
    pub(in crate::intercept) cookie: u64,
    /// The cgroup that it was made in: the inode of its directory in the cgroup2 hierarchy.
    pub(in crate::intercept) cgroup_id: Option<u64>,
    /// The interface that it is bound to, by index; 0 if to none.
    pub(in crate::intercept) interface: u32,
    /// Whether it takes no IPv4 connections; told of listening IPv6 sockets alone.
    pub(in crate::intercept) v6_only: bool,
}

/// The family of a socket's own address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::intercept) enum Family {
    /// `AF_INET`.
    V4,
    /// `AF_INET6`.
    V6,
}

/// A state of TCP, as include/net/tcp_states.h numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::intercept) enum State {
    /// Both sides may send.
    Established = 1,
    /// Asked its peer; always the side that opens.
    SynSent = 2,
    /// Was asked.
    SynRecv = 3,
    /// Has sent its last; the peer does not know yet.
    FinWait1 = 4,
    /// Has sent its last; the peer may still send.
    FinWait2 = 5,
    /// Closed, remembered for a while.
    TimeWait = 6,
    /// Not connected.
    Close = 7,
    /// The peer has sent its last.
    CloseWait = 8,
    /// Both have sent their last; the peer was first.
    LastAck = 9,
    /// Waits to be asked.
    Listen = 10,
    /// Both have sent their last at once.
    Closing = 11,
}

impl State {
    /// All of them.
    const ALL: [Self; 11] = [
        Self::Established,
        Self::SynSent,
        Self::SynRecv,
        Self::FinWait1,
        Self::FinWait2,
        Self::TimeWait,
        Self::Close,
        Self::CloseWait,
        Self::LastAck,
        Self::Listen,
        Self::Closing,
    ];

    pub(super) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| *state as u8 == number)
    }
}

/// A set of states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::intercept) struct States(u32);

impl States {
    /// A connection that is being opened by this side, or over which bytes may still go.
    pub(in crate::intercept) const CONNECTED: Self = Self::of(&[
        State::Established,
        State::SynSent,
        State::FinWait1,
        State::FinWait2,
        State::CloseWait,
        State::LastAck,
        State::Closing,
    ]);

    /// These.
    pub(in crate::intercept) const fn of(states: &[State]) -> Self {
        let (mut bits, mut n) = (0, 0);
        while n < states.len() {
            bits |= 1 << states[n] as u32;
            n += 1;
        }
        Self(bits)
    }

    /// These and one more.
    pub(super) const fn with(self, state: State) -> Self {
        Self(self.0 | Self::of(&[state]).0)
    }

    /// As the kernel takes them: the bit of each state's number.
    pub(super) const fn bits(self) -> u32 {
        self.0
    }
}
