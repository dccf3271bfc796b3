//! A graceful stop: one side gives the signal, the sessions hear it, and the stop waits for the last of them.
//!
//! This module counts and wakes. It does not know what a session is, or why there is a stop. It works across
//! threads and runtimes.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

/// The side that gives the signal. Dropping it gives the signal too.
#[derive(Debug)]
pub struct Drain {
    signal: watch::Sender<bool>,
    sessions: Arc<watch::Sender<usize>>,
}

/// The side that hears it. Cheap to clone, one for each task that cares.
#[derive(Debug, Clone)]
pub struct Watch {
    signal: watch::Receiver<bool>,
    sessions: Arc<watch::Sender<usize>>,
}

/// One session that the stop waits for, as long as this value lives.
#[derive(Debug)]
#[must_use = "the session counts only as long as this value lives"]
pub struct Session {
    sessions: Arc<watch::Sender<usize>>,
}

/// A drain and the first watch of it.
pub fn channel() -> (Drain, Watch) {
    let (signal, heard) = watch::channel(false);
    let sessions = Arc::new(watch::Sender::new(0));
    (Drain { signal, sessions: sessions.clone() }, Watch { signal: heard, sessions })
}

impl Drain {
    /// Gives the signal without waiting. Later calls change nothing.
    pub fn signal(&self) {
        self.signal.send_replace(true);
    }

    /// Gives the signal and waits until no session is left or `patience` is over. Returns how many are left.
    pub async fn drain(&self, patience: Duration) -> usize {
        self.signal();
        let mut sessions = self.sessions.subscribe();
        let _ = tokio::time::timeout(patience, sessions.wait_for(|left| *left == 0)).await;
        self.sessions()
    }

    /// How many sessions there are.
    pub fn sessions(&self) -> usize {
        *self.sessions.borrow()
    }

    /// Another watch of this drain.
    pub fn watch(&self) -> Watch {
        Watch { signal: self.signal.subscribe(), sessions: self.sessions.clone() }
    }
}

impl Watch {
    /// Waits for the signal.
    pub async fn signaled(&mut self) {
        // An error says that the drain is gone, and with it whoever could have waited for us.
        let _ = self.signal.wait_for(|given| *given).await;
    }

    /// Whether the signal has been given.
    pub fn is_signaled(&self) -> bool {
        *self.signal.borrow() || self.signal.has_changed().is_err()
    }

    /// Counts a session in, or `None` once the signal has been given: no session begins after that, and none
    /// that began before is missed by [`Drain::drain`].
    pub fn enter(&self) -> Option<Session> {
        // Counted before the look at the signal: whoever gives it counts afterwards.
        self.sessions.send_modify(|sessions| *sessions += 1);
        let session = Session { sessions: self.sessions.clone() };
        (!self.is_signaled()).then_some(session)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.sessions.send_modify(|sessions| *sessions = sessions.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run<T>(test: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
    }

    #[test]
    fn the_stop_waits_for_the_last_session_on_another_runtime() {
        let (drain, watch) = channel();
        let first = watch.enter().unwrap();
        let second = watch.enter().unwrap();
        let mut heard = watch.clone();
        let worker = std::thread::spawn(move || {
            run(async move {
                heard.signaled().await;
                drop((first, second));
            });
        });
        assert_eq!(run(drain.drain(Duration::from_secs(60))), 0);
        worker.join().unwrap();
    }

    #[test]
    fn a_session_that_stays_is_counted_when_the_deadline_is_over() {
        let (drain, watch) = channel();
        let _stays = watch.enter().unwrap();
        assert_eq!(run(drain.drain(Duration::ZERO)), 1);
    }

    #[test]
    fn no_session_begins_after_the_signal() {
        let (drain, watch) = channel();
        drain.signal();
        assert!(watch.enter().is_none() && watch.is_signaled());
        assert_eq!(drain.sessions(), 0);
    }

    #[test]
    fn a_drain_that_is_gone_is_a_signal() {
        let (drain, mut watch) = channel();
        drop(drain);
        run(watch.signaled());
        assert!(watch.is_signaled() && watch.enter().is_none());
    }
}
