//! A frontend's messages: forms, round trips, hostile bodies.

use bytes::BytesMut;
use proptest::prelude::*;

use super::{encode::*, *};
use crate::{EncodeError, Header};

/// The frame's tag and body, its header checked.
fn open(frame: &[u8]) -> (u8, &[u8]) {
    let header = Header::parse(frame).unwrap().unwrap();
    assert_eq!(header.frame_len(), frame.len());
    (header.tag, &frame[crate::HEADER_LEN..])
}

fn written(write: impl FnOnce(&mut BytesMut)) -> BytesMut {
    let mut out = BytesMut::new();
    write(&mut out);
    out
}

/// Writes a message as its view says.
fn rewrite(message: &Message<'_>) -> BytesMut {
    let mut out = BytesMut::new();
    let o = &mut out;
    match message {
        Message::Bind(b) => {
            let parameter_formats: Vec<_> = b.parameter_formats.iter().collect();
            let result_formats: Vec<_> = b.result_formats.iter().collect();
            let parameters: Vec<_> = b.parameters.clone().collect();
            bind(o, b.portal, b.statement, &parameter_formats, &parameters, &result_formats)
        }
        Message::Close { target, name } => close(o, *target, name),
        Message::CopyData(bytes) => copy_data(o, bytes),
        Message::CopyDone => return written(copy_done),
        Message::CopyFail(reason) => copy_fail(o, reason),
        Message::Describe { target, name } => describe(o, *target, name),
        Message::Execute { portal, max_rows } => execute(o, portal, *max_rows),
        Message::Flush => return written(flush),
        Message::FunctionCall(f) => {
            let formats: Vec<_> = f.argument_formats.iter().collect();
            let arguments: Vec<_> = f.arguments.clone().collect();
            function_call(o, f.function, &formats, &arguments, f.result_format)
        }
        Message::Parse(p) => {
            let types: Vec<_> = p.parameter_types.iter().collect();
            parse(o, p.name, p.query, &types)
        }
        Message::Password(body) => sasl_response(o, body),
        Message::Query(text) => query(o, text),
        Message::Sync => return written(sync),
        Message::Terminate => return written(terminate),
    }
    .unwrap();
    out
}

#[test]
fn each_message_has_its_form_on_the_wire() {
    let check = |write: &dyn Fn(&mut BytesMut), expect: &[u8]| {
        let frame = written(write);
        assert_eq!(frame, expect);
        let (tag, body) = open(&frame);
        assert_eq!(rewrite(&Message::parse(tag, body).unwrap()), frame);
    };
    check(&|o| query(o, b"SELECT 1").unwrap(), b"Q\0\0\0\x0dSELECT 1\0");
    check(
        &|o| parse(o, b"s", b"SELECT $1", &[23, 0]).unwrap(),
        b"P\0\0\0\x1as\0SELECT $1\0\0\x02\0\0\0\x17\0\0\0\0",
    );
    check(
        &|o| bind(o, b"", b"s", &[Format::BINARY], &[None, Some(b""), Some(b"ab")], &[]).unwrap(),
        b"B\0\0\0\x1d\0s\0\0\x01\0\x01\0\x03\xff\xff\xff\xff\0\0\0\0\0\0\0\x02ab\0\0",
    );
    check(&|o| describe(o, Target::Portal, b"p").unwrap(), b"D\0\0\0\x07Pp\0");
    check(&|o| close(o, Target::Statement, b"").unwrap(), b"C\0\0\0\x06S\0");
    check(&|o| execute(o, b"p", 100).unwrap(), b"E\0\0\0\x0ap\0\0\0\0\x64");
    check(&sync, b"S\0\0\0\x04");
    check(&flush, b"H\0\0\0\x04");
    check(&terminate, b"X\0\0\0\x04");
    check(&copy_done, b"c\0\0\0\x04");
    check(&|o| copy_data(o, b"1\t2\n").unwrap(), b"d\0\0\0\x081\t2\n");
    check(&|o| copy_fail(o, b"no").unwrap(), b"f\0\0\0\x07no\0");
    check(
        &|o| function_call(o, 1, &[], &[Some(b"x")], Format::TEXT).unwrap(),
        b"F\0\0\0\x13\0\0\0\x01\0\0\0\x01\0\0\0\x01x\0\0",
    );
    check(&|o| password(o, b"secret").unwrap(), b"p\0\0\0\x0bsecret\0");
    check(
        &|o| sasl_initial_response(o, b"SCRAM-SHA-256", Some(b"n,,")).unwrap(),
        b"p\0\0\0\x19SCRAM-SHA-256\0\0\0\0\x03n,,",
    );
    check(&|o| sasl_response(o, b"c=biws").unwrap(), b"p\0\0\0\x0ac=biws");
}

