//! Every way to alter a record, and that it is found; every honest end, and that it is not called a fault.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::body::{Beat, HostStart, HostStop, Incident, Previous, Protocol, SessionEnd, Statement};
use crate::id::SessionId;
use crate::lane::Lane;
use crate::segment::{self, Frames, HEAD_LEN};
use crate::sign::Signer;
use crate::{ResultChunk, Stream, Times};

const BOOT: BootId = BootId([7; 16]);
const SESSION: SessionId = SessionId([9; 16]);

/// A boot's files, as the recorder would leave them.
struct World {
    host: Lane,
    worker: Lane,
    files: BTreeMap<String, Vec<u8>>,
    current: BTreeMap<u32, String>,
    in_session: u64,
    clock: u64,
}

fn signer(seed: u8) -> Arc<Signer> {
    Arc::new(Signer::from_seed([seed; 32]).unwrap())
}

impl World {
    fn new(boot: BootId, seed: u8, previous: Option<Previous>) -> Self {
        let signer = signer(seed);
        let mut world = World {
            host: Lane::new(boot, 0, signer.clone()),
            worker: Lane::new(boot, 1, signer.clone()),
            files: BTreeMap::new(),
            current: BTreeMap::new(),
            in_session: 0,
            clock: 1_700_000_000_000_000,
        };
        world.append(
            0,
            None,
            Body::HostStart(HostStart {
                version: "0".into(),
                host: "ci-7".into(),
                machine: None,
                kernel: "6.1".into(),
                public_key: signer.public_key(),
                policy: Digest::of(b"policy"),
                config: Digest::of(b"config"),
                lanes: 1,
                previous,
            }),
        );
        world
    }

    fn append(&mut self, lane: u32, session: Option<SessionId>, body: Body<'_>) {
        let writer = if lane == 0 { &mut self.host } else { &mut self.worker };
        let file = self.current.entry(lane).or_insert_with(|| {
            let head = writer.segment_head();
            let name = format!("{}/{}", head.boot, segment::file_name(lane, head.first));
            head.encode(self.files.entry(name.clone()).or_default());
            name
        });
        self.clock += 1000;
        let times = Times { wall_us: self.clock, mono_ns: self.clock };
        let session = session.map(|session| {
            self.in_session += 1;
            (session, self.in_session - 1)
        });
        writer.append(session, &body, times, self.files.get_mut(file).unwrap()).unwrap();
    }

    fn rotate(&mut self, lane: u32) {
        self.current.remove(&lane);
    }

    fn tips(&self) -> Vec<crate::Tip> {
        self.host.tip().into_iter().chain(self.worker.tip()).collect()
    }

    fn beat(&mut self) {
        let tips = self.tips();
        self.append(0, None, Body::Beat(Beat { tips }));
    }

    fn stop(&mut self) {
        let tips = self.tips();
        self.append(0, None, Body::HostStop(HostStop { tips, reason: "SIGTERM".into() }));
    }

    fn statement(&mut self, text: &str) {
        let statement = Statement { text: text.as_bytes().into(), ..Statement::new(Protocol::Simple) };
        self.append(1, Some(SESSION), Body::Statement(statement));
        let chunk =
            ResultChunk { statement: 0, stream: Stream::Backend, frames: text.repeat(3).into_bytes().into() };
        self.append(1, Some(SESSION), Body::ResultChunk(chunk));
    }

    fn end(&mut self) {
        let tips = self.tips();
        let end = SessionEnd { reason: "terminate".into(), statements: 2, denied: 0, held: 0, tips };
        self.append(1, Some(SESSION), Body::SessionEnd(end));
    }

    /// A day in short: beats, statements over two segments, an end, a stop.
    fn usual() -> Self {
        let mut world = World::new(BOOT, 1, None);
        world.statement("select 1");
        world.beat();
        world.statement("select 2");
        world.rotate(1);
        world.statement("select 3");
        world.rotate(0);
        world.beat();
        world.end();
        world.stop();
        world
    }
}

fn verify(files: &BTreeMap<String, Vec<u8>>) -> Report {
    let mut verifier = Verifier::new();
    for (name, bytes) in files {
        verifier.segment(name, bytes);
    }
    verifier.finish()
}

/// Header, body and offset of each frame of a file.
fn frames(bytes: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    Frames::new(bytes, HEAD_LEN)
        .map(|(_, frame)| frame.map(|frame| (frame.header.to_vec(), frame.body.to_vec())).unwrap())
        .collect()
}

/// Replaces a file's frames, with sound lengths and checksums.
fn reframe(file: &mut Vec<u8>, frames: &[(Vec<u8>, Vec<u8>)]) {
    file.truncate(HEAD_LEN);
    for (header, body) in frames {
        segment::encode_frame(header, body, file);
    }
}

