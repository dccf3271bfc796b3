//! What is sent over a way.

use super::bulk::Direction;
use super::pgbench::Kind;

/// One kind of traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Workload {
    /// One small statement after another.
    Statements { kind: Kind, clients: u32 },
    /// A whole table at once.
    Bulk(Direction),
    /// A connection for each statement.
    Churn,
    /// A thousand connections that do nothing.
    Idle,
}

/// How many clients at once: one shows the latency, sixteen the cost when there is always something to do.
const CLIENTS: [u32; 2] = [1, 16];

impl Workload {
    /// All of them, in the order in which they are measured.
    pub(crate) fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for kind in Kind::ALL {
            all.extend(CLIENTS.map(|clients| Workload::Statements { kind, clients }));
        }
        all.extend(Direction::ALL.map(Workload::Bulk));
        all.extend([Workload::Churn, Workload::Idle]);
        all
    }

    /// What it is called in tables and by `--only`.
    pub(crate) fn name(self) -> String {
        match self {
            Workload::Statements { kind, clients } => format!("{} {clients}", kind.name()),
            Workload::Bulk(direction) => direction.name().to_owned(),
            Workload::Churn => "churn".to_owned(),
            Workload::Idle => "idle".to_owned(),
        }
    }

    /// What one of it is called, where the middle's CPU is told for each.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Workload::Statements { .. } => "statement",
            Workload::Bulk(_) => "MB",
            Workload::Churn | Workload::Idle => "connection",
        }
    }
}
