//! Connections to servers, which interception knows as ours and lets through.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use pgwire::startup::Packet;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

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
    /// The server's certificate is not accepted, or TLS fails otherwise.
    #[error("TLS: {0}")]
    Handshake(io::Error),
}

/// Connects to `server` along `route`, ready for the start-up packet.
pub async fn connect(
    own_sockets: &OwnSockets,
    route: &Route,
    server: SocketAddr,
    tls: &Tls,
    patience: Duration,
) -> Result<BackendStream, Error> {
    let connected = tokio::time::timeout(patience, async {
        let stream = own_sockets.connect(route, server).await?;
        secure(stream, tls).await
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
    let Some((connector, name)) = tls.connector(stream.peer_addr()?.ip()) else {
        return Ok(BackendStream::Plain(stream));
    };
    let mut request = BytesMut::new();
    // SSLRequest has a fixed form.
    let _ = Packet::SslRequest.encode(&mut request);
    stream.write_all(&request).await?;
    if stream.read_u8().await? != b'S' {
        return Err(Error::NoTls);
    }
    let stream = connector.connect(name, stream).await.map_err(Error::Handshake)?;
    Ok(BackendStream::Tls(Box::new(stream)))
}
