//! What is recorded of these connections, so that a flood of them is no flood of records.
//!
//! Of one workload, one destination and one outcome the first is recorded at once, and what follows within a few
//! seconds is added up and recorded after them. The account is bounded: a workload that tries many destinations is
//! recorded with their number. Only what is let through keeps its destination always, and is refused otherwise.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use policy::Principal;

use crate::recorder;

/// For how long they are added up.
const WINDOW: Duration = Duration::from_secs(10);

/// How many destinations of one workload have accounts of their own at once.
const MOST_DESTINATIONS: usize = 32;

/// How many accounts there are at once.
const MOST_ACCOUNTS: usize = 1024;

/// What became of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// It was refused.
    Refused,
    /// It was let through.
    Passed,
    /// One that was let through has ended.
    Ended {
        /// Bytes to the server.
        sent: u64,
        /// Bytes to the workload.
        received: u64,
    },
}

/// What is to be recorded.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    /// What became of them; the bytes are those of all.
    pub(super) what: What,
    /// The last one's workload; of many workloads none.
    pub(super) who: Option<&'a Principal>,
    /// Where to; of many destinations none.
    pub(super) to: Option<SocketAddr>,
    /// How many they are.
    pub(super) count: u64,
}

/// Why a connection must not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoteError {
    /// It would have to keep its destination, and there are too many.
    Crowded,
    /// The record takes nothing.
    Unrecorded,
}

/// The accounts.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    accounts: Mutex<HashMap<Key, Account>>,
}

/// What is added up together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    kind: &'static str,
    /// uid, cgroup and network namespace.
    who: Option<(u32, u64, u64)>,
    to: Option<SocketAddr>,
}

#[derive(Debug)]
struct Account {
    /// When it was last recorded, or that was tried.
    recorded: Instant,
    /// What has come since: the last one, and how many.
    what: What,
    last: Principal,
    count: u64,
}

impl What {
    /// A short name for the record.
    pub(super) fn kind(self) -> &'static str {
        match self {
            What::Refused => "unmatched-refused",
            What::Passed => "unmatched-passed",
            What::Ended { .. } => "unmatched-ended",
        }
    }

    fn plus(self, other: What) -> What {
        match (self, other) {
            (What::Ended { sent, received }, What::Ended { sent: more, received: back }) => {
                What::Ended { sent: sent.saturating_add(more), received: received.saturating_add(back) }
            }
            (_, other) => other,
        }
    }
}

impl Ledger {
    /// Notes what became of a connection. When this returns well, it is recorded or will be.
    ///
    /// # Errors
    ///
    /// Only of [`What::Passed`]: it is not recorded, and must not pass.
    pub(super) fn note(
        &self,
        now: Instant,
        what: What,
        who: &Principal,
        to: SocketAddr,
        write: impl FnMut(&Entry<'_>) -> Result<(), recorder::Error>,
    ) -> Result<(), NoteError> {
        let mut accounts = self.lock();
        let key = key(&accounts, what, who, to).ok_or(NoteError::Crowded)?;
        let is_new = !accounts.contains_key(&key);
        let account = accounts.entry(key.clone()).or_insert_with(|| Account {
            recorded: now,
            what,
            last: who.clone(),
            count: 0,
        });
        account.what = if account.count == 0 { what } else { account.what.plus(what) };
        account.last.clone_from(who);
        account.count += 1;
        let is_due = is_new || now.saturating_duration_since(account.recorded) >= WINDOW;
        if is_due && account.record(&key, now, write).is_err() && what == What::Passed {
            // It does not pass, so it is not to be told later that it did.
            account.count -= 1;
            if is_new {
                accounts.remove(&key);
            }
            return Err(NoteError::Unrecorded);
        }
        Ok(())
    }

    /// Records what has been added up for long enough, or `all` of it. What cannot be recorded stays.
    pub(super) fn flush(
        &self,
        now: Instant,
        all: bool,
        mut write: impl FnMut(&Entry<'_>) -> Result<(), recorder::Error>,
    ) {
        self.lock().retain(|key, account| {
            if !all && now.saturating_duration_since(account.recorded) < WINDOW {
                return true;
            }
            account.count > 0 && (account.record(key, now, &mut write).is_err() || !all)
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Account>> {
        // A panic of another holder leaves at worst a count that is too high.
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The account that a connection belongs to, with less and less of its own where there are too many. Nothing is
/// left out of what is let through: then there is none.
fn key(accounts: &HashMap<Key, Account>, what: What, who: &Principal, to: SocketAddr) -> Option<Key> {
    let whose = (who.uid, who.cgroup_id, who.netns);
    let key = Key { kind: what.kind(), who: Some(whose), to: Some(to) };
    // An end is one of as many as were let through, and those have been bounded.
    if accounts.contains_key(&key) || matches!(what, What::Ended { .. }) {
        return Some(key);
    }
    let alike = |account: &&Key| account.kind == key.kind && account.who == key.who;
    let is_full = accounts.len() >= MOST_ACCOUNTS;
    if !is_full && accounts.keys().filter(alike).count() < MOST_DESTINATIONS {
        return Some(key);
    }
    if what == What::Passed {
        return None;
    }
    let to_others = Key { to: None, ..key };
    if !is_full || accounts.contains_key(&to_others) {
        return Some(to_others);
    }
    Some(Key { who: None, ..to_others })
}

impl Account {
    /// Writes what has been added up, and begins anew. What cannot be written is tried again after another while.
    fn record(
        &mut self,
        key: &Key,
        now: Instant,
        mut write: impl FnMut(&Entry<'_>) -> Result<(), recorder::Error>,
    ) -> Result<(), recorder::Error> {
        self.recorded = now;
        let who = key.who.map(|_| &self.last);
        write(&Entry { what: self.what, who, to: key.to, count: self.count })?;
        self.count = 0;
        Ok(())
    }
}

impl fmt::Display for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.who {
            Some(who) => {
                let Principal { pid, uid, comm, .. } = who;
                write!(f, "pid {pid} ({comm}")?;
                if let Some(executable) = &who.executable {
                    write!(f, ", {executable}")?;
                }
                write!(f, ") of uid {uid}")?;
                if let Some(user) = &who.user {
                    write!(f, " ({user})")?;
                }
                match &who.cgroup {
                    Some(cgroup) => write!(f, " in {cgroup}")?,
                    None => write!(f, " in cgroup {}", who.cgroup_id)?,
                }
            }
            None => write!(f, "many workloads")?,
        }
        match self.to {
            Some(to) => write!(f, " to {to}, which no resource names")?,
            None => write!(f, " to other addresses that no resource names")?,
        }
        if let What::Ended { sent, received } = self.what {
            write!(f, ": {sent} bytes to it, {received} bytes from it")?;
        }
        Ok(())
    }
}
