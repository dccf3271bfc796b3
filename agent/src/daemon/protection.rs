//! What is protected: kept in step, in the kernel and for the proxy, with what host names stand for.
//!
//! New addresses are added as soon as they are known. An address that a name has left goes when its time is over and
//! no session uses it; what cannot be resolved loses nothing.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use evidence::Incident;
use serde_json::{Value, json};

use super::watch::incident;
use crate::intercept::{self, Destination, Protected};
use crate::names::{Names, News};
use crate::proxy::{Overlap, Resource, Resources, current};
use crate::recorder::Recorder;

/// What is protected now, and what it follows from.
pub(super) struct Protection {
    names: Names,
    /// Ports that are protected on every address.
    everywhere: Vec<Destination>,
    protected: Protected,
    /// Where the proxy looks.
    resources: Arc<RwLock<Arc<Resources>>>,
    state: Mutex<State>,
}

/// So many destinations are adopted at most: whoever speaks PostgreSQL to ever new ones must not use up the room.
const MOST_ADOPTED: usize = 512;

/// Why a destination is not adopted.
#[derive(Debug, thiserror::Error)]
pub(super) enum AdoptError {
    #[error(
        "{MOST_ADOPTED} destinations are adopted already; name them as resources, or protect their port \
         (`intercept.ports`)"
    )]
    TooMany,
    #[error(transparent)]
    Protect(#[from] intercept::Error),
}

#[derive(Default)]
struct State {
    /// The generation of the names that is in force.
    generation: u64,
    /// Why the kernel has not all of it.
    error: Option<String>,
    /// Where PostgreSQL was found on a port that nobody protected.
    adopted: BTreeSet<Destination>,
    /// What has been warned of.
    overlaps: BTreeSet<Overlap>,
}

impl Protection {
    /// Nothing is protected by it before [`Protection::switch`].
    pub(super) fn new(
        names: Names,
        everywhere: Vec<Destination>,
        protected: Protected,
        resources: Arc<RwLock<Arc<Resources>>>,
    ) -> Self {
        Protection { names, everywhere, protected, resources, state: Mutex::default() }
    }

    /// Waits, with patience, until it is known what the names of these resources stand for.
    pub(super) async fn ask(&self, written: &Resources) {
        self.names.follow(&written.names());
        self.names.settled().await;
    }

    /// Protects these resources from here on and no others.
    ///
    /// # Errors
    ///
    /// The kernel does not take it. It protects no less than before.
    pub(super) fn switch(&self, written: &Resources) -> Result<(), intercept::Error> {
        let mut state = self.state();
        self.apply(&mut state, &written.after(&current(&self.resources)))?;
        self.names.retain(&written.names());
        Ok(())
    }

    /// What is to be done every second: tells what has happened to names, and follows them. Whether other destinations
    /// are protected since.
    pub(super) fn tick(&self, recorder: &Recorder) -> bool {
        let resources = current(&self.resources);
        self.names.let_go(|name, ip| resources.uses(name, ip));
        for news in self.names.news() {
            tell(recorder, &news);
        }
        let mut state = self.state();
        if state.generation == self.names.generation() && state.error.is_none() {
            return false;
        }
        let was_failing = state.error.is_some();
        match self.apply(&mut state, &resources) {
            Ok(()) if was_failing => tracing::info!("the kernel protects all that it should again"),
            Ok(()) => {}
            Err(error) if !was_failing => {
                tracing::error!(%error, "names stand for addresses that the kernel does not protect yet");
                incident(recorder, Incident::new("names-not-protected", error.to_string()));
            }
            Err(_) => {}
        }
        true
    }

    /// Protects one more destination for as long as the daemon runs.
    ///
    /// # Errors
    ///
    /// There are too many of them already, or the kernel does not take it.
    pub(super) fn adopt(&self, destination: SocketAddr) -> Result<(), AdoptError> {
        let mut state = self.state();
        if state.adopted.len() >= MOST_ADOPTED {
            return Err(AdoptError::TooMany);
        }
        state.adopted.insert(Destination { network: destination.ip().into(), port: destination.port() });
        Ok(self.apply(&mut state, &current(&self.resources))?)
    }

