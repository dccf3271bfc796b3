//! From the first byte to the first statement: encryption, cancel requests, start-up, login.

use bytes::BytesMut;
use pgwire::backend::encode;
use pgwire::startup::Packet;

use super::client::*;
use super::fixture::*;
use super::journal::Record;
use super::world::{World, startup};
use crate::{Event, Limits, Request};

fn unstarted(rules: &str) -> World {
    World::unstarted(rules, Limits::default())
}

fn packet(packet: &Packet<'_>) -> Vec<u8> {
    let mut out = BytesMut::new();
    packet.encode(&mut out).unwrap();
    out.to_vec()
}

#[test]
fn encryption_is_declined_and_the_login_is_the_resources_own_byte_by_byte() {
    let mut world = unstarted(ALL).chosen_by(|_| 1);
    let user = startup(&[("user", "job"), ("database", "shop"), ("application_name", "ci")]);
    world.send(&[packet(&Packet::SslRequest), packet(&Packet::GssEncRequest), user]);
    assert!(world.got.starts_with(b"NN"));
    let got = shown(&world.got[2..]);
    let key = "BackendKeyData { process_id: 77, secret: [111, 117, 114, 115] }";
    assert_eq!(got[0], "Authentication(Ok)");
    assert!(got.contains(&key.to_owned()) && got.ends_with(&["ready I".to_owned()]), "{got:?}");
    let key = Request::Cancellable { process_id: 77, secret: b"ours".to_vec() };
    assert!(world.requests.contains(&key));
    assert_eq!(world.records.0[0], Record::Start { role: "shop_app".to_owned() });
    world.event(Event::Cancel);
    let cancel = Request::CancelBackend { process_id: 77, secret: b"real".to_vec() };
    assert!(world.requests.contains(&cancel));
}

#[test]
fn a_cancel_request_is_handed_on_and_ends_its_connection() {
    let mut world = unstarted(ALL);
    world.send(&[packet(&Packet::Cancel { process_id: 5, secret: b"abcd" })]);
    let other = Request::CancelOther { process_id: 5, secret: b"abcd".to_vec() };
    assert_eq!(world.requests, [other, Request::Close]);
    assert!(world.got.is_empty() && world.session.is_over());
}

#[test]
fn who_may_not_come_in_is_told_why() {
    let denied = r#"
  - { name: all, actions: [select], decision: allow }
"#;
    for (parameters, expect) in [
        (&[("database", "shop")][..], "error 28000 no PostgreSQL user name specified in startup packet"),
        (
            &[("user", "job"), ("replication", "database")],
            "error 42501 replication connections are refused by Portreeve",
        ),
        (
            &[("user", "job"), ("options", "-c role=admin")],
            "error 42501 set-role role is denied by rule \"default\": no rule allows it",
        ),
    ] {
        let mut world = unstarted(denied);
        world.send(&[startup(parameters)]);
        assert_eq!(shown(&world.got), [expect]);
        assert!(matches!(world.records.0.last(), Some(Record::SessionEnd { .. })), "{expect}");
        assert!(world.closed && world.server.received.is_empty());
    }
    let mut world = unstarted(ALL);
    world.send(&[b"\0\0\0\x08\0\x02\0\0".to_vec()]);
    assert!(shown(&world.got)[0].contains("unsupported frontend protocol 2.0"));
}

/// A server that begins with this, to a session that has asked to log in.
fn login(encode: impl FnOnce(&mut BytesMut)) -> World {
    let mut world = unstarted(ALL);
    // The model server is not let on.
    world.server.closed = true;
    world.send(&[startup(&[("user", "job")])]);
    world.server_says(encode);
    world
}

#[test]
fn a_login_that_fails_says_so_and_nothing_is_sent_in_clear() {
    type Says = fn(&mut BytesMut);
    let cases: [(Says, &str); 6] = [
        (|out| encode::authentication_cleartext_password(out), "in clear text"),
        (|out| encode::authentication_md5_password(out, [0; 4]), "md5"),
        (|out| encode::authentication_sasl(out, &[b"SCRAM-SHA-256"]).unwrap(), "credential has none"),
        (|out| encode::authentication_sasl(out, &[b"OAUTHBEARER"]).unwrap(), "offers no SASL mechanism"),
        (|out| encode::authentication_sasl_continue(out, b"r=x").unwrap(), "out of place"),
        (|out| encode::data_row(out, &[]).unwrap(), "DataRow where it has no place"),
    ];
    for (says, expect) in cases {
        let world = login(says);
        let got = shown(&world.got).join("\n");
        assert!(got.contains(expect), "{expect}: {got}");
        assert!(world.closed);
    }
}

/// An ErrorResponse as a server writes it, with the place in its source.
fn refusal(out: &mut BytesMut, sqlstate: &str) {
    let mut body = Vec::new();
    for field in
        ["SFATAL", "VFATAL", &format!("C{sqlstate}"), "Mwhat the server says", "Fguc.c", "L7", "Rset"]
    {
        body.extend_from_slice(field.as_bytes());
        body.push(0);
    }
    body.push(0);
    let length = u32::try_from(body.len() + 4).unwrap();
    out.extend_from_slice(&[b"E", &length.to_be_bytes()[..], &body].concat());
}

#[test]
fn what_the_server_refuses_of_a_start_comes_in_its_own_words() {
    let refused = |sqlstate: &str| {
        login(|out| {
            encode::authentication_ok(out);
            refusal(out, sqlstate);
        })
    };
    // An unknown setting, a value out of range, a database that is not there, too many connections.
    for sqlstate in ["42704", "22023", "3D000", "53300"] {
        let world = refused(sqlstate);
        let mut expect = BytesMut::new();
        encode::authentication_ok(&mut expect);
        refusal(&mut expect, sqlstate);
        assert_eq!(world.got, expect, "{sqlstate}");
        assert!(world.closed);
        let Some(Record::SessionEnd { .. }) = world.records.0.last() else { panic!("{sqlstate}") };
    }
    // What it says of the resource's own role is for the operator.
    let got = shown(&refused("28000").got).join("\n");
    assert!(got.contains("Portreeve could not log in to resource"), "{got}");
}
