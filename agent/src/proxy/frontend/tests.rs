//! Clients that open their connections in every way, well and badly.

use std::sync::Arc;

use bytes::BytesMut;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsConnector;

use super::*;
use crate::authority;

const STARTUP: &[u8] = b"\0\0\0\x12\0\x03\0\0user\0job\0\0";

fn packet(packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    packet.encode(&mut bytes).unwrap();
    bytes.to_vec()
}

fn authority(folder: &std::path::Path) -> Authority {
    let directory = folder.join("authority");
    Authority::open(&authority::Config { directory, ..authority::Config::default() }).unwrap()
}

/// A client that believes this authority, as libpq does with `verify-full`.
fn connector(authority: &Authority, alpn: &[&str]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.anchor().unwrap().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config).into()
}

/// Both ends of a connection.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (client, accepted) =
        tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    (client.unwrap(), accepted.unwrap().0)
}

fn known(names: &[&str]) -> Names {
    let known = names.iter().map(|name| (*name).to_owned()).collect();
    Names { asked: None, known, address: [10, 0, 0, 5].into() }
}

/// The client says `asks`, each time the answer to it comes, and then goes on as `then` has it.
async fn asks(client: &mut TcpStream, asks: &[(Packet<'_>, u8)]) {
    for (asked, answer) in asks {
        client.write_all(&packet(asked)).await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), *answer, "{asked:?}");
    }
}

/// That the next that comes is the start-up packet.
async fn starts(mut stream: impl AsyncRead + Unpin, read: &[u8]) {
    let mut bytes = read.to_vec();
    bytes.resize(STARTUP.len(), 0);
    stream.read_exact(&mut bytes[read.len()..]).await.unwrap();
    assert_eq!(bytes, STARTUP);
}

async fn send(mut stream: impl AsyncWrite + Unpin) {
    stream.write_all(STARTUP).await.unwrap();
    stream.flush().await.unwrap();
}

#[tokio::test]
async fn a_client_gets_what_it_asks_for_and_then_says_who_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let authority = authority(folder.path());
    for (gss, ssl) in [(false, false), (true, false), (false, true), (true, true)] {
        let (mut client, here) = pair().await;
        let talk = async {
            if gss {
                asks(&mut client, &[(Packet::GssEncRequest, b'N')]).await;
            }
            if ssl {
                asks(&mut client, &[(Packet::SslRequest, b'S')]).await;
                let name = ServerName::try_from("db.example").unwrap();
                send(&mut connector(&authority, &[]).connect(name, client).await.unwrap()).await;
            } else {
                send(&mut client).await;
            }
        };
        let ((), opened) = tokio::join!(talk, open(here, &authority, known(&[])));
        let Opened { stream, read, end_point } = opened.unwrap();
        assert_eq!(end_point.map(|hash| hash.len()), ssl.then_some(32));
        assert_eq!(matches!(stream, FrontendStream::Tls(_)), ssl);
        starts(stream, &read).await;
    }
}

#[tokio::test]
async fn a_client_is_shown_a_certificate_for_the_name_that_it_knows() {
    let folder = tempfile::tempdir().unwrap();
    let authority = authority(folder.path());
    for (asked, names, believed) in [
        ("db.example", &[][..], true),
        // A client with an address, or an old one, does not say which name it means.
        ("10.0.0.5", &[][..], true),
        ("10.0.0.6", &["db.example"][..], false),
    ] {
        let (mut client, here) = pair().await;
        let talk = async {
            asks(&mut client, &[(Packet::SslRequest, b'S')]).await;
            let name = ServerName::try_from(asked).unwrap();
            connector(&authority, &["postgresql"]).connect(name, client).await.map(drop)
        };
        let (connected, _) = tokio::join!(talk, open(here, &authority, known(names)));
        assert_eq!(connected.is_ok(), believed, "{asked}: {connected:?}");
    }
    // Without SNI, what is known of the server is in it.
    let identity = authority
        .identity(&Names {
            asked: None,
            known: vec!["db.internal".to_owned()],
            address: [10, 0, 0, 5].into(),
        })
        .unwrap();
    let (client, here) = pair().await;
    let accept = tokio_rustls::TlsAcceptor::from(identity.config()).accept(here);
    let name = ServerName::try_from("db.internal").unwrap();
    let (connected, _) = tokio::join!(connector(&authority, &[]).connect(name, client), accept);
    connected.unwrap();
}

#[tokio::test]
async fn a_client_may_start_with_tls_if_it_names_the_protocol() {
    let folder = tempfile::tempdir().unwrap();
    let authority = authority(folder.path());
    for (alpn, opened_at_all) in
        [(&["postgresql"][..], true), (&["h2", "postgresql"], true), (&["h2"], false), (&[], false)]
    {
        let (client, here) = pair().await;
        let talk = async {
            let name = ServerName::try_from("db.example").unwrap();
            let mut stream = connector(&authority, alpn).connect(name, client).await.ok()?;
            let chosen = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
            send(&mut stream).await;
            chosen
        };
        let (chosen, opened) = tokio::join!(talk, open(here, &authority, known(&[])));
        assert_eq!(opened.is_ok(), opened_at_all, "{alpn:?}");
        if let Ok(Opened { stream, read, .. }) = opened {
            assert_eq!(chosen.as_deref(), Some(ALPN));
            starts(stream, &read).await;
        }
    }
}

#[tokio::test]
async fn what_is_sent_in_clear_text_behind_a_request_is_never_taken_for_encrypted() {
    let folder = tempfile::tempdir().unwrap();
    let authority = authority(folder.path());
    let (mut client, here) = pair().await;
    let talk = async {
        let both = [packet(&Packet::SslRequest), STARTUP.to_vec()].concat();
        client.write_all(&both).await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), b'S');
        let name = ServerName::try_from("db.example").unwrap();
        connector(&authority, &[]).connect(name, client).await.map(drop)
    };
    let (connected, opened) = tokio::join!(talk, open(here, &authority, known(&[])));
    assert!(connected.is_err(), "{connected:?}");
    assert!(matches!(opened, Err(Error::Handshake(_))), "{opened:?}");
}

#[tokio::test]
async fn what_is_no_request_for_encryption_is_handed_on_as_it_came() {
    let folder = tempfile::tempdir().unwrap();
    let authority = authority(folder.path());
    let again = packet(&Packet::GssEncRequest);
    for (said, handed) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], &b"GET / HT"[..]),
        (b"\0\0\0\x04", b"\0\0\0\x04"),
        // PostgreSQL answers each kind once.
        (&[again.clone(), again.clone()].concat(), &again),
        // An SSLRequest with something in it.
        (b"\0\0\0\x0c\x04\xd2\x16\x2fmore", b"\0\0\0\x0c\x04\xd2\x16\x2f"),
    ] {
        let (mut client, here) = pair().await;
        client.write_all(said).await.unwrap();
        let Opened { stream, read, .. } = open(here, &authority, known(&[])).await.unwrap();
        assert!(matches!(stream, FrontendStream::Plain(_)));
        assert_eq!(read, handed);
    }
    for said in [&b""[..], b"\0\0\0"] {
        let (mut client, here) = pair().await;
        client.write_all(said).await.unwrap();
        drop(client);
        assert!(matches!(open(here, &authority, known(&[])).await, Err(Error::Io(_))), "{said:?}");
    }
}
