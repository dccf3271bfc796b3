//! From the first byte to the first statement: encryption, cancel requests, start-up, login.

use std::sync::Arc;

use bytes::BytesMut;
use pgwire::backend::{Message, NoticeFields, TransactionStatus, encode};
use pgwire::frontend::encode as frontend;
use pgwire::startup::{Packet, ProtocolVersion};
use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};
use postgres_protocol::password::scram_sha_256;

use super::client::*;
use super::fixture::*;
use super::journal::Record;
use super::world::{World, startup};
use crate::authentication::Method;
use crate::{ClientAuthentication, Event, Limits, Request, Verifier};

fn unstarted(rules: &str) -> World {
    World::unstarted(rules, Limits::default())
}

fn packet(packet: &Packet<'_>) -> Vec<u8> {
    let mut out = BytesMut::new();
    packet.encode(&mut out).unwrap();
    out.to_vec()
}

#[test]
fn the_login_is_the_resources_own_byte_by_byte() {
    let mut world = unstarted(ALL).chosen_by(|_| 1);
    let user = startup(&[("user", "job"), ("database", "shop"), ("application_name", "ci")]);
    world.send(&[user]);
    let got = shown(&world.got);
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
            "error 42501 replicate is denied by rule \"default\": no rule allows it",
        ),
        (
            &[("user", "job"), ("options", "-c role=admin")],
            "error 42501 set-role admin is denied by rule \"default\": no rule allows it",
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
    assert!(
        shown(&world.got)[0]
            .starts_with("error 0A000 the client's start-up packet: unsupported frontend protocol 2.0")
    );
    // Encryption is agreed upon before a session begins.
    for (asked, number) in [(Packet::SslRequest, 5679), (Packet::GssEncRequest, 5680)] {
        let mut world = unstarted(ALL);
        world.send(&[packet(&asked)]);
        assert!(shown(&world.got)[0].contains(&format!("unsupported frontend protocol 1234.{number}")));
    }
}

#[test]
fn the_clients_cancel_key_is_as_long_as_its_version_of_the_protocol_has_it() {
    let newer =
        |version| Packet::Startup { version, parameters: vec![(b"user", b"job"), (b"database", b"shop")] };
    for (asked, spoken, length) in [
        (ProtocolVersion::V3_0, None, 4),
        (ProtocolVersion::V3_2, None, 32),
        // A server that knows only 3.0, and one that knows more than the client asked for.
        (ProtocolVersion::V3_2, Some(ProtocolVersion::V3_0), 4),
        (ProtocolVersion(3 << 16 | 9999), Some(ProtocolVersion::V3_2), 32),
    ] {
        let mut world = unstarted(ALL);
        world.server.closed = true;
        world.send(&[packet(&newer(asked))]);
        world.server_says(|out| {
            if let Some(spoken) = spoken {
                encode::negotiate_protocol_version(out, spoken, &[]).unwrap();
            }
            encode::authentication_ok(out);
            encode::backend_key_data(out, 77, &[7; 200]).unwrap();
        });
        let given = world.requests.iter().find_map(|request| match request {
            Request::Cancellable { process_id: 77, secret } => Some(secret.len()),
            _ => None,
        });
        assert_eq!(given, Some(length), "{asked:?} {spoken:?}");
    }
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
    let cases: [(Says, &str); 8] = [
        (|out| encode::authentication_cleartext_password(out), "in clear text"),
        (|out| encode::authentication_md5_password(out, [0; 4]), "md5"),
        (|out| encode::authentication_sasl(out, &[b"SCRAM-SHA-256"]).unwrap(), "credential has none"),
        (|out| encode::authentication_sasl(out, &[b"OAUTHBEARER"]).unwrap(), "offers no SASL mechanism"),
        (|out| encode::authentication_sasl_continue(out, b"r=x").unwrap(), "out of place"),
        (|out| encode::data_row(out, &[]).unwrap(), "DataRow where it has no place"),
        // A server that never asks, and behaves as if it had been answered.
        (|out| encode::ready_for_query(out, TransactionStatus::Idle), "ReadyForQuery where it has no place"),
        (|out| encode::backend_key_data(out, 1, b"real").unwrap(), "BackendKeyData where it has no place"),
    ];
    for (says, expect) in cases {
        let world = login(says);
        let got = shown(&world.got).join("\n");
        assert!(got.contains(expect), "{expect}: {got}");
        assert!(world.closed);
    }
}

fn sasl_initial(mechanism: &str, data: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    frontend::sasl_initial_response(&mut out, mechanism.as_bytes(), Some(data)).unwrap();
    out.to_vec()
}

/// A world that asks its clients for `correct horse`, over TLS.
fn asking() -> World {
    let verifier = Verifier::parse(&scram_sha_256(b"correct horse")).unwrap();
    unstarted(ALL).asking(ClientAuthentication {
        verifier: Arc::new(verifier),
        nonce: "ours".to_owned(),
        end_point: Some(b"hash".to_vec()),
    })
}

/// The data of the last AuthenticationSASL... that came.
fn challenge(world: &World, kind: u32) -> Vec<u8> {
    let at = world.got.windows(4).rposition(|bytes| bytes == kind.to_be_bytes()).unwrap();
    world.got[at + 4..].to_vec()
}

