//! Start-up packets, and what looks like one.

use agent_ebpf::opening::Verdict;
use proptest::prelude::*;

use crate::{
    reference,
    stream::{
        CANCEL_REQUEST, GSSENC_REQUEST, MORE, OTHER, SSL_REQUEST, STARTUP_30, STARTUP_32, cut, packets_of,
        whole,
    },
};

const V30: u32 = 0x30000;

fn packet(code: u32, body: &[u8]) -> Vec<u8> {
    sized(body.len() as u32 + 8, code, body)
}

fn sized(length: u32, code: u32, body: &[u8]) -> Vec<u8> {
    [&length.to_be_bytes(), &code.to_be_bytes(), body].concat()
}

#[track_caller]
fn check(stream: &[u8], expect: Verdict) {
    assert_eq!(whole(stream), expect, "whole");
    assert_eq!(packets_of(1, stream), expect, "byte by byte");
}

#[test]
fn every_minor_version_of_protocol_3_counts() {
    let startup = |code| packet(code, b"user\0alice\0database\0shop\0\0");
    check(&startup(V30), STARTUP_30);
    for minor in [1, 2, 3, 9999, 0xffff] {
        check(&startup(V30 + minor), STARTUP_32);
    }
    for other in [0x20000, 0x2ffff, 0x40000, 0x1000000, 0x3, 0x00030000_u32.swap_bytes()] {
        check(&startup(other), OTHER);
    }
}

#[test]
fn requests_count_in_every_length_that_a_server_takes() {
    for (code, expect) in [(80877103, SSL_REQUEST), (80877104, GSSENC_REQUEST), (80877102, CANCEL_REQUEST)] {
        for length in [8, 12, 16, 268, 10_004] {
            check(&sized(length, code, &[0; 8]), expect);
        }
        for length in [0, 4, 7, 0x10000, 0x1000008, u32::MAX] {
            check(&sized(length, code, &[0; 8]), OTHER);
        }
    }
    for code in [80877101, 80877105, 80877103 ^ 0x10000, 80877103_u32.swap_bytes()] {
        check(&sized(8, code, &[]), OTHER);
        check(&sized(16, code, &[0; 8]), OTHER);
    }
}

#[test]
fn the_user_may_come_at_any_place() {
    let check = |body: &[u8]| check(&packet(V30, body), STARTUP_30);
    check(b"user\0a\0\0");
    check(b"database\0shop\0user\0alice\0\0");
    check(b"x\0\0user\0alice\0\0");
    check(b"a\0user\0user\0a\0\0");
    check(b"user\0\0user\0a\0\0");
    check(b"_pq_.feature\0on\0user\0a\0\0");
    check(b"_pq_.\x01\0on\0user\0a\0\0");
    check("é.a\0b\0user\0a\0\0".as_bytes());
    // Until version 13 a name with a dot could hold anything else.
    check(b"\x01.x\0v\0user\0a\0\0");
    check(b"\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01.\0v\0user\0a\0\0");
    // The server passes this: it looks for a zero before the last byte alone.
    check(b"user\0a\0Z");
    for length in 0..40 {
        check(&[&b"n".repeat(length + 1)[..], b"\0", &b"v".repeat(length), b"\0user\0a\0\0"].concat());
        check(
            &[b"name\0", &b"v".repeat(length)[..], b"\0other\0", &b"w".repeat(40 - length), b"\0user\0a\0\0"]
                .concat(),
        );
    }
}

#[test]
fn a_packet_that_no_server_goes_on_with_is_another_protocol_s() {
    let check = |body: &[u8]| check(&packet(V30, body), OTHER);
    check(b"");
    check(b"\0");
    check(b"user\0\0\0");
    check(b"\0user\0a\0\0");
    check(b"database\0shop\0\0");
    check(b"database\0shop\0\0user\0a\0\0");
    check(b"USER\0alice\0\0");
    check(b"uses\0alice\0\0");
    check(b"tuser\0alice\0\0");
    check(b"user \0alice\0\0");
    check(b"users\0alice\0\0");
    check(b"xuser\0user\0\0");
    check(b"1x\0v\0user\0a\0\0");
    check(b"\x01\0v\0user\0alice\0\0");
    check(b" application_name\0v\0user\0a\0\0");
    check(b"-12345678901234567890\0v\0user\0a\0\0");
    check(b"database\0user");
    // The user comes after the packet's end.
    let beyond = sized(20, V30, b"database\0shop\0user\0a\0\0");
    assert_eq!(whole(&beyond), OTHER);
}

#[test]
fn a_packet_has_a_longest_and_a_shortest_length() {
    let long = |length: usize| [b"a\0", &vec![b'v'; length - 19][..], b"\0user\0a\0\0"].concat();
    for length in [100, 10_004, 0xffff] {
        let packet = packet(V30, &long(length));
        assert_eq!(packet.len(), length);
        assert_eq!(packets_of(300, &packet), STARTUP_30, "{length}");
        assert_eq!(packets_of(300, &packet[..length - 8]), MORE, "{length}");
    }
    assert_eq!(whole(&sized(16, V30, b"user\0alice\0\0")), STARTUP_30);
    for length in [15, 0x10000] {
        assert_eq!(whole(&sized(length, V30, b"user\0alice\0\0")), OTHER, "{length}");
    }
}

