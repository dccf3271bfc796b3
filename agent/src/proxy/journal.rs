//! A session's way into its worker's lane of the record.

use evidence::{Body, SessionId, Times, TooLarge};

use crate::recorder::{Error, LaneWriter};

/// The lane, as a session sees it for one step.
pub(super) struct LaneJournal<'a> {
    pub(super) lane: &'a mut LaneWriter,
    /// Something was appended.
    pub(super) appended: bool,
    /// The first error but that of a record that is too long: the driver ends the session by it.
    pub(super) failed: Option<Error>,
}

impl session::Journal for LaneJournal<'_> {
    fn append(&mut self, session: (SessionId, u64), body: &Body<'_>, times: Times) -> Result<(), TooLarge> {
        match self.lane.append(Some(session), body, times) {
            Ok(_) => {
                self.appended = true;
                Ok(())
            }
            Err(Error::TooLarge(error)) => Err(error),
            Err(error) => {
                self.failed.get_or_insert(error);
                Ok(())
            }
        }
    }
}