#[test]
fn a_client_is_asked_before_anything_is_done_for_it() {
    for (password, let_in) in [(&b"correct horse"[..], true), (b"another", false)] {
        let mut world = asking().chosen_by(|_| 1);
        world.send(&[startup(&[("user", "job"), ("database", "shop")])]);
        assert_eq!(challenge(&world, 10), b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0");
        assert!(world.requests.is_empty() && world.server.received.is_empty());
        let mut client = ScramSha256::new(password, ChannelBinding::tls_server_end_point(b"hash".to_vec()));
        world.send(&[sasl_initial("SCRAM-SHA-256-PLUS", client.message())]);
        client.update(&challenge(&world, 11)).unwrap();
        let mut proof = BytesMut::new();
        frontend::sasl_response(&mut proof, client.message()).unwrap();
        world.send(&[proof.to_vec()]);
        let got = shown(&world.got).join("\n");
        let asked = world.requests.iter().any(|request| matches!(request, Request::Login { .. }));
        assert_eq!((asked, got.ends_with("ready I")), (let_in, let_in), "{got}");
        let refused = "error 28P01 password authentication failed for user \"job\"";
        assert_eq!(got.contains(refused), !let_in, "{got}");
        let ended = matches!(world.records.0.last(), Some(Record::SessionEnd { .. }));
        assert_eq!((ended, world.closed), (!let_in, !let_in));
    }
}

#[test]
fn a_client_that_does_not_answer_what_it_is_asked_is_ended() {
    let mut query = BytesMut::new();
    frontend::query(&mut query, b"SELECT 1").unwrap();
    let long = [&b"p\0\0\x20\0"[..], &[0; 20]].concat();
    for (sent, expect) in [
        (query.to_vec(), "08P01"),
        (long, "54000"),
        (b"p\0\0\0\x01".to_vec(), "08P01"),
        (sasl_initial("SCRAM-SHA-256", b"y,,n=,r=x"), "08P01"),
    ] {
        let mut world = asking();
        world.send(&[startup(&[("user", "job"), ("database", "shop")])]);
        world.send(std::slice::from_ref(&sent));
        let got = shown(&world.got).join("\n");
        assert!(got.contains(&format!("error {expect}")), "{sent:?}: {got}");
        assert!(world.closed && world.server.received.is_empty());
    }
}
#[test]
fn what_a_server_refuses_a_login_with_reaches_the_client_with_whose_login_it_was() {
    for (sqlstate, message, expect) in [
        ("28P01", "password authentication failed for user \"shop_app\"", "28P01"),
        ("28000", "no pg_hba.conf entry for host \"10.0.0.1\"", "28000"),
        ("08P01", "malformed SCRAM message", "08P01"),
        ("no", "odd", "28000"),
    ] {
        let world = login(|out| {
            let fields = NoticeFields {
                detail: Some("detailed"),
                hint: Some("hinted"),
                ..NoticeFields::new("FATAL", sqlstate, message)
            };
            fields.encode_error(out).unwrap();
        });
        let Message::ErrorResponse(error) = Message::parse(b'E', &world.got[5..]).unwrap() else { panic!() };
        let text = |code| String::from_utf8_lossy(error.get(code).unwrap_or_default()).into_owned();
        assert_eq!((&*text(b'S'), &*text(b'C')), ("FATAL", expect));
        let told = text(b'M');
        let whose =
            "Portreeve could not log in to resource \"shop\" as role \"shop_app\", database \"job\": ";
        assert_eq!(told, format!("{whose}{message}"));
        assert_eq!((&*text(b'D'), &*text(b'H')), ("detailed", "hinted"));
        assert!(world.closed);
    }
}

#[test]
fn a_server_that_closes_in_the_middle_of_a_login_is_told() {
    let mut world = login(|_| {});
    world.event(Event::BackendClosed);
    let got = shown(&world.got).join("\n");
    assert!(got.contains("could not log in") && got.contains("closed the connection"), "{got}");
    assert!(world.closed);
}

#[test]
fn rules_of_the_resource_reach_the_login() {
    let mut world = unstarted(ALL);
    world.server.closed = true;
    world.password = Some(b"secret".to_vec());
    world.login_rules.methods = Some(vec![Method::None]);
    world.send(&[startup(&[("user", "job")])]);
    world.server_says(|out| encode::authentication_sasl(out, &[b"SCRAM-SHA-256"]).unwrap());
    let got = shown(&world.got).join("\n");
    assert!(got.contains("which the configuration does not allow"), "{got}");
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
    // Before it has let us in, and then.
    for let_in in [false, true] {
        let said = |out: &mut BytesMut, sqlstate: &str| {
            if let_in {
                encode::authentication_ok(out);
            }
            refusal(out, sqlstate);
        };
        let refused = |sqlstate: &str| login(|out| said(out, sqlstate));
        // An unknown setting, a value out of range, a database that is not there, that takes nobody in or not this
        // role, too many connections, a server that starts or stops, one without memory.
        for sqlstate in ["42704", "22023", "3D000", "55000", "42501", "53300", "57P03", "57P01", "53200"] {
            let world = refused(sqlstate);
            let mut expect = BytesMut::new();
            said(&mut expect, sqlstate);
            assert_eq!(world.got, expect, "{sqlstate}");
            assert!(world.closed);
            let Some(Record::SessionEnd { .. }) = world.records.0.last() else { panic!("{sqlstate}") };
        }
        // What it says of the resource's own role is for the operator.
        let got = shown(&refused("28000").got).join("\n");
        assert!(got.contains("Portreeve could not log in to resource"), "{got}");
    }
}
