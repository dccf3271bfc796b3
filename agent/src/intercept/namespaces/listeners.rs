//! The two listeners of one network namespace: made, stored, taken over, and put to work.

#![forbid(unsafe_code)]

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    num::NonZeroU32,
    os::fd::{AsFd as _, OwnedFd},
    sync::Arc,
};

use socket2::Socket;
use tokio::sync::{mpsc::Sender, watch};

use super::super::{
    Error, Intercepted, OwnSockets, Route,
    fd_store::{Family, FdStore, Inherited},
    listener::{self, Listener, Records, Taken},
    own_sockets::stream_socket,
    route::Namespace,
    sys,
};

/// What has to be made inside of a namespace.
pub(super) struct Sockets {
    /// The namespace's own.
    pub(super) cookie: u64,
    v4: Option<Socket>,
    v6: Option<Socket>,
}

/// The listeners of one namespace.
pub(super) struct Listeners {
    v4: Option<Listener>,
    v6: Option<Listener>,
}

/// Listeners that the service manager has kept, of one namespace.
pub(super) type Stored = Vec<(Family, OwnedFd)>;

/// Fresh sockets in the calling thread's network namespace, whose loopback interface is up then.
///
/// # Errors
///
/// There is neither IPv4 nor IPv6 to be had.
pub(super) fn sockets() -> io::Result<Sockets> {
    let v4 = stream_socket(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let v6 = stream_socket(SocketAddr::from((Ipv6Addr::LOCALHOST, 0)));
    let any = match (&v4, &v6) {
        (Ok(socket), _) | (_, Ok(socket)) => socket,
        _ => return Err(v4.err().unwrap_or_else(|| io::ErrorKind::Unsupported.into())),
    };
    let cookie = sys::netns_cookie(any.as_fd())?;
    match sys::raise_loopback(any.as_fd()) {
        Ok(true) => tracing::info!(cookie, "brought up the loopback interface of a network namespace"),
        Ok(false) => {}
        Err(error) => tracing::debug!(%error, cookie, "the loopback interface cannot be looked at"),
    }
    Ok(Sockets { cookie, v4: v4.ok(), v6: v6.ok() })
}

impl Listeners {
    /// Listens on both loopback addresses, on the first of these pairs of ports (IPv4, IPv6) that is free there.
    ///
    /// # Errors
    ///
    /// All are taken. A namespace without IPv6 has no listener there, which is none.
    pub(super) fn new(sockets: Sockets, ports: &[(u16, u16)], own: &OwnSockets) -> Result<Self, Error> {
        let bind = |socket: Socket, ip: IpAddr, port: fn(&(u16, u16)) -> u16| {
            let addresses: Vec<_> = ports.iter().map(|both| SocketAddr::new(ip, port(both))).collect();
            Listener::bind(socket, &addresses, own)
        };
        let v4 =
            sockets.v4.map(|socket| bind(socket, Ipv4Addr::LOCALHOST.into(), |both| both.0)).transpose()?;
        let v6 = sockets.v6.map(|socket| bind(socket, Ipv6Addr::LOCALHOST.into(), |both| both.1)).transpose();
        let v6 = match v6 {
            Err(Error::Listen { source, .. }) if lacks_ipv6(&source) => None,
            v6 => v6?,
        };
        Ok(Self { v4, v6 })
    }

    /// Puts stored listeners to use again; none if there is none on IPv4.
    pub(super) fn adopt(stored: Stored, own: &OwnSockets) -> Option<Self> {
        let mut listeners = Self { v4: None, v6: None };
        for (family, fd) in stored {
            match Listener::adopt(fd, own) {
                Ok(listener) if family == Family::V4 => listeners.v4 = Some(listener),
                Ok(listener) => listeners.v6 = Some(listener),
                Err(error) => tracing::warn!(%error, "a stored listener cannot be used"),
            }
        }
        listeners.v4.is_some().then_some(listeners)
    }

    /// IPv4's and IPv6's; 0 where there is none.
    pub(super) fn ports(&self) -> (u16, u16) {
        let port = |listener: &Option<Listener>| listener.as_ref().map_or(0, Listener::port);
        (port(&self.v4), port(&self.v6))
    }

    /// Has the service manager keep them, and says which there are.
    pub(super) fn store(&self, cookie: u64, store: &FdStore) -> Vec<Family> {
        let both = [(Family::V4, &self.v4), (Family::V6, &self.v6)];
        let there = both.into_iter().filter_map(|(family, listener)| Some((family, listener.as_ref()?)));
        there
            .map(|(family, listener)| {
                store.store(cookie, family, listener);
                family
            })
            .collect()
    }

    /// Hands over what arrives until it is told to stop, or nobody takes it any more.
    ///
    /// # Errors
    ///
    /// A listener is broken, as one is that somebody has ended under our hands.
    pub(super) async fn take(
        self,
        namespace: Option<Arc<Namespace>>,
        records: Arc<Records>,
        arrivals: Sender<Intercepted>,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), Error> {
        loop {
            let Taken { stream, destination, peer, device } = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
                taken = listener::accept(self.v4.as_ref(), self.v6.as_ref(), &records) => taken?,
            };
            let route = Route { namespace: namespace.clone(), device: NonZeroU32::new(device) };
            if arrivals.send(Intercepted { stream, destination, peer, route }).await.is_err() {
                return Ok(());
            }
        }
    }
}

fn lacks_ipv6(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT))
}

/// Stored listeners by the cookie of their namespace.
pub(super) fn group(inherited: Inherited) -> HashMap<u64, Stored> {
    let mut grouped: HashMap<u64, Vec<_>> = HashMap::new();
    for (cookie, family, fd) in inherited.listeners() {
        // The name is a claim; the kernel knows.
        let real = sys::netns_cookie(fd.as_fd()).is_ok_and(|real| real == cookie);
        if real && sys::is_listening(fd.as_fd()).unwrap_or(false) {
            grouped.entry(cookie).or_default().push((family, fd));
        }
    }
    grouped
}
