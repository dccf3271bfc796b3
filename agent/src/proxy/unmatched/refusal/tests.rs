//! What a client hears that is refused.

use pgwire::backend::Message;
use pgwire::frame::Header;
use pgwire::startup::ProtocolVersion;
use tokio::io::{DuplexStream, duplex};
use tokio::time::Instant;

use super::*;

const PATIENCE: Duration = Duration::from_secs(60);

fn destination() -> SocketAddr {
    "10.0.0.5:5432".parse().unwrap()
}

/// What the client gets that sends these bytes, in pieces of that size, and then waits.
async fn hears(why: &Why, bytes: &[u8], piece: usize) -> Vec<u8> {
    let (mut client, mut here) = duplex(64);
    // What was read to see that it is no request for encryption.
    let at = bytes.len().min(8);
    let talk = async {
        for piece in bytes[at..].chunks(piece) {
            // It may have been closed already.
            if client.write_all(piece).await.is_err() {
                break;
            }
        }
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).await.unwrap();
        heard
    };
    let refused = async {
        refuse(&mut here, &bytes[..at], destination(), why, Instant::now() + PATIENCE).await;
        drop(here);
    };
    tokio::join!(talk, refused).0
}

fn encoded(packets: &[Packet<'_>]) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    for packet in packets {
        packet.encode(&mut bytes).unwrap();
    }
    bytes.to_vec()
}

fn startup() -> Packet<'static> {
    Packet::Startup { version: ProtocolVersion::V3_0, parameters: vec![(b"user", b"job")] }
}

/// The error as `SEVERITY SQLSTATE MESSAGE`, and its hint.
fn error(bytes: &[u8]) -> (String, String) {
    let header = Header::parse(bytes).unwrap().unwrap();
    let Message::ErrorResponse(notice) = Message::parse(header.tag, &bytes[5..]).unwrap() else {
        panic!("{bytes:?}")
    };
    let field = |code| String::from_utf8_lossy(notice.get(code).unwrap_or_default()).into_owned();
    let line = [b'S', b'C', b'M'].map(field).join(" ");
    (line, field(b'H'))
}

const NOT_NAMED: &str =
    "FATAL 28000 no resource of Portreeve names 10.0.0.5:5432, so it is refused on this machine";

#[tokio::test(start_paused = true)]
async fn the_client_is_told_once_it_has_said_who_it_is_however_its_bytes_come() {
    for piece in [1, 3, 1000] {
        let told = hears(&Why::NotNamed, &encoded(&[startup()]), piece).await;
        let (line, hint) = error(&told);
        assert_eq!(line, NOT_NAMED);
        assert!(hint.contains("\"resources\""), "{hint}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_reason_has_its_words() {
    let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
    for (why, expect) in [
        (Why::Unrecorded, "FATAL 53100 Portreeve lets nothing through to 10.0.0.5:5432: it cannot be"),
        (Why::Crowded, "FATAL 53300 too many different destinations at once"),
        (Why::Unreachable(refused), "FATAL 08001 Portreeve lets connections to 10.0.0.5:5432 through, and"),
    ] {
        let (line, _) = error(&hears(&why, &encoded(&[startup()]), 1000).await);
        assert!(line.starts_with(expect), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_version_of_the_protocol_is_told_and_what_is_no_client_is_closed() {
    // The server would tell a client of 2.0 that its version is not spoken.
    let old = [8_u32.to_be_bytes(), (2_u32 << 16).to_be_bytes()].concat();
    assert_eq!(error(&hears(&Why::NotNamed, &old, 1000).await).0, NOT_NAMED);

    let cancel = encoded(&[Packet::Cancel { process_id: 1, secret: b"1234" }]);
    // Out of place, as the server would say.
    assert_eq!(error(&hears(&Why::NotNamed, &encoded(&[Packet::SslRequest]), 1000).await).0, NOT_NAMED);
    let tls = [&[0x16, 0x03, 0x01, 0x02, 0x00][..], &[0; 600]].concat();
    let too_long = [20_000_u32.to_be_bytes().as_slice(), &ProtocolVersion::V3_0.0.to_be_bytes()].concat();
    for (bytes, expect) in [
        (cancel, &b""[..]),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), b""),
        (tls, b""),
        (too_long, b""),
        (vec![0; 8], b""),
    ] {
        assert_eq!(hears(&Why::NotNamed, &bytes, 1000).await, expect, "{bytes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_or_closes_is_not_waited_for() {
    let (mut client, mut here): (DuplexStream, DuplexStream) = duplex(64);
    let begin = Instant::now();
    client.write_all(&encoded(&[startup()])[..9]).await.unwrap();
    refuse(&mut here, b"", destination(), &Why::NotNamed, Instant::now() + PATIENCE).await;
    assert_eq!(begin.elapsed(), PATIENCE);

    client.shutdown().await.unwrap();
    let begin = Instant::now();
    refuse(&mut here, b"", destination(), &Why::NotNamed, Instant::now() + PATIENCE).await;
    assert_eq!(begin.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_on_sending_gets_the_words_and_only_so_much_time() {
    let (mut client, mut here) = duplex(64);
    let begin = Instant::now();
    let talk = async {
        client.write_all(&encoded(&[startup()])).await.unwrap();
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).await.unwrap();
        while client.write_all(b"and more").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        heard
    };
    let refused = async {
        refuse(&mut here, b"", destination(), &Why::NotNamed, Instant::now() + PATIENCE).await;
        drop(here);
    };
    let (heard, ()) = tokio::join!(talk, refused);
    assert_eq!(error(&heard).0, NOT_NAMED);
    assert!(begin.elapsed() <= LINGER + Duration::from_millis(10), "{:?}", begin.elapsed());
}
