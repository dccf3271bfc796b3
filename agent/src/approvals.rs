//! Statements that wait for a reviewer, and the local socket over which reviewers answer.
//!
//! All workers register their holds here and wait for a verdict on their own runtime; a lock is taken when a
//! hold begins, ends or is looked at, never on an allowed statement's way. What a reviewer sees is what the
//! record has: masked, and cut where it is long. Nobody approves what a process of the same uid asked for.
//!
//! This module never lets a statement pass: a [`Verdict`] is a word that `policy` turns into a permit, or not.

#![forbid(unsafe_code)]

use std::collections::{HashMap, hash_map};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use policy::{Answer, Binding, Finding, Principal, Verdict};
use serde::Deserialize;
use tokio::sync::{oneshot, watch};

pub mod client;
mod hold;
mod id;
pub mod protocol;
mod server;

pub use hold::{Held, Outcome};
pub use id::session_id;
pub use server::{Answering, Control, Error as SocketError, Server};

/// The approvals' part of the daemon's configuration. Every key has a default.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The control socket (default `/run/portreeve/control.sock`).
    pub socket: PathBuf,
    /// The group whose members may review over the socket. Without it the socket is the daemon's user's alone.
    pub reviewers_group: Option<String>,
    /// How long a statement waits before it is denied, in seconds (default 900).
    pub expire_seconds: u64,
    /// How many statements may wait at once (default 1024).
    pub pending: usize,
    /// How many of them one uid may have asked for (default 64), so that one job cannot fill the list.
    pub pending_per_uid: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            socket: client::SOCKET.into(),
            reviewers_group: None,
            expire_seconds: 900,
            pending: 1024,
            pending_per_uid: 64,
        }
    }
}

/// A statement that asks for approval.
#[derive(Debug, Clone)]
pub struct Ask {
    /// What the client was told, and reviewers type: [`session_id`], or what a session made of it.
    pub id: String,
    /// When it is denied by itself, in microseconds since the Unix epoch.
    pub expires_us: u64,
    /// Who asks.
    pub principal: Principal,
    /// The protected resource.
    pub resource: String,
    /// The database.
    pub database: String,
    /// The statement's text as it is recorded.
    pub statement: String,
    /// The bound values as they are recorded, `$1` first.
    pub values: Vec<String>,
    /// What was found, at least one action that is held among it.
    pub findings: Vec<Finding>,
    /// What the verdict will be about; it names the session.
    pub binding: Binding,
}

/// Why a hold cannot begin. The statement is refused then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Too many wait already.
    #[error("{limit} statements wait for approval already; answer some of them (portreeve approvals list)")]
    Full {
        /// The configured limit.
        limit: usize,
    },
    /// Too many of this uid's wait already.
    #[error("{limit} statements of uid {uid} wait for approval already; answer some of them")]
    FullForUid {
        /// Whose.
        uid: u32,
        /// The configured limit.
        limit: usize,
    },
    /// Another one waits under the same id: ids are short, and drawn by lot.
    #[error("another statement waits under the same id; try again")]
    Taken,
}

/// Why a reviewer's answer is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecideError {
    /// No statement waits under that id.
    #[error(
        "no statement waits as {id}: it was answered, given up or has expired; see portreeve approvals list"
    )]
    NotWaiting {
        /// The id as given.
        id: String,
    },
    /// The reviewer is who asked.
    #[error("{id} was asked for by uid {uid}, your own; another user has to approve it")]
    OwnRequest {
        /// The hold.
        id: String,
        /// The uid of both.
        uid: u32,
    },
}

/// How many holds there were since the start, by their end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// All that were asked for.
    pub asked: u64,
    /// Approved.
    pub approved: u64,
    /// Denied by a reviewer.
    pub denied: u64,
    /// Waiting now.
    pub waiting: u64,
}

/// All holds of this daemon. Cheap to clone; shared by all workers.
#[derive(Debug, Clone)]
pub struct Approvals {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: Config,
    waiting: Mutex<HashMap<String, Entry>>,
    /// Moves when a hold begins or ends.
    changed: watch::Sender<u64>,
    asked: AtomicU64,
    approved: AtomicU64,
    denied: AtomicU64,
}

/// One hold.
#[derive(Debug)]
struct Entry {
    uid: u32,
    view: protocol::Hold,
    binding: Binding,
    expires: Instant,
    verdict: oneshot::Sender<Verdict>,
}

impl Inner {
    fn waiting(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a hold off the list.
    fn remove(&self, id: &str) -> Option<Entry> {
        let entry = self.waiting().remove(id);
        if entry.is_some() {
            self.changed.send_modify(|moves| *moves += 1);
        }
        entry
    }
}

impl Approvals {
    /// An empty list.
    pub fn new(config: Config) -> Self {
        Approvals {
            inner: Arc::new(Inner {
                config,
                waiting: Mutex::default(),
                changed: watch::Sender::new(0),
                asked: AtomicU64::new(0),
                approved: AtomicU64::new(0),
                denied: AtomicU64::new(0),
            }),
        }
    }

