//! One boot's chains while they are read: what came, what was signed, and what a signature still waits for.

use std::collections::{BTreeMap, BTreeSet};

use super::report::{BootEnd, BootReport, Fault, LaneReport, Place};
use super::{Findings, explains};
use crate::body::{Body, HostStart, Previous, Reclaimed, Signed};
use crate::header::{Header, Kind};
use crate::id::{BootId, Digest};
use crate::sign::{self, PublicKey};

#[derive(Debug, Default)]
pub(super) struct BootState {
    pub(super) erased: u64,
    pub(super) sessions: u64,
    pub(super) previous: Option<(Previous, Place)>,
    host: Option<String>,
    started_us: Option<u64>,
    key: Option<(PublicKey, Place)>,
    lanes: BTreeMap<u32, LaneState>,
    unjudged: Vec<SignedRecord>,
    claims: BTreeMap<(u32, u64, Digest), Claim>,
    signatures: u64,
    stop: Option<(u64, String)>,
    last_beat_us: Option<u64>,
    last_record_us: Option<u64>,
}

/// A lane's digests in runs without a gap, so that a hostile sequence costs no memory.
#[derive(Debug, Default)]
struct LaneState {
    runs: Vec<Run>,
    /// Records before this one are covered by a signature.
    signed_to: u64,
    torn: Option<Place>,
}

#[derive(Debug)]
struct Run {
    first: u64,
    digests: Vec<Digest>,
    /// Where the run begins, for what is missing before it.
    place: Place,
}

impl Run {
    fn end(&self) -> u64 {
        self.first + self.digests.len() as u64
    }
}

impl LaneState {
    fn next(&self) -> u64 {
        self.runs.last().map_or(0, Run::end)
    }

    fn digest(&self, sequence: u64) -> Option<Digest> {
        let run = self.runs.iter().rev().find(|run| run.first <= sequence)?;
        run.digests.get(usize::try_from(sequence - run.first).ok()?).copied()
    }
}

/// A record whose signature waits for the boot's key.
#[derive(Debug)]
struct SignedRecord {
    header: Header,
    body: Vec<u8>,
    settled: bool,
    place: Place,
}

/// Who signed a tip of a lane that has not come so far yet. An idle lane's tip is claimed once each second, so
/// only the first of equal claims is kept.
#[derive(Debug, Clone, Copy)]
struct Claim {
    by: Kind,
    by_lane: u32,
    at: u64,
    settled: bool,
}

impl BootState {
    pub(super) fn digest(&self, lane: u32, sequence: u64) -> Option<Digest> {
        self.lanes.get(&lane)?.digest(sequence)
    }

    /// Puts a record into its lane's chain; false where its place was taken already.
    pub(super) fn follow(
        &mut self,
        header: &Header,
        digest: Digest,
        place: &Place,
        findings: &mut Findings,
    ) -> bool {
        let lane = self.lanes.entry(header.lane).or_default();
        let next = lane.next();
        if header.sequence < next {
            let repeated = lane.digest(header.sequence) == Some(digest);
            findings.add(place, if repeated { Fault::Duplicate } else { Fault::Order });
            return false;
        }
        if header.sequence == u64::MAX {
            // No lane gets there, and the arithmetic on runs must not either.
            findings.add(place, Fault::Order);
            return false;
        }
        if let Some(torn) = lane.torn.take() {
            findings.add(&torn, Fault::CutShort);
        }
        let predecessor = match lane.runs.last() {
            None => Some(Digest::NONE),
            Some(run) => run.digests.last().copied(),
        };
        match lane.runs.last_mut() {
            Some(run) if header.sequence == next => run.digests.push(digest),
            // What is missing before a run may have been reclaimed: judged at the end.
            _ => lane.runs.push(Run { first: header.sequence, digests: vec![digest], place: place.clone() }),
        }
        if header.sequence == next && predecessor != Some(header.predecessor) {
            findings.add(place, Fault::Chain);
        }
        let wall_us = header.times.wall_us;
        self.last_record_us = Some(self.last_record_us.map_or(wall_us, |last| last.max(wall_us)));
        true
    }

    /// The lane's file ended within a frame.
    pub(super) fn torn(&mut self, lane: u32, place: Place) {
        self.lanes.entry(lane).or_default().torn = Some(place);
    }

    /// The next place in a lane, for naming what cannot be read.
    pub(super) fn next(&self, lane: u32) -> u64 {
        self.lanes.get(&lane).map_or(0, LaneState::next)
    }

    pub(super) fn started(
        &mut self,
        header: &Header,
        start: &HostStart<'_>,
        place: &Place,
        findings: &mut Findings,
    ) {
        if header.lane != 0 || header.sequence != 0 {
            findings.add(place, Fault::SecondStart);
            return;
        }
        self.host = Some(start.host.clone().into_owned());
        self.started_us = Some(header.times.wall_us);
        self.key = Some((start.public_key, place.clone()));
        self.previous = start.previous.map(|previous| (previous, place.clone()));
    }

    pub(super) fn signed(
        &mut self,
        header: &Header,
        body: &[u8],
        settled: bool,
        place: Place,
        findings: &mut Findings,
    ) {
        match Body::decode(header.kind, body) {
            Ok(decoded) => {
                match &decoded {
                    Body::Beat(_) => self.last_beat_us = Some(header.times.wall_us),
                    Body::HostStop(stop) => {
                        self.stop = Some((header.times.wall_us, stop.reason.clone().into_owned()));
                    }
                    _ => {}
                }
                match self.key.as_ref().map(|(key, _)| *key) {
                    Some(key) => {
                        if !self.judge_signature(header, body, settled, std::iter::once(&key)) {
                            findings.add(&place, Fault::Signature(header.kind));
                        }
                    }
                    None => {
                        let (header, body) = (header.clone(), body.to_vec());
                        self.unjudged.push(SignedRecord { header, body, settled, place });
                    }
                }
            }
            Err(error) => findings.add(&place, Fault::Unreadable(error.to_string())),
        }
    }