#[track_caller]
fn check_found(world: &World, expect: impl Fn(&Problem) -> bool) {
    let report = verify(&world.files);
    assert!(report.problems.iter().any(expect), "{:#?}", report.problems);
}

#[test]
fn an_untouched_record_is_sound() {
    let report = verify(&World::usual().files);
    assert_eq!(report.problems, []);
    let [boot] = &report.boots[..] else { panic!("{report:?}") };
    assert_eq!(boot.host.as_deref(), Some("ci-7"));
    assert!(matches!(&boot.end, BootEnd::Stopped { reason, .. } if reason == "SIGTERM"));
    assert_eq!(boot.signatures, 4);
    assert!(boot.lanes.iter().all(|lane| lane.unsigned == 0 && lane.torn.is_none() && lane.reclaimed == 0));
}

#[test]
fn lanes_may_come_in_any_order() {
    let mut verifier = Verifier::new();
    for (name, bytes) in World::usual().files.iter().filter(|(name, _)| name.contains("lane-00001")) {
        verifier.segment(name, bytes);
    }
    for (name, bytes) in World::usual().files.iter().filter(|(name, _)| name.contains("lane-00000")) {
        verifier.segment(name, bytes);
    }
    let report = verifier.finish();
    assert_eq!(report.problems, []);
    assert_eq!(report.boots[0].signatures, 4);
}

#[test]
fn a_dropped_record_is_found_wherever_it_was() {
    let world = World::usual();
    for (name, bytes) in &world.files {
        for index in 0..frames(bytes).len() {
            let mut files = world.files.clone();
            let mut kept = frames(bytes);
            kept.remove(index);
            reframe(files.get_mut(name).unwrap(), &kept);
            let report = verify(&files);
            // The stop itself is the one record that nothing later speaks of: without it the host fell silent.
            let silent = matches!(report.boots[0].end, BootEnd::Silent { .. });
            assert!(!report.is_sound() || silent, "{name} {index}");
        }
    }
}

#[test]
fn a_repeated_or_exchanged_record_is_found_wherever_it_is() {
    let world = World::usual();
    for (name, bytes) in &world.files {
        let original = frames(bytes);
        for index in 0..original.len() {
            let mut files = world.files.clone();
            let mut twice = original.clone();
            twice.insert(index, original[index].clone());
            reframe(files.get_mut(name).unwrap(), &twice);
            assert!(!verify(&files).is_sound(), "{name} {index} twice");
            if index > 0 {
                let mut exchanged = original.clone();
                exchanged.swap(index - 1, index);
                reframe(files.get_mut(name).unwrap(), &exchanged);
                assert!(!verify(&files).is_sound(), "{name} {index} exchanged");
            }
        }
    }
}

#[test]
fn a_removed_file_is_found_and_named() {
    let world = World::usual();
    for name in world.files.keys() {
        let mut files = world.files.clone();
        files.remove(name);
        let report = verify(&files);
        let silent = report.boots.iter().any(|boot| matches!(boot.end, BootEnd::Silent { .. }));
        assert!(!report.is_sound() || silent, "{name}");
    }
}

/// What someone does who edits a record and makes the chain agree again, without the key.
fn recompute(world: &mut World, edit: impl Fn(&Header, &[u8]) -> Option<Vec<u8>>) {
    let mut predecessors: BTreeMap<u32, Digest> = BTreeMap::new();
    for file in world.files.values_mut() {
        let mut head = segment::Head::decode(file).unwrap();
        let mut out = Vec::new();
        for (header, body) in frames(file) {
            let mut header = Header::decode(&header).unwrap();
            let body = edit(&header, &body).unwrap_or(body);
            header.predecessor = predecessors.get(&header.lane).copied().unwrap_or(Digest::NONE);
            header.body = Digest::of(&body);
            header.body_len = body.len() as u64;
            if head.first == header.sequence {
                head.predecessor = header.predecessor;
            }
            let mut bytes = Vec::new();
            header.encode(&mut bytes);
            predecessors.insert(header.lane, Digest::of(&bytes));
            out.push((bytes, body));
        }
        file.clear();
        head.encode(file);
        reframe(file, &out);
    }
}

fn edited(body: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(body).replace("select 1", "select 9").into_bytes()
}

#[test]
fn a_recomputed_chain_is_found_by_the_signatures() {
    let mut world = World::usual();
    recompute(&mut world, |header, body| (header.kind == Kind::Statement).then(|| edited(body)));
    check_found(&world, |problem| matches!(problem.fault, Fault::Tip { by: Kind::Beat, .. }));
    check_found(&world, |problem| matches!(problem.fault, Fault::Signature(Kind::SessionEnd)));
}

