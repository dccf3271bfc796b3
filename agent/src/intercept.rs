//! Interception: the kernel hands us the connections that jobs open to protected destinations.
//!
//! eBPF programs at the root of the cgroup2 hierarchy redirect such a connection to our listener in its network
//! namespace, and leave on it who opened it and to where; what would go past is dropped. They and their maps are
//! pinned: when this process ends, however it ends, what is protected is shut until the next one takes over.
//! [`Interception::release`] alone takes the hooks away.
//!
//! This module never knows what is spoken over a connection, who a peer is beyond what the kernel says, or
//! why a destination is protected. It is the only part of the agent with `unsafe`.

mod abi;
mod arrivals;
mod attempts;
mod bpffs;
mod cgroup_root;
mod config;
mod counters;
mod error;
mod events;
mod fd_store;
pub mod inspect;
mod interfaces;
mod links;
mod listener;
mod logs;
mod namespaces;
mod netlink;
mod own_sockets;
mod peer;
mod pins;
mod programs;
mod protected;
mod route;
mod sock_diag;
mod streams;
mod sweep;
mod sys;

#[cfg(test)]
mod isolated;
#[cfg(test)]
mod kernel_tests;

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use agent_ebpf::{ABI_VERSION, Settings, maps};
use aya::maps::{Array, MapData};
use rustix::time::{ClockId, clock_getres};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use arrivals::{Intercepted, Listener};
pub use attempts::{Attempt, AttemptKind, Attempts};
pub use config::{Config, Content, Existing, Unmatched};
pub use counters::Counters;
pub use error::Error;
pub use fd_store::Inherited;
pub use interfaces::InterfaceGuard;
pub use own_sockets::OwnSockets;
pub use peer::Peer;
pub use programs::Fault;
pub use protected::{Destination, Network, NetworkError, Protected};
pub use route::{Route, WeakRoute};

use self::{
    abi::{Value, open_map},
    cgroup_root::Cgroups,
    interfaces::Interfaces,
    listener::Records,
    namespaces::{Errands, Namespaces},
    pins::{Maps, PinDirectory},
    programs::Programs,
    streams::Streams,
};

/// Connections that may wait between the listeners and who takes them; more wait in the kernel.
const ARRIVALS: usize = 64;
/// Attempts that may wait to be recorded; more are counted as lost.
const ATTEMPTS: usize = 4096;

/// How long a redirected connection's SYN first waits for its answer, in milliseconds: where there is no listener
/// yet it is dropped, and one is there some milliseconds later.
const SYN_TIMEOUT_MS: u64 = 20;
/// How often it is sent again. With the time doubling after the first few this is about ten seconds: as long as the
/// daemon may take to come back.
const SYN_RETRIES: u32 = 11;

/// The hooks, as long as this process answers for them.
///
/// Dropping it leaves everything pinned, so that protected connections are shut: a stopped daemon is not
/// a way around it.
pub struct Interception {
    pins: PinDirectory,
    programs: Mutex<Programs>,
    interfaces: Interfaces,
    namespaces: Namespaces,
    streams: Streams,
    existing: Existing,
    listener: Listener,
    attempts: Attempts,
    own_sockets: OwnSockets,
    protected: Protected,
    counters: counters::Reader,
    adopted: usize,
    events: events::Reader,
    look_after: JoinHandle<()>,
    // Ends with us: its task reads a map of our programs.
    _logs: logs::Forwarder,
}

impl Interception {
    /// Loads the programs, or takes over what an earlier daemon left, and begins to listen in all network namespaces.
    ///
    /// From then on exactly `protected` is protected; what was before stays so until then. Needs root (`CAP_BPF`,
    /// `CAP_NET_ADMIN`, `CAP_SYS_ADMIN`, `CAP_SYS_PTRACE`), Linux 5.15, and must run inside a tokio runtime with I/O
    /// and time, which then drives everything.
    ///
    /// # Errors
    ///
    /// What is missing or in the way, with its cure. Nothing that protected before was taken away then.
    pub fn start(config: &Config, protected: &[Destination], inherited: Inherited) -> Result<Self, Error> {
        let cgroups = Cgroups::find(config.cgroup.as_deref())?;
        bpffs::ensure(&config.pin_directory)?;
        let pins = PinDirectory::lock(&config.pin_directory)?;
        let mut maps = pins.maps()?;

        let mut object = programs::load(&maps)?;
        let errands = Errands::start().map_err(|source| Error::Namespace { source })?;
        let own_sockets = OwnSockets::new(&open_map(&maps, maps::OWN)?, errands.clone())?;
        let records = Records::new(open_map(&maps, maps::ACCEPTED)?)?;
        let (arrivals, arriving) = mpsc::channel(ARRIVALS);
        let namespaces = Namespaces::start(namespaces::Start {
            errands,
            own: own_sockets.clone(),
            records: records.clone(),
            kernel: open_map(&maps, maps::NAMESPACES)?,
            port: config.port,
            arrivals,
            inherited,
        })?;
        let counters = counters::Reader::new(open_map(&maps, maps::COUNTERS)?, records)?;
        let (tell, told) = mpsc::channel(ATTEMPTS);
        let events =
            events::Reader::spawn(open_map(&maps, maps::EVENTS)?, namespaces.clone(), tell, config.content)?;

        // Before the programs: from their first run on, they read where the listeners are and what is protected.
        put(&maps, settings(config, &namespaces))?;
        let guarded = Protected::new(open_map(&maps, maps::DESTINATIONS)?, open_map(&maps, maps::PORTS)?)?;
        guarded.set(protected)?;

        let logs = logs::Forwarder::spawn(&mut object);
        let programs = Programs::attach(object, cgroups, &pins)?;
        let names: Vec<_> = programs.names().collect();
        let interfaces = Interfaces::start(programs.link()?, &pins)?;
        pins.settle(&mut maps, &names)?;
        tracing::info!(
            pins = %config.pin_directory.display(), adopted = programs.adopted(), port = namespaces.ports().0,
            namespaces = namespaces.count(), "interception is in place"
        );
        Ok(Self {
            pins,
            adopted: programs.adopted(),
            programs: Mutex::new(programs),
            interfaces,
            streams: Streams::new(&open_map(&maps, maps::STREAMS)?)?,
            existing: config.existing,
            look_after: tokio::spawn(namespaces.clone().look_after()),
            namespaces,
            listener: Listener::new(arriving),
            attempts: Attempts::new(told),
            own_sockets,
            protected: guarded,
            counters,
            events,
            _logs: logs,
        })
    }

