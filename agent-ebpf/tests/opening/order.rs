//! Packets that come again, that are missing, or that are not what was said of them.

use agent_ebpf::opening::{Opening, Reason, Verdict};
use proptest::prelude::*;

use crate::{
    captures::CAPTURES,
    hello::Hello,
    stream::{Bytes, DIRECT_TLS, MORE, OTHER, SSL_REQUEST, STARTUP_30, show, whole},
};

const STARTUP: &[u8] = b"\0\0\0\x22\0\x03\0\0database\0shop\0user\0alice\0\0";

fn unclear(reason: Reason) -> Verdict {
    Verdict::Unclear(reason)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Every packet may begin with bytes that were sent before, other ones even: the first ones count.
    #[test]
    fn bytes_that_come_again_change_nothing(
        index in 0..CAPTURES.len(),
        packets in prop::collection::vec((0..100_usize, 0..100_usize, any::<bool>()), 1..60),
    ) {
        let stream = CAPTURES[index].bytes();
        let forged = vec![b'x'; stream.len()];
        let (mut opening, mut seen) = (Opening::new(), 0);
        for (back, length, again) in packets {
            let from = seen - back.min(seen);
            if again {
                show(&mut opening, &forged, from, seen);
            }
            let to = (from + length).min(stream.len()).max(from);
            show(&mut opening, &stream, from, to);
            seen = seen.max(to);
        }
        prop_assert_eq!(opening.verdict(), whole(&stream[..seen]));
    }
}

#[test]
fn an_empty_packet_says_nothing() {
    let mut opening = Opening::new();
    assert_eq!(show(&mut opening, STARTUP, 0, 0), MORE);
    assert_eq!(show(&mut opening, STARTUP, 0, 10), MORE);
    // An acknowledgement, a keep-alive, and one from beyond.
    for place in [10, 9, 25] {
        assert_eq!(show(&mut opening, STARTUP, place, place), MORE);
    }
    assert_eq!(show(&mut opening, STARTUP, 10, STARTUP.len()), STARTUP_30);
}

#[test]
fn a_stream_older_than_the_guard_stays_unclear() {
    let mut opening = Opening::new();
    assert_eq!(show(&mut opening, STARTUP, 1, STARTUP.len()), unclear(Reason::MidStream));
    assert_eq!(show(&mut opening, STARTUP, 0, STARTUP.len()), unclear(Reason::MidStream));
}

#[test]
fn a_missing_packet_makes_it_unclear() {
    let mut opening = Opening::new();
    assert_eq!(show(&mut opening, STARTUP, 0, 12), MORE);
    assert_eq!(show(&mut opening, STARTUP, 13, STARTUP.len()), unclear(Reason::Gap));
    assert_eq!(show(&mut opening, STARTUP, 12, STARTUP.len()), unclear(Reason::Gap));
}

#[test]
fn a_packet_that_is_missing_where_nothing_is_read_does_not_matter() {
    let stream = Hello::default().with(51, [7; 2000]).alpn(&["postgresql"]).stream();
    let mut opening = Opening::new();
    assert_eq!(show(&mut opening, &stream, 0, 200), MORE);
    assert_eq!(show(&mut opening, &stream, 1500, stream.len()), DIRECT_TLS);
}

#[test]
fn a_verdict_is_final() {
    let mut opening = Opening::new();
    assert_eq!(show(&mut opening, b"GET / HTTP/1.1", 0, 5), OTHER);
    assert_eq!(show(&mut opening, STARTUP, 0, STARTUP.len()), OTHER);
    let mut opening = Opening::new();
    let request = b"\0\0\0\x08\x04\xd2\x16\x2fGET / HTTP/1.1";
    assert_eq!(show(&mut opening, request, 0, 8), SSL_REQUEST);
    assert_eq!(show(&mut opening, request, 8, request.len()), SSL_REQUEST);
    assert_eq!(opening.verdict(), SSL_REQUEST);
}

#[test]
fn a_packet_shorter_than_was_said_makes_it_unclear() {
    let mut opening = Opening::new();
    assert_eq!(opening.packet(&Bytes(&STARTUP[..11]), 0, 30), unclear(Reason::Unreadable));
    let mut opening = Opening::new();
    assert_eq!(opening.packet(&Bytes(STARTUP), u32::MAX - 3, 30), unclear(Reason::Gap));
}

#[test]
fn a_code_is_its_verdict_s_alone() {
    let verdicts: Vec<_> = (0..=u8::MAX).map(Verdict::from_code).collect();
    for verdict in &verdicts {
        assert_eq!(Verdict::from_code(verdict.code()), *verdict);
    }
    assert_eq!(verdicts.iter().collect::<std::collections::HashSet<_>>().len(), 12);
    assert_eq!(Verdict::More.code(), 0);
}
