//! Start-up packets: forms, limits, round trips.

use proptest::prelude::*;

use super::*;

fn packet(body: &[u8]) -> Vec<u8> {
    let mut out = (body.len() as u32 + 4).to_be_bytes().to_vec();
    out.extend_from_slice(body);
    out
}

fn malformed(message: &'static str, what: &'static str) -> StartupError {
    StartupError::Malformed(FrameError::Malformed { message, what })
}

#[test]
fn a_startup_message_is_read_as_it_was_written() {
    let check = |body: &[u8], expect: Packet<'_>| {
        let bytes = packet(body);
        let len = bytes.len();
        for cut in 0..len {
            assert_eq!(Packet::parse(&bytes[..cut]), Ok(None), "cut at {cut}");
        }
        let mut longer = bytes.clone();
        longer.extend_from_slice(b"more");
        assert_eq!(Packet::parse(&longer), Ok(Some((expect.clone(), len))));
        let mut out = BytesMut::new();
        expect.encode(&mut out).unwrap();
        assert_eq!(out, bytes);
    };
    check(
        b"\0\x03\0\0user\0alice\0database\0\0\0",
        Packet::Startup {
            version: ProtocolVersion::V3_0,
            parameters: vec![(b"user", b"alice"), (b"database", b"")],
        },
    );
    check(b"\0\x03\0\x02\0", Packet::Startup { version: ProtocolVersion::V3_2, parameters: vec![] });
    check(b"\x04\xd2\x16\x2f", Packet::SslRequest);
    check(b"\x04\xd2\x16\x30", Packet::GssEncRequest);
    check(b"\x04\xd2\x16\x2e\0\0\0\x07abcd", Packet::Cancel { process_id: 7, secret: b"abcd" });
    check(
        b"\x04\xd2\x16\x2e\xff\xff\xff\xffabcdefgh",
        Packet::Cancel { process_id: -1, secret: b"abcdefgh" },
    );
}

#[test]
fn a_malformed_startup_packet_is_refused() {
    let check = |bytes: &[u8], expect| assert_eq!(Packet::parse(bytes), Err(expect), "{bytes:?}");
    let version = |number| StartupError::Version { version: ProtocolVersion(number) };
    let (early, after) = ("it ends too early", "it has bytes after its end");
    let open = "a string has no terminator";
    check(b"\0\0\0\x07", StartupError::Length { len: 7 });
    check(b"\0\0\x27\x15", StartupError::Length { len: 10_005 });
    check(b"\x16\x03\x01\x02", StartupError::Length { len: 0x1603_0102 });
    check(&packet(b"\0\x03\0\0"), malformed("StartupMessage", open));
    check(&packet(b"\0\x03\0\0user\0a"), malformed("StartupMessage", open));
    check(&packet(b"\0\x03\0\0user\0a\0"), malformed("StartupMessage", open));
    check(&packet(b"\0\x03\0\0user\0"), malformed("StartupMessage", open));
    check(&packet(b"\0\x03\0\0user\0a\0\0x"), malformed("StartupMessage", after));
    check(&packet(b"\0\x02\0\0"), version(2 << 16));
    check(&packet(b"\0\x04\0\0\0"), version(4 << 16));
    check(&packet(b"\x04\xd2\x16\x2f\0"), malformed("SSLRequest", after));
    check(&packet(b"\x04\xd2\x16\x30\0"), malformed("GSSENCRequest", after));
    check(&packet(b"\x04\xd2\x16\x2e\0\0"), malformed("CancelRequest", early));
    check(
        &packet(b"\x04\xd2\x16\x2e\0\0\0\x01abc"),
        malformed("CancelRequest", "the secret has no valid length"),
    );
}

#[test]
fn what_cannot_be_read_back_is_not_written() {
    let check = |packet: Packet<'_>, expect| {
        let mut out = BytesMut::from(&b"before"[..]);
        assert_eq!(packet.encode(&mut out), Err(expect));
        assert_eq!(out, b"before"[..]);
    };
    let startup = |parameters| Packet::Startup { version: ProtocolVersion::V3_0, parameters };
    let long = vec![b'x'; MAX_PACKET_LEN];
    check(startup(vec![(b"user", b"a\0database\0b")]), EncodeError::Nul);
    check(startup(vec![(b"", b"a")]), EncodeError::EmptyName);
    check(startup(vec![(b"user", &long)]), EncodeError::TooLong);
    check(Packet::Cancel { process_id: 1, secret: &long[..257] }, EncodeError::SecretLength);
    check(Packet::Cancel { process_id: 1, secret: b"abc" }, EncodeError::SecretLength);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_and_what_is_read_is_written_alike(
        head in prop_oneof![
            Just(vec![0, 3, 0, 0]), Just(vec![0, 3, 0, 2]), Just(vec![4, 210, 22, 46]), Just(vec![])],
        tail in proptest::collection::vec(prop_oneof![Just(0u8), any::<u8>()], 0..80),
    ) {
        let bytes = packet(&[head, tail].concat());
        if let Ok(Some((packet, len))) = Packet::parse(&bytes) {
            let mut out = BytesMut::new();
            packet.encode(&mut out).unwrap();
            prop_assert_eq!(&out[..], &bytes[..len]);
        }
    }
}
