//! From where a connection begins.

#![forbid(unsafe_code)]

use std::{
    fs::File,
    num::NonZeroU32,
    sync::{Arc, Weak},
};

use tokio::sync::watch;

/// A network namespace that is kept alive by this value.
#[derive(Debug)]
pub(super) struct Namespace {
    pub(super) cookie: u64,
    file: Arc<File>,
    abandoned: watch::Sender<bool>,
}

impl Namespace {
    pub(super) fn new(cookie: u64, file: Arc<File>) -> Arc<Self> {
        Arc::new(Self { cookie, file, abandoned: watch::channel(false).0 })
    }

    /// Nobody uses it any more but connections that go through us.
    pub(super) fn abandon(&self) {
        self.abandoned.send_replace(true);
    }

    /// What it is entered by.
    pub(super) fn file(&self) -> &Arc<File> {
        &self.file
    }
}

/// The network namespace that a client's connection began in, and the interface that it was bound to: a connection
/// that is made along it leaves with the addresses and by the routes that the client's would have had.
#[derive(Debug, Clone, Default)]
pub struct Route {
    /// None for the daemon's own.
    pub(super) namespace: Option<Arc<Namespace>>,
    pub(super) device: Option<NonZeroU32>,
}

impl Route {
    /// From the daemon's own network namespace.
    pub fn here() -> Self {
        Self::default()
    }

    /// From a made-up network namespace.
    #[cfg(test)]
    pub fn through(cookie: u64) -> Self {
        let file = Arc::new(File::open("/proc/self/ns/net").unwrap());
        Self { namespace: Some(Namespace::new(cookie, file)), device: None }
    }

    /// The cookie of the network namespace, if that is not the daemon's own.
    pub fn netns(&self) -> Option<u64> {
        self.namespace.as_ref().map(|namespace| namespace.cookie)
    }

    /// Waits until nobody uses the network namespace any more but connections that go through us; for ever in the
    /// daemon's own. It does not keep the namespace alive.
    pub fn abandoned(&self) -> impl Future<Output = ()> + Send + 'static {
        let abandoned = self.namespace.as_ref().map(|namespace| namespace.abandoned.subscribe());
        async move {
            match abandoned {
                // An error: it is gone.
                Some(mut abandoned) => drop(abandoned.wait_for(|over| *over).await),
                None => std::future::pending().await,
            }
        }
    }

    /// The same without keeping the namespace alive.
    pub fn downgrade(&self) -> WeakRoute {
        WeakRoute { namespace: self.namespace.as_ref().map(Arc::downgrade), device: self.device }
    }
}

/// A [`Route`] whose namespace may be gone.
#[derive(Debug, Clone, Default)]
pub struct WeakRoute {
    namespace: Option<Weak<Namespace>>,
    device: Option<NonZeroU32>,
}

impl WeakRoute {
    /// Whether its namespace is gone.
    pub fn is_gone(&self) -> bool {
        self.namespace.as_ref().is_some_and(|namespace| namespace.strong_count() == 0)
    }

    /// The route, if its namespace is there still.
    pub fn upgrade(&self) -> Option<Route> {
        let namespace = match &self.namespace {
            Some(namespace) => Some(namespace.upgrade()?),
            None => None,
        };
        Some(Route { namespace, device: self.device })
    }
}