    fn apply(&self, state: &mut State, resources: &Resources) -> Result<(), intercept::Error> {
        let generation = self.names.generation();
        let resources = resources.renewed(|name| self.names.addresses(name));
        let overlaps = resources.overlaps();
        for overlap in overlaps.difference(&state.overlaps) {
            let Overlap { winner, won, loser, lost } = overlap;
            tracing::warn!(
                "resources \"{winner}\" and \"{loser}\" overlap: {won} belongs to \"{winner}\", also where it lies in \
                 {lost} of \"{loser}\""
            );
        }
        state.overlaps = overlaps;
        let mut destinations = resources.destinations();
        destinations.extend(&self.everywhere);
        destinations.extend(&state.adopted);
        // Served before it is taken: nobody is to be refused for a moment.
        *self.resources.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(resources);
        let set = self.protected.set(&destinations);
        state.generation = generation;
        state.error = set.as_ref().err().map(ToString::to_string);
        set
    }

    /// Whether every name is answered for, and the kernel protects what they stand for.
    pub(super) fn is_whole(&self) -> bool {
        let names = current(&self.resources).names();
        let fails = |name: &String| {
            self.names.status(name).is_none_or(|status| status.failing.is_some() || status.now.is_empty())
        };
        self.state().error.is_none() && !names.iter().any(fails)
    }

    /// Each resource, for `portreeve status`.
    pub(super) fn status(&self) -> Value {
        current(&self.resources).iter().map(|resource| self.resource(resource)).collect()
    }

    /// Where PostgreSQL was found on a port that nobody protected, and is protected since.
    pub(super) fn adopted(&self) -> Vec<String> {
        let state = self.state();
        let address = |d: &Destination| SocketAddr::new(d.network.address(), d.port).to_string();
        state.adopted.iter().map(address).collect()
    }

    /// Why the kernel does not protect all that it should.
    pub(super) fn error(&self) -> Option<String> {
        self.state().error.clone()
    }

    fn resource(&self, resource: &Resource) -> Value {
        let written = resource.written.iter().map(|d| format!("{} port {}", d.network, d.port));
        let names = resource.names.iter().map(|(name, port)| self.name(resource, name, *port));
        json!({
            "name": resource.name,
            "addresses": written.collect::<Vec<_>>(),
            "names": names.collect::<Vec<_>>(),
        })
    }

    fn name(&self, resource: &Resource, name: &str, port: u16) -> Value {
        let status = self.names.status(name);
        let sessions = |ip: IpAddr| resource.sessions(SocketAddr::new(ip, port));
        let kept = status.iter().flat_map(|status| &status.kept).map(|(ip, left)| {
            json!({ "address": ip, "left_seconds_ago": left.as_secs(), "sessions": sessions(*ip) })
        });
        let failing = status.as_ref().and_then(|status| status.failing.as_ref());
        json!({
            "name": name,
            "port": port,
            "addresses": status.iter().flat_map(|status| &status.now).collect::<Vec<_>>(),
            "kept": kept.collect::<Vec<_>>(),
            "resolved_seconds_ago": status.as_ref().and_then(|status| status.answered).map(|ago| ago.as_secs()),
            "last_error": failing.map(|(error, _)| error),
            "failing_for_seconds": failing.map(|(_, since)| since.as_secs()),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic of another holder leaves at worst what is done once more.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says it in the log, and where it changes what is protected in the record too.
fn tell(recorder: &Recorder, news: &News) {
    let list =
        |addresses: &[IpAddr]| addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match news {
        News::Found { name, now, kept } => {
            let mut detail = format!("{name} stands for {}", list(now));
            if !kept.is_empty() {
                detail += &format!("; kept from before: {}", list(kept));
            }
            tracing::info!("{detail}");
            incident(recorder, Incident::new("name-found", &detail));
        }
        News::Gone { name, address } => {
            let detail = format!("{name} left {address}, which is not protected by it any more");
            tracing::info!("{detail}");
            incident(recorder, Incident::new("name-left", &detail));
        }
        News::Failing { name, error } => tracing::error!(
            name,
            error,
            "a host name cannot be resolved: what it stood for stays protected, what it stands for now may not be \
             yet; it is tried again"
        ),
        News::Recovered { name } => tracing::info!(name, "a host name is resolved again"),
    }
}
