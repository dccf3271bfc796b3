//! A backend's messages: forms, round trips, hostile bodies.

use bytes::BytesMut;
use proptest::prelude::*;

use super::{encode::*, notice::code, *};
use crate::{EncodeError, Header};

const FIELD: Field<'_> = Field {
    name: b"ssn",
    table_oid: 16_384,
    column_attnum: 3,
    type_oid: 25,
    type_size: -1,
    type_modifier: -1,
    format: Format::BINARY,
};

fn open(frame: &[u8]) -> (u8, &[u8]) {
    let header = Header::parse(frame).unwrap().unwrap();
    assert_eq!(header.frame_len(), frame.len());
    (header.tag, &frame[crate::HEADER_LEN..])
}

/// Walks every list in a message, as a reader would.
fn walk(message: &Message<'_>) -> usize {
    match message {
        Message::Authentication(Authentication::Sasl(mechanisms)) => mechanisms.iter().count(),
        Message::CopyInResponse(c) | Message::CopyOutResponse(c) | Message::CopyBothResponse(c) => {
            c.columns.iter().count()
        }
        Message::DataRow(cells) => {
            assert_eq!(cells.clone().count(), cells.len());
            cells.len()
        }
        Message::ErrorResponse(notice) | Message::NoticeResponse(notice) => notice.fields().count(),
        Message::NegotiateProtocolVersion { unrecognized, .. } => unrecognized.iter().count(),
        Message::ParameterDescription(types) => types.iter().count(),
        Message::RowDescription(fields) => {
            assert_eq!(fields.clone().count(), fields.len());
            fields.len()
        }
        _ => 0,
    }
}

#[test]
fn each_message_is_read_as_it_was_written() {
    let check = |write: &dyn Fn(&mut BytesMut), expect: Message<'_>| {
        let mut out = BytesMut::new();
        write(&mut out);
        let (tag, body) = open(&out);
        assert_eq!(Message::parse(tag, body), Ok(expect));
    };
    check(&authentication_ok, Message::Authentication(Authentication::Ok));
    check(&authentication_cleartext_password, Message::Authentication(Authentication::CleartextPassword));
    check(
        &|o| authentication_md5_password(o, *b"salt"),
        Message::Authentication(Authentication::Md5Password { salt: *b"salt" }),
    );
    check(
        &|o| authentication_sasl_continue(o, b"r=1").unwrap(),
        Message::Authentication(Authentication::SaslContinue(b"r=1")),
    );
    check(
        &|o| authentication_sasl_final(o, b"v=1").unwrap(),
        Message::Authentication(Authentication::SaslFinal(b"v=1")),
    );
    check(
        &|o| backend_key_data(o, 42, b"abcd").unwrap(),
        Message::BackendKeyData { process_id: 42, secret: b"abcd" },
    );
    check(
        &|o| backend_key_data(o, 42, &[7; 256]).unwrap(),
        Message::BackendKeyData { process_id: 42, secret: &[7; 256] },
    );
    check(
        &|o| parameter_status(o, b"TimeZone", b"UTC").unwrap(),
        Message::ParameterStatus { name: b"TimeZone", value: b"UTC" },
    );
    for status in [TransactionStatus::Idle, TransactionStatus::InTransaction, TransactionStatus::Failed] {
        check(&|o| ready_for_query(o, status), Message::ReadyForQuery(status));
    }
    check(&|o| command_complete(o, b"SELECT 1").unwrap(), Message::CommandComplete(b"SELECT 1"));
    check(
        &|o| notification_response(o, 1, b"c", b"p").unwrap(),
        Message::NotificationResponse { process_id: 1, channel: b"c", payload: b"p" },
    );
    check(&|o| copy_data(o, b"x").unwrap(), Message::CopyData(b"x"));
    check(&copy_done, Message::CopyDone);
    check(&|o| function_call_response(o, None).unwrap(), Message::FunctionCallResponse(None));
    check(&parse_complete, Message::ParseComplete);
    check(&bind_complete, Message::BindComplete);
    check(&close_complete, Message::CloseComplete);
    check(&no_data, Message::NoData);
    check(&empty_query_response, Message::EmptyQueryResponse);
    check(&portal_suspended, Message::PortalSuspended);
}

