//! What the kernel side and the listener count.

#![forbid(unsafe_code)]

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use agent_ebpf::{Counter, maps};
use aya::maps::{Map, MapData, PerCpuArray};

use super::Error;

/// A reading of all counters. Those of the kernel side outlive the daemon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counters {
    /// Connections redirected to the listener.
    pub redirected: u64,
    /// Our own connections to protected destinations, let through.
    pub own_passed: u64,
    /// Protected connections refused (`EPERM`) because their record could not be stored.
    pub refused_no_storage: u64,
    /// Protected connections refused (`EPERM`) because there is no listener for their address family.
    pub refused_no_listener: u64,
    /// Redirected connections whose record found no room; they arrive without one.
    pub tuples_full: u64,
    /// Connections that arrived with their record.
    pub accepted: u64,
    /// Connections that arrived at the listener without a record to be found.
    pub accepted_unknown: u64,
    /// Connections that arrived, whose record could not be stored on the accepted socket.
    pub accepted_no_storage: u64,
    /// Accepted sockets that this daemon closed because they had no record.
    pub closed_unrecorded: u64,
}

/// Reads the counters.
pub(super) struct Reader {
    kernel: PerCpuArray<MapData, u64>,
    unrecorded: Arc<AtomicU64>,
}

impl Reader {
    pub(super) fn new(map: Map, unrecorded: Arc<AtomicU64>) -> Result<Self, Error> {
        let kernel = map.try_into().map_err(|source| Error::Map { map: maps::COUNTERS, source })?;
        Ok(Self { kernel, unrecorded })
    }

    pub(super) fn read(&self) -> Result<Counters, Error> {
        let sum = |counter: Counter| {
            let values = self
                .kernel
                .get(&(counter as u32), 0)
                .map_err(|source| Error::Map { map: maps::COUNTERS, source })?;
            Ok::<u64, Error>(values.iter().copied().fold(0, u64::wrapping_add))
        };
        Ok(Counters {
            redirected: sum(Counter::Redirected)?,
            own_passed: sum(Counter::OwnPassed)?,
            refused_no_storage: sum(Counter::RefusedNoStorage)?,
            refused_no_listener: sum(Counter::RefusedNoListener)?,
            tuples_full: sum(Counter::TuplesFull)?,
            accepted: sum(Counter::Accepted)?,
            accepted_unknown: sum(Counter::AcceptedUnknown)?,
            accepted_no_storage: sum(Counter::AcceptedNoStorage)?,
            closed_unrecorded: self.unrecorded.load(Ordering::Relaxed),
        })
    }
}
