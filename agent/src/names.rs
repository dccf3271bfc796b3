//! Host names, followed: which addresses each stands for now, and which it stood for until lately.
//!
//! Each name is asked for again and again, of the system's own resolver, so that `/etc/hosts`, search domains and
//! NSS count as they do for the jobs. A failure takes nothing away. An address that a name has left is kept for a
//! while, because other caches still hold it, and as long as whoever asks says that it is used. What was known is
//! kept in a file too: a daemon that starts while the resolver is away goes on with what the one before it knew.
//!
//! This module must never know why a name matters, what is protected, or who connects.

#![forbid(unsafe_code)]

mod book;
mod config;
mod memory;
mod resolver;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

pub use book::{Address, News, Status};
pub use config::Config;
pub use resolver::{Resolve, Resolving, System};

use book::Book;
use memory::Memory;

/// How long a name may take before its failure is told. It is waited for all the same: a second question would only
/// queue behind the first.
const PATIENCE: Duration = Duration::from_secs(5);

/// When a name that failed is asked for again.
const RETRY: Duration = Duration::from_secs(2);

/// How many names are asked for at once, each of which may hold one of the runtime's threads for blocking calls.
const AT_ONCE: usize = 16;

/// The names that are followed, as long as this lives.
pub struct Names {
    shared: Arc<Shared>,
    tasks: Mutex<BTreeMap<String, AbortHandle>>,
}

struct Shared {
    every: Duration,
    keep: Duration,
    resolver: Box<dyn Resolve>,
    turns: Semaphore,
    book: Mutex<Book>,
    memory: Mutex<Memory>,
    answered: watch::Sender<()>,
}

impl Names {
    /// Follows no name yet. What an earlier daemon knew is read from the file of the configuration.
    pub fn new(config: &Config, resolver: impl Resolve) -> Self {
        let shared = Arc::new(Shared {
            every: Duration::from_secs(config.resolve_seconds.get()),
            keep: Duration::from_secs(config.keep_seconds),
            resolver: Box::new(resolver),
            turns: Semaphore::new(AT_ONCE),
            book: Mutex::default(),
            memory: Mutex::new(Memory::open(&config.file)),
            answered: watch::Sender::new(()),
        });
        Names { shared, tasks: Mutex::default() }
    }

    /// Follows these names too. Must run inside a tokio runtime with time, which then does the asking.
    pub fn follow(&self, names: &BTreeSet<String>) {
        let mut tasks = lock(&self.tasks);
        for name in names {
            if tasks.contains_key(name) {
                continue;
            }
            let remembered = lock(&self.shared.memory).take(name, now());
            lock(&self.shared.book).add(name, remembered);
            let task = tokio::spawn(follow(Arc::clone(&self.shared), name.clone()));
            tasks.insert(name.clone(), task.abort_handle());
        }
    }

    /// Follows no other names than these any more.
    pub fn retain(&self, names: &BTreeSet<String>) {
        lock(&self.tasks).retain(|name, task| {
            let stays = names.contains(name);
            if !stays {
                task.abort();
                lock(&self.shared.book).remove(name);
            }
            stays
        });
        self.shared.remember();
    }

    /// Waits until every name has been answered for or is late. Never longer than twice the patience with one.
    pub async fn settled(&self) {
        let mut answered = self.shared.answered.subscribe();
        let all = answered.wait_for(|()| lock(&self.shared.book).is_settled());
        // Those that had to queue behind late ones are told as not answered yet.
        drop(timeout(PATIENCE * 2, all).await);
    }

    /// What a name stands for, and stood for until lately. Nothing if it is not followed.
    pub fn addresses(&self, name: &str) -> Vec<Address> {
        lock(&self.shared.book).addresses(name)
    }

    /// Lets go of addresses that names have left, whose time is over and that `is_used` does not claim.
    pub fn let_go(&self, is_used: impl Fn(&str, IpAddr) -> bool) {
        if lock(&self.shared.book).let_go(self.shared.keep, now(), is_used) {
            self.shared.remember();
        }
    }

    /// What has happened since this was last asked.
    pub fn news(&self) -> Vec<News> {
        lock(&self.shared.book).news()
    }

    /// Moves with every change of what [`Names::addresses`] gives.
    pub fn generation(&self) -> u64 {
        lock(&self.shared.book).generation()
    }

    /// How a name is doing.
    pub fn status(&self, name: &str) -> Option<Status> {
        lock(&self.shared.book).status(name, now())
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        for task in lock(&self.tasks).values() {
            task.abort();
        }
    }
}

impl Shared {
    fn told(&self, name: &str, answer: Result<BTreeSet<IpAddr>, String>) {
        let moved = lock(&self.book).answer(name, answer, now());
        if moved {
            self.remember();
        }
        self.answered.send_replace(());
    }

    fn remember(&self) {
        let known = lock(&self.book).known();
        lock(&self.memory).write(&known, now());
    }
}

/// Asks for one name, for ever.
async fn follow(shared: Arc<Shared>, name: String) {
    loop {
        let answer = {
            let _turn = shared.turns.acquire().await;
            let mut asked = shared.resolver.resolve(&name);
            match timeout(PATIENCE, &mut asked).await {
                Ok(answer) => answer,
                Err(_) => {
                    shared.told(&name, Err(format!("no answer within {} s", PATIENCE.as_secs())));
                    asked.await
                }
            }
        };
        let pause = if answer.is_ok() { shared.every } else { RETRY.min(shared.every) };
        shared.told(&name, answer.map_err(|error| error.to_string()));
        sleep(pause).await;
    }
}

/// The time by tokio's clock, which tests can stop.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// A lock whose holder panicked guards nothing half-done here: an entry is set in one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
