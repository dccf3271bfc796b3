//! TLS from the first byte.

use std::sync::Arc;

use agent_ebpf::opening::{Opening, Reason, STEPS, Verdict};

use crate::{
    hello::{Hello, alpn, block, record, records},
    stream::{DIRECT_TLS, MORE, OTHER, packets_of, show, whole},
};

const TOO_MANY: Verdict = Verdict::Unclear(Reason::Steps);

/// The verdict on the hello alone, whole and byte by byte.
#[track_caller]
fn check(hello: &Hello, expect: Verdict) {
    assert_eq!(whole(&hello.stream()), expect);
    assert_eq!(packets_of(1, &hello.stream()), expect);
}

#[test]
fn the_name_is_found_wherever_it_stands_in_the_list() {
    let hello = |names: &[&str]| Hello::default().padded(3, 9).alpn(names).padded(5, 1);
    check(&hello(&["postgresql"]), DIRECT_TLS);
    check(&hello(&["postgresql", "h2", "http/1.1"]), DIRECT_TLS);
    check(&hello(&["h2", "postgresql", "http/1.1"]), DIRECT_TLS);
    check(&hello(&["h2", "http/1.1", "postgresql"]), DIRECT_TLS);
    check(&hello(&["postgresqk", "postgresQl", "postgresql"]), DIRECT_TLS);
    check(&hello(&[&"x".repeat(255), "postgresql"]), DIRECT_TLS);
    check(&hello(&["h2", "http/1.1"]), MORE);
}

#[test]
fn the_list_is_found_wherever_it_stands_in_the_hello() {
    for before in 0..40 {
        for after in [0, 1, 7] {
            let hello = |names| Hello::default().padded(before, before).alpn(names).padded(after, 3);
            check(&hello(&["postgresql"]), DIRECT_TLS);
            check(&hello(&["postgres"]), MORE);
        }
    }
    check(&Hello { session_id: 0, cipher_suites: 0, ..Hello::default() }.alpn(&["postgresql"]), DIRECT_TLS);
}

#[test]
fn hellos_of_today_are_read_to_their_end() {
    // GREASE (RFC 8701), a post-quantum key share, padding (RFC 7685), ECH of another name.
    let grease = Hello::default().with(0x2a2a, []).with(0, b"\0\x0c\0\0\x09localhost").with(51, [7; 1258]);
    check(&grease.clone().with(0xfe0d, [9; 250]).with(21, [0; 400]).alpn(&["postgresql"]), DIRECT_TLS);
    check(&grease.clone().alpn(&["\u{a}\u{a}", "postgresql"]).with(0x4a4a, [0]), DIRECT_TLS);
    check(&grease.alpn(&["h2"]).with(21, [0; 400]), MORE);
    // Beyond one record.
    check(&Hello::default().with(51, [7; 40_000]).alpn(&["postgresql"]), DIRECT_TLS);
    check(&Hello::default().with(51, [7; 40_000]).alpn(&["h2"]), MORE);
}

#[test]
fn another_name_is_not_taken_for_it() {
    let near =
        ["postgres", "postgresq", "postgresqlx", "Postgresql", "postgresqL", "ostgresql", " postgresql"];
    for name in near {
        check(&Hello::default().alpn(&[name]), MORE);
    }
    for (place, byte) in "postgresql".bytes().enumerate() {
        let mut name = *b"postgresql";
        name[place] = byte ^ 1;
        check(&Hello::default().alpn(&[str::from_utf8(&name).unwrap()]), MORE);
    }
    // The name where no ALPN name stands.
    check(&Hello::default().with(0, alpn(&["postgresql"])), MORE);
    check(
        &Hello::default()
            .with(17513, alpn(&["postgresql"]))
            .with(35, [&[0, 16, 0, 13][..], &alpn(&["postgresql"])].concat()),
        MORE,
    );
    check(&Hello::default(), OTHER);
}

#[test]
fn what_no_server_takes_is_not_taken_here() {
    let ours = Hello::default().alpn(&["postgresql"]);
    check(&Hello { session_id: 33, ..ours.clone() }, OTHER);
    check(&Hello::default().with(16, [&alpn(&["postgresql"])[..], &[0]].concat()), OTHER);
    check(&Hello::default().with(16, b"\0\x01\x0bpostgresql"), OTHER);
    check(&Hello::default().with(16, b"\0\x02\0\0"), OTHER);
    // A name that reaches beyond its list, a list beyond its extension, an extension beyond the hello.
    check(&Hello::default().with(16, b"\0\x0b\x0bpostgresql").padded(1, 4), OTHER);
    check(&Hello::default().with(16, b"\0\x03\x05ab").with(0x3000, b"postgresql"), OTHER);
    check(&Hello::default().with(16, b"\0\x0c\x0bpostgresql").padded(1, 4), OTHER);
    let mut message = ours.message();
    let length = message.len();
    message[3] -= 1;
    assert_eq!(whole(&records(1 << 14, &message[..length - 1])), OTHER);
    // Bytes after the extensions.
    let mut message = [&ours.message()[..], b"zz"].concat();
    message[3] += 2;
    assert_eq!(whole(&records(1 << 14, &message)), OTHER);
    // Not the first message of a handshake, not a record that may come, not a version that is.
    let mut message = ours.message();
    message[0] = 2;
    assert_eq!(whole(&records(1 << 14, &message)), OTHER);
    assert_eq!(whole(&record(23, &ours.message())), OTHER);
    let mut stream = ours.stream();
    stream[1] = 2;
    assert_eq!(whole(&stream), OTHER);
    assert_eq!(whole(b"\x16\x03\x01\x40\x01"), OTHER);
    let long = Hello::default().padded(3, 0xffff - 4).message();
    assert!(long.len() > 131_400);
    assert_eq!(packets_of(1460, &records(1 << 14, &long)), OTHER);
}

