//! The protected servers, by where a workload meant to connect to.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::intercept::{Destination, Route, WeakRoute};

use super::Tls;

/// A protected server.
#[derive(Debug)]
pub struct Resource {
    /// What the policy calls it.
    pub name: String,
    /// Where it is reached; names have been resolved.
    pub destinations: Vec<Destination>,
    /// How to speak to it.
    pub tls: Tls,
    /// Where a session has last connected to, and from where.
    pub last: Mutex<Option<(WeakRoute, SocketAddr)>>,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Resources(Vec<Arc<Resource>>);

impl Resources {
    /// In the order in which they are asked: of two that have an address, the first serves it.
    pub fn new(resources: impl IntoIterator<Item = Resource>) -> Self {
        Resources(resources.into_iter().map(Arc::new).collect())
    }

    /// The server behind an address.
    pub fn at(&self, destination: SocketAddr) -> Option<&Arc<Resource>> {
        let serves = |d: &Destination| d.port == destination.port() && d.network.contains(destination.ip());
        self.0.iter().find(|resource| resource.destinations.iter().any(serves))
    }

    /// The server of that name.
    pub fn named(&self, name: &str) -> Option<&Arc<Resource>> {
        self.0.iter().find(|resource| resource.name == name)
    }

    /// Everything that is to be intercepted.
    pub fn destinations(&self) -> Vec<Destination> {
        self.0.iter().flat_map(|resource| resource.destinations.iter().copied()).collect()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.0.iter()
    }
}

impl Resource {
    /// Where connections of our own go, and from where: as a session has last gone, else to the first address that is
    /// one host. A server that is known by a whole network has none until a session has shown it.
    pub fn home(&self) -> Option<(Route, SocketAddr)> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let last = last.and_then(|(route, server)| Some((route.upgrade()?, server)));
        let single = |d: &Destination| d.network.single().map(|ip| SocketAddr::new(ip, d.port));
        last.or_else(|| Some((Route::here(), self.destinations.iter().find_map(single)?)))
    }

    pub(super) fn seen(&self, route: &Route, destination: SocketAddr) {
        let seen = (route.downgrade(), destination);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
    }
}
