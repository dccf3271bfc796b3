//! How the catalog gets its connections.

use std::error::Error as StdError;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use super::{Authenticating, BackendError, Resources, connect_backend, current};
use crate::catalog::{Connect, Connected, Connecting, Key, Way};
use crate::credentials::{self, Credentials};
use crate::intercept::OwnSockets;

/// Connects as the resource's own role, past interception.
pub struct SideConnector {
    /// Makes the sockets.
    pub own_sockets: OwnSockets,
    /// Logins.
    pub credentials: Arc<RwLock<Arc<Credentials>>>,
    /// Servers.
    pub resources: Arc<RwLock<Arc<Resources>>>,
    /// How long connecting may take.
    pub patience: Duration,
}

/// Why there is no side connection.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("there is no resource \"{0}\" any more")]
    Unknown(String),
    #[error("resource \"{0}\" is a network, and no session has shown yet where in it the server is")]
    Nowhere(String),
    #[error("the network namespace that the server was reached from is gone")]
    Gone,
    #[error(transparent)]
    Credentials(#[from] credentials::Error),
    #[error(transparent)]
    Backend(#[from] BackendError),
}

impl SideConnector {
    async fn try_connect(&self, key: &Key, way: Way) -> Result<Connected, Error> {
        let resource = current(&self.resources).named(&key.resource).cloned();
        let resource = resource.ok_or_else(|| Error::Unknown(key.resource.clone()))?;
        let nowhere = || match key.netns {
            Some(_) => Error::Gone,
            None => Error::Nowhere(key.resource.clone()),
        };
        let (route, server) = resource.home(key.netns).ok_or_else(nowhere)?;
        let lease = current(&self.credentials).lease(&key.resource, &key.database).await?;
        let stream =
            connect_backend(&self.own_sockets, &route, server, &resource.tls.by(way), self.patience).await?;
        let (channel, password) = (stream.channel(), lease.password.as_ref());
        let stream = Authenticating::new(stream, channel, &lease.role, password, &resource.rules);
        Ok(Connected { stream: Box::new(stream), role: lease.role, database: lease.database })
    }
}

impl Connect for SideConnector {
    fn has_other_way(&self, key: &Key) -> bool {
        current(&self.resources)
            .named(&key.resource)
            .is_some_and(|resource| resource.tls.other_way().is_some())
    }

    fn connect<'a>(&'a self, key: &'a Key, way: Way) -> Connecting<'a> {
        Box::pin(async move {
            self.try_connect(key, way)
                .await
                .map_err(|error| Arc::new(error) as Arc<dyn StdError + Send + Sync>)
        })
    }
}
