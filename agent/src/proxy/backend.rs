//! Connections to servers, which interception knows as ours and lets through.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use pgwire::startup::Packet;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::tls::{self, Negotiation};
use super::{BackendStream, Tls};
use crate::intercept::{OwnSockets, Route};

/// Why there is no connection to a server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No answer in time.
    #[error("no connection within {} s", .0.as_secs())]
    Slow(Duration),
    /// The kernel or the network says no.
    #[error("{0}")]
    Connect(#[from] io::Error),
    /// The configuration asks for TLS, and the server has none.
    #[error("the server does not speak TLS, and the resource's `tls` asks for it")]
    NoTls,
    /// A server from before TLS, or one that cannot take connections now.
    #[error(
        "the server answers the question for TLS with an error: it is too old to know it, or cannot take connections \
         now; its log says which"
    )]
    Unwilling,
    /// The answer is none.
    #[error(
        "the server closes the connection when it is asked for TLS: it is no PostgreSQL, or takes no connections"
    )]
    Closed,
    /// Something that no PostgreSQL answers.
    #[error("the server is no PostgreSQL: it answers the question for TLS with the byte 0x{0:02x}")]
    NotPostgres(u8),
    /// Whoever wrote them wanted them to be taken for the server's own words (CVE-2021-23222).
    #[error(
        "there are bytes in clear text behind the server's answer to the question for TLS: somebody may be between \
         this machine and it"
    )]
    Injected,
    /// TLS without a word on what is spoken over it.
    #[error(
        "the server does not say that it speaks PostgreSQL (ALPN `postgresql`), as `negotiation: direct` needs it: \
         {NEWER}"
    )]
    NoAlpn,
    /// TLS is not what it expects to begin with.
    #[error(
        "the server closes the connection where TLS begins at once, as `negotiation: direct` has it: {NEWER}"
    )]
    NotDirect,
    /// The server's certificate is not accepted, or TLS fails otherwise.
    #[error("TLS: {0}{cure}", cure = tls::cure(.0))]
    Handshake(io::Error),
}

/// What `negotiation: direct` needs.
const NEWER: &str = "it must be of version 17 or later; take `negotiation` away for others";

/// Connects to `server` along `route`, ready for the start-up packet.
///
/// # Errors
///
/// There is no connection, or not in time, or not as `tls` wants it.
pub async fn connect(
    own_sockets: &OwnSockets,
    route: &Route,
    server: SocketAddr,
    tls: &Tls,
    patience: Duration,
) -> Result<BackendStream, Error> {
    let connected = tokio::time::timeout(patience, async {
        let stream = own_sockets.connect(route, server).await?;
        match (secure(stream, tls).await, tls.other_way()) {
            // As libpq does: what need not be encrypted goes on without.
            (Err(Error::Handshake(_)), Some(clear)) => {
                let stream = own_sockets.connect(route, server).await?;
                secure(stream, &clear).await
            }
            (secured, _) => secured,
        }
    });
    connected.await.unwrap_or(Err(Error::Slow(patience)))
}

/// Puts TLS on a fresh connection to a server where it is wanted.
///
/// # Errors
///
/// The server has none, or its certificate is not accepted.
pub async fn secure(mut stream: TcpStream, tls: &Tls) -> Result<BackendStream, Error> {
    stream.set_nodelay(true)?;
    // As libpq does: a server that is gone without a word is noticed.
    SockRef::from(&stream).set_keepalive(true)?;
    let Some(handshake) = tls.handshake(stream.peer_addr()?.ip()) else {
        return Ok(BackendStream::Plain(stream));
    };
    if handshake.negotiation == Negotiation::Postgres && !speaks_tls(&mut stream).await? {
        return if handshake.optional { Ok(BackendStream::Plain(stream)) } else { Err(Error::NoTls) };
    }
    let connected = handshake.connector.connect(handshake.name, stream).await;
    let stream = connected.map_err(|error| match (handshake.negotiation, error.kind()) {
        // Older servers take the first bytes for the length of a start-up packet, which is far too large.
        (Negotiation::Direct, ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => Error::NotDirect,
        _ => Error::Handshake(error),
    })?;
    // The TLS library has seen to it that nothing else was said.
    if handshake.negotiation == Negotiation::Direct && stream.get_ref().1.alpn_protocol().is_none() {
        return Err(Error::NoAlpn);
    }
    Ok(BackendStream::Tls(Box::new(stream)))
}

/// Asks a server whether it speaks TLS ("SSL Session Encryption" in PostgreSQL's manual): by the packet that every one
/// of them answers with one byte before anybody logs in, and that none of them logs.
///
/// # Errors
///
/// It does not answer, or as no PostgreSQL does.
pub async fn speaks_tls(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Result<bool, Error> {
    let mut request = BytesMut::new();
    // SSLRequest has a fixed form.
    let _ = Packet::SslRequest.encode(&mut request);
    stream.write_all(&request).await?;
    stream.flush().await?;
    // One byte more than the answer has: no server says anything before it is spoken to, and what came with the answer
    // in clear text must not be read as what came encrypted.
    let mut answer = [0; 2];
    match (stream.read(&mut answer).await?, answer[0]) {
        (0, _) => Err(Error::Closed),
        // A whole ErrorResponse, of which the rest is not looked at: anybody could have written it.
        (_, b'E') => Err(Error::Unwilling),
        (1, b'S') => Ok(true),
        (1, b'N') => Ok(false),
        (_, b'S' | b'N') => Err(Error::Injected),
        (_, other) => Err(Error::NotPostgres(other)),
    }
}