    /// Where redirected connections arrive. All clones are the same queue.
    pub fn listener(&self) -> Listener {
        self.listener.clone()
    }

    /// Takes no more connections: what has arrived is still handed over, then [`Listener::accept`] ends.
    pub fn stop_listening(&self) {
        self.namespaces.stop();
    }

    /// What the kernel side saw that should not be.
    pub fn attempts(&self) -> Attempts {
        self.attempts.clone()
    }

    /// Makes connections that are not redirected.
    pub fn own_sockets(&self) -> OwnSockets {
        self.own_sockets.clone()
    }

    /// What is protected, to be changed at any time.
    pub fn protected(&self) -> Protected {
        self.protected.clone()
    }

    /// What happened since the hooks were first set up, across restarts of the daemon.
    ///
    /// # Errors
    ///
    /// The kernel refused to be read.
    pub fn counters(&self) -> Result<Counters, Error> {
        let mut counters = self.counters.read()?;
        counters.events_lost += self.events.lost();
        Ok(counters)
    }

    /// How many network namespaces have a listener.
    pub fn namespaces(&self) -> usize {
        self.namespaces.count()
    }

    /// Compares what is in force in the kernel with what should be, and mends what can be mended: which programs
    /// were not as they should be. Empty if all is well.
    pub fn mend(&self) -> Vec<(&'static str, Fault)> {
        self.programs.lock().unwrap_or_else(PoisonError::into_inner).mend(&self.pins)
    }

    /// Finds the connections to protected destinations that are older than their protection, and does with them what
    /// the configuration says. To be called after the start, and when more is protected; it takes some milliseconds
    /// for each network namespace.
    ///
    /// What was found; and why a namespace could not be looked into.
    pub fn sweep(&self) -> (Vec<Attempt>, Vec<String>) {
        let (found, failed) = sweep::sweep(&self.namespaces, &self.protected, self.existing, &self.streams);
        let told = |(cookie, why)| format!("network namespace {cookie}: {why}");
        (found, failed.into_iter().map(told).collect())
    }

    /// How the layer below the sockets is.
    pub fn interface_guard(&self) -> InterfaceGuard {
        self.interfaces.state()
    }

    /// How many hooks an earlier daemon had left, and were taken over.
    pub fn adopted(&self) -> usize {
        self.adopted
    }

    /// A folder that is the root of the cgroup2 hierarchy, as long as this lives, wherever it is mounted.
    pub fn cgroup_root(&self) -> PathBuf {
        let programs = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        PathBuf::from(format!("/proc/self/fd/{}", programs.cgroups().root().as_fd().as_raw_fd()))
    }

    /// The IPv4 address of the listener in the daemon's own network namespace.
    pub fn listen_address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.namespaces.ports().0))
    }

    /// Takes the hooks and everything pinned away: from here on nothing is protected.
    ///
    /// # Errors
    ///
    /// A pin that cannot be removed; those before it are gone.
    pub fn release(self) -> Result<(), Error> {
        self.pins.remove()
    }
}

impl Drop for Interception {
    fn drop(&mut self) {
        self.namespaces.stop();
        self.look_after.abort();
    }
}

/// Takes away what a daemon that is no more left pinned: from here on nothing is protected.
///
/// # Errors
///
/// A daemon is running, or a pin cannot be removed. It is no error if there is nothing.
pub fn release(config: &Config) -> Result<(), Error> {
    if !config.pin_directory.exists() {
        return Ok(());
    }
    PinDirectory::lock(&config.pin_directory)?.remove()
}

/// What holds in all network namespaces.
fn settings(config: &Config, namespaces: &Namespaces) -> Settings {
    let (port4, port6) = namespaces.ports();
    // The kernel's clock ticks once in a jiffy, and the coarse clock with it.
    let jiffy = clock_getres(ClockId::MonotonicCoarse);
    let jiffy_ns = u64::try_from(jiffy.tv_nsec).ok().filter(|ns| *ns > 0).unwrap_or(4_000_000);
    let syn_timeout = (SYN_TIMEOUT_MS * 1_000_000).div_ceil(jiffy_ns).max(1);
    Settings {
        abi_version: ABI_VERSION,
        port4,
        port6,
        syn_timeout: syn_timeout.try_into().unwrap_or(u32::MAX),
        syn_retries: SYN_RETRIES,
        content: config.content.in_kernel() as u32,
        reserved: 0,
    }
}

fn put(maps: &Maps, settings: Settings) -> Result<(), Error> {
    let wrong = |source| Error::Map { map: maps::SETTINGS, source };
    let mut map: Array<MapData, Value<Settings>> =
        open_map(maps, maps::SETTINGS)?.try_into().map_err(wrong)?;
    map.set(0, Value(settings), 0).map_err(wrong)
}
