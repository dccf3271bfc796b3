//! Evidence on disk: one folder for each life of the daemon, one chain of segment files for each worker.
//!
//! A worker owns its [`LaneWriter`]: no channel and no lock that anyone waits for stands on a statement's way.
//! What a turn appended becomes part of the record with one write, or not at all: if the disk does not take it,
//! the chain returns to where it was, and nothing that the records describe may move on.
//!
//! It must never know what the records mean, nor where they are shipped to.

mod budget;
mod config;
mod error;
pub mod folder;
mod host;
mod reclaim;
mod tail;
#[cfg(test)]
mod tests;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use evidence::{
    Beat, Body, BootId, Digest, HostStart, HostStop, Incident, Lane, PolicyReloaded, PublicKey, Signer,
    Times, Tip,
};
use ring::rand::SystemRandom;

use budget::Budget;
pub use budget::Usage;
pub use config::{Config, SyncMode};
pub use error::Error;
pub use host::HostInfo;
use reclaim::Ledger;
pub use reclaim::Shipped;
pub use tail::{Tail, Written};
pub use writer::LaneWriter;

/// The clocks that records are stamped by.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    anchor: Instant,
}

impl Clock {
    /// What time it is.
    pub fn now(&self) -> Times {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mono = self.anchor.elapsed();
        Times {
            wall_us: u64::try_from(wall.as_micros()).unwrap_or(u64::MAX),
            mono_ns: u64::try_from(mono.as_nanos()).unwrap_or(u64::MAX),
        }
    }
}

/// What all lanes of a boot share.
#[derive(Debug)]
struct Shared {
    boot: BootId,
    directory: PathBuf,
    segment_bytes: u64,
    sync: SyncMode,
    budget: Budget,
    stopped: AtomicBool,
    /// The last written record of each lane. A lane holds its own while it writes.
    tips: Vec<Mutex<Option<Tip>>>,
}

/// A lock whose holder panicked guards nothing half-done here: each value is set in one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// The last written record of each lane that has one, but for `except`.
    fn tips(&self, except: u32) -> Vec<Tip> {
        (0u32..)
            .zip(&self.tips)
            .filter(|(lane, _)| *lane != except)
            .filter_map(|(_, tip)| *lock(tip))
            .collect()
    }
}

/// The record of this life of the daemon.
#[derive(Debug)]
pub struct Recorder {
    shared: Arc<Shared>,
    signer: Arc<Signer>,
    clock: Clock,
    config: Config,
    host: Mutex<LaneWriter>,
    workers: Mutex<Vec<Option<LaneWriter>>>,
    ledger: Mutex<Ledger>,
    /// Held for life: one daemon writes here.
    _lock: std::fs::File,
}

impl Recorder {
    /// Begins a new boot under the configured folder, with its start record, a fresh key, and `lanes` workers' lanes
    /// (numbered from 1).
    pub fn open(config: &Config, host: HostInfo, lanes: u32) -> Result<Self, Error> {
        folder::create(&config.directory)?;
        let lock = folder::lock(&config.directory)?;
        let found = folder::scan(&config.directory)?;
        let previous = folder::last_of_latest_boot(&found)?;
        let used = found.iter().map(|segment| segment.len).sum();
        let boot = BootId(uuid::Uuid::now_v7().into_bytes());
        let directory = config.directory.join(boot.to_string());
        folder::create(&directory)?;
        let signer = Arc::new(Signer::generate(&SystemRandom::new())?);
        let shared = Arc::new(Shared {
            boot,
            directory,
            segment_bytes: config.segment_bytes,
            sync: config.sync,
            budget: Budget::new(config.disk_budget, used),
            stopped: AtomicBool::new(false),
            tips: (0..=lanes).map(|_| Mutex::new(None)).collect(),
        });
        let writer = |lane| LaneWriter::new(Arc::clone(&shared), Lane::new(boot, lane, Arc::clone(&signer)));
        let recorder = Recorder {
            host: Mutex::new(writer(0)),
            workers: Mutex::new((1..=lanes).map(|lane| Some(writer(lane))).collect()),
            ledger: Mutex::new(Ledger::default()),
            clock: Clock { anchor: Instant::now() },
            config: config.clone(),
            signer,
            shared,
            _lock: lock,
        };
        recorder.host_record(|_| {
            Body::HostStart(HostStart {
                version: env!("CARGO_PKG_VERSION").into(),
                host: host.host.into(),
                machine: host.machine.map(Into::into),
                kernel: host.kernel.into(),
                public_key: recorder.public_key(),
                policy: host.policy,
                config: host.config,
                lanes,
                previous,
            })
        })?;
        Ok(recorder)
    }

