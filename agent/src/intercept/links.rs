//! The interfaces of a network namespace on which packets of others enter: of other network namespaces (veth)
//! and of virtual machines or user-space stacks (tun, tap). Packets there have passed no socket of this
//! namespace, so what guards them has to stand on the interface itself.
//!
//! Asked over rtnetlink(7), because `/sys/class/net` shows the namespace of whoever mounted it, and does not
//! tell a veth from a dummy. This module does not know what is done to the packets.

mod wire;

#[cfg(test)]
mod tests;

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use rustix::{
    io::Errno,
    net::{
        AddressFamily, RecvFlags, SocketFlags, SocketType, bind, netlink::SocketAddrNetlink, recv,
        socket_with,
    },
};
use tokio::io::{Interest, unix::AsyncFd};

use super::netlink::Netlink;

/// `RTNLGRP_LINK` as a bit: links that come, go or change.
const RTMGRP_LINK: u32 = 1;

/// An interface on which packets of others enter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Link {
    /// Its name, which root may change at any time.
    pub(super) name: String,
    /// Its index, which stays for as long as it is in this namespace.
    pub(super) index: u32,
    /// What it is.
    pub(super) kind: Kind,
}

/// What kind of interface it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// One end of a pair. The other one may be in any namespace, this one too, and be moved later on.
    Veth,
    /// A process's, with Ethernet frames.
    Tap,
    /// A process's, with IP packets: they begin without a link-layer header.
    Tun,
}

/// The interfaces of the network namespace of this thread on which packets of others enter, up or down.
///
/// Not among them are macvlan, ipvlan and macvtap: what they carry never comes in on an interface of this
/// namespace, it leaves by the interface that they stand on.
///
/// # Errors
///
/// The kernel's own, or the interfaces changed all the time while they were read.
pub(super) fn entrances() -> io::Result<Vec<Link>> {
    Netlink::in_this_namespace(None)?.list(wire::RTM_GETLINK, &wire::LIST, wire::link)
}

/// An interface of any kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Described {
    pub(super) name: String,
    pub(super) index: u32,
    /// As the kernel calls it.
    pub(super) kind: String,
}

impl Described {
    /// Whether it is one of the [`entrances`].
    pub(super) fn is_entrance(&self) -> bool {
        matches!(self.kind.as_str(), "veth" | "tun")
    }
}

/// All interfaces of the network namespace of this thread that are of a kind, as hardware and the loopback are not.
///
/// # Errors
///
/// As [`entrances`].
pub(super) fn described() -> io::Result<Vec<Described>> {
    Netlink::in_this_namespace(None)?.list(wire::RTM_GETLINK, &wire::LIST, wire::described)
}

/// Notices when interfaces of a namespace come, go or change; which ones has to be asked.
///
/// It keeps the namespace alive.
#[derive(Debug)]
pub(super) struct Watch(OwnedFd);

impl Watch {
    /// Watches the network namespace of this thread from now on. Whoever then asks for the [`entrances`]
    /// misses no change.
    ///
    /// # Errors
    ///
    /// The kernel's own.
    pub(super) fn in_this_namespace() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
        bind(&socket, &SocketAddrNetlink::new(0, RTMGRP_LINK))?;
        Ok(Self(socket))
    }

    /// Goes on in the tokio runtime of this thread, whatever its namespace.
    ///
    /// # Errors
    ///
    /// The runtime cannot wait for it.
    ///
    /// # Panics
    ///
    /// Outside of a runtime with I/O.
    pub(super) fn register(self) -> io::Result<Changes> {
        // SAFETY: an OwnedFd owns its descriptor, and nobody puts another in its place while the AsyncFd
        // holds it.
        let registered = unsafe { AsyncFd::register_with_interest(self.0, Interest::READABLE) };
        Ok(Changes(registered?))
    }
}

/// A [`Watch`] that can be waited for.
#[derive(Debug)]
pub(super) struct Changes(AsyncFd<OwnedFd>);

impl Changes {
    /// Waits until something has changed since the last time. Any number of changes is one. Dropping the
    /// future loses none.
    ///
    /// # Errors
    ///
    /// The socket is broken.
    pub(super) async fn next(&self) -> io::Result<()> {
        self.0.async_io(Interest::READABLE, drain).await
    }
}

/// Empties the socket. `WouldBlock` if it was empty.
fn drain(socket: &impl AsFd) -> io::Result<()> {
    let mut changed = false;
    loop {
        // What does not fit goes with the rest of its datagram.
        match recv(socket, &mut [0], RecvFlags::DONTWAIT) {
            Err(Errno::AGAIN) if changed => return Ok(()),
            // More than the socket could hold: some are lost, others are still to come.
            Ok(_) | Err(Errno::NOBUFS) => changed = true,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
