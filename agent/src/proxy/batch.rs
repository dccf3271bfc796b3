//! Turns of many sessions, made safe with one write.
//!
//! What a turn gives may move only when its records are on disk, and a write costs about as much as all else that a small
//! statement needs. So the records of all sessions that had something to do at the same time are written together, when
//! each of them has had its turn; until then what a turn gave stays where it is. A session that is alone does not wait.
//! If the disk does not take the records, none of these turns has happened, and each session is told.

use std::cell::{RefCell, RefMut};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};

use crate::recorder::{Error, LaneWriter};

/// A worker's lane, and whoever waits for it to be written.
pub(super) struct Batch {
    lane: RefCell<LaneWriter>,
    waiting: RefCell<Vec<Rc<Standing>>>,
}

/// How it stands with the records of one session's turns.
#[derive(Debug, Default)]
pub(super) struct Standing {
    state: RefCell<State>,
    waker: RefCell<Option<Waker>>,
}

#[derive(Debug, Default)]
enum State {
    /// They are on disk.
    #[default]
    Safe,
    /// They are to be written.
    Waits,
    /// They could not be.
    Lost(Arc<Error>),
}

impl Batch {
    pub(super) fn new(lane: LaneWriter) -> Self {
        Batch { lane: RefCell::new(lane), waiting: RefCell::default() }
    }

    /// The lane, for a turn's records.
    pub(super) fn lane(&self) -> RefMut<'_, LaneWriter> {
        self.lane.borrow_mut()
    }

    /// A session's turn has appended records.
    pub(super) fn join(&self, standing: &Rc<Standing>) {
        if !standing.waits() {
            standing.state.replace(State::Waits);
            self.waiting.borrow_mut().push(Rc::clone(standing));
        }
    }

    /// Writes what was appended, and tells whoever waits for it.
    pub(super) fn commit(&self) {
        if self.waiting.borrow().is_empty() {
            return;
        }
        let written = self.lane.borrow_mut().commit();
        self.settle(written.err().map(Arc::new).as_ref());
    }

    /// Takes back what was appended. A record that cannot be made is as good as a disk that is full.
    pub(super) fn discard(&self, error: Error) {
        self.lane.borrow_mut().discard();
        self.settle(Some(&Arc::new(error)));
    }

    fn settle(&self, lost: Option<&Arc<Error>>) {
        for standing in self.waiting.borrow_mut().drain(..) {
            standing.state.replace(lost.map_or(State::Safe, |error| State::Lost(Arc::clone(error))));
            if let Some(waker) = standing.waker.take() {
                waker.wake();
            }
        }
    }
}

impl Standing {
    /// The records are still to be written.
    pub(super) fn waits(&self) -> bool {
        matches!(*self.state.borrow(), State::Waits)
    }

    /// The task is polled again when they are, or cannot be.
    pub(super) fn wake(&self, cx: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        match &mut *waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => *waker = Some(cx.waker().clone()),
        }
    }

    /// Why they could not be written, if they could not. It is said once.
    pub(super) fn lost(&self) -> Option<Arc<Error>> {
        let mut state = self.state.borrow_mut();
        match &*state {
            State::Lost(error) => {
                let error = Arc::clone(error);
                *state = State::Safe;
                Some(error)
            }
            State::Safe | State::Waits => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use evidence::{Body, Digest, Protocol, SessionId, Statement};

    use super::*;
    use crate::recorder::{Config, HostInfo, Recorder};

    /// A lane on a disk of so many bytes.
    fn batch(folder: &std::path::Path, budget: u64) -> (Recorder, Batch) {
        let config = Config { directory: folder.into(), disk_budget: budget, ..Config::default() };
        let host = HostInfo::of_this_host(Digest::of(b"policy"), Digest::of(b"config"));
        let recorder = Recorder::open(&config, host, 1).unwrap();
        let batch = Batch::new(recorder.lane(1).unwrap());
        (recorder, batch)
    }

    /// A turn with a record.
    fn turn(recorder: &Recorder, batch: &Batch, standing: &Rc<Standing>) {
        let statement = Statement { text: b"SELECT 1".into(), ..Statement::new(Protocol::Simple) };
        let session = Some((SessionId([7; 16]), 0));
        batch.lane().append(session, &Body::Statement(statement), recorder.clock().now()).unwrap();
        batch.join(standing);
    }

    #[test]
    fn nothing_moves_before_the_write_and_everything_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let (recorder, batch) = batch(folder.path(), 1 << 20);
        let sessions: [Rc<Standing>; 3] = Default::default();
        for standing in [&sessions[0], &sessions[1], &sessions[0]] {
            turn(&recorder, &batch, standing);
        }
        assert_eq!(sessions.each_ref().map(|standing| standing.waits()), [true, true, false]);
        batch.commit();
        assert!(sessions.iter().all(|standing| !standing.waits() && standing.lost().is_none()));
        assert!(!batch.lane().is_pending() && batch.waiting.borrow().is_empty());
    }

    #[test]
    fn a_disk_that_is_full_is_told_to_each_once_and_to_nobody_later() {
        let folder = tempfile::tempdir().unwrap();
        let (recorder, batch) = batch(folder.path(), 1);
        let sessions: [Rc<Standing>; 2] = Default::default();
        for standing in &sessions {
            turn(&recorder, &batch, standing);
        }
        batch.commit();
        for standing in &sessions {
            assert!(!standing.waits());
            assert!(matches!(standing.lost().as_deref(), Some(Error::Full { .. })));
            assert!(standing.lost().is_none());
        }
        let later = Rc::default();
        batch.commit();
        assert!(!Standing::waits(&later) && later.lost().is_none() && !batch.lane().is_pending());
    }
}
