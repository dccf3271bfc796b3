//! Where redirected connections arrive in one network namespace.
//!
//! A connection counts only with the record that the kernel side left on the accepted socket. One without
//! it, such as a direct connect to the port, is closed: nobody knows where it wanted to go.

use std::{
    future::pending,
    io,
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use agent_ebpf::{AF_INET, AF_INET6, Origin, maps};
use aya::maps::{Map, MapData, MapError, SkStorage};
use rustix::net::{SocketFlags, accept_with};
use socket2::{SockRef, Socket};
use tokio::io::{Interest, unix::AsyncFd};

use super::{Error, OwnSockets, Peer, abi::Value};

/// Connections that may wait to be accepted; the kernel caps it at net.core.somaxconn.
const BACKLOG: i32 = 4096;
/// How long to leave the queue alone when this process is out of descriptors or memory.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// What a listener takes with the record.
pub(super) struct Taken {
    /// Non-blocking and registered with no runtime.
    pub(super) stream: TcpStream,
    pub(super) destination: SocketAddr,
    pub(super) peer: Peer,
    /// The interface that the client's socket was bound to; 0 for none.
    pub(super) device: u32,
}

/// The records of accepted sockets, and how many had none.
pub(super) struct Records {
    accepted: SkStorage<MapData, Value<Origin>>,
    unrecorded: AtomicU64,
}

impl Records {
    pub(super) fn new(accepted: Map) -> Result<Arc<Self>, Error> {
        let accepted = accepted.try_into().map_err(|source| Error::Map { map: maps::ACCEPTED, source })?;
        Ok(Arc::new(Self { accepted, unrecorded: AtomicU64::new(0) }))
    }

    /// How many connections were closed because they had no record.
    pub(super) fn unrecorded(&self) -> u64 {
        self.unrecorded.load(Ordering::Relaxed)
    }

    fn of(&self, stream: &TcpStream) -> Result<Option<Origin>, Error> {
        match self.accepted.get(stream, 0) {
            Ok(Value(origin)) => Ok(Some(origin)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(source) => Err(Error::Map { map: maps::ACCEPTED, source }),
        }
    }
}

/// A listening socket, in whatever namespace it was made.
pub(super) struct Listener {
    socket: AsyncFd<TcpListener>,
    port: u16,
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.get_ref().as_fd()
    }
}

impl Listener {
    /// Makes a fresh socket listen on the first of these loopback addresses whose port is free. The addresses need
    /// not be there yet.
    ///
    /// # Errors
    ///
    /// All ports are taken, or the socket cannot be marked as ours.
    pub(super) fn bind(socket: Socket, addresses: &[SocketAddr], own: &OwnSockets) -> Result<Self, Error> {
        let Some(first) = addresses.first() else {
            return Err(Error::Accept { source: io::ErrorKind::InvalidInput.into() });
        };
        let wrong = |source| Error::Listen { address: *first, source };
        // Connections of an earlier daemon may still be in TIME_WAIT.
        socket.set_reuse_address(true).map_err(wrong)?;
        if first.is_ipv4() {
            socket.set_freebind_v4(true).map_err(wrong)?;
        } else {
            socket.set_only_v6(true).map_err(wrong)?;
            socket.set_freebind_v6(true).map_err(wrong)?;
        }
        // Before bind(), which the kernel side refuses to others on this port, and before listen(): a connection
        // accepted without the inherited mark would get no record.
        own.mark_listener(&socket)?;
        // In use, or kept for somebody else's listener by hooks like ours.
        let taken = |error: &io::Error| {
            matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied)
        };
        let mut bound = Ok(());
        for address in addresses {
            bound = socket.bind(&(*address).into()).and_then(|()| socket.listen(BACKLOG));
            if !bound.as_ref().is_err_and(taken) {
                break;
            }
        }
        bound.map_err(wrong)?;
        Self::register(socket.into()).map_err(wrong)
    }

    /// Takes over a socket that listens already.
    ///
    /// # Errors
    ///
    /// It cannot be marked as ours, or not be waited on.
    pub(super) fn adopt(socket: OwnedFd, own: &OwnSockets) -> Result<Self, Error> {
        own.mark_listener(&socket)?;
        SockRef::from(&socket).set_nonblocking(true).map_err(|source| Error::Accept { source })?;
        Self::register(socket.into()).map_err(|source| Error::Accept { source })
    }

    fn register(listener: TcpListener) -> io::Result<Self> {
        let port = listener.local_addr()?.port();
        // SAFETY: a TcpListener owns its descriptor, and nobody puts another in its place while the AsyncFd
        // holds it.
        let socket = unsafe { AsyncFd::register_with_interest(listener, Interest::READABLE) };
        Ok(Self { socket: socket.map_err(io::Error::from)?, port })
    }

    /// Host byte order.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    async fn accept(&self) -> io::Result<TcpStream> {
        // Not tokio's own listener: it would register the socket with this runtime, and the session lives on
        // another.
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let accepted =
            self.socket.async_io(Interest::READABLE, |listener| Ok(accept_with(listener, flags)?)).await?;
        Ok(TcpStream::from(accepted))
    }
}

/// The next connection that has its record, of one of the listeners. Cancelling the wait loses none.
///
/// # Errors
///
/// The listeners or the records cannot be used any more. What passes by itself (a connection that was
/// aborted, a lack of descriptors) is waited out.
pub(super) async fn accept(
    v4: Option<&Listener>,
    v6: Option<&Listener>,
    records: &Records,
) -> Result<Taken, Error> {
    let next = async |listener: Option<&Listener>| match listener {
        Some(listener) => listener.accept().await,
        None => pending().await,
    };
    loop {
        let accepted = tokio::select! {
            stream = next(v4) => stream,
            stream = next(v6) => stream,
        };
        let stream = match accepted {
            Ok(stream) => stream,
            Err(error) if is_exhausted(&error) => {
                tracing::warn!(%error, "connections wait: the daemon is short of resources");
                tokio::time::sleep(EXHAUSTED_PAUSE).await;
                continue;
            }
            Err(error) if is_fatal(&error) => return Err(Error::Accept { source: error }),
            Err(_) => continue,
        };
        if let Some(origin) = records.of(&stream)?
            && let Some(destination) = address(origin.family, &origin.address, origin.port)
        {
            return Ok(Taken { stream, destination, peer: Peer::from(&origin), device: origin.device });
        }
        records.unrecorded.fetch_add(1, Ordering::Relaxed);
        tracing::debug!("closed a connection that came to the listener on its own");
    }
}

/// An address of the ABI; none if it is of no family.
pub(super) fn address(family: u16, bytes: &[u8; 16], port: u16) -> Option<SocketAddr> {
    let [a, b, c, d, ..] = *bytes;
    let ip = match family {
        AF_INET => IpAddr::from([a, b, c, d]),
        AF_INET6 => IpAddr::from(*bytes),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// See accept(2): everything else concerns one connection, which is gone.
fn is_fatal(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EBADF | libc::EFAULT | libc::EINVAL | libc::ENOTSOCK) | None)
}

fn is_exhausted(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}
