//! The TCP sockets of a network namespace: which there are, whose they are, and their end (sock_diag(7)).
//!
//! A [`SockDiag`] sees the namespace of the thread that made it, wherever it is used later, and keeps that
//! namespace alive: whoever holds one has to let it go when the namespace is to end. Its calls block, for as
//! long as the kernel takes to walk its table of sockets (some milliseconds), so they are not for a session's
//! worker.
//!
//! A socket that is ended ([`SockDiag::destroy`]) is closed by the kernel under its owner's hands: the peer
//! gets a reset if there is a connection, the owner's next call fails with `ECONNABORTED`. The owner is not
//! asked and keeps its descriptor.
//!
//! This module does not know which connections are wanted, nor how a thread enters a namespace.

#![forbid(unsafe_code)]

mod active;
mod owners;
mod socket;
mod wire;

#[cfg(test)]
mod tests;

use std::{io, net::SocketAddr};

use rustix::net::netlink;

use self::wire::{Id, SOCK_DESTROY, SOCK_DIAG_BY_FAMILY};
pub(super) use self::{
    owners::{Owner, owners},
    socket::{Family, Socket, State, States},
};
use super::netlink::Netlink;

/// Why sockets cannot be looked at or ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The kernel has no diagnosis of TCP sockets.
    #[error(
        "TCP sockets cannot be looked at: {source}; the kernel needs CONFIG_INET_DIAG and \
         CONFIG_INET_TCP_DIAG; where they are modules, run `modprobe tcp_diag`"
    )]
    Unavailable {
        /// As the kernel says it.
        source: io::Error,
    },
    /// The list cannot be had.
    #[error("the TCP sockets of a network namespace cannot be listed: {source}")]
    List {
        /// As the kernel says it, or what is wrong with its answer.
        source: io::Error,
    },
    /// The kernel can list sockets, not end them.
    #[error(
        "this kernel cannot end the connections of other processes: it was built without \
         CONFIG_INET_DIAG_DESTROY; end the processes that hold them"
    )]
    CannotDestroy,
    /// The kernel did not end the socket, for a reason that concerns us.
    #[error(
        "the connection from {local} to {remote} cannot be ended: {source}; it takes CAP_NET_ADMIN in the user \
         namespace that its network namespace belongs to"
    )]
    Destroy {
        /// The socket's own address.
        local: SocketAddr,
        /// Its peer's.
        remote: SocketAddr,
        /// As the kernel says it.
        source: io::Error,
    },
    /// It cannot be told whose the sockets are.
    #[error("the owners of sockets cannot be told: /proc cannot be read: {source}")]
    Owners {
        /// Why.
        source: io::Error,
    },
}

/// What became of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is closed.
    Ended,
    /// There was no such socket any more, or what is left of it carries no data.
    Gone,
}

/// Looks at the sockets of one network namespace and ends them.
#[derive(Debug)]
pub(super) struct SockDiag {
    netlink: Netlink,
}

impl SockDiag {
    /// For the network namespace of this thread.
    ///
    /// # Errors
    ///
    /// The kernel has no socket diagnosis, or no descriptor is left.
    pub(super) fn in_this_namespace() -> Result<Self, Error> {
        let netlink = Netlink::in_this_namespace(Some(netlink::SOCK_DIAG)).map_err(not_listed)?;
        Ok(Self { netlink })
    }

    /// The sockets in these states that are `wanted`. Addresses are canonical: IPv4 also on an IPv6 socket.
    ///
    /// A socket that is opened or closed meanwhile may be there or not. One that lives all the time can be
    /// missing only if another one of its hash bucket is closed just then, so whoever must not miss any asks
    /// until nothing new comes.
    ///
    /// # Errors
    ///
    /// The kernel has no diagnosis of TCP sockets, or its answer cannot be read.
    pub(super) fn list(
        &mut self,
        states: States,
        wanted: impl Fn(&Socket) -> bool,
    ) -> Result<Vec<Socket>, Error> {
        let mut sockets = self.list_family(Family::V4, states, [0, 0], &wanted)?;
        sockets.append(&mut self.list_family(Family::V6, states, [0, 0], &wanted)?);
        Ok(sockets)
    }

