//! What is known of all names. It is told the time and the answers, and asks for nothing itself.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// How many addresses that a name has left and nobody uses are kept: one that answers with others each time must not
/// fill the kernel's set.
const MOST_KEPT: usize = 64;

/// Each address of a name; of one that the name has left, since when.
pub(super) type Addresses = BTreeMap<IpAddr, Option<Instant>>;

/// Everything that is known.
#[derive(Debug, Default)]
pub(super) struct Book {
    names: BTreeMap<String, Entry>,
    news: Vec<News>,
    generation: u64,
}

#[derive(Debug, Default)]
struct Entry {
    addresses: Addresses,
    failure: Option<Failure>,
    /// When it was last answered for.
    answered: Option<Instant>,
}

#[derive(Debug)]
struct Failure {
    error: String,
    since: Instant,
}

/// An address of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// The address.
    pub ip: IpAddr,
    /// Whether the name stands for it now, or stood for it until lately.
    pub now: bool,
}

/// What has happened to a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// It stands for an address that was not known of it, or was answered for the first time.
    Found {
        /// The name.
        name: String,
        /// All that it stands for now.
        now: Vec<IpAddr>,
        /// What it stood for until lately, and is kept.
        kept: Vec<IpAddr>,
    },
    /// An address that it has left is not kept any more.
    Gone {
        /// The name.
        name: String,
        /// The address.
        address: IpAddr,
    },
    /// It began to fail.
    Failing {
        /// The name.
        name: String,
        /// What the resolver says.
        error: String,
    },
    /// It is answered for again.
    Recovered {
        /// The name.
        name: String,
    },
}

/// How a name is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// What it stands for now.
    pub now: Vec<IpAddr>,
    /// What it has left and is kept, with how long ago it left.
    pub kept: Vec<(IpAddr, Duration)>,
    /// What the resolver says since it fails, and for how long it has.
    pub failing: Option<(String, Duration)>,
    /// How long ago it was last answered for.
    pub answered: Option<Duration>,
}

impl Book {
    /// A name to know of, with what was remembered of it.
    pub(super) fn add(&mut self, name: &str, addresses: Addresses) {
        self.generation += 1;
        self.names.insert(name.to_owned(), Entry { addresses, ..Entry::default() });
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.generation += 1;
        self.names.remove(name);
    }

    /// Takes the resolver's answer. Returns whether the addresses moved.
    pub(super) fn answer(
        &mut self,
        name: &str,
        answer: Result<BTreeSet<IpAddr>, String>,
        now: Instant,
    ) -> bool {
        let Some(entry) = self.names.get_mut(name) else { return false };
        let name = name.to_owned();
        let found = match answer {
            Ok(found) => found,
            Err(error) => {
                let since = entry.failure.as_ref().map(|failure| failure.since);
                if since.is_none() {
                    self.news.push(News::Failing { name, error: error.clone() });
                }
                entry.failure = Some(Failure { error, since: since.unwrap_or(now) });
                return false;
            }
        };
        if entry.failure.take().is_some() {
            self.news.push(News::Recovered { name: name.clone() });
        }
        let is_first = entry.answered.replace(now).is_none();
        let is_new = found.iter().any(|address| !entry.addresses.contains_key(address));
        let before = entry.addresses.clone();
        for (address, left) in &mut entry.addresses {
            if !found.contains(address) {
                left.get_or_insert(now);
            }
        }
        entry.addresses.extend(found.into_iter().map(|address| (address, None)));
        if is_first || is_new {
            let (now, kept) = (entry.of(true).collect(), entry.of(false).collect());
            self.news.push(News::Found { name, now, kept });
        }
        let moved = entry.addresses != before;
        self.generation += u64::from(moved);
        moved
    }

    /// Lets go of what was left for as long as `keep` and is not used. Returns whether anything went.
    pub(super) fn let_go(
        &mut self,
        keep: Duration,
        now: Instant,
        is_used: impl Fn(&str, IpAddr) -> bool,
    ) -> bool {
        let before = self.news.len();
        for (name, entry) in &mut self.names {
            let left = entry.addresses.iter().filter_map(|(address, left)| Some((*left.as_ref()?, *address)));
            let mut unused: Vec<(Instant, IpAddr)> =
                left.filter(|(_, address)| !is_used(name, *address)).collect();
            // The longest gone first.
            unused.sort_unstable();
            let surplus = unused.len().saturating_sub(MOST_KEPT);
            for (place, (left, address)) in unused.into_iter().enumerate() {
                if place < surplus || now.saturating_duration_since(left) >= keep {
                    entry.addresses.remove(&address);
                    self.news.push(News::Gone { name: name.clone(), address });
                }
            }
        }
        let went = self.news.len() > before;
        self.generation += u64::from(went);
        went
    }

    /// Whether every name has been answered for, well or not.
    pub(super) fn is_settled(&self) -> bool {
        self.names.values().all(|entry| entry.answered.is_some() || entry.failure.is_some())
    }

    pub(super) fn addresses(&self, name: &str) -> Vec<Address> {
        let entry = self.names.get(name).into_iter();
        let all = entry.flat_map(|entry| &entry.addresses);
        all.map(|(ip, left)| Address { ip: *ip, now: left.is_none() }).collect()
    }

    /// All addresses of all names.
    pub(super) fn known(&self) -> BTreeMap<String, Addresses> {
        self.names.iter().map(|(name, entry)| (name.clone(), entry.addresses.clone())).collect()
    }

    pub(super) fn news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn status(&self, name: &str, now: Instant) -> Option<Status> {
        let entry = self.names.get(name)?;
        let ago = |then: Instant| now.saturating_duration_since(then);
        let kept = entry.addresses.iter().filter_map(|(ip, left)| Some((*ip, ago((*left)?))));
        Some(Status {
            now: entry.of(true).collect(),
            kept: kept.collect(),
            failing: entry.failure.as_ref().map(|failure| (failure.error.clone(), ago(failure.since))),
            answered: entry.answered.map(ago),
        })
    }
}

impl Entry {
    fn of(&self, now: bool) -> impl Iterator<Item = IpAddr> {
        self.addresses.iter().filter(move |(_, left)| left.is_none() == now).map(|(address, _)| *address)
    }
}
