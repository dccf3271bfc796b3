//! What the kernel side counts.

/// Indices of [`maps::COUNTERS`](crate::maps::COUNTERS).
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Connections redirected to the listener.
    Redirected = 0,
    /// Connections of the daemon's own to protected destinations, let through.
    OwnPassed = 1,
    /// Connections refused with `EPERM`, because socket storage could not be had: for the record of a protected one, or
    /// to look at the beginning of another where PostgreSQL is refused.
    RefusedNoStorage = 2,
    /// Protected connections refused with `EPERM`: the daemon has no listener for their family.
    RefusedNoListener = 3,
    /// Redirected connections whose record did not fit into [`maps::TUPLES`](crate::maps::TUPLES): accepted
    /// without a record.
    TuplesFull = 4,
    /// Accepted sockets that got their record.
    Accepted = 5,
    /// Connections that reached the listener without a record: a direct connect, or one of the failures above.
    AcceptedUnknown = 6,
    /// Accepted sockets that could not get their record: socket storage could not be had.
    AcceptedNoStorage = 7,
    /// SYNs of redirected connections that were dropped because no listener of ours was where they went.
    Held = 8,
    /// Packets of TCP sockets to protected destinations that were dropped.
    GuardDropped = 9,
    /// Packets of raw sockets to protected destinations that were dropped.
    RawDropped = 10,
    /// Calls of bind() to a listener's port that were refused with `EPERM`.
    BindRefused = 11,
    /// Streams to unprotected ports that began like PostgreSQL.
    OpeningFound = 12,
    /// Packets of such streams that were dropped.
    OpeningDropped = 13,
    /// SYNs to protected destinations, and data of no TCP socket, that came in by a virtual interface and were dropped.
    LinkDropped = 14,
    /// Network namespaces that found no room in [`maps::NAMESPACES`](crate::maps::NAMESPACES).
    NamespacesFull = 15,
    /// Events that found no room in [`maps::EVENTS`](crate::maps::EVENTS).
    EventsLost = 16,
    /// Streams to unprotected ports whose opening could not be followed to its end.
    OpeningLost = 17,
}

/// The number of [`Counter`]s.
pub const COUNTERS: usize = 18;

const _: () = assert!(Counter::OpeningLost as usize + 1 == COUNTERS);
