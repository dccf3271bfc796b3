//! The network namespaces that the daemon listens in.
//!
//! A redirected connection goes to the loopback address of its own network namespace, so a listener has to be there:
//! in every one that exists at the start, and in a new one as soon as the kernel side tells of it. A listener keeps
//! its namespace alive, so it is closed when nobody else uses that.

#![forbid(unsafe_code)]

mod errands;
mod find;
mod listeners;

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io,
    os::fd::AsFd as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use agent_ebpf::{Event, MAX_NAMESPACES, Namespace as Ports, Origin, maps};
use aya::maps::{HashMap as KernelMap, Map, MapData, MapError};
use tokio::{
    sync::{mpsc::Sender, watch},
    task::JoinHandle,
};

pub(super) use errands::Errands;
pub(super) use find::{all as in_use, open};

use listeners::{Listeners, Sockets, Stored, group, sockets};

use super::{
    Error, Intercepted, OwnSockets,
    abi::Value,
    fd_store::{Family, FdStore, Inherited},
    listener::{Records, address},
    route::Namespace,
    sock_diag::{self, Outcome, Owner, SockDiag, States, owners},
    sys,
};

/// How often it is looked which namespaces are in use.
const LOOK: Duration = Duration::from_secs(2);
/// After so many looks in a row that found nobody in it, a namespace is given up.
const UNUSED_LOOKS: u32 = 2;

/// How long broken listeners are left alone: not for ever, and not for nothing.
const AGAIN: Duration = Duration::from_millis(100);

/// All of them. All clones are the same set.
#[derive(Clone)]
pub(super) struct Namespaces(Arc<Shared>);

struct Shared {
    errands: Errands,
    own: OwnSockets,
    records: Arc<Records>,
    store: FdStore,
    kernel: Mutex<KernelMap<MapData, u64, Value<Ports>>>,
    served: Mutex<HashMap<u64, Served>>,
    /// The daemon's own namespace's.
    home: u64,
    /// The ports that are tried first in every namespace.
    ports: (u16, u16),
    /// Those that an earlier daemon had: connections that wait for the next one go there.
    earlier: HashMap<u64, (u16, u16)>,
    /// None once no more is accepted.
    arrivals: Mutex<Option<Sender<Intercepted>>>,
    stop: watch::Sender<bool>,
}

/// A namespace with its listeners.
struct Served {
    namespace: Arc<Namespace>,
    inode: find::Inode,
    families: Vec<Family>,
    /// Looks in a row that found nobody in it.
    unused: u32,
    task: JoinHandle<()>,
}

/// What is needed to begin.
pub(super) struct Start {
    pub(super) errands: Errands,
    pub(super) own: OwnSockets,
    pub(super) records: Arc<Records>,
    /// [`maps::NAMESPACES`].
    pub(super) kernel: Map,
    /// The port that is tried first; 0 lets the kernel choose.
    pub(super) port: u16,
    pub(super) arrivals: Sender<Intercepted>,
    pub(super) inherited: Inherited,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each holder's change is one insertion or removal: a panic leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Namespaces {
    /// Listens in the daemon's own namespace, and in all others that are in use.
    ///
    /// # Errors
    ///
    /// The port is taken in the daemon's own. What fails in another is logged, and tried again when somebody there
    /// needs it.
    pub(super) fn start(start: Start) -> Result<Self, Error> {
        let Start { errands, own, records, kernel, port, arrivals, inherited } = start;
        let kernel: KernelMap<MapData, u64, Value<Ports>> = kernel.try_into().map_err(wrong)?;
        let entries = kernel.iter().filter_map(Result::ok).filter(|(_, Value(ports))| ports.served == 1);
        let earlier: HashMap<_, _> =
            entries.map(|(cookie, Value(ports))| (cookie, (ports.port4, ports.port6))).collect();
        let here =
            Arc::new(File::open("/proc/thread-self/ns/net").map_err(|source| Error::Namespace { source })?);
        let sockets = sockets().map_err(|source| Error::Namespace { source })?;
        let mut inherited = group(inherited);
        let home = sockets.cookie;
        let kept = inherited.remove(&home).and_then(|stored| Listeners::adopt(stored, &own));
        let listeners = match kept {
            Some(listeners) => listeners,
            None if port == 0 => {
                Listeners::new(sockets, &[earlier.get(&home).copied().unwrap_or((0, 0)), (0, 0)], &own)?
            }
            None => Listeners::new(sockets, &[(port, port)], &own)?,
        };
        let ports = listeners.ports();
        if ports.1 == 0 {
            tracing::warn!("there is no IPv6 loopback: protected IPv6 destinations are refused");
        }
        let namespaces = Self(Arc::new(Shared {
            errands,
            own,
            records,
            store: FdStore::start().map_err(|source| Error::Namespace { source })?,
            kernel: Mutex::new(kernel),
            served: Mutex::default(),
            home,
            ports,
            earlier,
            arrivals: Mutex::new(Some(arrivals)),
            stop: watch::channel(false).0,
        }));
        namespaces.forget_all()?;
        namespaces.enlist(Namespace::new(home, here), listeners)?;
        namespaces.serve_those_in_use(inherited);
        Ok(namespaces)
    }

