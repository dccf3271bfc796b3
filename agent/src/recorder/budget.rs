//! How much of the disk the evidence may take, counted over all lanes and all boots.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::Error;

/// What the host's own records may take beyond the budget, in bytes: beats and the word that the spool is full
/// must still find room when the statements' records do not.
const HOST_RESERVE: u64 = 1 << 20;

/// How full the spool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of segments.
    pub used: u64,
    /// Bytes that they may take.
    pub budget: u64,
    /// Whether the last write failed.
    pub failing: bool,
}

#[derive(Debug)]
pub(super) struct Budget {
    used: AtomicU64,
    budget: u64,
    failing: AtomicBool,
}

impl Budget {
    pub(super) fn new(budget: u64, used: u64) -> Self {
        Budget { used: AtomicU64::new(used), budget, failing: AtomicBool::new(false) }
    }

    /// Takes room for `bytes`, all of it or nothing.
    pub(super) fn take(&self, bytes: u64, is_host: bool) -> Result<(), Error> {
        let limit = if is_host { self.budget.saturating_add(HOST_RESERVE) } else { self.budget };
        let taken = self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
            used.checked_add(bytes).filter(|used| *used <= limit)
        });
        taken.map(drop).map_err(|used| Error::Full { used, budget: self.budget })
    }

    pub(super) fn give_back(&self, bytes: u64) {
        let _ = self
            .used
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| Some(used.saturating_sub(bytes)));
    }

    pub(super) fn set_failing(&self, failing: bool) {
        // Nearly always a read: the line stays shared among the workers.
        if self.failing.load(Ordering::Relaxed) != failing {
            self.failing.store(failing, Ordering::Relaxed);
        }
    }

    pub(super) fn has_room(&self) -> bool {
        let usage = self.usage();
        !usage.failing && usage.used < usage.budget / 10 * 9
    }

    pub(super) fn usage(&self) -> Usage {
        Usage {
            used: self.used.load(Ordering::Acquire),
            budget: self.budget,
            failing: self.failing.load(Ordering::Relaxed),
        }
    }
}