    /// Like [`Self::list`], for sockets of one family; a local or remote port other than 0 has to be theirs.
    fn list_family(
        &mut self,
        family: Family,
        states: States,
        ports: [u16; 2],
        wanted: &impl Fn(&Socket) -> bool,
    ) -> Result<Vec<Socket>, Error> {
        let request = wire::list(family, states, ports);
        let read = |body: &[u8]| wire::socket(body).map(|socket| Some(socket).filter(wanted));
        self.netlink.list(SOCK_DIAG_BY_FAMILY, &request, read).map_err(not_listed)
    }

    /// Ends a socket that was listed, and no other one that has its addresses by now.
    ///
    /// # Errors
    ///
    /// The kernel cannot do so, or we may not. That the socket is gone is none.
    pub(super) fn destroy(&mut self, socket: &Socket) -> Result<Outcome, Error> {
        self.destroy_id(&Id {
            local: socket.local,
            remote: socket.remote,
            interface: socket.interface,
            cookie: socket.cookie,
        })
    }

    /// Ends the socket with these addresses and this cookie (`SO_COOKIE`), if it is in this namespace.
    ///
    /// # Errors
    ///
    /// Like [`Self::destroy`].
    pub(super) fn destroy_exact(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
        cookie: u64,
    ) -> Result<Outcome, Error> {
        let outcome = self.destroy_id(&Id { local, remote, interface: 0, cookie })?;
        if outcome == Outcome::Ended {
            return Ok(outcome);
        }
        // The kernel finds a socket that is bound to an interface (SO_BINDTODEVICE, or a link-local address)
        // only by that interface's index, which is nothing that the caller has to know.
        let ports = [local.port(), remote.port()];
        let same = |socket: &Socket| socket.cookie == cookie && socket.interface != 0;
        for family in [Family::V4, Family::V6] {
            if let Some(bound) = self.list_family(family, States::CONNECTED, ports, &same)?.first() {
                return self.destroy(bound);
            }
        }
        Ok(Outcome::Gone)
    }

    /// Whether this kernel can end sockets, by trying it on one that does not exist. Whether we may is not
    /// asked by then.
    ///
    /// # Errors
    ///
    /// [`Error::CannotDestroy`], or those of [`Self::list`].
    pub(super) fn check_destroy(&mut self) -> Result<(), Error> {
        // Without the diagnosis of TCP the answer would be the same as for a socket that does not exist.
        self.list_family(Family::V4, States::of(&[State::Listen]), [0, 0], &|_| false)?;
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        match self.request_destroy(&Id { local: nowhere, remote: nowhere, interface: 0, cookie: 0 }) {
            Err(Error::Destroy { source, .. }) if is_gone(&source) => Ok(()),
            tried => tried,
        }
    }

    fn destroy_id(&mut self, id: &Id) -> Result<Outcome, Error> {
        match self.request_destroy(id) {
            Ok(()) => Ok(Outcome::Ended),
            Err(Error::Destroy { source, .. }) if is_gone(&source) => Ok(Outcome::Gone),
            // Older kernels say so as well of what a closed connection leaves (TIME_WAIT).
            Err(Error::CannotDestroy) => self.check_destroy().map(|()| Outcome::Gone),
            Err(error) => Err(error),
        }
    }

    fn request_destroy(&mut self, id: &Id) -> Result<(), Error> {
        wire::exact(id)
            .and_then(|request| self.netlink.command(SOCK_DESTROY, &request))
            .map_err(|source| not_ended(id, source))
    }
}

fn not_listed(source: io::Error) -> Error {
    match source.raw_os_error() {
        // No NETLINK_SOCK_DIAG, or nobody for TCP behind it.
        Some(libc::EPROTONOSUPPORT | libc::ENOENT) => Error::Unavailable { source },
        _ => Error::List { source },
    }
}

fn not_ended(id: &Id, source: io::Error) -> Error {
    match source.raw_os_error() {
        Some(libc::EOPNOTSUPP) => Error::CannotDestroy,
        _ => Error::Destroy { local: id.local, remote: id.remote, source },
    }
}

/// `ENOENT`: no such socket, or its cookie is another.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}
