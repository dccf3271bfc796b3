//! The control socket: a Unix socket on which reviewers and `portreeve status` talk to the daemon.
//!
//! Who may connect is the file's mode; who connected is what the kernel says (SO_PEERCRED, unix(7)), never what
//! is said over the socket. Every line, wait and number of clients has a limit.

use std::error::Error as StdError;
use std::fs::{DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use policy::Answer;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::protocol::{self, Code, LISTED, REQUEST_LIMIT, Request, Response};
use super::{Approvals, Config, DecideError};
use crate::drain::Watch;

/// The answer of a [`Control`].
pub type Answering<'a> =
    Pin<Box<dyn Future<Output = Result<Value, Box<dyn StdError + Send + Sync>>> + Send + 'a>>;

/// What the socket asks of the daemon beside approvals.
pub trait Control: Send + Sync {
    /// How the daemon is, as a JSON object.
    fn status(&self) -> Answering<'_>;
    /// Reads the policies again. An error says that the old ones hold, and why.
    fn reload(&self) -> Answering<'_>;
    /// The login name of a user.
    fn user_name(&self, uid: u32) -> Option<String>;
}

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another daemon answers on it.
    #[error("another daemon answers on {path}; stop it, or set `approvals.socket` to another path")]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// The group is not known.
    #[error("the group {group:?} of `approvals.reviewers_group` is not in /etc/group; groupadd {group}")]
    NoGroup {
        /// The group's name.
        group: String,
    },
    /// It could not be made.
    #[error("the control socket {path} cannot be made: {source}")]
    Make {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// How many clients are served at once.
const CLIENTS: usize = 64;

/// How long a client may take for a request, and for taking a response.
const PATIENCE: Duration = Duration::from_secs(30);

/// A bound control socket. The file goes when this is dropped.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    approvals: Approvals,
    /// Goes with the server.
    _file: File,
}

/// The socket's file.
#[derive(Debug)]
struct File {
    path: PathBuf,
    inode: u64,
}

impl Server {
    /// Makes the socket, with mode 0600, or 0660 for the configured group. A file that a dead daemon left is
    /// replaced. Must be called inside of the runtime that will serve it.
    pub fn bind(config: &Config, approvals: Approvals) -> Result<Self, Error> {
        let path = &config.socket;
        let group = config.reviewers_group.as_deref().map(gid).transpose()?;
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(Error::InUse { path: path.clone() });
        }
        let (listener, inode) =
            make(path, group).map_err(|source| Error::Make { path: path.clone(), source })?;
        Ok(Server { listener, approvals, _file: File { path: path.clone(), inode } })
    }

    /// Serves until the drain's signal.
    pub async fn serve(self, control: Arc<dyn Control>, mut drain: Watch) {
        let room = Arc::new(Semaphore::new(CLIENTS));
        loop {
            let accepted = tokio::select! {
                () = drain.signaled() => return,
                accepted = self.listener.accept() => accepted,
            };
            let Ok((stream, _)) = accepted else {
                // Out of descriptors, most likely: others will be closed.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            // Without room the stream is closed at once.
            let Ok(permit) = room.clone().try_acquire_owned() else { continue };
            let Ok(peer) = stream.peer_cred() else { continue };
            let mut drain = drain.clone();
            let client =
                Client { approvals: self.approvals.clone(), control: control.clone(), uid: peer.uid() };
            tokio::spawn(async move {
                let _permit = permit;
                tokio::select! {
                    () = drain.signaled() => {}
                    // An error is the client's: it has gone or does not take its answers.
                    _ = client.talk(stream) => {}
                }
            });
        }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // Only what is ours: a successor may stand there.
        if std::fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Binds inside a folder that nobody else can enter, sets owner and mode there, and only then puts the socket
/// in its place: at no time can it be connected to with another mode.
fn make(path: &Path, group: Option<u32>) -> std::io::Result<(UnixListener, u64)> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
    let folder = parent.join(format!(".control-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    DirBuilder::new().mode(0o700).create(&folder)?;
    let made = (|| {
        let inside = folder.join("s");
        let listener = UnixListener::bind(&inside)?;
        if let Some(gid) = group {
            chown(&inside, None, Some(gid))?;
        }
        let mode = if group.is_some() { 0o660 } else { 0o600 };
        std::fs::set_permissions(&inside, Permissions::from_mode(mode))?;
        let inode = std::fs::symlink_metadata(&inside)?.ino();
        std::fs::rename(&inside, path)?;
        Ok((listener, inode))
    })();
    let _ = std::fs::remove_dir_all(&folder);
    made
}

/// The id of a group in the host's group file (group(5)).
fn gid(group: &str) -> Result<u32, Error> {
    let content = std::fs::read_to_string("/etc/group").unwrap_or_default();
    let found = content.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(group)).then(|| fields.nth(1)?.parse().ok()).flatten()
    });
    found.ok_or_else(|| Error::NoGroup { group: group.to_owned() })
}

/// One connection.
struct Client {
    approvals: Approvals,
    control: Arc<dyn Control>,
    uid: u32,
}

impl Client {
    /// Answers one request after the other until the client goes.
    async fn talk(&self, stream: UnixStream) -> std::io::Result<()> {
        let (reader, mut writer) = stream.into_split();
        let mut reader = BufReader::new(reader);
        loop {
            let mut line = Vec::new();
            let mut limited = (&mut reader).take(REQUEST_LIMIT as u64 + 1);
            timeout(PATIENCE, limited.read_until(b'\n', &mut line)).await??;
            if line.is_empty() {
                return Ok(());
            }
            if line.len() > REQUEST_LIMIT {
                let message = format!("the request is longer than {REQUEST_LIMIT} bytes");
                return send(&mut writer, &refused(Code::BadRequest, message)).await;
            }
            let response = match serde_json::from_slice(&line) {
                Ok(Request::List { wait: true }) => {
                    let Some(response) = self.wait(&mut reader).await else { return Ok(()) };
                    response
                }
                Ok(request) => self.answer(request).await,
                Err(error) => refused(Code::BadRequest, format!("not a request: {error}")),
            };
            send(&mut writer, &response).await?;
        }
    }

    async fn answer(&self, request: Request) -> Response {
        match request {
            Request::List { .. } => self.list(),
            Request::Show { id } => match self.approvals.show(&id) {
                Ok(hold) => Response::Hold(Box::new(hold)),
                Err(error) => error.into(),
            },
            Request::Approve { id, reason } => self.decide(id, Answer::Approve, &reason),
            Request::Deny { id, reason } => self.decide(id, Answer::Deny, &reason),
            Request::Status => match self.control.status().await {
                Ok(status) => Response::Status(status),
                Err(error) => refused(Code::Failed, error.to_string()),
            },
            Request::Reload => {
                if self.uid != 0 && self.uid != rustix::process::geteuid().as_raw() {
                    let message = "only root or the daemon's own user may reload the policies";
                    return refused(Code::NotAllowed, message.to_owned());
                }
                match self.control.reload().await {
                    Ok(done) => Response::Reloaded(done),
                    Err(error) => refused(Code::Failed, error.to_string()),
                }
            }
        }
    }

    fn list(&self) -> Response {
        let mut holds = self.approvals.list();
        holds.iter_mut().for_each(|hold| hold.cut(LISTED));
        Response::Holds(holds)
    }

    /// The list as soon as it is not empty; `None` when the client goes or says something else first.
    async fn wait(&self, reader: &mut BufReader<OwnedReadHalf>) -> Option<Response> {
        let mut changes = self.approvals.changes();
        loop {
            changes.borrow_and_update();
            if let Response::Holds(holds) = self.list()
                && !holds.is_empty()
            {
                return Some(Response::Holds(holds));
            }
            tokio::select! {
                changed = changes.changed() => changed.ok()?,
                _ = reader.fill_buf() => return None,
            }
        }
    }

    fn decide(&self, id: String, answer: Answer, reason: &str) -> Response {
        let reviewer = match self.control.user_name(self.uid) {
            Some(name) => format!("uid {} ({name})", self.uid),
            None => format!("uid {}", self.uid),
        };
        match self.approvals.decide(&id, answer, self.uid, &reviewer, reason) {
            Ok(()) => Response::Decided { id, answer: protocol::word(answer).to_owned(), reviewer },
            Err(error) => error.into(),
        }
    }
}

impl From<DecideError> for Response {
    fn from(error: DecideError) -> Self {
        let code = match error {
            DecideError::NotWaiting { .. } => Code::NotWaiting,
            DecideError::OwnRequest { .. } => Code::OwnRequest,
        };
        refused(code, error.to_string())
    }
}

const fn refused(code: Code, message: String) -> Response {
    Response::Refused { code, message }
}

async fn send(writer: &mut OwnedWriteHalf, response: &Response) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(response)?;
    line.push(b'\n');
    timeout(PATIENCE, writer.write_all(&line)).await?
}