    /// How long a statement waits before it is denied.
    pub fn patience(&self) -> Duration {
        Duration::from_secs(self.inner.config.expire_seconds).min(MAXIMUM)
    }

    /// Puts a statement on the list. It stands there until a reviewer answers, the [`Held`] is dropped, or its
    /// time is over.
    pub fn register(&self, ask: Ask) -> Result<Held, Error> {
        let config = &self.inner.config;
        let now = Timestamp::now();
        let until = i64::try_from(ask.expires_us).ok().and_then(|us| Timestamp::from_microsecond(us).ok());
        let until = until.unwrap_or(Timestamp::MAX);
        // What the wall clock does from here on does not matter.
        let left = Duration::try_from(now.duration_until(until)).unwrap_or(Duration::ZERO).min(MAXIMUM);
        let expires = Instant::now() + left;
        let (verdict, answer) = oneshot::channel();
        let (uid, id, binding) = (ask.principal.uid, ask.id.clone(), ask.binding);
        let view = protocol::Hold::new(ask, now, until);
        {
            let mut waiting = self.inner.waiting();
            if waiting.len() >= config.pending {
                return Err(Error::Full { limit: config.pending });
            }
            let limit = config.pending_per_uid;
            if waiting.values().filter(|entry| entry.uid == uid).count() >= limit {
                return Err(Error::FullForUid { uid, limit });
            }
            match waiting.entry(id.clone()) {
                hash_map::Entry::Occupied(_) => return Err(Error::Taken),
                hash_map::Entry::Vacant(free) => {
                    free.insert(Entry { uid, view, binding, expires, verdict });
                }
            }
        }
        self.inner.asked.fetch_add(1, Ordering::Relaxed);
        self.inner.changed.send_modify(|moves| *moves += 1);
        Ok(Held::new(id, self.inner.clone(), expires, answer))
    }

    /// All that waits, the oldest first.
    pub fn list(&self) -> Vec<protocol::Hold> {
        let now = Instant::now();
        let waiting = self.inner.waiting();
        let mut live: Vec<&Entry> = waiting.values().filter(|entry| entry.expires > now).collect();
        live.sort_by_key(|entry| entry.expires);
        live.into_iter().map(|entry| entry.view.clone()).collect()
    }

    /// One that waits.
    pub fn show(&self, id: &str) -> Result<protocol::Hold, DecideError> {
        let waiting = self.inner.waiting();
        let entry = waiting.get(id).filter(|entry| entry.expires > Instant::now());
        entry.map(|entry| entry.view.clone()).ok_or_else(|| DecideError::NotWaiting { id: id.to_owned() })
    }

    /// Answers a hold, once. `reviewer` is how the record calls the one with `uid`, who may not approve what the
    /// same uid asked for, root included; to deny it is open to all.
    pub fn decide(
        &self,
        id: &str,
        answer: Answer,
        uid: u32,
        reviewer: &str,
        reason: &str,
    ) -> Result<(), DecideError> {
        let gone = || DecideError::NotWaiting { id: id.to_owned() };
        let entry = {
            let mut waiting = self.inner.waiting();
            let entry = waiting.get(id).filter(|entry| entry.expires > Instant::now()).ok_or_else(gone)?;
            if answer == Answer::Approve && entry.uid == uid {
                return Err(DecideError::OwnRequest { id: id.to_owned(), uid });
            }
            waiting.remove(id).ok_or_else(gone)?
        };
        self.inner.changed.send_modify(|moves| *moves += 1);
        let verdict = Verdict {
            binding: entry.binding,
            answer,
            reviewer: reviewer.to_owned(),
            reason: reason.to_owned(),
        };
        // The session may have gone this very moment: then nothing has been answered.
        entry.verdict.send(verdict).map_err(|_| gone())?;
        let count = match answer {
            Answer::Approve => &self.inner.approved,
            Answer::Deny => &self.inner.denied,
        };
        count.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Moves when a hold begins or ends.
    fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changed.subscribe()
    }

    /// For `status`.
    pub fn counts(&self) -> Counts {
        Counts {
            asked: self.inner.asked.load(Ordering::Relaxed),
            approved: self.inner.approved.load(Ordering::Relaxed),
            denied: self.inner.denied.load(Ordering::Relaxed),
            waiting: self.inner.waiting().len() as u64,
        }
    }
}

/// The longest expiry, a year: beyond it clocks overflow.
const MAXIMUM: Duration = Duration::from_secs(365 * 24 * 3600);

#[cfg(test)]
mod tests;
