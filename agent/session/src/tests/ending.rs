//! How sessions end, and what a server or a client that breaks the protocol gets.

use bytes::BytesMut;
use pgwire::backend::{NoticeFields, encode};

use super::client::*;
use super::fixture::*;
use super::journal::Record;
use super::world::World;
use crate::{Event, Limits, Request};

fn reason(world: &World) -> &str {
    match world.records.0.last() {
        Some(Record::SessionEnd { reason, .. }) => reason,
        other => panic!("{other:?} is the last record"),
    }
}

#[test]
fn a_client_that_says_good_bye_ends_what_it_began() {
    let mut world = World::new(GUARDED);
    world.send(&[query("SELECT id FROM orders"), terminate()]);
    assert!(world.requests.contains(&Request::FinishBackend) || world.closed);
    world.event(Event::BackendClosed);
    assert_eq!(reason(&world), "terminate");
    let terminates = world.server.received.iter().filter(|frame| frame.first() == Some(&b'X')).count();
    assert_eq!(terminates, 1);
}

#[test]
fn a_client_that_vanishes_lets_what_it_sent_be_answered() {
    let mut world = World::new(GUARDED);
    world.send(&[query("SELECT id FROM orders")]);
    world.event(Event::FrontendClosed);
    assert!(world.requests.contains(&Request::FinishBackend));
    world.event(Event::BackendClosed);
    assert_eq!(reason(&world), "frontend closed");
}

#[test]
fn a_server_that_vanishes_leaves_an_end_for_every_statement() {
    let mut world = World::new(GUARDED);
    world.send(&[query("SELECT id FROM orders")]);
    world.server.closed = true;
    world.send(&[query("SELECT note FROM orders"), query("SELECT 1")]);
    world.event(Event::BackendClosed);
    let cut =
        world.records.everything().matches("the connection ended before the server had answered").count();
    assert_eq!(cut, 2);
    assert_eq!(reason(&world), "backend closed");
}

#[test]
fn a_drain_ends_idle_sessions_now_and_others_at_the_deadline() {
    let mut idle = World::new(GUARDED);
    idle.event(Event::Drain { now: false });
    assert_eq!(idle.news(), ["error 57P01 terminating connection due to administrator command"]);
    let mut busy = World::new(GUARDED);
    busy.send(&[query("BEGIN")]);
    busy.event(Event::Drain { now: false });
    assert!(!busy.closed);
    busy.event(Event::Drain { now: true });
    assert!(busy.closed);
    assert_eq!(reason(&busy), "the daemon stopped");
}

#[test]
fn frames_that_have_no_form_or_no_place_end_the_session() {
    let long = |tag: u8, len: u32| [&[tag][..], &len.to_be_bytes()].concat();
    for (sent, expect) in [
        (b"?".to_vec(), "error 08P01 the client broke the protocol: unknown message type 0x3f"),
        (b"p\0\0\0\x05x".to_vec(), "error 08P01 the client sent PasswordMessage where it has no place"),
        (b"X\0\0\0\x05x".to_vec(), "error 08P01 the client broke the protocol: malformed Terminate"),
        (b"Q\0\0\0\x03".to_vec(), "error 08P01 the client broke the protocol: invalid message length"),
        (long(b'S', 1 << 30), "error 54000 the client broke the protocol: message of type 0x53"),
    ] {
        let limits = Limits { message: 1000, bind: 4000, ..Limits::default() };
        let mut world = World::with_limits(GUARDED, limits);
        let got = world.send(&[sent]);
        assert!(got.len() == 1 && got[0].starts_with(expect), "{got:?}");
        assert!(world.closed);
    }
}

