//! However a stream is cut, and whatever is changed in it.

use proptest::prelude::*;

use agent_ebpf::opening::Verdict;

use crate::{
    captures::CAPTURES,
    hello::{Hello, records},
    reference,
    stream::{DIRECT_TLS, MORE, OTHER, cut, packets_of, whole},
};

#[test]
fn every_client_is_taken_for_what_it_is() {
    for capture in CAPTURES {
        assert_eq!(whole(&capture.bytes()), capture.expect, "{} of {}", capture.name, capture.made_by);
    }
}

#[test]
fn a_client_is_recognised_in_packets_of_any_size() {
    for capture in CAPTURES {
        let bytes = capture.bytes();
        for size in 1..bytes.len().min(600) {
            assert_eq!(packets_of(size, &bytes), capture.expect, "{} in packets of {size}", capture.name);
        }
        for place in 0..bytes.len() {
            assert_eq!(cut(&bytes, &[place]), capture.expect, "{} cut at {place}", capture.name);
        }
    }
}

#[test]
fn a_beginning_is_never_taken_for_something_else() {
    for capture in CAPTURES {
        let bytes = capture.bytes();
        let mut before = MORE;
        for length in 0..=bytes.len() {
            let verdict = whole(&bytes[..length]);
            if before != MORE {
                assert_eq!(verdict, before, "the first {length} bytes of {}", capture.name);
            }
            before = verdict;
        }
        assert_eq!(before, capture.expect);
    }
}

#[test]
fn other_protocols_are_left_alone_at_once() {
    for capture in CAPTURES.iter().filter(|capture| capture.expect == OTHER) {
        let bytes = capture.bytes();
        match bytes[0] {
            0 if bytes[4..6] != [0, 3] => assert_eq!(whole(&bytes[..8]), OTHER, "{}", capture.name),
            // Kafka's request for metadata, and Vertica.
            0 => assert_eq!(whole(&bytes[..bytes.len().min(48)]), OTHER, "{}", capture.name),
            22 => {}
            _ => assert_eq!(whole(&bytes[..1]), OTHER, "{}", capture.name),
        }
    }
}

fn capture() -> impl Strategy<Value = Vec<u8>> {
    (0..CAPTURES.len()).prop_map(|index| CAPTURES[index].bytes())
}

fn places() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(any::<usize>(), 0..40)
}

/// Whether two verdicts on the same stream may differ by the cut alone: a packet has only so many steps.
fn same(one: Verdict, other: Verdict) -> bool {
    let unclear = |verdict| matches!(verdict, Verdict::Unclear(_));
    one == other || unclear(one) || unclear(other)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_cut_gives_the_same_verdict(stream in capture(), places in places()) {
        prop_assert_eq!(cut(&stream, &places), whole(&stream));
    }

    #[test]
    fn every_cut_of_changed_bytes_gives_the_same_verdict(
        stream in capture(),
        changes in prop::collection::vec((0..80_usize, any::<u8>()), 1..4),
        places in places(),
    ) {
        let mut stream = stream;
        for (place, byte) in changes {
            let place = place % stream.len();
            stream[place] = byte;
        }
        prop_assert!(same(cut(&stream, &places), whole(&stream)));
    }

    #[test]
    fn chance_is_never_postgresql(stream in prop::collection::vec(any::<u8>(), 0..300), places in places()) {
        prop_assert!(!matches!(cut(&stream, &places), Verdict::Postgres(_)));
    }

    #[test]
    fn chance_behind_a_startup_s_head_is_never_postgresql(
        length in 16..2000_u32,
        minor in 0..3_u32,
        rest in prop::collection::vec(any::<u8>(), 0..300),
        places in places(),
    ) {
        let stream = [&length.to_be_bytes(), &(0x30000 + minor).to_be_bytes(), &rest[..]].concat();
        let verdict = cut(&stream, &places);
        prop_assert!(verdict == MORE || verdict == OTHER, "{verdict:?}");
    }

    /// Hellos as OpenSSL would read them, and with a byte changed.
    #[test]
    fn a_hello_is_read_as_the_reference_reads_it(
        before in prop::collection::vec(0..60_usize, 0..12),
        names in prop::collection::vec("postgresq[lm]|[a-z0-9/]{1,12}", 0..4),
        after in 0..4_usize,
        session_id in 0..33_usize,
        size in 40..500_usize,
        change in prop::option::of((any::<usize>(), any::<u8>())),
        places in places(),
    ) {
        let mut hello = Hello { session_id, ..Hello::default() };
        for (index, length) in before.into_iter().enumerate() {
            hello = hello.with(0x4000 + index as u16, vec![16; length]);
        }
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let mut message = hello.alpn(&names).padded(after, after).message();
        if let Some((place, byte)) = change {
            let place = place % message.len();
            message[place] = byte;
        }
        let stream = records(size, &message);
        let expect = reference::offers_postgresql(&stream);
        let verdict = cut(&stream, &places);
        // What comes after the name is not looked at, so a mistake there is not seen.
        match expect {
            Some(true) => prop_assert_eq!(verdict, DIRECT_TLS),
            Some(false) => prop_assert_eq!(verdict, MORE),
            None => prop_assert!(!matches!(verdict, Verdict::Unclear(_))),
        }
    }
}
