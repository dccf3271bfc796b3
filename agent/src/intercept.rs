//! Interception: the kernel hands us the connections that jobs open to protected destinations.
//!
//! eBPF programs at the root of the cgroup2 hierarchy redirect such a connection to our [`Listener`] and
//! leave on it who opened it and to where. They and their maps are pinned: when this process ends, however
//! it ends, what is protected is refused until the next one takes over. [`Interception::release`] alone
//! takes the hooks away.
//!
//! This module never knows what is spoken over a connection, who a peer is beyond what the kernel says, or
//! why a destination is protected. It is the only part of the agent with `unsafe`.
//!
//! Limits of today: the listener stands in the network namespace of the daemon, so a protected connection
//! from another one is redirected into that one's own loopback and refused there (`ECONNREFUSED`).

mod abi;
mod bpffs;
mod cgroup_root;
mod config;
mod counters;
mod error;
mod listener;
mod logs;
mod own_sockets;
mod pins;
mod programs;
mod protected;
mod sys;

#[cfg(test)]
mod kernel_tests;

use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;

use agent_ebpf::{ABI_VERSION, Settings, maps};
use aya::maps::{Array, MapData};

pub use config::{Config, Unmatched};
pub use counters::Counters;
pub use error::Error;
pub use listener::{Intercepted, Listener, Peer};
pub use own_sockets::OwnSockets;
pub use protected::{Destination, Network, NetworkError, Protected};

use self::{
    abi::{Value, open_map},
    pins::PinDirectory,
    programs::Programs,
};

/// The hooks, as long as this process answers for them.
///
/// Dropping it leaves everything pinned, so that protected connections are refused: a stopped daemon is not
/// a way around it.
pub struct Interception {
    pins: PinDirectory,
    programs: Programs,
    listener: Listener,
    own_sockets: OwnSockets,
    protected: Protected,
    counters: counters::Reader,
    cgroup: cgroup_root::Cgroup,
    // Ends with us: its task reads a map of our programs.
    _logs: logs::Forwarder,
}

impl Interception {
    /// Loads the programs, or takes over what an earlier daemon left, and begins to listen.
    ///
    /// What was protected before stays so until [`Protected::set`]. Needs root (`CAP_BPF`,
    /// `CAP_NET_ADMIN`, and `CAP_SYS_ADMIN` where a file system has to be mounted), Linux 5.15, and must run
    /// inside a tokio runtime with I/O and time, which then drives [`Listener::accept`].
    ///
    /// # Errors
    ///
    /// What is missing or in the way, with its cure. Nothing that protected before was taken away then.
    pub fn start(config: &Config) -> Result<Self, Error> {
        let cgroup = cgroup_root::find(config.cgroup.as_deref())?;
        bpffs::ensure(&config.pin_directory)?;
        let pins = PinDirectory::lock(&config.pin_directory)?;
        pins.check_layouts()?;

        let mut object = programs::load(&pins)?;
        let own_sockets = OwnSockets::new(&open_map(&pins, maps::OWN)?)?;
        let listener = Listener::bind(config.port, &own_sockets, open_map(&pins, maps::ACCEPTED)?)?;
        let protected = Protected::new(open_map(&pins, maps::DESTINATIONS)?)?;
        let counters = counters::Reader::new(open_map(&pins, maps::COUNTERS)?, listener.unrecorded())?;

        // Before the programs: from their first run on, they read where the listener is.
        let settings =
            Settings { abi_version: ABI_VERSION, port4: listener.port4(), port6: listener.port6() };
        let wrong = |source| Error::Map { map: maps::SETTINGS, source };
        let mut map: Array<MapData, Value<Settings>> =
            open_map(&pins, maps::SETTINGS)?.try_into().map_err(wrong)?;
        map.set(0, Value(settings), 0).map_err(wrong)?;

        let logs = logs::Forwarder::spawn(&mut object);
        let programs = Programs::attach(object, &cgroup, &pins)?;
        tracing::info!(
            pins = %config.pin_directory.display(), adopted = programs.adopted(), listener = %listener.address(),
            "interception is in place"
        );
        Ok(Self { pins, programs, listener, own_sockets, protected, counters, cgroup, _logs: logs })
    }

    /// Where redirected connections arrive. All clones are the same listener.
    pub fn listener(&self) -> Listener {
        self.listener.clone()
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
        self.counters.read()
    }

    /// The programs that somebody took off the machine; what they guarded is open. Empty if all is well.
    pub fn detached(&self) -> Vec<&'static str> {
        self.programs.detached()
    }

    /// A folder that is the root of the cgroup2 hierarchy, as long as this lives, wherever it is mounted.
    pub fn cgroup_root(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.cgroup.as_fd().as_raw_fd()))
    }

    /// The listener's IPv4 address.
    pub fn listen_address(&self) -> SocketAddr {
        self.listener.address()
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