    pub(super) fn finish(
        mut self,
        id: BootId,
        trusted: &BTreeSet<PublicKey>,
        reclaimed: &[Reclaimed],
        findings: &mut Findings,
    ) -> BootReport {
        if let Some((key, place)) = &self.key
            && !trusted.is_empty()
            && !trusted.contains(key)
        {
            findings.add(place, Fault::Key(*key));
        }
        self.judge_gaps(id, reclaimed, findings);
        self.judge_unjudged(trusted, findings);
        self.judge_claims(id, reclaimed, findings);
        let stopped = self.stop.is_some();
        let mut lanes = Vec::new();
        for (&lane, state) in &mut self.lanes {
            let (next, records) = (state.next(), state.runs.iter().map(|run| run.digests.len() as u64).sum());
            let unsigned = next.saturating_sub(state.signed_to);
            if stopped {
                if let Some(torn) = state.torn.take() {
                    findings.add(&torn, Fault::CutShort);
                }
                if unsigned > 0 {
                    findings.add(&nowhere(id, lane, state.signed_to), Fault::AfterStop);
                }
            }
            if next > 0 || state.torn.is_some() {
                lanes.push(LaneReport {
                    lane,
                    records,
                    last: next.saturating_sub(1),
                    unsigned,
                    torn: state.torn.take(),
                    reclaimed: next - records,
                });
            }
        }
        BootReport {
            boot: id,
            host: self.host,
            started_us: self.started_us,
            public_key: self.key.map(|(key, _)| key),
            lanes,
            end: match self.stop {
                Some((at_us, reason)) => BootEnd::Stopped { at_us, reason },
                None => {
                    BootEnd::Silent { last_beat_us: self.last_beat_us, last_record_us: self.last_record_us }
                }
            },
            sessions: self.sessions,
            signatures: self.signatures,
            erased: self.erased,
        }
    }

    fn judge_gaps(&self, boot: BootId, reclaimed: &[Reclaimed], findings: &mut Findings) {
        for (&lane, state) in &self.lanes {
            let mut next = 0;
            for run in &state.runs {
                let gone = Reclaimed { boot, lane, from: next, before: run.first };
                if run.first > next && !explains(reclaimed, &gone) {
                    findings.add(&run.place, Fault::Gap { from: next, to: run.first - 1 });
                }
                next = run.end();
            }
        }
    }

    /// Signatures that came before the boot's key, or without it.
    fn judge_unjudged(&mut self, trusted: &BTreeSet<PublicKey>, findings: &mut Findings) {
        let own: Option<BTreeSet<PublicKey>> = self.key.as_ref().map(|(key, _)| BTreeSet::from([*key]));
        let mut told = false;
        for SignedRecord { header, body, settled, place } in std::mem::take(&mut self.unjudged) {
            if self.judge_signature(&header, &body, settled, own.as_ref().unwrap_or(trusted)) {
                continue;
            }
            if own.is_some() {
                findings.add(&place, Fault::Signature(header.kind));
            } else if !told {
                told = true;
                findings.add(&place, Fault::NoKey);
            }
        }
    }

    /// Whether one of the keys made the signature; if so, what it covers counts as signed.
    fn judge_signature<'k>(
        &mut self,
        header: &Header,
        body: &[u8],
        settled: bool,
        keys: impl IntoIterator<Item = &'k PublicKey>,
    ) -> bool {
        let (Ok(signed), Ok(decoded)) = (Signed::decode(body), Body::decode(header.kind, body)) else {
            return false;
        };
        let place = sign::Place::of(header);
        if !keys.into_iter().any(|key| sign::holds(key, &place, signed.payload, signed.signature)) {
            return false;
        }
        self.signatures += 1;
        // A signature covers its own header too, but for the digests that follow from what it covers.
        self.cover(header.lane, header.sequence);
        for tip in decoded.tips() {
            if self.digest(tip.lane, tip.sequence) == Some(tip.digest) {
                self.cover(tip.lane, tip.sequence);
            } else {
                let claim = Claim { by: header.kind, by_lane: header.lane, at: header.sequence, settled };
                let known = self.claims.entry((tip.lane, tip.sequence, tip.digest)).or_insert(claim);
                known.settled |= settled;
            }
        }
        true
    }

    fn cover(&mut self, lane: u32, sequence: u64) {
        if let Some(lane) = self.lanes.get_mut(&lane) {
            lane.signed_to = lane.signed_to.max(sequence.saturating_add(1));
        }
    }

    /// Tips of records that had not come when they were claimed.
    fn judge_claims(&mut self, boot: BootId, reclaimed: &[Reclaimed], findings: &mut Findings) {
        for ((lane, sequence, digest), Claim { by, by_lane, at, settled }) in std::mem::take(&mut self.claims)
        {
            let place = nowhere(boot, lane, sequence);
            match self.digest(lane, sequence) {
                Some(found) if found == digest => self.cover(lane, sequence),
                Some(_) => findings.add(&place, Fault::Tip { by, by_lane, at }),
                None => {
                    let gone = Reclaimed { boot, lane, from: sequence, before: sequence.saturating_add(1) };
                    if settled && !explains(reclaimed, &gone) {
                        findings.add(&place, Fault::Truncated { by, by_lane, at });
                    }
                }
            }
        }
    }
}

fn nowhere(boot: BootId, lane: u32, sequence: u64) -> Place {
    Place { boot: Some(boot), lane: Some(lane), sequence: Some(sequence), ..Place::default() }
}