    /// This life's id.
    pub fn boot(&self) -> BootId {
        self.shared.boot
    }

    /// What this life's signatures verify with; the central store keeps it too.
    pub fn public_key(&self) -> PublicKey {
        self.signer.public_key()
    }

    /// The folder of this life's segments.
    pub fn directory(&self) -> &Path {
        &self.shared.directory
    }

    /// The clocks to stamp records by.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// A worker's lane, from 1 on. Each is given out once.
    pub fn lane(&self, number: u32) -> Option<LaneWriter> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        lock(&self.workers).get_mut(index)?.take()
    }

    /// Whether new sessions may begin: there is room below nine tenths of the budget, and the last write was taken.
    pub fn accepts_sessions(&self) -> bool {
        !self.shared.stopped.load(Ordering::Acquire) && self.shared.budget.has_room()
    }

    /// How full the spool is, and whether writes fail.
    pub fn usage(&self) -> Usage {
        self.shared.budget.usage()
    }

    /// The last written record of each lane that has one.
    pub fn tips(&self) -> Vec<Tip> {
        self.shared.tips.iter().filter_map(|tip| *lock(tip)).collect()
    }

    /// Writes a signed sign of life. The daemon calls it every second.
    pub fn beat(&self) -> Result<(), Error> {
        self.host_record(|tips| Body::Beat(Beat { tips }))
    }

    /// Writes that something happened that is no session's own doing.
    pub fn incident(&self, incident: Incident<'_>) -> Result<(), Error> {
        self.host_record(|_| Body::Incident(incident))
    }

    /// Writes that other policy documents hold from here on.
    pub fn policy_reloaded(&self, policy: Digest, documents: &[String]) -> Result<(), Error> {
        let documents = documents.iter().map(|name| name.as_str().into()).collect();
        self.host_record(|_| Body::PolicyReloaded(PolicyReloaded { policy, documents }))
    }

    /// Ends the record in order. From here on no lane takes anything.
    pub fn stop(&self, reason: &str) -> Result<(), Error> {
        let mut host = lock(&self.host);
        if self.shared.stopped.swap(true, Ordering::AcqRel) {
            return Err(Error::Stopped);
        }
        // Each tip's lock waits for a write that had begun before.
        let tips = self.tips_with(&host);
        let body = Body::HostStop(HostStop { tips, reason: reason.into() });
        host.append(None, &body, self.clock.now())?;
        host.commit_host()
    }

    /// Removes what was shipped, as far as the configuration asks for it, and says how many bytes came free.
    /// What is removed is told in the record first.
    pub fn reclaim(&self, shipped: &Shipped) -> Result<u64, Error> {
        reclaim::reclaim(self, shipped)
    }

    fn tips_with(&self, host: &LaneWriter) -> Vec<Tip> {
        host.tip().into_iter().chain(self.shared.tips(0)).collect()
    }

    fn host_record<'b>(&self, body: impl FnOnce(Vec<Tip>) -> Body<'b>) -> Result<(), Error> {
        let mut host = lock(&self.host);
        if self.shared.stopped.load(Ordering::Acquire) {
            return Err(Error::Stopped);
        }
        let tips = self.tips_with(&host);
        host.append(None, &body(tips), self.clock.now())?;
        host.commit_host()
    }
}
