//! In which order records are shipped: within a lane as they were written, and a signed record not before the
//! records that it signed.
//!
//! So at any moment everything that the store's signatures name is in the store, and what is not was removed
//! there. Where that cannot be kept (a lane that ends in damage, a backlog that is larger than what may be held
//! here) shipping goes on without it: late evidence is better than none.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use evidence::{Body, BootId, Tip};

use super::{Positions, Record};

/// Records that were read and not yet shipped.
#[derive(Debug, Default)]
pub(super) struct Order {
    next: Positions,
    lanes: BTreeMap<(BootId, u32), VecDeque<Waiting>>,
    bytes: usize,
    aside: BTreeSet<BootId>,
}

#[derive(Debug)]
struct Waiting {
    record: Record,
    /// What it signed.
    tips: Vec<Tip>,
}

impl Order {
    /// Nothing waits, and the store has everything before these.
    pub(super) fn new(next: Positions) -> Self {
        Order { next, ..Order::default() }
    }

    /// Bytes that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// Takes nothing more of a boot.
    pub(super) fn set_aside(&mut self, boot: BootId) {
        self.aside.insert(boot);
        for waiting in self.lanes.extract_if((boot, 0)..=(boot, u32::MAX), |_, _| true) {
            self.bytes -= waiting.1.iter().map(|waiting| waiting.record.len()).sum::<usize>();
        }
    }

    pub(super) fn push(&mut self, record: Record) {
        if self.aside.contains(&record.header.boot) {
            return;
        }
        let tips = if record.header.kind.is_signed() {
            // One that cannot be read has nothing to wait for; the verification names it.
            Body::decode(record.header.kind, &record.body_bytes)
                .map_or_else(|_| Vec::new(), |body| body.tips().to_vec())
        } else {
            Vec::new()
        };
        self.bytes += record.len();
        self.lanes.entry(record.lane()).or_default().push_back(Waiting { record, tips });
    }

    /// The records of the next batch, all of one boot. With `all`, signed records wait for nothing.
    pub(super) fn take(&mut self, most_records: usize, most_bytes: usize, all: bool) -> Vec<Record> {
        let boots: Vec<BootId> = self.lanes.keys().map(|(boot, _)| *boot).collect();
        for boot in boots {
            let mut batch = Vec::new();
            let mut bytes = 0;
            // A batch is stored as a whole or not at all, so what it signs may be in it.
            while self.sweep(boot, most_records, most_bytes, all, &mut batch, &mut bytes) {}
            self.lanes.retain(|_, waiting| !waiting.is_empty());
            if !batch.is_empty() {
                self.bytes = self.bytes.saturating_sub(bytes);
                return batch;
            }
        }
        Vec::new()
    }

    /// Takes what can be taken of each lane; false where there was nothing more.
    fn sweep(
        &mut self,
        boot: BootId,
        most_records: usize,
        most_bytes: usize,
        all: bool,
        batch: &mut Vec<Record>,
        bytes: &mut usize,
    ) -> bool {
        let before = batch.len();
        for (lane, waiting) in self.lanes.range_mut((boot, 0)..=(boot, u32::MAX)) {
            while let Some(first) = waiting.front() {
                if batch.len() >= most_records || *bytes >= most_bytes {
                    return false;
                }
                let has =
                    |tip: &Tip| self.next.get(&(boot, tip.lane)).is_some_and(|next| *next > tip.sequence);
                if !all && !first.tips.iter().all(has) {
                    break;
                }
                let Some(Waiting { record, .. }) = waiting.pop_front() else { break };
                self.next.insert(*lane, record.header.sequence.saturating_add(1));
                *bytes += record.len();
                batch.push(record);
            }
        }
        batch.len() > before
    }
}