#[test]
fn a_hello_cut_into_records_is_one_hello() {
    let hello = Hello::default().padded(6, 30).alpn(&["h2", "postgresql"]).with(51, [7; 1200]);
    let message = hello.message();
    for size in 1..message.len() {
        let stream = records(size, &message);
        assert_eq!(packets_of(31, &stream), DIRECT_TLS, "records of {size}");
        assert_eq!(packets_of(1, &stream), DIRECT_TLS, "records of {size}");
    }
    for size in 32..message.len() {
        assert_eq!(whole(&records(size, &message)), DIRECT_TLS, "records of {size}");
    }
    // An empty record is none; nothing else may come in between.
    let between =
        |other: Vec<u8>| [records(1 << 14, &message[..9]), other, records(1 << 14, &message[9..])].concat();
    assert_eq!(whole(&between(record(22, &[]))), DIRECT_TLS);
    assert_eq!(whole(&between(record(21, &[1, 90]))), OTHER);
    assert_eq!(whole(&between(record(20, &[1]))), OTHER);
    // Nor where all that counts was read, and the hello goes on.
    let message = Hello::default().alpn(&["h2"]).padded(1, 50).message();
    let (first, rest) = message.split_at(message.len() - 20);
    let second = Hello::default().alpn(&["postgresql"]).stream();
    for other in [record(21, &[1, 90]), record(20, &[1])] {
        let stream = [record(22, first), other.clone(), record(22, rest), second.clone()].concat();
        assert_eq!(whole(&stream), OTHER);
        let stream = [record(22, first), record(22, rest), other, second.clone()].concat();
        assert_eq!(whole(&stream), DIRECT_TLS);
    }
}

#[test]
fn a_hello_that_wants_too_many_steps_of_one_packet_is_unclear() {
    let many = Hello::default().padded(200, 0).alpn(&["postgresql"]).stream();
    assert_eq!(whole(&many), TOO_MANY);
    // Seven steps lead to the first extension, and each is one.
    let just = |count| Hello::default().padded(count, 1).stream();
    assert_eq!(whole(&just(STEPS as usize - 7)), MORE);
    assert_eq!(whole(&just(STEPS as usize - 6)), TOO_MANY);
    assert_eq!(packets_of(4 * (STEPS as usize - 4), &many), DIRECT_TLS, "a packet has its own steps");
    assert_eq!(whole(&Hello::default().padded(50, 0).alpn(&["postgresql"]).stream()), DIRECT_TLS);
    let pieces = records(1, &Hello::default().alpn(&["postgresql"]).message());
    assert_eq!(whole(&pieces), TOO_MANY);
    assert_eq!(packets_of(60, &pieces), DIRECT_TLS);
    // Nothing makes it clear again.
    let mut opening = Opening::new();
    show(&mut opening, &many, 0, many.len());
    assert_eq!(show(&mut opening, &[&many[..], b"more"].concat(), many.len(), many.len() + 4), TOO_MANY);
}

#[test]
fn the_second_hello_counts_as_the_first_does() {
    let first = Hello::default().padded(4, 20).alpn(&["h2"]).padded(2, 2).stream();
    let plain = Hello::default().padded(4, 20).stream();
    let ours = records(40, &Hello::default().padded(2, 20).alpn(&["postgresql"]).message());
    let (change, alert) = (record(20, &[1]), record(21, &[1, 90]));
    let check = |pieces: &[&[u8]], expect| {
        let stream = pieces.concat();
        assert_eq!(whole(&stream), expect);
        assert_eq!(packets_of(1, &stream), expect);
    };
    for first in [&first, &plain] {
        check(&[first, &ours], DIRECT_TLS);
        check(&[first, &change, &ours], DIRECT_TLS);
        check(&[first, &change, &alert, &change, &ours], DIRECT_TLS);
        check(&[first, &change, first], OTHER);
        check(&[first, &change, first, &ours], OTHER);
        check(&[first, &record(23, &[0; 40]), &ours], OTHER);
        check(&[first, &change, &record(22, &[0x10, 0, 0, 0])], OTHER);
        check(&[first, &change], MORE);
        check(&[first, &alert], MORE);
    }
}

#[test]
fn what_rustls_sends_is_read_in_every_size_of_record() {
    let hello = |names: &[&str], fragment| {
        let roots = rustls::RootCertStore::empty();
        let mut config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = names.iter().map(|name| name.as_bytes().to_vec()).collect();
        config.max_fragment_size = fragment;
        let name = "db.example".try_into().unwrap();
        let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        let mut stream = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut stream).unwrap();
        }
        stream
    };
    for fragment in [None, Some(32), Some(33), Some(50), Some(100), Some(512)] {
        assert_eq!(whole(&hello(&["h2", "postgresql"], fragment)), DIRECT_TLS, "{fragment:?}");
        assert_eq!(whole(&hello(&["postgresql", "h2"], fragment)), DIRECT_TLS, "{fragment:?}");
        assert_eq!(whole(&hello(&["h2", "http/1.1"], fragment)), MORE, "{fragment:?}");
        assert_eq!(whole(&hello(&[], fragment)), MORE, "{fragment:?}");
    }
}

#[test]
fn the_generator_makes_what_it_says() {
    let [a, b, rest @ ..] = &block(2, b"xyz")[..] else { unreachable!() };
    assert_eq!((*a, *b, rest), (0, 3, &b"xyz"[..]));
    let stream = Hello::default().alpn(&["postgresql"]).stream();
    assert_eq!(crate::reference::offers_postgresql(&stream), Some(true));
}
