//! The forwarder and the store against a real PostgreSQL, with records made in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use evidence::segment::Frames;
use evidence::{
    Beat, Body, BootId, Decision, Digest, Header, HostStart, Kind, Lane, Protocol, PublicKey, Ruling,
    SessionEnd, SessionId, Signer, Statement, StatementEnd, Times, Tip,
};

use super::*;

mod away;
mod order;
pub(crate) mod postgres;
mod real;
mod roles;
mod versions;

/// A runtime for one test.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

/// Looks until what is wanted is there, for a minute at most.
pub(crate) fn eventually<T: std::fmt::Debug>(mut look: impl FnMut() -> T, wanted: impl Fn(&T) -> bool) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let value = look();
        if wanted(&value) {
            return value;
        }
        assert!(Instant::now() < deadline, "still after a minute: {value:?}");
        // Between two looks, so that the others have the processor meanwhile.
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A boot's lanes, as a recorder would make them.
struct Host {
    boot: BootId,
    signer: Arc<Signer>,
    lanes: Vec<Lane>,
    micros: u64,
    records: Vec<Record>,
}

const SESSION: SessionId = SessionId(*b"\x01\x92\xab\x00\x11\x22\x7a\xbc\xde\xf0\x00\x01\x02\x03\x04\xff");

impl Host {
    fn new(number: u8, lanes: u32) -> Self {
        let boot = BootId({
            let mut id = uuid::Uuid::now_v7().into_bytes();
            // So that boots sort by their number.
            id[6] = 0x70;
            id[7] = number;
            id
        });
        let signer = Arc::new(Signer::from_seed([number; 32]).unwrap());
        let lanes = (0..=lanes).map(|lane| Lane::new(boot, lane, Arc::clone(&signer))).collect();
        let micros = 1_790_000_000_000_000;
        let mut host = Host { boot, signer, lanes, micros, records: Vec::new() };
        let start = Body::HostStart(HostStart {
            version: "0.1.0".into(),
            host: "ci-1".into(),
            machine: None,
            kernel: "6.12".into(),
            public_key: host.key(),
            policy: Digest::of(b"policy"),
            config: Digest::of(b"config"),
            lanes: 1,
            previous: None,
        });
        host.add(0, None, &start);
        host
    }

    fn key(&self) -> PublicKey {
        self.signer.public_key()
    }

    fn own(&self) -> Own {
        Own { boot: self.boot, key: self.key() }
    }

    fn add(&mut self, lane: u32, session: Option<(SessionId, u64)>, body: &Body<'_>) {
        self.micros += 1;
        let times = Times { wall_us: self.micros, mono_ns: self.micros * 1000 };
        let mut bytes = Vec::new();
        self.lanes[lane as usize].append(session, body, times, &mut bytes).unwrap();
        let (_, frame) = Frames::new(&bytes, 0).next().unwrap();
        let frame = frame.unwrap();
        self.records.push(Record {
            header: Header::decode(frame.header).unwrap(),
            header_bytes: frame.header.to_vec(),
            body_bytes: frame.body.to_vec(),
        });
    }

    fn tips(&self) -> Vec<Tip> {
        self.lanes.iter().filter_map(Lane::tip).collect()
    }

    fn beat(&mut self) {
        let beat = Body::Beat(Beat { tips: self.tips() });
        self.add(0, None, &beat);
    }

    /// A statement and its end on a lane, at this place in the session.
    fn statement(&mut self, lane: u32, at: u64, text: &str) {
        let decision = Decision {
            ruling: Ruling::Allow,
            rule: "read".into(),
            findings: vec![].into(),
            relations: vec!["public.customers".into()].into(),
            policy: None,
            would: None,
        };
        let statement = Statement {
            text: text.as_bytes().into(),
            decision: Some(decision),
            ..Statement::new(Protocol::Simple)
        };
        self.add(lane, Some((SESSION, at)), &Body::Statement(statement));
        let end =
            StatementEnd { statement: at, tag: b"SELECT 2"[..].into(), rows: 2, ..StatementEnd::default() };
        self.add(lane, Some((SESSION, at + 1)), &Body::StatementEnd(end));
    }

    fn end(&mut self, lane: u32, at: u64) {
        let tips = self.tips();
        let end = SessionEnd { reason: "terminate".into(), statements: 1, denied: 0, held: 0, tips };
        self.add(lane, Some((SESSION, at)), &Body::SessionEnd(end));
    }
}

/// Records in memory that a test adds to, and what the forwarder says of them.
#[derive(Debug, Default)]
struct Disk {
    records: BTreeMap<(BootId, u32), Vec<Record>>,
    told: Positions,
    conflicts: Vec<(u32, u64)>,
}

#[derive(Debug, Clone, Default)]
struct Memory {
    disk: Arc<Mutex<Disk>>,
    next: Positions,
}

impl Memory {
    fn of(hosts: &[&Host]) -> Self {
        let memory = Memory::default();
        hosts.iter().for_each(|host| memory.add(&host.records));
        memory
    }

    fn add(&self, records: &[Record]) {
        for record in records {
            self.disk().records.entry(record.lane()).or_default().push(record.clone());
        }
    }

    fn disk(&self) -> std::sync::MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for Memory {
    fn boots(&self) -> Result<Vec<BootId>, SourceError> {
        Ok(self.disk().records.keys().map(|(boot, _)| *boot).collect())
    }

    fn rewind(&mut self, next: &Positions) {
        self.next = next.clone();
    }

    fn read(&mut self, most_bytes: usize) -> Result<Vec<Record>, SourceError> {
        let mut found = Vec::new();
        let mut bytes = 0;
        let disk = Arc::clone(&self.disk);
        for (lane, records) in &disk.lock().unwrap_or_else(PoisonError::into_inner).records {
            let next = self.next.entry(*lane).or_default();
            for record in records.iter().filter(|record| record.header.sequence >= *next) {
                if bytes >= most_bytes {
                    break;
                }
                bytes += record.len();
                found.push(record.clone());
            }
            *next = found
                .iter()
                .filter(|record| record.lane() == *lane)
                .map(|record| record.header.sequence + 1)
                .max()
                .unwrap_or(*next);
        }
        Ok(found)
    }

    fn shipped(&mut self, next: &Positions) {
        self.disk().told = next.clone();
    }

    fn conflict(&mut self, _: BootId, lane: u32, sequence: u64) {
        self.disk().conflicts.push((lane, sequence));
    }

    fn backlog(&mut self, next: &Positions) -> Backlog {
        let disk = self.disk();
        let waits =
            |record: &&Record| next.get(&record.lane()).is_none_or(|next| record.header.sequence >= *next);
        let waiting: Vec<&Record> = disk.records.values().flatten().filter(waits).collect();
        Backlog {
            records: waiting.len() as u64,
            bytes: waiting.iter().map(|record| record.len() as u64).sum(),
        }
    }
}