#[test]
fn a_malformed_message_is_blamed_by_its_name() {
    let check = |tag, body: &[u8], message, what| {
        assert_eq!(Message::parse(tag, body), Err(FrameError::Malformed { message, what }), "{body:?}");
    };
    let (early, after) = ("it ends too early", "it has bytes after its end");
    let open = "a string has no terminator";
    check(b'Q', b"SELECT 1", "Query", open);
    check(b'Q', b"SELECT 1\0; DROP TABLE t\0", "Query", after);
    check(b'P', b"\0SELECT 1\0", "Parse", early);
    check(b'P', b"\0SELECT 1\0\0\x02\0\0\0\x17", "Parse", early);
    check(b'B', b"\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0", "Bind", "a value's length is negative");
    check(b'B', b"\0\0\0\0\0\x01\x7f\xff\xff\xff\0\0", "Bind", early);
    check(b'B', b"\0\0\0\0\0\x02\xff\xff\xff\xff\0\0", "Bind", early);
    check(b'D', b"X\0", "Describe", "it names neither a statement nor a portal");
    check(b'C', b"", "Close", early);
    check(b'E', b"\0\0\0\0", "Execute", early);
    check(b'S', b"\0", "Sync", after);
    check(b'X', b"x", "Terminate", after);
    assert_eq!(Message::parse(b'!', b""), Err(FrameError::UnknownTag { tag: b'!' }));
}

#[test]
fn a_zero_byte_in_a_string_of_ours_is_refused_and_leaves_the_buffer_as_it_was() {
    let mut out = BytesMut::from(&b"before"[..]);
    assert_eq!(query(&mut out, b"SELECT 1\0; DROP TABLE t"), Err(EncodeError::Nul));
    let many = vec![23; 65_536];
    assert_eq!(parse(&mut out, b"", b"SELECT 1", &many), Err(EncodeError::TooLong));
    assert_eq!(out, b"before"[..]);
}

#[test]
fn one_format_code_holds_for_all_and_none_means_text() {
    let check = |codes: &[Format], index, expect| {
        let frame = written(|o| bind(o, b"", b"", codes, &[], &[]).unwrap());
        let Ok(Message::Bind(bind)) = Message::parse(b'B', open(&frame).1) else { panic!() };
        assert_eq!(bind.parameter_formats.of(index), expect, "{codes:?} at {index}");
    };
    check(&[], 7, Some(Format::TEXT));
    check(&[Format::BINARY], 7, Some(Format::BINARY));
    check(&[Format::TEXT, Format::BINARY], 1, Some(Format::BINARY));
    check(&[Format::TEXT, Format::BINARY], 2, None);
}

proptest! {
    #[test]
    fn what_is_read_is_written_alike_and_hostile_bodies_never_panic(
        tag in proptest::sample::select(&b"BCDEFHPQSXcdfp!"[..]),
        body in proptest::collection::vec(prop_oneof![4 => Just(0u8), 1 => 0..4u8, 1 => any::<u8>()], 0..64),
    ) {
        if let Ok(message) = Message::parse(tag, &body) {
            let frame = rewrite(&message);
            prop_assert_eq!(open(&frame), (tag, &body[..]));
        }
    }

    #[test]
    fn a_bind_is_read_as_it_was_written(
        portal in "[^\0]{0,8}", statement in "[^\0]{0,8}",
        formats in proptest::collection::vec(any::<i16>().prop_map(Format), 0..4),
        parameters in proptest::collection::vec(proptest::option::of(any::<Vec<u8>>()), 0..6),
    ) {
        let parameters: Vec<_> = parameters.iter().map(Option::as_deref).collect();
        let frame = written(|o| {
            bind(o, portal.as_bytes(), statement.as_bytes(), &formats, &parameters, &formats).unwrap();
        });
        let (tag, body) = open(&frame);
        let Ok(Message::Bind(bind)) = Message::parse(tag, body) else { panic!() };
        prop_assert_eq!(bind.portal, portal.as_bytes());
        prop_assert_eq!(bind.statement, statement.as_bytes());
        prop_assert_eq!(bind.parameters.len(), parameters.len());
        prop_assert_eq!(bind.parameters.collect::<Vec<_>>(), parameters);
        prop_assert_eq!(bind.result_formats.iter().collect::<Vec<_>>(), formats);
    }
}
