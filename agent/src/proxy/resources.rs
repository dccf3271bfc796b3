//! The protected servers, by where a workload meant to connect to.
//!
//! All of them are a picture of one moment: when a host name comes to stand for other addresses, another picture
//! takes its place. What a server has seen goes from one to the next.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use session::Verifier;
use session::authentication::Rules;

use super::Tls;
use crate::intercept::{Destination, Network, Route, WeakRoute};
use crate::names::Address;

/// A protected server.
#[derive(Debug)]
pub struct Resource {
    /// What the policy calls it.
    pub name: String,
    /// Where it is reached by address.
    pub written: Vec<Destination>,
    /// Where it is reached by host name, with the port.
    pub names: Vec<(String, u16)>,
    /// How to speak to it.
    pub tls: Tls,
    /// What it may ask for at a login.
    pub rules: Rules,
    /// What clients have to prove that they know; none if they are not asked.
    pub clients: Option<Arc<Verifier>>,
    /// What the names stand for.
    found: Vec<(SocketAddr, By)>,
    seen: Arc<Mutex<Seen>>,
}

/// What sessions have shown.
#[derive(Debug, Default)]
struct Seen {
    /// Where one has last connected to, and from where, by the network namespace that what is there is known by: the
    /// daemon's own has none.
    last: HashMap<Option<u64>, (WeakRoute, SocketAddr)>,
    /// When it was last found that the server cannot be reached from the daemon's own network namespace.
    unreachable: Option<Instant>,
    /// How many there are to each destination.
    sessions: HashMap<SocketAddr, usize>,
}

/// For how long it is taken for granted that a server cannot be reached from the daemon's own network namespace: to
/// find out may cost a session all the time that connecting may take.
const UNREACHABLE: Duration = Duration::from_secs(600);

/// How a destination came to be a server's. Of two of the same length, the first kind wins: nobody who can change
/// what a name stands for takes a written address from its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum By {
    /// It is written down.
    Address,
    /// A name stands for it.
    Name,
    /// A name stood for it until lately.
    OldName,
}

/// A session to one of a server's destinations, as long as this value lives.
#[derive(Debug)]
#[must_use = "the session counts only as long as this value lives"]
pub(super) struct Use {
    seen: Arc<Mutex<Seen>>,
    destination: SocketAddr,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Resources {
    all: Vec<Arc<Resource>>,
    /// The ways to them, in the order in which they are asked.
    ways: Vec<Way>,
}

#[derive(Debug)]
struct Way {
    destination: Destination,
    /// The network's first address, and how many bits of it count.
    first: IpAddr,
    bits: u8,
    by: By,
    resource: Arc<Resource>,
}

/// A destination of two servers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Overlap {
    /// The server that has it.
    pub winner: String,
    /// As the winner has it.
    pub won: String,
    /// The server that would have it otherwise.
    pub loser: String,
    /// As the loser has it.
    pub lost: String,
}

impl Resources {
    /// In this order where nothing else tells which of two is to serve a destination.
    pub fn new(resources: impl IntoIterator<Item = Resource>) -> Self {
        let all: Vec<Arc<Resource>> = resources.into_iter().map(Arc::new).collect();
        let mut ways: Vec<Way> = all.iter().flat_map(Way::all).collect();
        // Stable: what is equal stays in the order of the resources.
        ways.sort_by_key(|way| (Reverse(way.bits), way.by));
        Resources { all, ways }
    }

    /// The same servers, with what their names stand for now.
    #[must_use]
    pub fn renewed(&self, stands_for: impl Fn(&str) -> Vec<Address>) -> Self {
        Resources::new(self.all.iter().map(|resource| resource.renewed(&stands_for)))
    }

    /// The same servers, which go on with what those of the same names have seen before.
    #[must_use]
    pub fn after(&self, before: &Resources) -> Self {
        Resources::new(self.all.iter().map(|resource| {
            let seen = before.named(&resource.name).map_or(&resource.seen, |before| &before.seen);
            resource.with(resource.found.clone(), Arc::clone(seen))
        }))
    }

    /// The server behind an address. Of several that have it, the one whose network is the smallest; then an
    /// address that is written before one that a name stands for, and that before one that a name has left; then the
    /// first.
    pub fn at(&self, destination: SocketAddr) -> Option<&Arc<Resource>> {
        self.ways.iter().find(|way| way.serves(destination)).map(|way| &way.resource)
    }

    /// The server of that name.
    pub fn named(&self, name: &str) -> Option<&Arc<Resource>> {
        self.all.iter().find(|resource| resource.name == name)
    }

    /// Everything that is to be intercepted.
    pub fn destinations(&self) -> Vec<Destination> {
        self.ways.iter().map(|way| way.destination).collect()
    }

    /// Every host name.
    pub fn names(&self) -> BTreeSet<String> {
        self.all.iter().flat_map(|resource| &resource.names).map(|(name, _)| name.clone()).collect()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.all.iter()
    }

    /// Whether a session is there because a host name stands, or stood, for that address.
    pub fn uses(&self, name: &str, ip: IpAddr) -> bool {
        self.all.iter().any(|resource| {
            let ports = resource.names.iter().filter(|(its, _)| its == name).map(|(_, port)| *port);
            let seen = resource.seen();
            ports.map(|port| SocketAddr::new(ip, port)).any(|to| seen.sessions.contains_key(&to))
        })
    }

