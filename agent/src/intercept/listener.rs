//! Where redirected connections arrive.
//!
//! A connection counts only with the record that the kernel side left on the accepted socket. One without
//! it, such as a direct connect to the port, is closed: nobody knows where it wanted to go.

use std::{
    future::pending,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use agent_ebpf::{AF_INET, AF_INET6, Origin, maps};
use aya::maps::{Map, MapData, MapError, SkStorage};
use rustix::net::{SocketFlags, accept_with};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{Interest, unix::AsyncFd};

use super::{Error, OwnSockets, abi::Value};

/// Connections that may wait to be accepted; the kernel caps it at net.core.somaxconn.
const BACKLOG: i32 = 4096;
/// How long to leave the queue alone when this process is out of descriptors or memory.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// A connection that the kernel handed to us.
#[derive(Debug)]
pub struct Intercepted {
    /// The job's side, non-blocking and registered with no runtime.
    pub stream: TcpStream,
    /// Where the job wanted to go; IPv4 also if it asked with an IPv4-mapped address.
    pub destination: SocketAddr,
    /// Who opened it.
    pub peer: Peer,
}

/// The process that called connect(), as the kernel saw it then. It may have ended since, and its pid may
/// be another's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The process (tgid), in the initial pid namespace.
    pub pid: u32,
    /// The thread, likewise.
    pub tid: u32,
    /// The real uid, in the initial user namespace.
    pub uid: u32,
    /// The real gid, likewise.
    pub gid: u32,
    /// The process's cgroup: the inode of its directory in the cgroup2 hierarchy.
    pub cgroup_id: u64,
    /// The network namespace of its socket (`SO_NETNS_COOKIE`).
    pub netns_cookie: u64,
    /// Its socket (`SO_COOKIE`).
    pub socket_cookie: u64,
    /// The thread's name. The process chooses it: for people to read, never to decide by.
    pub comm: String,
    /// When it called connect(), nanoseconds of `CLOCK_MONOTONIC`.
    pub ktime_ns: u64,
}

/// The listener on both loopback addresses. All clones are the same one; any number of tasks of the runtime
/// that made it may accept.
#[derive(Clone)]
pub struct Listener(Arc<Inner>);

struct Inner {
    v4: AsyncFd<TcpListener>,
    /// None on a machine without IPv6, where the programs refuse protected IPv6 destinations.
    v6: Option<AsyncFd<TcpListener>>,
    port4: u16,
    port6: u16,
    accepted: SkStorage<MapData, Value<Origin>>,
    unrecorded: Arc<AtomicU64>,
}

impl Listener {
    pub(super) fn bind(port: u16, own: &OwnSockets, accepted: Map) -> Result<Self, Error> {
        let accepted = accepted.try_into().map_err(|source| Error::Map { map: maps::ACCEPTED, source })?;
        let (v4, port4) = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), own)?;
        let (v6, port6) = match listen(SocketAddr::from((Ipv6Addr::LOCALHOST, port)), own) {
            Ok((listener, port)) => (Some(listener), port),
            Err(Error::Listen { source, .. }) if lacks_ipv6(&source) => {
                tracing::warn!("there is no IPv6 loopback: protected IPv6 destinations are refused");
                (None, 0)
            }
            Err(error) => return Err(error),
        };
        let unrecorded = Arc::new(AtomicU64::new(0));
        Ok(Self(Arc::new(Inner { v4, v6, port4, port6, accepted, unrecorded })))
    }

    /// Waits for the next connection that has its record. Dropping the future loses none.
    ///
    /// # Errors
    ///
    /// The listener or the records cannot be used any more. What passes by itself (a connection that was
    /// aborted, a lack of descriptors) is waited out.
    pub async fn accept(&self) -> Result<Intercepted, Error> {
        loop {
            let stream = match self.next().await {
                Ok(stream) => stream,
                Err(error) if is_exhausted(&error) => {
                    tracing::warn!(%error, "connections wait: the daemon is short of resources");
                    tokio::time::sleep(EXHAUSTED_PAUSE).await;
                    continue;
                }
                Err(error) if is_fatal(&error) => return Err(Error::Accept { source: error }),
                Err(_) => continue,
            };
            match self.0.accepted.get(&stream, 0) {
                Ok(Value(origin)) => {
                    if let Some(destination) = destination(&origin) {
                        return Ok(Intercepted { stream, destination, peer: peer(&origin) });
                    }
                }
                Err(MapError::KeyNotFound) => {}
                Err(source) => return Err(Error::Map { map: maps::ACCEPTED, source }),
            }
            self.0.unrecorded.fetch_add(1, Ordering::Relaxed);
            tracing::debug!("closed a connection that came to the listener on its own");
        }
    }

    async fn next(&self) -> io::Result<TcpStream> {
        let v6 = async {
            match &self.0.v6 {
                Some(listener) => accept(listener).await,
                None => pending().await,
            }
        };
        tokio::select! {
            stream = accept(&self.0.v4) => stream,
            stream = v6 => stream,
        }
    }

    /// The IPv4 address.
    pub(super) fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.0.port4))
    }

    pub(super) fn port4(&self) -> u16 {
        self.0.port4
    }

    /// 0 if there is no IPv6.
    pub(super) fn port6(&self) -> u16 {
        self.0.port6
    }

    /// How many connections were closed because they had no record.
    pub(super) fn unrecorded(&self) -> Arc<AtomicU64> {
        self.0.unrecorded.clone()
    }
}