/// As PostgreSQL has it: an error in the message's place.
#[test]
fn a_message_without_its_form_fails_and_the_session_goes_on() {
    let message = |tag: u8, body: &[u8]| {
        [&[tag][..], &u32::try_from(body.len() + 4).unwrap().to_be_bytes(), body].concat()
    };
    let (open, after, early) =
        ("invalid string in message", "invalid message format", "insufficient data left in message");
    for (tag, body, words) in [
        (b'Q', &b"SELECT 1"[..], open),
        (b'Q', b"SELECT 1\0x", after),
        (b'P', b"s", open),
        (b'P', b"\0SELECT 1\0", early),
        (b'B', b"\0\0\xff\xff\0\0\0\0", early),
        (b'E', b"\0", early),
        (b'D', b"Xs\0", "invalid DESCRIBE message subtype 88"),
        (b'C', b"Xs\0", "invalid CLOSE message subtype 88"),
        (b'F', b"\0\0\0\x01", early),
        (b'S', b"x", after),
        (b'H', b"x", after),
    ] {
        let mut world = World::new(GUARDED);
        world.send(&[query("SELECT id FROM orders"), parse("", "SELECT 5"), sync()]);
        let got = world.send(&[message(tag, body), bind("", ""), execute("", 0), sync(), query("SELECT 7")]);
        let mut expect = vec![format!("error 08P01 {words}"), "ready I".to_owned()];
        // What is behind it is skipped where it is of the extended protocol.
        if matches!(tag, b'Q' | b'F' | b'S') {
            let ran = ["bound", "row 5#1", "row 5#2", "row 5#3", "SELECT 3", "ready I"];
            expect.extend(ran.map(str::to_owned));
        }
        let ran = ["columns 7", "row 7#1", "row 7#2", "row 7#3", "SELECT 3", "ready I"];
        expect.extend(ran.map(str::to_owned));
        assert_eq!(got, expect, "{}", char::from(tag));
        assert!(world.server.received.iter().all(|frame| frame[5..] != *body || body.len() < 3));
        assert!(world.records.rulings().iter().any(|ruling| ruling.contains("deny malformed")));
    }
}

#[test]
fn a_server_that_breaks_the_protocol_ends_the_session() {
    type Says = fn(&mut BytesMut);
    let cases: [Says; 9] = [
        |out| encode::ready_for_query(out, pgwire::backend::TransactionStatus::Idle),
        |out| encode::data_row(out, &[Some(b"ssn#1")]).unwrap(),
        |out| encode::command_complete(out, b"SELECT 1").unwrap(),
        encode::parse_complete,
        encode::bind_complete,
        encode::no_data,
        |out| encode::copy_data(out, b"ssn#1").unwrap(),
        |out| encode::copy_both_response(out, pgwire::Format::TEXT, &[]).unwrap(),
        encode::authentication_ok,
    ];
    for says in cases {
        let mut world = World::new(MASKED);
        world.send(&[query("SELECT id FROM orders")]);
        let got = world.server_says(says);
        assert!(got[0].starts_with("error 08P01 the server sent"), "{got:?}");
        assert!(world.closed);
    }
}

#[test]
fn one_of_our_own_failing_messages_that_does_not_fail_ends_the_session() {
    let mut world = World::new(GUARDED);
    world.send(&[query("SELECT id FROM orders")]);
    world.server.closed = true;
    world.send(&[parse("", "DROP TABLE orders"), sync()]);
    let got = world.server_says(encode::parse_complete);
    assert!(got[0].contains("ParseComplete where it has no place"), "{got:?}");
}

#[test]
fn rows_without_a_description_do_not_pass_where_columns_are_masked() {
    let mut world = World::new(MASKED);
    world.send(&[query("SELECT id FROM orders")]);
    world.server.closed = true;
    world.send(&[query("SELECT name FROM customers")]);
    let got = world.server_says(|out| encode::data_row(out, &[Some(b"ssn#1")]).unwrap());
    assert!(got.len() == 1 && got[0].contains("DataRow where it has no place"), "{got:?}");
}

#[test]
fn a_row_too_long_to_be_masked_is_a_limit_and_no_breach() {
    let limits = Limits { row: 10, ..Limits::default() };
    let mut world = World::with_limits(MASKED, limits);
    let got = world.send(&[query("SELECT name, name FROM customers")]);
    assert!(got.last().unwrap().starts_with("error 54000"), "{got:?}");
}

#[test]
fn what_the_server_may_say_at_any_time_passes_at_any_time() {
    let mut world = World::new(GUARDED);
    world.send(&[query("SELECT id FROM orders")]);
    let says = |out: &mut BytesMut| {
        NoticeFields::new("WARNING", "01000", "careful").encode_notice(out).unwrap();
        encode::notification_response(out, 1, b"channel", b"payload").unwrap();
        encode::parameter_status(out, b"TimeZone", b"UTC").unwrap();
    };
    let expect = ["notice 01000 careful", "notification channel", "status TimeZone=UTC"];
    assert_eq!(world.server_says(says), expect);
    world.send(&[parse("", "SELECT id FROM orders"), bind("", "")]);
    assert_eq!(world.server_says(says), expect);
    let fatal = |out: &mut BytesMut| {
        NoticeFields::new("FATAL", "57P01", "terminating").encode_error(out).unwrap();
    };
    assert_eq!(world.server_says(fatal), ["error 57P01 terminating"]);
    world.event(Event::BackendClosed);
    assert_eq!(reason(&world), "backend closed");
}
