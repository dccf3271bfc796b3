//! How a client opens its connection: in clear text, or with TLS in one of two ways.
//!
//! A client asks for encryption before it says who it is ("SSL Session Encryption" in PostgreSQL's manual), or starts
//! with TLS at once (`sslnegotiation=direct`, PostgreSQL 17). Either way it is shown a certificate for the name that it
//! asked for. GSSAPI encryption is answered with a no, and the client goes on.

#[cfg(test)]
mod tests;

use std::io;

use bytes::Bytes;
use pgwire::startup::{ALPN, Packet};
use rustls::server::Acceptor;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;

use super::FrontendStream;
use crate::authority::{Authority, Names};

/// The first byte of a TLS record with a ClientHello. No start-up packet is so long that its length begins with it.
const HANDSHAKE: u8 = 0x16;

/// The shortest packet that opens a connection, and all of a request for encryption.
const SHORTEST: usize = 8;

/// Why a connection is not opened. Nobody is told: as with PostgreSQL, the client sees its connection closed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("the client closed its connection, or it broke: {0}")]
    Io(#[from] io::Error),
    #[error("the client started with TLS, and did not name `postgresql` by ALPN")]
    NoAlpn,
    #[error("there is no certificate for the client: {0}")]
    Certificate(#[from] crate::authority::Error),
    #[error("TLS: {0}")]
    Handshake(io::Error),
}

/// A connection whose client says next who it is.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) stream: FrontendStream,
    /// What of that was read already.
    pub(super) read: Bytes,
    /// The hash of the certificate that the client was shown (`tls-server-end-point`); none in clear text.
    pub(super) end_point: Option<Vec<u8>>,
}

/// Comes to terms with the client about encryption. `names` are those of the server that are known; which one the client
/// asks for, it says itself.
pub(super) async fn open(
    mut stream: TcpStream,
    authority: &Authority,
    names: Names,
) -> Result<Opened, Error> {
    let mut answered_gss = false;
    let mut first = [0];
    if stream.peek(&mut first).await? == 1 && first[0] == HANDSHAKE {
        return encrypt(stream, authority, names, true).await;
    }
    loop {
        // No byte more: what comes behind a request in clear text is never taken for encrypted (CVE-2021-23214).
        let mut packet = [0; SHORTEST];
        stream.read_exact(&mut packet[..4]).await?;
        if u32::from_be_bytes([packet[0], packet[1], packet[2], packet[3]]) < SHORTEST as u32 {
            // None is so short: the session says so, and waits for no more of it.
            let read = Bytes::copy_from_slice(&packet[..4]);
            return Ok(Opened { stream: FrontendStream::Plain(stream), read, end_point: None });
        }
        stream.read_exact(&mut packet[4..]).await?;
        match Packet::parse(&packet) {
            Ok(Some((Packet::SslRequest, SHORTEST))) => {
                stream.write_all(b"S").await?;
                return encrypt(stream, authority, names, false).await;
            }
            Ok(Some((Packet::GssEncRequest, SHORTEST))) if !answered_gss => {
                answered_gss = true;
                stream.write_all(b"N").await?;
            }
            // Whatever it is, the session will tell.
            _ => {
                let read = Bytes::copy_from_slice(&packet);
                return Ok(Opened { stream: FrontendStream::Plain(stream), read, end_point: None });
            }
        }
    }
}

async fn encrypt(
    stream: TcpStream,
    authority: &Authority,
    mut names: Names,
    must_name_protocol: bool,
) -> Result<Opened, Error> {
    let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await.map_err(Error::Handshake)?;
    let hello = start.client_hello();
    if must_name_protocol && !hello.alpn().is_some_and(|mut names| names.any(|name| name == ALPN)) {
        return Err(Error::NoAlpn);
    }
    names.asked = hello.server_name().map(str::to_ascii_lowercase);
    let identity = authority.identity(&names)?;
    let stream = start.into_stream(identity.config()).await.map_err(Error::Handshake)?;
    let end_point = Some(identity.end_point().to_vec());
    Ok(Opened { stream: FrontendStream::Tls(Box::new(stream)), read: Bytes::new(), end_point })
}
