//! A driver over such a connection, and servers that want its password.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::thread::JoinHandle;

use pgwire::backend::{NoticeFields, TransactionStatus, encode};
use session::authentication::Method;
use tokio::net::TcpStream;
use tokio_postgres::{Client, NoTls, config::SslMode};

use super::*;

const PASSWORD: &str = "secret enough";

/// Resource, role and database of each login.
const WHOSE: (&str, &str, &str) = ("shop", "app", "d");

/// A server that says these, each after it has heard something, and gives back all that it has heard.
fn server(says: Vec<BytesMut>) -> (SocketAddr, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let heard = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let (mut heard, mut room) = (Vec::new(), [0; 4096]);
        for says in says {
            match client.read(&mut room).unwrap_or(0) {
                0 => return heard,
                read => heard.extend_from_slice(&room[..read]),
            }
            if client.write_all(&says).is_err() {
                return heard;
            }
        }
        let _ = client.shutdown(Shutdown::Write);
        let _ = client.read_to_end(&mut heard);
        heard
    });
    (at, heard)
}

fn said(encode: impl FnOnce(&mut BytesMut)) -> BytesMut {
    let mut out = BytesMut::new();
    encode(&mut out);
    out
}

/// What a server says that lets us in.
fn welcome(out: &mut BytesMut) {
    encode::authentication_ok(out);
    encode::parameter_status(out, b"server_version", b"15.0").unwrap();
    encode::backend_key_data(out, 7, b"real").unwrap();
    encode::ready_for_query(out, TransactionStatus::Idle);
}

/// Logs in as the catalog does. Gives whether we are in, and what the server has heard.
fn log_in(says: Vec<BytesMut>, rules: &Rules) -> (Result<Client, tokio_postgres::Error>, Vec<u8>) {
    let (at, heard) = server(says);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = runtime.block_on(async {
        let stream = TcpStream::connect(at).await.unwrap();
        let secret = Secret::new(PASSWORD);
        let stream = Authenticating::new(stream, Channel::default(), "app", Some(&secret), rules);
        let mut config = tokio_postgres::Config::new();
        config.user("app").dbname("shop").ssl_mode(SslMode::Disable);
        config.connect_raw(stream, NoTls).await.map(|(client, _)| client)
    });
    drop(runtime);
    (client, heard.join().unwrap())
}

fn has(heard: &[u8], what: &str) -> bool {
    heard.windows(what.len()).any(|window| window == what.as_bytes())
}

#[test]
fn what_the_rules_allow_is_answered_and_the_driver_is_in() {
    let (client, heard) = log_in(vec![said(welcome)], &Rules::default());
    assert!(client.is_ok() && has(&heard, "app") && has(&heard, "shop"));
    let md5 = Rules { methods: Some(vec![Method::Md5]), ..Rules::default() };
    let asks = said(|out| encode::authentication_md5_password(out, *b"salt"));
    let (client, heard) = log_in(vec![asks, said(welcome)], &md5);
    // inner=$(printf "secret enoughapp" | md5sum | cut -c1-32); printf "${inner}salt" | md5sum
    assert!(client.is_ok() && has(&heard, "md5c1f312fc6e1e1bed3b716d2d98810afc"), "{:?}", client.err());
}

#[test]
fn a_server_that_asks_for_more_gets_nothing_and_the_reason_is_ours() {
    for (asks, told) in [
        (said(encode::authentication_cleartext_password), "authentication"),
        (said(|out| encode::authentication_md5_password(out, *b"salt")), "tls"),
        // It never asks, and goes on as if it had: with words that are the session's, not the login's.
        (said(|out| encode::ready_for_query(out, TransactionStatus::Idle)), ""),
        (said(|out| encode::parameter_status(out, b"server_version", b"15.0").unwrap()), ""),
    ] {
        let (client, heard) = log_in(vec![asks, said(welcome)], &Rules::default());
        let error = client.err().unwrap();
        let refusal = refusal(&error, WHOSE).unwrap();
        assert!(refusal.hint.unwrap_or_default().contains(told), "{error:?}");
        // The start-up packet alone.
        assert!(!has(&heard, PASSWORD) && !has(&heard, "md5"), "{heard:?}");
    }
    let only = Rules { methods: Some(vec![Method::ScramSha256]), ..Rules::default() };
    let (client, _) = log_in(vec![said(welcome)], &only);
    assert!(refusal(&client.err().unwrap(), WHOSE).unwrap().message.contains("no password (none)"));
}

#[test]
fn a_servers_refusal_is_the_drivers_and_ours_to_tell() {
    let whose = "Portreeve could not log in to resource \"shop\" as role \"app\", database \"d\": ";
    for (sqlstate, message, whose) in [
        ("28P01", "password authentication failed", whose),
        ("3D000", "database \"d\" does not exist", ""),
        ("57P03", "the database system is starting up", ""),
    ] {
        let says = said(|out| {
            let fields =
                NoticeFields { detail: Some("why"), ..NoticeFields::new("FATAL", sqlstate, message) };
            fields.encode_error(out).unwrap();
        });
        let (client, _) = log_in(vec![says], &Rules::default());
        let refusal = refusal(&client.err().unwrap(), WHOSE).unwrap();
        assert_eq!((&*refusal.sqlstate, refusal.message), (sqlstate, format!("{whose}{message}")));
        assert_eq!(refusal.detail.as_deref(), Some("why"));
    }
}

#[test]
fn a_server_that_talks_without_end_is_not_listened_to() {
    let mut says = BytesMut::from(&b"R\x7f\xff\xff\xff"[..]);
    says.resize(LONGEST, 0);
    let (client, _) = log_in(vec![says], &Rules::default());
    assert!(refusal(&client.err().unwrap(), WHOSE).is_none());
    let (client, _) = log_in(vec![BytesMut::new()], &Rules::default());
    assert!(client.is_err());
}