fn listen(address: SocketAddr, own: &OwnSockets) -> Result<(AsyncFd<TcpListener>, u16), Error> {
    let wrong = |source| Error::Listen { address, source };
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))
        .map_err(wrong)?;
    // Connections of an earlier daemon may still be in TIME_WAIT.
    socket.set_reuse_address(true).map_err(wrong)?;
    if address.is_ipv6() {
        socket.set_only_v6(true).map_err(wrong)?;
    }
    socket.bind(&address.into()).map_err(wrong)?;
    // Before listen(): a connection accepted without the inherited mark would get no record.
    own.mark_listener(&socket)?;
    socket.listen(BACKLOG).map_err(wrong)?;
    let listener = TcpListener::from(socket);
    let port = listener.local_addr().map_err(wrong)?.port();
    // SAFETY: a TcpListener owns its descriptor, and nobody puts another in its place while the AsyncFd
    // holds it.
    let registered = unsafe { AsyncFd::register_with_interest(listener, Interest::READABLE) };
    Ok((registered.map_err(|error| wrong(error.into()))?, port))
}

async fn accept(listener: &AsyncFd<TcpListener>) -> io::Result<TcpStream> {
    // Not tokio's own listener: it would register the socket with this runtime, and the session lives on
    // another.
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let accepted =
        listener.async_io(Interest::READABLE, |listener| Ok(accept_with(listener, flags)?)).await?;
    Ok(TcpStream::from(accepted))
}

fn destination(origin: &Origin) -> Option<SocketAddr> {
    let [a, b, c, d, ..] = origin.address;
    let address = match origin.family {
        AF_INET => IpAddr::from([a, b, c, d]),
        AF_INET6 => IpAddr::from(origin.address),
        _ => return None,
    };
    Some(SocketAddr::new(address, origin.port))
}

fn peer(origin: &Origin) -> Peer {
    let name = origin.comm.split(|byte| *byte == 0).next().unwrap_or_default();
    Peer {
        pid: origin.tgid,
        tid: origin.tid,
        uid: origin.uid,
        gid: origin.gid,
        cgroup_id: origin.cgroup_id,
        netns_cookie: origin.netns_cookie,
        socket_cookie: origin.socket_cookie,
        comm: String::from_utf8_lossy(name).into_owned(),
        ktime_ns: origin.ktime_ns,
    }
}

fn lacks_ipv6(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT))
}

/// See accept(2): everything else concerns one connection, which is gone.
fn is_fatal(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EBADF | libc::EFAULT | libc::EINVAL | libc::ENOTSOCK) | None)
}

fn is_exhausted(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}
