//! Connections of our own, which the programs let through.
//!
//! They are known by a value in the socket's own storage, set before connect(). Nothing that another
//! process can imitate (a mark, a uid, a pid) counts; setting the value takes a descriptor of the map.

use std::{
    io,
    net::SocketAddr,
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
};

use agent_ebpf::{OWN_LISTENER, OWN_UPSTREAM, maps};
use aya::maps::{Map, MapError};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpSocket, TcpStream};

use super::{Error, Route, namespaces::Errands, sys};

/// Makes sockets that are not redirected. Cheap to clone; usable on any thread.
#[derive(Clone, Debug)]
pub struct OwnSockets {
    map: Arc<OwnedFd>,
    errands: Errands,
}

impl OwnSockets {
    pub(super) fn new(map: &Map, errands: Errands) -> Result<Self, Error> {
        let wrong = |source| Error::Map { map: maps::OWN, source };
        let Map::SkStorage(data) = map else {
            return Err(wrong(MapError::InvalidMapType { map_type: 0 }));
        };
        let map = data.fd().as_fd().try_clone_to_owned().map_err(|source| wrong(source.into()))?;
        Ok(Self { map: Arc::new(map), errands })
    }

    /// Connects past the programs, from where the route begins. The future belongs to the runtime that first polls
    /// it.
    ///
    /// There is no time limit but the kernel's own.
    ///
    /// # Errors
    ///
    /// Those of connect(); the network namespace is gone; or the socket cannot be marked as ours.
    pub async fn connect(&self, route: &Route, address: SocketAddr) -> io::Result<TcpStream> {
        let socket = match &route.namespace {
            Some(namespace) => self.errands.run(namespace.file(), move || stream_socket(address)).await??,
            None => stream_socket(address)?,
        };
        if let Some(device) = route.device {
            match address {
                SocketAddr::V4(_) => socket.bind_device_by_index_v4(Some(device))?,
                SocketAddr::V6(_) => socket.bind_device_by_index_v6(Some(device))?,
            }
        }
        self.mark(&socket, OWN_UPSTREAM)?;
        TcpSocket::from_std_stream(socket.into()).connect(address).await
    }

    /// Marks a listener: what it accepts inherits the mark, and gets its record.
    pub(super) fn mark_listener(&self, socket: &impl AsFd) -> Result<(), Error> {
        self.mark(socket, OWN_LISTENER).map_err(|source| Error::Mark { source })
    }

    fn mark(&self, socket: &impl AsFd, mark: u32) -> io::Result<()> {
        // SAFETY: the map's values are u32 (`pins` compared their size, `maps::OWN` says it).
        unsafe { sys::set_socket_storage(self.map.as_fd(), socket.as_fd(), &mark) }
    }
}

/// A TCP socket for this address, non-blocking, in the network namespace of the calling thread.
pub(super) fn stream_socket(address: SocketAddr) -> io::Result<Socket> {
    Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))
}
