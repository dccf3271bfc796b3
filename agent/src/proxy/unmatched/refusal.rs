//! Saying no to a client in the words of PostgreSQL, so that its user reads why.
//!
//! The client's opening packets are read only to find the moment in which it listens; a bounded number of them, of
//! bounded length, in bounded time.

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use pgwire::backend::NoticeFields;
use pgwire::startup::{Packet, StartupError};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// How long the client has to take our last words.
const LINGER: Duration = Duration::from_secs(5);

/// How often a client may ask for encryption: once for each kind, as PostgreSQL has it.
const MOST_REQUESTS: usize = 2;

/// Why a connection is refused.
#[derive(Debug)]
pub(super) enum Why {
    /// No resource has its destination.
    NotNamed,
    /// It could not be recorded, or there is hardly room for the record left.
    Unrecorded,
    /// Too many destinations at once, each of which would need a record.
    Crowded,
    /// It would pass, and there is nobody to pass it to.
    Unreachable(io::Error),
}

/// What the client is told.
struct Told {
    sqlstate: &'static str,
    message: String,
    hint: Option<&'static str>,
}

impl Why {
    fn told(&self, destination: SocketAddr) -> Told {
        let told = |sqlstate, message| Told { sqlstate, message, hint: None };
        match self {
            Why::NotNamed => Told {
                // invalid_authorization_specification: what a server says whose pg_hba.conf has no entry.
                sqlstate: "28000",
                message: format!(
                    "no resource of Portreeve names {destination}, so it is refused on this machine"
                ),
                hint: Some(
                    "Connect to an address that is named, or ask whoever runs Portreeve on this machine to add this \
                     one to \"resources\" in its configuration.",
                ),
            },
            // disk_full
            Why::Unrecorded => told(
                "53100",
                format!(
                    "Portreeve lets nothing through to {destination}: it cannot be recorded on this machine"
                ),
            ),
            // too_many_connections
            Why::Crowded => told(
                "53300",
                format!(
                    "too many different destinations at once: Portreeve does not let {destination} through"
                ),
            ),
            // sqlclient_unable_to_establish_sqlconnection
            Why::Unreachable(error) => told(
                "08001",
                format!("Portreeve lets connections to {destination} through, and got none: {error}"),
            ),
        }
    }
}

/// Tells the client as soon as it listens, and ends the connection. `patience` is how long it may take to say what
/// it wants.
pub(super) async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    destination: SocketAddr,
    why: &Why,
    patience: Duration,
) {
    // Too late, broken, or no client of PostgreSQL's: it is closed without a word, as the server does.
    let Ok(Ok(true)) = timeout(patience, listens(stream)).await else { return };
    let Told { sqlstate, message, hint } = why.told(destination);
    let fields = NoticeFields { hint, ..NoticeFields::new("FATAL", sqlstate, &message) };
    let mut error = BytesMut::new();
    if fields.encode_error(&mut error).is_err() {
        return;
    }
    let said = async {
        stream.write_all(&error).await?;
        stream.shutdown().await?;
        // Were its bytes left unread, the kernel would answer them with a reset, and our words were lost.
        let mut rest = [0; 512];
        while stream.read(&mut rest).await? > 0 {}
        Ok::<(), io::Error>(())
    };
    drop(timeout(LINGER, said).await);
}

/// Reads the opening packets. True once the client waits for an answer to who it is.
async fn listens<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> io::Result<bool> {
    let mut input = BytesMut::new();
    let mut requests = 0;
    loop {
        match Packet::parse(&input) {
            Ok(None) => {
                // A packet that is longer than it may be is an error before it is whole.
                if stream.read_buf(&mut input).await? == 0 {
                    return Ok(false);
                }
            }
            Ok(Some((Packet::Startup { .. }, _))) => return Ok(true),
            Ok(Some((Packet::SslRequest | Packet::GssEncRequest, length))) => {
                requests += 1;
                if requests > MOST_REQUESTS {
                    return Ok(false);
                }
                input.advance(length);
                stream.write_all(b"N").await?;
            }
            // Nothing of ours runs there; and as with PostgreSQL, the asker learns nothing.
            Ok(Some((Packet::Cancel { .. }, _))) => return Ok(false),
            // The server would answer this one too.
            Err(StartupError::Version { .. }) => return Ok(true),
            Err(StartupError::Length { .. } | StartupError::Malformed(_)) => return Ok(false),
        }
    }
}