#[test]
fn a_packet_with_a_long_way_to_the_user_is_postgresql_all_the_same() {
    let far = packet(V30, &[b"a\0", &[b'v'; 9000][..], b"\0user\0alice\0\0"].concat());
    // In one packet the steps end before the user is seen.
    assert_eq!(whole(&far), STARTUP_30);
    assert_eq!(packets_of(400, &far), STARTUP_30);
    assert_eq!(packets_of(400, &far[..9000]), MORE);
    let refuted = packet(V30, &[b"a\0", &[b'v'; 9000][..], b"\0\0"].concat());
    assert_eq!(packets_of(400, &refuted), OTHER);
}

/// Requests for metadata, as Kafka has them, with correlation ids that no client was seen to begin with. One of
/// 2^32 is left out, which spells `user`.
#[test]
fn a_kafka_client_that_counts_from_anywhere_is_not_taken() {
    for correlation in [1, 0x7f, 0x0100_0000, 0x6162_6364, 0x7573_6573, 0x7fff_ffff_u32] {
        for version in 0..14_u16 {
            for client in ["", "user", "kafka-client-1.user", "a.b"] {
                let mut body = [3_u16.to_be_bytes(), version.to_be_bytes()].concat();
                body.extend(correlation.to_be_bytes());
                body.extend((client.len() as u16).to_be_bytes());
                body.extend(client.as_bytes());
                body.extend([0, 0, 0, 1, 0, 5]);
                body.extend(b"users");
                let mut stream = (body.len() as u32).to_be_bytes().to_vec();
                stream.extend(body);
                // The next request follows, for a packet's length says four bytes less than Kafka's.
                stream.extend(stream.clone());
                check(&stream, OTHER);
            }
        }
    }
}

#[test]
fn other_protocols_with_a_length_in_front_are_not_taken() {
    let check = |hex: &str| check(&hex::decode(hex.replace(' ', "")).unwrap(), OTHER);
    // SunRPC in pieces that are not the last, with a transaction id like a version.
    check("00000028 00030000 00000000 00000002 000186a3");
    // MongoDB with a length whose last byte is zero, and a request id like a version.
    check("00100000 00030000 00000000 d4070000");
    // Thrift without versions, a name of three letters.
    check("00000013 00000003 666f6f 01 00000001 00");
    // SAP, NetBIOS, RocketMQ, Pulsar, OpenWire, Firebird, Modbus, DNS with the id 0, DRDA, TNS of 19c.
    check("00000070 00000000 00000000");
    check("81000044 20454545");
    check("000000e9 000000d9 7b22636f");
    check("0000002b 00000027 0801");
    check("000000f0 01416374 6976654d 51");
    check("00000001 00000013 00000003 00000024");
    check("00030000 00060103 006b0003");
    check("001d0000 01000001 00000000");
    check("0026d041 00010020 1041");
    check("00c80000 01000000 013e012c");
    // Erlang, Gearman, Diameter, TPKT, TDS's own login.
    check("0015 6e0005 0000 7f");
    check("00524551 00000007 00000000");
    check("01000094 80000101 00000000");
    check("0300 0013 0ee0 0000");
    check("10010100 00000100 78");
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(1..=255_u8, 0..30),
        "[a-z_.]{0,20}".prop_map(String::into_bytes),
        Just(b"user".to_vec()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    /// What a server goes on with is recognised, and what is recognised a server goes on with.
    #[test]
    fn it_says_what_the_server_s_own_code_says(
        parameters in prop::collection::vec((text(), text()), 0..8),
        tail in prop_oneof![Just(vec![0]), prop::collection::vec(any::<u8>(), 1..3)],
        lie in prop_oneof![4 => Just(0), 1 => -20..20_i32],
        code in prop_oneof![Just(V30), Just(V30 + 2), 0x2fff0..0x40010_u32],
        places in prop::collection::vec(any::<usize>(), 0..6),
    ) {
        let mut body = Vec::new();
        for (name, value) in parameters {
            body.extend(name);
            body.push(0);
            body.extend(value);
            body.push(0);
        }
        body.extend(tail);
        let stream = sized((body.len() as i32 + 8 + lie) as u32, code, &body);
        let expect = reference::startup(&stream);
        let verdict = cut(&stream, &places);
        // Of a packet that is not as long as it says, the matcher may know a few bytes sooner or later.
        let agrees = verdict == expect || lie != 0 && !matches!(expect, Verdict::Postgres(_));
        prop_assert!(agrees, "{verdict:?} where the server says {expect:?}: {stream:02x?}");
    }
}
