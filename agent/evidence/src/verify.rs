//! Whether a record is what was written: reads records of any number of boots and names every place that is
//! not as the chain, the signatures and the segments say.
//!
//! What is found wrong is a [`Problem`]. What cannot be told from an honest end (a host that fell silent, records
//! after the last signature, a last write cut short by a kill) is not: it stands in the [`BootReport`], in words.
//! Nothing here reads files: bytes come in, in each lane's order, lanes in any interleaving.

mod boot;
mod report;
mod walk;

use std::collections::{BTreeMap, BTreeSet};

use crate::body::{Body, Reclaimed};
use crate::header::{Header, Kind};
use crate::id::{BootId, Digest};
use crate::sign::PublicKey;
use boot::BootState;
pub use report::{BootEnd, BootReport, Fault, LaneReport, Place, Problem, Report};

/// More problems than this are counted, not told: a file of noise has one for each record.
const MAX_PROBLEMS: usize = 1000;

/// Reads records and keeps what is needed to judge them: a digest of 32 bytes for each.
#[derive(Debug, Default)]
pub struct Verifier {
    boots: BTreeMap<BootId, BootState>,
    trusted: BTreeSet<PublicKey>,
    reclaimed: Vec<Reclaimed>,
    keeps_all: bool,
    findings: Findings,
}

#[derive(Debug, Default)]
struct Findings {
    problems: Vec<Problem>,
    untold: u64,
}

impl Findings {
    fn add(&mut self, place: &Place, fault: Fault) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(Problem { place: place.clone(), fault });
        } else {
            self.untold += 1;
        }
    }
}

impl Verifier {
    /// A verifier that has read nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Names a key that was learnt elsewhere, as from the central store. Once one is named, each boot's own
    /// must be among them.
    pub fn trust(&mut self, key: PublicKey) {
        self.trusted.insert(key);
    }

    /// What was removed from a host's disk to make room must still be here, as it must be in a central store: a
    /// record of the removal explains nothing that is missing.
    pub fn keeps_all(&mut self) {
        self.keeps_all = true;
    }

    /// Reads one segment file's bytes. A lane's segments come in the order of their names.
    pub fn segment(&mut self, file: &str, bytes: &[u8]) {
        walk::segment(self, file, bytes, bytes.len());
    }

    /// Reads one segment file's bytes while a daemon still writes. Records from the offset `settled` on are
    /// [in flight](Verifier::record_in_flight).
    pub fn growing_segment(&mut self, file: &str, bytes: &[u8], settled: usize) {
        walk::segment(self, file, bytes, settled);
    }

    /// Reads one record, as a store has it. `None` as body, or an empty one, is an erased body.
    pub fn record(&mut self, header: &[u8], body: Option<&[u8]>) {
        self.read(Place::default(), true, header, body.unwrap_or_default());
    }

    /// Reads a record that came so late that others which it names may not have been read: what it signed and is
    /// not there is no fault.
    pub fn record_in_flight(&mut self, header: &[u8], body: Option<&[u8]>) {
        self.read(Place::default(), false, header, body.unwrap_or_default());
    }

    fn read(&mut self, mut place: Place, settled: bool, header_bytes: &[u8], body: &[u8]) {
        let header = match Header::decode(header_bytes) {
            Ok(header) => header,
            Err(error) => {
                self.findings.add(&place, Fault::Header(error.to_string()));
                return;
            }
        };
        place.boot = Some(header.boot);
        place.lane = Some(header.lane);
        place.sequence = Some(header.sequence);
        let boot = self.boots.entry(header.boot).or_default();
        let is_new = boot.follow(&header, Digest::of(header_bytes), &place, &mut self.findings);
        if !is_new {
            return;
        }
        if body.is_empty() {
            // Only what a session brought may be erased: the host's own records hold the signatures.
            if header.session.is_none() || header.kind.is_signed() {
                self.findings.add(&place, Fault::ErasedHostRecord);
            } else {
                boot.erased += 1;
            }
            return;
        }
        if body.len() as u64 != header.body_len || Digest::of(body) != header.body {
            self.findings.add(&place, Fault::Body);
            return;
        }
        if header.kind.is_signed() {
            boot.signed(&header, body, settled, place, &mut self.findings);
            return;
        }
        match Body::decode(header.kind, body) {
            Ok(Body::HostStart(start)) => boot.started(&header, &start, &place, &mut self.findings),
            Ok(Body::Reclaimed(reclaimed)) if !self.keeps_all => self.reclaimed.push(reclaimed),
            Ok(_) => boot.sessions += u64::from(header.kind == Kind::SessionStart),
            Err(error) => self.findings.add(&place, Fault::Unreadable(error.to_string())),
        }
    }

    /// Judges what only the whole can show, and reports.
    pub fn finish(mut self) -> Report {
        // A boot's start names the end of the one before it, as it was found then.
        let mut claims = Vec::new();
        for (id, boot) in &self.boots {
            if let Some((previous, place)) = &boot.previous {
                claims.push((*id, *previous, place.clone()));
            }
        }
        for (_, previous, place) in claims {
            let gone = Reclaimed { boot: previous.boot, lane: 0, from: 0, before: previous.sequence + 1 };
            match self.boots.get(&previous.boot).map(|boot| boot.digest(0, previous.sequence)) {
                Some(Some(found)) if found == previous.digest => {}
                Some(Some(_)) => self.findings.add(&place, Fault::PreviousBootChanged(previous.boot)),
                Some(None) | None if explains(&self.reclaimed, &gone) => {}
                Some(None) => self.findings.add(&place, Fault::PreviousBootTruncated(previous.boot)),
                None => self.findings.add(&place, Fault::PreviousBootMissing(previous.boot)),
            }
        }
        let (trusted, reclaimed) = (&self.trusted, &self.reclaimed);
        let boots = self
            .boots
            .into_iter()
            .map(|(id, boot)| boot.finish(id, trusted, reclaimed, &mut self.findings))
            .collect();
        Report { boots, problems: self.findings.problems, untold: self.findings.untold }
    }
}

/// Whether records were removed on the record.
fn explains(reclaimed: &[Reclaimed], gone: &Reclaimed) -> bool {
    reclaimed.iter().any(|one| {
        one.boot == gone.boot && one.lane == gone.lane && one.from <= gone.from && gone.before <= one.before
    })
}

#[cfg(test)]
mod tests;