    /// Destinations that two servers have, and who serves them. What names have left is let go anyway.
    pub fn overlaps(&self) -> BTreeSet<Overlap> {
        let mut overlaps = BTreeSet::new();
        let ways = || self.ways.iter().filter(|way| way.by != By::OldName);
        for (place, way) in ways().enumerate() {
            // Those behind it are as wide or wider.
            for other in ways().skip(place + 1) {
                let others = !Arc::ptr_eq(&way.resource, &other.resource);
                if others && other.serves(SocketAddr::new(way.first, way.destination.port)) {
                    overlaps.insert(Overlap {
                        winner: way.resource.name.clone(),
                        won: way.to_string(),
                        loser: other.resource.name.clone(),
                        lost: other.to_string(),
                    });
                }
            }
        }
        overlaps
    }
}

impl Way {
    fn all(resource: &Arc<Resource>) -> impl Iterator<Item = Way> {
        let written = resource.written.iter().map(|destination| (*destination, By::Address));
        let found = resource.found.iter().map(|(address, by)| {
            (Destination { network: Network::from(address.ip()), port: address.port() }, *by)
        });
        written.chain(found).map(|(destination, by)| {
            let (first, bits) = (destination.network.address(), destination.network.length());
            Way { destination, first, bits, by, resource: Arc::clone(resource) }
        })
    }

    fn serves(&self, destination: SocketAddr) -> bool {
        self.destination.port == destination.port() && self.destination.network.contains(destination.ip())
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} port {}", self.destination.network, self.destination.port)
    }
}

impl Resource {
    /// A server that nobody has connected to yet, and whose names stand for nothing yet.
    pub fn new(
        name: String,
        written: Vec<Destination>,
        names: Vec<(String, u16)>,
        tls: Tls,
        rules: Rules,
    ) -> Self {
        Resource { name, written, names, tls, rules, clients: None, found: Vec::new(), seen: Arc::default() }
    }

    /// The host names that it is known by at this port.
    pub(super) fn names_at(&self, port: u16) -> Vec<String> {
        self.names.iter().filter(|(_, its)| *its == port).map(|(name, _)| name.clone()).collect()
    }

    /// Where connections of our own go, and from where: as a session has last gone, as long as that is not where a name
    /// has left; else to the first address that is one host. A server that is known by a whole network has none until a
    /// session has shown it.
    ///
    /// They begin in the daemon's own network namespace, or in the one that `netns` names, as long as that is there and
    /// a session has gone from there.
    pub fn home(&self, netns: Option<u64>) -> Option<(Route, SocketAddr)> {
        let found = |by| self.found.iter().filter(move |(_, is)| *is == by).map(|(address, _)| *address);
        let written = self.written.iter().filter_map(|d| Some(SocketAddr::new(d.network.single()?, d.port)));
        let is_written =
            |to: SocketAddr| self.written.iter().any(|d| d.port == to.port() && d.network.contains(to.ip()));
        let last = self.seen().last.get(&netns).cloned();
        if netns.is_some() {
            return last.and_then(|(route, server)| Some((route.upgrade()?, server)));
        }
        let here = |server| (Route::here(), server);
        last.and_then(|(route, server)| Some((route.upgrade()?, server)))
            .filter(|(_, last)| is_written(*last) || found(By::Name).any(|address| address == *last))
            .or_else(|| written.chain(found(By::Name)).next().map(here))
            .or_else(|| found(By::OldName).next().map(here))
    }

    /// By which network namespace what a route leads to is known; the daemon's own has none.
    ///
    /// A loopback address is another server in each. Whatever else there is at an address, in a namespace that its
    /// workload may rule as it likes, the server there is judged by what the daemon sees at that address itself; unless
    /// the daemon sees nothing there.
    pub(super) fn known_by(&self, route: &Route, destination: SocketAddr) -> Option<u64> {
        let alone = |since: Instant| since.elapsed() < UNREACHABLE;
        route.netns().filter(|_| destination.ip().is_loopback() || self.seen().unreachable.is_some_and(alone))
    }

    /// A session goes there, to what is known by this network namespace.
    pub(super) fn saw(&self, netns: Option<u64>, route: &Route, destination: SocketAddr) {
        let route = if netns == route.netns() { route.clone() } else { Route::here() };
        let last = &mut self.seen().last;
        last.retain(|_, (route, _)| !route.is_gone());
        last.insert(netns, (route.downgrade(), destination));
    }

    /// The daemon cannot reach it from its own network namespace.
    pub(super) fn cannot_be_reached(&self) {
        self.seen().unreachable = Some(Instant::now());
    }

    /// Counts a session in.
    pub(super) fn used(&self, destination: SocketAddr) -> Use {
        *self.seen().sessions.entry(destination).or_default() += 1;
        Use { seen: Arc::clone(&self.seen), destination }
    }

    /// How many sessions there are to a destination.
    pub fn sessions(&self, destination: SocketAddr) -> usize {
        self.seen().sessions.get(&destination).copied().unwrap_or(0)
    }

    fn renewed(&self, stands_for: impl Fn(&str) -> Vec<Address>) -> Self {
        let found = self.names.iter().flat_map(|(name, port)| {
            let by = |now| if now { By::Name } else { By::OldName };
            stands_for(name).into_iter().map(move |a| (SocketAddr::new(a.ip, *port), by(a.now)))
        });
        self.with(found.collect(), Arc::clone(&self.seen))
    }

    fn with(&self, found: Vec<(SocketAddr, By)>, seen: Arc<Mutex<Seen>>) -> Self {
        let Resource { name, written, names, tls, rules, clients, .. } = self;
        Resource {
            name: name.clone(),
            written: written.clone(),
            names: names.clone(),
            tls: tls.clone(),
            rules: rules.clone(),
            clients: clients.clone(),
            found,
            seen,
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        let mut seen = lock(&self.seen);
        if let Some(sessions) = seen.sessions.get_mut(&self.destination) {
            *sessions -= 1;
            if *sessions == 0 {
                seen.sessions.remove(&self.destination);
            }
        }
    }
}

/// A lock whose holder panicked guards nothing half-done here: each value is set in one step.
fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
