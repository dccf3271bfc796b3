//! Saying no to a client in the words of PostgreSQL, so that its user reads why.
//!
//! What the client says is read only to find the moment in which it listens: one packet of bounded length, in bounded
//! time.

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use pgwire::backend::NoticeFields;
use pgwire::startup::{Packet, StartupError};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

/// How long the client has to take our last words.
const LINGER: Duration = Duration::from_secs(5);

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

/// Tells the client as soon as it listens, and ends the connection. `read` is what it has said already, and `deadline`
/// is by when it has to have said what it wants.
pub(super) async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    read: &[u8],
    destination: SocketAddr,
    why: &Why,
    deadline: Instant,
) {
    // Too late, broken, or no client of PostgreSQL's: it is closed without a word, as the server does.
    let Ok(Ok(true)) = timeout_at(deadline, listens(stream, read)).await else { return };
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

/// Reads on to the end of the packet in which the client says who it is. True once it waits for the answer.
async fn listens<S: AsyncRead + Unpin>(stream: &mut S, read: &[u8]) -> io::Result<bool> {
    let mut input = BytesMut::from(read);
    loop {
        match Packet::parse(&input) {
            Ok(None) => {
                // A packet that is longer than it may be is an error before it is whole.
                if stream.read_buf(&mut input).await? == 0 {
                    return Ok(false);
                }
            }
            // Nothing of ours runs there; and as with PostgreSQL, the asker learns nothing.
            Ok(Some((Packet::Cancel { .. }, _))) => return Ok(false),
            // The server would answer a request for encryption that is out of place, too, and a version that it does
            // not know.
            Ok(Some(_)) | Err(StartupError::Version { .. }) => return Ok(true),
            Err(StartupError::Length { .. } | StartupError::Malformed(_)) => return Ok(false),
        }
    }
}