#[test]
fn a_replaced_key_is_found_by_one_who_knows_the_true_one() {
    // All of it made anew with another key: sound by itself, but not the boot that the store knows.
    let mut other = World::new(BOOT, 2, None);
    other.statement("select 9");
    other.stop();
    assert!(verify(&other.files).is_sound());
    let mut verifier = Verifier::new();
    verifier.trust(signer(1).public_key());
    for (name, bytes) in &other.files {
        verifier.segment(name, bytes);
    }
    let report = verifier.finish();
    assert!(matches!(report.problems[..], [Problem { fault: Fault::Key(_), .. }]), "{report:?}");
}

#[test]
fn a_start_record_with_another_key_does_not_fit_the_signatures() {
    let mut world = World::usual();
    let (old, new) = (signer(1).public_key().0, signer(2).public_key().0);
    recompute(&mut world, |header, body| {
        (header.kind == Kind::HostStart).then(|| {
            let at = body.windows(32).position(|window| window == old).unwrap();
            let mut body = body.to_vec();
            body[at..at + 32].copy_from_slice(&new);
            body
        })
    });
    check_found(&world, |problem| matches!(problem.fault, Fault::Signature(Kind::Beat)));
}

#[test]
fn an_edit_is_named_by_lane_sequence_file_and_offset() {
    let mut world = World::usual();
    let (name, file) = world.files.iter_mut().find(|(name, _)| name.contains("lane-00001-")).unwrap();
    let mut all = frames(file);
    let offset = HEAD_LEN + segment::FRAME_HEAD + all[0].0.len() + all[0].1.len();
    let name = name.clone();
    all[1].1 = edited(&all[1].1);
    reframe(file, &all);
    let report = verify(&world.files);
    let [problem] = &report.problems[..] else { panic!("{report:?}") };
    assert_eq!(problem.fault, Fault::Body);
    assert_eq!(
        problem.to_string(),
        format!(
            "boot {BOOT}, lane 1, record 1, file {name}, offset {offset}: \
             edited: the body does not match the header's digest"
        )
    );
}

#[test]
fn truncation_below_a_signed_tip_is_found() {
    let mut world = World::usual();
    let file = world.files.values_mut().nth(2).unwrap();
    file.truncate(HEAD_LEN);
    check_found(&world, |problem| matches!(problem.fault, Fault::Truncated { .. }));
}

#[test]
fn an_erased_body_is_told_and_no_fault() {
    let mut world = World::usual();
    for file in world.files.values_mut() {
        let mut all = frames(file);
        for (header, body) in &mut all {
            if Header::decode(header).unwrap().kind == Kind::ResultChunk {
                body.clear();
            }
        }
        reframe(file, &all);
    }
    let report = verify(&world.files);
    assert_eq!(report.problems, []);
    assert_eq!(report.boots[0].erased, 3);
}

#[test]
fn the_hosts_own_records_cannot_be_erased() {
    let mut world = World::usual();
    let file = world.files.values_mut().next().unwrap();
    let mut all = frames(file);
    all[1].1.clear();
    reframe(file, &all);
    check_found(&world, |problem| problem.fault == Fault::ErasedHostRecord);
}

#[test]
fn a_host_that_fell_silent_is_told_with_its_last_beat_and_no_fault() {
    let mut world = World::new(BOOT, 1, None);
    world.beat();
    let last_beat = world.clock;
    world.statement("select 1");
    let last_record = world.clock;
    // A kill in the middle of the last write.
    let file = world.files.values_mut().nth(1).unwrap();
    segment::encode_frame(&[1; 60], &[2; 60], file);
    file.truncate(file.len() - 50);
    let report = verify(&world.files);
    assert_eq!(report.problems, []);
    let boot = &report.boots[0];
    let silent = BootEnd::Silent { last_beat_us: Some(last_beat), last_record_us: Some(last_record) };
    assert_eq!(boot.end, silent);
    assert_eq!(boot.lanes[1].unsigned, 2);
    assert!(boot.lanes[1].torn.is_some());
}

#[test]
fn a_torn_write_before_the_stop_is_a_fault() {
    let mut world = World::usual();
    let file = world.files.values_mut().next_back().unwrap();
    file.extend_from_slice(&[0, 0]);
    check_found(&world, |problem| problem.fault == Fault::CutShort);
}

#[test]
fn damage_in_the_middle_does_not_hide_what_follows() {
    let mut world = World::usual();
    let file = world.files.values_mut().nth(2).unwrap();
    // The length of the first body becomes larger than the file.
    file[HEAD_LEN + 5] = 0x40;
    let report = verify(&world.files);
    assert!(report.problems.iter().any(|problem| matches!(problem.fault, Fault::Frame(_))), "{report:#?}");
    assert!(report.problems.iter().any(|problem| matches!(problem.fault, Fault::Gap { from: 0, to: 0 })));
    assert_eq!(report.boots[0].signatures, 4);
}

