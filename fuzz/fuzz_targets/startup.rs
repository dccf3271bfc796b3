//! The packets that open a connection: what is read is what was written, byte by byte.

#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use pgwire::startup::Packet;

fuzz_target!(|data: &[u8]| {
    let Ok(Some((packet, length))) = Packet::parse(data) else { return };
    let mut written = BytesMut::new();
    packet.encode(&mut written).expect("what was read can be written");
    assert_eq!(written, data[..length]);
    // It is not there before its last byte is.
    assert_eq!(Packet::parse(&data[..length - 1]).ok().flatten(), None);
});