#[test]
fn lists_are_walked_as_they_were_written() {
    let mut out = BytesMut::new();
    let mut read = |write: &dyn Fn(&mut BytesMut), look: &dyn Fn(Message<'_>)| {
        out.clear();
        write(&mut out);
        let (tag, body) = open(&out);
        look(Message::parse(tag, body).unwrap());
    };
    read(&|o| authentication_sasl(o, &[b"SCRAM-SHA-256-PLUS", b"SCRAM-SHA-256"]).unwrap(), &|message| {
        let Message::Authentication(Authentication::Sasl(names)) = message else { panic!() };
        assert_eq!(names.iter().collect::<Vec<_>>(), [&b"SCRAM-SHA-256-PLUS"[..], b"SCRAM-SHA-256"]);
    });
    read(&|o| row_description(o, &[FIELD, Field { name: b"", ..FIELD }]).unwrap(), &|message| {
        let Message::RowDescription(fields) = message else { panic!() };
        assert_eq!(fields.collect::<Vec<_>>(), [FIELD, Field { name: b"", ..FIELD }]);
    });
    read(&|o| data_row(o, &[None, Some(b""), Some(b"abc")]).unwrap(), &|message| {
        let Message::DataRow(cells) = message else { panic!() };
        assert_eq!(cells.collect::<Vec<_>>(), [None, Some(&b""[..]), Some(b"abc")]);
    });
    read(&|o| parameter_description(o, &[23, 25]).unwrap(), &|message| {
        let Message::ParameterDescription(types) = message else { panic!() };
        assert_eq!(types.iter().collect::<Vec<_>>(), [23, 25]);
    });
    read(
        &|o| negotiate_protocol_version(o, ProtocolVersion::V3_0, &[b"_pq_.a", b"_pq_.b"]).unwrap(),
        &|message| {
            let Message::NegotiateProtocolVersion { version, unrecognized } = message else { panic!() };
            assert_eq!(version, ProtocolVersion::V3_0);
            assert_eq!(unrecognized.iter().collect::<Vec<_>>(), [&b"_pq_.a"[..], b"_pq_.b"]);
        },
    );
    read(&|o| copy_out_response(o, Format::BINARY, &[Format::BINARY; 2]).unwrap(), &|message| {
        let Message::CopyOutResponse(copy) = message else { panic!() };
        assert_eq!((copy.format, copy.columns.len()), (Format::BINARY, 2));
    });
}

#[test]
fn an_error_has_the_fields_that_were_given_and_no_others() {
    let mut out = BytesMut::new();
    let fields =
        NoticeFields { hint: Some("ask"), position: Some(8), ..NoticeFields::new("ERROR", "42501", "no") };
    fields.encode_error(&mut out).unwrap();
    let (tag, body) = open(&out);
    let Ok(Message::ErrorResponse(notice)) = Message::parse(tag, body) else { panic!() };
    let expect: [(u8, &[u8]); 6] =
        [(b'S', b"ERROR"), (b'V', b"ERROR"), (b'C', b"42501"), (b'M', b"no"), (b'H', b"ask"), (b'P', b"8")];
    assert_eq!(notice.fields().collect::<Vec<_>>(), expect);
    assert_eq!(notice.get(code::SQLSTATE), Some(&b"42501"[..]));
    assert_eq!(notice.get(code::DETAIL), None);
    let mut out = BytesMut::new();
    assert_eq!(NoticeFields::new("ERROR", "42501", "a\0b").encode_error(&mut out), Err(EncodeError::Nul));
    assert!(out.is_empty());
}

#[test]
fn a_malformed_message_is_blamed_by_its_name() {
    let check = |tag, body: &[u8], message, what| {
        assert_eq!(Message::parse(tag, body), Err(FrameError::Malformed { message, what }), "{body:?}");
    };
    let (early, after) = ("it ends too early", "it has bytes after its end");
    let open = "a string has no terminator";
    check(b'R', b"\0\0\0", "Authentication", early);
    check(b'R', b"\0\0\0\0x", "Authentication", after);
    check(b'R', b"\0\0\0\x0aSCRAM-SHA-256\0", "Authentication", open);
    check(b'K', b"\0\0\0\x01abc", "BackendKeyData", "the secret has no valid length");
    check(b'Z', b"X", "ReadyForQuery", "unknown transaction status");
    check(b'T', b"\0\x01ssn\0\0\0", "RowDescription", early);
    check(b'D', b"\0\x01\0\0\0\x02a", "DataRow", early);
    check(b'D', b"\0\x01\xff\xff\xff\xff.", "DataRow", after);
    check(b'E', b"SERROR\0", "ErrorResponse", early);
    check(b'E', b"SERROR\0\0\0", "ErrorResponse", after);
    check(b'v', b"\0\x03\0\0\xff\xff\xff\xff", "NegotiateProtocolVersion", open);
    check(b'G', b"\x02\0\0", "CopyInResponse", "unknown format of the whole");
    check(b'1', b"\0", "ParseComplete", after);
    assert_eq!(Message::parse(b'!', b""), Err(FrameError::UnknownTag { tag: b'!' }));
}

#[test]
fn a_command_tag_tells_its_rows() {
    let check = |tag: &str, expect| assert_eq!(rows_of_command_tag(tag.as_bytes()), expect, "{tag}");
    check("SELECT 3", Some(3));
    check("INSERT 0 12", Some(12));
    check("COPY 0", Some(0));
    check("BEGIN", None);
    check("CREATE TABLE", None);
    check("SELECT ", None);
    check("SELECT 99999999999999999999999", None);
    check("7", None);
    check("", None);
}

proptest! {
    #[test]
    fn hostile_bodies_never_panic(
        tag in proptest::sample::select(&b"R K23CWdcGHDIEVvnNAtS1sZT!"[..]),
        body in proptest::collection::vec(prop_oneof![4 => Just(0u8), 1 => 0..13u8, 1 => any::<u8>()], 0..64),
    ) {
        if let Ok(message) = Message::parse(tag, &body) {
            walk(&message);
        }
    }

    #[test]
    fn a_row_is_read_as_it_was_written(
        cells in proptest::collection::vec(proptest::option::of(any::<Vec<u8>>()), 0..9),
    ) {
        let cells: Vec<_> = cells.iter().map(Option::as_deref).collect();
        let mut out = BytesMut::new();
        data_row(&mut out, &cells).unwrap();
        let Ok(Message::DataRow(read)) = Message::parse(b'D', open(&out).1) else { panic!() };
        prop_assert_eq!(read.collect::<Vec<_>>(), cells);
    }
}
