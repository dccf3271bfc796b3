//! What the kernel side and the listener count.

#![forbid(unsafe_code)]

use std::sync::Arc;

use agent_ebpf::{Counter, maps};
use aya::maps::{Map, MapData, PerCpuArray};

use super::{Error, listener::Records};

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
    /// SYNs of redirected connections that were dropped because no listener of ours was there.
    pub held: u64,
    /// Packets of TCP sockets to protected destinations that were dropped.
    pub guard_dropped: u64,
    /// Packets of raw sockets to protected destinations that were dropped.
    pub raw_dropped: u64,
    /// Calls of bind() to a listener's port that were refused.
    pub bind_refused: u64,
    /// Streams to unprotected ports that began like PostgreSQL.
    pub opening_found: u64,
    /// Packets of such streams that were dropped.
    pub opening_dropped: u64,
    /// Streams to unprotected ports whose opening could not be followed to its end.
    pub opening_lost: u64,
    /// SYNs to protected destinations, and data of no TCP socket, that came in by a virtual interface and were dropped.
    pub link_dropped: u64,
    /// Network namespaces that found no room on the kernel side's list.
    pub namespaces_full: u64,
    /// Events that the kernel side could not tell.
    pub events_lost: u64,
    /// Accepted sockets that this daemon closed because they had no record.
    pub closed_unrecorded: u64,
}

/// Reads the counters.
pub(super) struct Reader {
    kernel: PerCpuArray<MapData, u64>,
    records: Arc<Records>,
}

impl Reader {
    pub(super) fn new(map: Map, records: Arc<Records>) -> Result<Self, Error> {
        let kernel = map.try_into().map_err(|source| Error::Map { map: maps::COUNTERS, source })?;
        Ok(Self { kernel, records })
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
            held: sum(Counter::Held)?,
            guard_dropped: sum(Counter::GuardDropped)?,
            raw_dropped: sum(Counter::RawDropped)?,
            bind_refused: sum(Counter::BindRefused)?,
            opening_found: sum(Counter::OpeningFound)?,
            opening_dropped: sum(Counter::OpeningDropped)?,
            opening_lost: sum(Counter::OpeningLost)?,
            link_dropped: sum(Counter::LinkDropped)?,
            namespaces_full: sum(Counter::NamespacesFull)?,
            events_lost: sum(Counter::EventsLost)?,
            closed_unrecorded: self.records.unrecorded(),
        })
    }
}
