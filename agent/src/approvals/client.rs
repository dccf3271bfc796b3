//! The other end of the control socket, for the command line.
//!
//! It blocks: a command has nothing else to do.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::protocol::{Request, Response};

/// Where the daemon listens if nothing else is configured.
pub const SOCKET: &str = "/run/portreeve/control.sock";

/// The longest response that is read, in bytes.
const RESPONSE_LIMIT: u64 = 64 * 1024 * 1024;

/// How long the daemon may take for an answer that does not wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody listens, or not for us.
    #[error("no answer on {path}: {source}; does the daemon run, and may you use its socket?")]
    Connect {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The daemon went away or took too long.
    #[error("the daemon on {path} gave no answer: {source}")]
    Talk {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It answered something else.
    #[error("the answer on {path} is not understood; do the daemon and this program have the same version?")]
    Answer {
        /// The socket.
        path: PathBuf,
    },
}

/// One request, one response. Only a list that waits takes as long as it takes.
pub fn call(socket: &Path, request: &Request) -> Result<Response, Error> {
    let waits = matches!(request, Request::List { wait: true });
    talk(socket, request, (!waits).then_some(PATIENCE))
}

/// One request, one response, and no longer than this for each step of it.
pub fn call_within(patience: Duration, socket: &Path, request: &Request) -> Result<Response, Error> {
    talk(socket, request, Some(patience))
}

fn talk(socket: &Path, request: &Request, patience: Option<Duration>) -> Result<Response, Error> {
    let talk = |source| Error::Talk { path: socket.to_owned(), source };
    let mut stream =
        UnixStream::connect(socket).map_err(|source| Error::Connect { path: socket.to_owned(), source })?;
    stream.set_read_timeout(patience).map_err(talk)?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(talk)?;
    let mut line = serde_json::to_vec(request).map_err(|error| talk(error.into()))?;
    line.push(b'\n');
    stream.write_all(&line).map_err(talk)?;
    let mut answer = Vec::new();
    BufReader::new(stream).take(RESPONSE_LIMIT).read_until(b'\n', &mut answer).map_err(talk)?;
    if answer.is_empty() {
        return Err(talk(std::io::ErrorKind::UnexpectedEof.into()));
    }
    serde_json::from_slice(&answer).map_err(|_| Error::Answer { path: socket.to_owned() })
}