    /// The ports of the daemon's own namespace, IPv4 first; 0 where there is no IPv6.
    pub(super) fn ports(&self) -> (u16, u16) {
        self.0.ports
    }

    /// How many are served.
    pub(super) fn count(&self) -> usize {
        lock(&self.0.served).len()
    }

    /// Does this in every served namespace.
    pub(super) fn each<T: Send + 'static>(
        &self,
        work: impl Fn() -> T + Clone + Send + 'static,
    ) -> Vec<(u64, io::Result<T>)> {
        let all: Vec<_> = lock(&self.0.served).values().map(|served| Arc::clone(&served.namespace)).collect();
        let run = |namespace: Arc<Namespace>| {
            (namespace.cookie, self.0.errands.run_blocking(namespace.file(), work.clone()))
        };
        all.into_iter().map(run).collect()
    }

    /// Does this in a served namespace, or in all of them where it is not known which.
    async fn within<T: Send + 'static>(
        &self,
        cookie: u64,
        work: impl Fn() -> Option<T> + Clone + Send + 'static,
    ) -> Option<T> {
        let candidates: Vec<_> = {
            let served = lock(&self.0.served);
            let all = served.values().map(|served| Arc::clone(&served.namespace));
            all.filter(|namespace| cookie == 0 || namespace.cookie == cookie).collect()
        };
        for namespace in candidates {
            if let Ok(Some(done)) = self.0.errands.run(namespace.file(), work.clone()).await {
                return Some(done);
            }
        }
        None
    }

    /// Ends the socket that an event is about under its owner's hands, wherever it is, and says whose it was where the
    /// kernel side did not know.
    pub(super) async fn end_socket(&self, event: &Event) -> Option<Owner> {
        let Origin { netns_cookie, socket_cookie, tgid, family, .. } = event.origin;
        let local = address(family, &event.source, event.source_port);
        let remote = address(family, &event.origin.address, event.origin.port);
        let end = move || -> Result<Option<Option<Owner>>, sock_diag::Error> {
            let mut diag = SockDiag::in_this_namespace()?;
            // Quick, where no firewall has changed the packet's addresses.
            if let (Some(local), Some(remote), 1..) = (local, remote, tgid)
                && diag.destroy_exact(local, remote, socket_cookie)? == Outcome::Ended
            {
                return Ok(Some(None));
            }
            let found = diag.list(States::CONNECTED, |socket| socket.cookie == socket_cookie)?;
            let Some(socket) = found.first() else { return Ok(None) };
            // To look for it in all processes takes a while.
            let unknown = if tgid == 0 { owners(&HashSet::from([socket.inode])).ok() } else { None };
            let owner = unknown.and_then(|mut owners| owners.remove(&socket.inode)?.into_iter().next());
            diag.destroy(socket)?;
            Ok(Some(owner))
        };
        let ended = self.within(netns_cookie, move || {
            end().unwrap_or_else(|error| {
                tracing::warn!(%error, "a refused connection cannot be ended; its packets are dropped");
                None
            })
        });
        ended.await.flatten()
    }

    /// Listens in the namespace that somebody needs a listener in, if it is not done yet. False where that is not their
    /// thread's, and has to be [searched](Self::search) for.
    pub(super) async fn ask(&self, origin: &Origin) -> bool {
        let cookie = origin.netns_cookie;
        if lock(&self.0.served).contains_key(&cookie) {
            return true;
        }
        if let Some(file) = find::of_thread(origin.tgid, origin.tid)
            && self.serve(file).await == Some(cookie)
        {
            return true;
        }
        lock(&self.0.served).contains_key(&cookie)
    }

    /// Looks for the namespace among the sockets of who needs a listener there: they have left it, or had the socket
    /// from another. It takes as long as they have descriptors.
    pub(super) async fn search(&self, origin: &Origin) {
        let Origin { netns_cookie: cookie, tgid, .. } = *origin;
        if lock(&self.0.served).contains_key(&cookie) {
            return;
        }
        let found = tokio::task::spawn_blocking(move || find::of_socket(tgid, cookie)).await;
        match found.ok().flatten() {
            Some(file) => drop(self.serve(file).await),
            None => tracing::debug!(cookie, pid = tgid, "a network namespace is gone already"),
        }
    }

    /// Listens in a namespace. Its cookie, if it could be entered.
    async fn serve(&self, file: File) -> Option<u64> {
        let known = self.known(&file);
        if known.is_some() || self.is_full() {
            return known;
        }
        let file = Arc::new(file);
        let made = self.0.errands.run(&file, sockets).await;
        self.serve_with(file, made)
    }

    /// Whether no more are served: the kernel side's list is full, and descriptors are left for connections.
    fn is_full(&self) -> bool {
        self.count() >= MAX_NAMESPACES
    }

    /// The cookie of a served namespace.
    fn known(&self, file: &File) -> Option<u64> {
        // A served one is kept alive, so that its inode is nobody else's.
        let inode = find::inode(file)?;
        lock(&self.0.served).iter().find(|(_, served)| served.inode == inode).map(|(cookie, _)| *cookie)
    }

    fn serve_with(&self, file: Arc<File>, made: io::Result<io::Result<Sockets>>) -> Option<u64> {
        let sockets = match made.and_then(|made| made) {
            Ok(sockets) => sockets,
            Err(error) => {
                tracing::warn!(%error, "a network namespace cannot be served: its protected connections wait in vain");
                return None;
            }
        };
        let cookie = sockets.cookie;
        if lock(&self.0.served).contains_key(&cookie) {
            return Some(cookie);
        }
        self.listen(Namespace::new(cookie, file), sockets);
        Some(cookie)
    }

    fn listen(&self, namespace: Arc<Namespace>, sockets: Sockets) {
        let cookie = namespace.cookie;
        let earlier = self.0.earlier.get(&cookie).copied().unwrap_or(self.0.ports);
        let enlisted = Listeners::new(sockets, &[earlier, self.0.ports, (0, 0)], &self.0.own)
            .and_then(|listeners| self.enlist(namespace, listeners));
        if let Err(error) = enlisted {
            tracing::warn!(%error, cookie, "no listener in a network namespace: its protected connections wait in vain");
        }
    }

    /// Serves what exists at the start; also what only a stored listener still keeps alive.
    fn serve_those_in_use(&self, inherited: HashMap<u64, Stored>) {
        for (cookie, stored) in inherited {
            let file = stored.first().and_then(|(_, fd)| sys::namespace_of(fd.as_fd()).ok()).map(File::from);
            if let (Some(file), Some(listeners)) = (file, Listeners::adopt(stored, &self.0.own))
                && let Err(error) = self.enlist(Namespace::new(cookie, Arc::new(file)), listeners)
            {
                tracing::warn!(%error, cookie, "a stored listener cannot be used");
            }
        }
        for path in find::all(self.0.errands.thread()).into_values() {
            let Ok(file) = find::open(&path) else { continue };
            if self.known(&file).is_none() && !self.is_full() {
                let file = Arc::new(file);
                let made = self.0.errands.run_blocking(&file, sockets);
                self.serve_with(file, made);
            }
        }
    }

    /// Puts listeners to work, and tells the kernel side of them.
    fn enlist(&self, namespace: Arc<Namespace>, listeners: Listeners) -> Result<(), Error> {
        let Some(inode) = find::inode(namespace.file()) else { return Ok(()) };
        let cookie = namespace.cookie;
        let (port4, port6) = listeners.ports();
        let families = listeners.store(cookie, &self.0.store);
        let route = match cookie == self.0.home {
            true => None,
            false => Some(Arc::clone(&namespace)),
        };
        let Some(arrivals) = lock(&self.0.arrivals).clone() else { return Ok(()) };
        let taking = listeners.take(route, Arc::clone(&self.0.records), arrivals, self.0.stop.subscribe());
        let namespaces = self.clone();
        let task = tokio::spawn(async move {
            if let Err(error) = taking.await {
                namespaces.again(cookie, &error).await;
            }
        });
        let served = Served { namespace, inode, families, unused: 0, task };
        lock(&self.0.served).insert(cookie, served);
        let ports = Value(Ports { served: 1, port4, port6 });
        lock(&self.0.kernel).insert(cookie, ports, 0).map_err(wrong)?;
        tracing::debug!(cookie, port4, port6, "listening in a network namespace");
        Ok(())
    }

    /// Makes listeners anew where they broke: whoever administers a network namespace can end its sockets.
    async fn again(&self, cookie: u64, error: &Error) {
        tracing::error!(%error, cookie, "the listeners of a network namespace are gone; they are made anew");
        tokio::time::sleep(AGAIN).await;
        // This task ends by itself.
        let Some(Served { namespace, .. }) = lock(&self.0.served).remove(&cookie) else { return };
        match self.0.errands.run(namespace.file(), sockets).await.and_then(|made| made) {
            Ok(sockets) => self.listen(namespace, sockets),
            Err(error) => tracing::warn!(%error, cookie, "a network namespace cannot be served any more"),
        }
    }

    /// Takes no more connections. Those that have arrived are still handed over; those that come wait in the queues
    /// of listeners that the service manager keeps.
    pub(super) fn stop(&self) {
        drop(lock(&self.0.arrivals).take());
        self.0.stop.send_replace(true);
    }

    /// Looks now and then which namespaces are in use. Runs for ever.
    pub(super) async fn look_after(self) {
        loop {
            tokio::time::sleep(LOOK).await;
            let except = self.0.errands.thread();
            let Ok(in_use) = tokio::task::spawn_blocking(move || find::all(except)).await else { continue };
            self.give_up(&in_use);
            for path in in_use.into_values() {
                if let Ok(file) = find::open(&path) {
                    self.serve(file).await;
                }
            }
            if let Err(error) = self.forget_told() {
                tracing::warn!(%error, "the kernel side's list of network namespaces cannot be kept");
            }
        }
    }

    /// Closes the listeners in namespaces that nobody uses any more.
    fn give_up(&self, in_use: &HashMap<find::Inode, std::path::PathBuf>) {
        let mut served = lock(&self.0.served);
        let mut over = Vec::new();
        for (cookie, one) in served.iter_mut().filter(|(cookie, _)| **cookie != self.0.home) {
            one.unused = if in_use.contains_key(&one.inode) { 0 } else { one.unused + 1 };
            if one.unused >= UNUSED_LOOKS {
                over.push(*cookie);
            }
        }
        for cookie in over {
            if let Some(one) = served.remove(&cookie) {
                one.task.abort();
                one.namespace.abandon();
                one.families.iter().for_each(|family| self.0.store.forget(cookie, *family));
                // Whoever comes there all the same is told of again.
                if let Err(error) = lock(&self.0.kernel).remove(&cookie) {
                    tracing::debug!(%error, cookie, "a network namespace was not on the kernel side's list");
                }
                tracing::debug!(cookie, "nobody uses a network namespace any more");
            }
        }
    }

    /// Takes off the kernel side's list what it told of and could not be served: it tells of it again.
    fn forget_told(&self) -> Result<(), Error> {
        self.forget_where(|_, ports| ports.served == 0)
    }

    /// The list of an earlier daemon, whose listeners are gone.
    fn forget_all(&self) -> Result<(), Error> {
        self.forget_where(|cookie, _| cookie != self.0.home)
    }

    fn forget_where(&self, over: impl Fn(u64, Ports) -> bool) -> Result<(), Error> {
        let mut kernel = lock(&self.0.kernel);
        let entries: Vec<_> = kernel.iter().filter_map(Result::ok).collect();
        for (cookie, Value(ports)) in entries {
            if over(cookie, ports) {
                match kernel.remove(&cookie) {
                    Ok(()) | Err(MapError::KeyNotFound) => {}
                    Err(source) => return Err(wrong(source)),
                }
            }
        }
        Ok(())
    }
}

fn wrong(source: MapError) -> Error {
    Error::Map { map: maps::NAMESPACES, source }
}
