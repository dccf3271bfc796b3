//! From where a connection begins.

#![forbid(unsafe_code)]

use std::{
    fs::File,
    num::NonZeroU32,
    sync::{Arc, Weak},
};

/// A network namespace that is kept alive by this value.
#[derive(Debug)]
pub(super) struct Namespace {
    pub(super) cookie: u64,
    file: Arc<File>,
}

impl Namespace {
    pub(super) fn new(cookie: u64, file: Arc<File>) -> Arc<Self> {
        Arc::new(Self { cookie, file })
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
    /// The route, if its namespace is there still.
    pub fn upgrade(&self) -> Option<Route> {
        let namespace = match &self.namespace {
            Some(namespace) => Some(namespace.upgrade()?),
            None => None,
        };
        Some(Route { namespace, device: self.device })
    }
}