#[test]
fn the_end_of_the_boot_before_is_held_to_what_the_next_one_saw() {
    let mut first = World::new(BootId([1; 16]), 1, None);
    first.beat();
    first.statement("select 1");
    first.beat();
    let tip = first.host.tip().unwrap();
    let previous = Previous { boot: BootId([1; 16]), sequence: tip.sequence, digest: tip.digest };
    let second = World::new(BootId([2; 16]), 2, Some(previous));
    let both = |first: &World| {
        first.files.iter().chain(&second.files).map(|(n, b)| (n.clone(), b.clone())).collect()
    };
    assert_eq!(verify(&both(&first)).problems, []);
    assert!(matches!(
        verify(&second.files).problems[..],
        [Problem { fault: Fault::PreviousBootMissing(_), .. }]
    ));
    let file = first.files.values_mut().next().unwrap();
    let mut kept = frames(file);
    kept.pop();
    reframe(file, &kept);
    assert!(matches!(
        verify(&both(&first)).problems[..],
        [Problem { fault: Fault::PreviousBootTruncated(_), .. }]
    ));
}

#[test]
fn records_that_were_removed_on_the_record_are_told_and_no_fault() {
    let mut world = World::new(BOOT, 1, None);
    world.statement("select 1");
    world.rotate(1);
    world.statement("select 2");
    world.beat();
    let name = world.files.keys().find(|name| name.contains("lane-00001")).unwrap().clone();
    world.files.remove(&name);
    check_found(&world, |problem| problem.fault == Fault::Gap { from: 0, to: 1 });
    world.append(0, None, Body::Reclaimed(Reclaimed { boot: BOOT, lane: 1, from: 0, before: 2 }));
    let report = verify(&world.files);
    assert_eq!(report.problems, []);
    assert_eq!(report.boots[0].lanes[1].reclaimed, 2);
    // A central store must still have them.
    let mut verifier = Verifier::new();
    verifier.keeps_all();
    world.files.iter().for_each(|(name, bytes)| verifier.segment(name, bytes));
    assert!(matches!(verifier.finish().problems[..], [Problem { fault: Fault::Gap { from: 0, to: 1 }, .. }]));
}

#[test]
fn what_a_record_in_flight_signed_may_be_missing_but_not_differ() {
    let mut world = World::new(BOOT, 1, None);
    world.statement("select 1");
    world.end();
    let early = world.files.clone();
    world.beat();
    world.statement("select 2");
    world.end();
    // The worker's lane was read later than the host's, as from under a running daemon.
    let mut files = world.files.clone();
    let (name, host) = early.iter().next().unwrap();
    files.insert(name.clone(), host.clone());
    assert!(matches!(verify(&files).problems[..], [Problem { fault: Fault::Truncated { .. }, .. }]));
    let growing = |files: &BTreeMap<String, Vec<u8>>| {
        let mut verifier = Verifier::new();
        for (name, bytes) in files {
            verifier.growing_segment(name, bytes, early[name].len());
        }
        verifier.finish()
    };
    assert_eq!(growing(&files).problems, []);
    recompute(&mut world, |header, body| (header.kind == Kind::Statement).then(|| edited(body)));
    assert_ne!(growing(&world.files).problems, []);
}

#[test]
fn records_after_the_stop_are_found() {
    let mut world = World::usual();
    world.append(1, None, Body::Incident(Incident::new("late", "")));
    check_found(&world, |problem| problem.fault == Fault::AfterStop);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_edit_of_one_byte_is_found(at in any::<prop::sample::Index>(), flip in 1..=255u8) {
        let mut world = World::usual();
        let total: usize = world.files.values().map(Vec::len).sum();
        let mut at = at.index(total);
        for file in world.files.values_mut() {
            if let Some(byte) = file.get_mut(at) {
                *byte ^= flip;
                break;
            }
            at -= file.len();
        }
        prop_assert!(!verify(&world.files).is_sound());
    }

    #[test]
    fn any_cut_of_a_file_is_found_or_leaves_a_silent_host(
        file in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
    ) {
        let mut world = World::usual();
        let count = world.files.len();
        let file = world.files.values_mut().nth(file.index(count)).unwrap();
        let at = at.index(file.len());
        file.truncate(at);
        let report = verify(&world.files);
        let silent = report.boots.iter().any(|boot| matches!(boot.end, BootEnd::Silent { .. }));
        prop_assert!(!report.is_sound() || silent);
    }

    #[test]
    fn any_bytes_at_all_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), head in any::<bool>()) {
        let mut world = World::usual();
        let file = world.files.values_mut().next().unwrap();
        if head {
            file.truncate(HEAD_LEN);
        } else {
            file.clear();
        }
        file.extend_from_slice(&bytes);
        let _ = verify(&world.files);
    }
}
