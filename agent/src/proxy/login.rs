//! What it takes to let a job through: a credential, a catalog, a connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use pgwire::startup::Packet;
use session::Refusal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::authenticating;
use super::backend::{self, connect};
use super::{BackendStream, Resource, Shared, current};
use crate::catalog::{self, Key, Live, Way};
use crate::credentials::Lease;
use crate::intercept::Route;

/// Everything that a session needs of its server.
pub(super) struct LoggedIn {
    pub(super) stream: BackendStream,
    pub(super) lease: Lease,
    /// None for a connection that is to no database.
    pub(super) live: Option<Live>,
}

/// `connection_failure`: something between us and the server.
const CONNECTION_FAILURE: &str = "08006";
/// `disk_full`.
const DISK_FULL: &str = "53100";

/// Finds all of it. The daemon's log says more than the job is told.
pub(super) async fn log_in(
    shared: Arc<Shared>,
    resource: Arc<Resource>,
    (route, destination): (Route, SocketAddr),
    database: String,
    connected: bool,
) -> Result<LoggedIn, Refusal> {
    let name = &resource.name;
    if !shared.recorder.accepts_sessions() {
        let message = "Portreeve takes no new session: the space for its record is nearly used up";
        return Err(Refusal::new(DISK_FULL, message));
    }
    let refused = |what: &str, error: &dyn std::error::Error| {
        tracing::warn!(%error, resource = name, database, "a session is refused: {what}");
        let message = format!("Portreeve has no {what} for resource \"{name}\"; its log says why");
        Refusal::new(CONNECTION_FAILURE, message)
    };
    let credentials = current(&shared.credentials);
    let lease = credentials.lease(name, &database).await.map_err(|e| refused("credential", &e))?;
    let live = match connected {
        true => catalog(&shared, &resource, (&route, destination), &database).await.map(Some),
        false => Ok(None),
    };
    let live = live.map_err(|error| {
        let told = refused("catalog", &error);
        let catalog::Error::Server { source, .. } = error else { return told };
        // The first login of all: why it fails, the session's own would fail.
        authenticating::refusal(&source, (name, &lease.role, &lease.database)).unwrap_or(told)
    })?;
    let patience = Duration::from_secs(shared.config.connect_seconds);
    let tls = resource.tls.by(live.as_ref().map(Live::way).unwrap_or_default());
    let stream = connect(&shared.own_sockets, &route, destination, &tls, patience)
        .await
        .map_err(|e| refused("connection", &e))?;
    Ok(LoggedIn { stream, lease, live })
}

/// What is known of the server behind a destination.
async fn catalog(
    shared: &Shared,
    resource: &Resource,
    (route, destination): (&Route, SocketAddr),
    database: &str,
) -> Result<Live, catalog::Error> {
    let get = async |netns| {
        resource.saw(netns, route, destination);
        let key = Key { resource: resource.name.clone(), database: database.to_owned(), netns };
        let live = shared.catalogs.get(&key).await?;
        // What answers in another network namespace says nothing of the policy.
        if netns.is_none() {
            let named = (key.resource.as_str(), key.database.as_str());
            shared.misnamed.look(current(&shared.policy), named, live.current());
        }
        Ok::<Live, catalog::Error>(live)
    };
    let netns = resource.known_by(route, destination);
    match get(netns).await {
        Err(error) if netns != route.netns() && error.is_of_the_way() => {
            tracing::debug!(%error, resource = resource.name, "the server is looked at from the job's network namespace");
            resource.cannot_be_reached();
            get(route.netns()).await
        }
        got => got,
    }
}

/// Sends a CancelRequest to the server, over a connection of its own that goes the session's way, and waits until it
/// has acted on it.
pub(super) async fn cancel(
    shared: &Shared,
    (resource, way): (&Resource, Way),
    (route, destination): (&Route, SocketAddr),
    (process_id, secret): (i32, &[u8]),
) -> Result<(), backend::Error> {
    let patience = Duration::from_secs(shared.config.connect_seconds);
    let mut stream =
        connect(&shared.own_sockets, route, destination, &resource.tls.by(way), patience).await?;
    let mut packet = BytesMut::new();
    if (Packet::Cancel { process_id, secret }).encode(&mut packet).is_ok() {
        stream.write_all(&packet).await?;
        stream.flush().await?;
        // It closes once it has.
        let mut nothing = [0; 1];
        drop(tokio::time::timeout(patience, stream.read(&mut nothing)).await);
    }
    Ok(())
}
