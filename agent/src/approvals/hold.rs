//! A session's end of a hold.
//!
//! It belongs to the session's own runtime; when it is dropped the hold is off the list.

use std::sync::Arc;
use std::time::Instant;

use policy::Verdict;
use tokio::sync::oneshot;

use super::Inner;

/// How a hold ended, as far as reviewers and the clock are concerned. That the client cancelled or went away,
/// the session knows itself, and drops its [`Held`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A reviewer answered.
    Verdict(Verdict),
    /// Nobody did in time.
    Expired,
}

/// One statement on the list, for as long as this value lives.
#[derive(Debug)]
#[must_use = "the statement waits only as long as this value lives"]
pub struct Held {
    id: String,
    inner: Arc<Inner>,
    expires: Instant,
    answer: oneshot::Receiver<Verdict>,
    ended: bool,
}

impl Held {
    pub(super) fn new(
        id: String,
        inner: Arc<Inner>,
        expires: Instant,
        answer: oneshot::Receiver<Verdict>,
    ) -> Self {
        Held { id, inner, expires, answer, ended: false }
    }

    /// The id that reviewers type, such as `h-7k3f9`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// When it expires.
    pub const fn expires(&self) -> Instant {
        self.expires
    }

    /// Waits for the end. Nothing is lost if the wait is given up and begun again; once it has ended it is
    /// [`Outcome::Expired`] for ever.
    pub async fn outcome(&mut self) -> Outcome {
        if self.ended {
            return Outcome::Expired;
        }
        let outcome = tokio::select! {
            // A verdict that came in time counts, also when it is seen late.
            biased;
            verdict = &mut self.answer => verdict.map_or(Outcome::Expired, Outcome::Verdict),
            () = tokio::time::sleep_until(self.expires.into()) => Outcome::Expired,
        };
        self.ended = true;
        self.inner.remove(&self.id);
        outcome
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.ended {
            self.inner.remove(&self.id);
        }
    }
}
