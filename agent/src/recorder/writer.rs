//! One lane's way to the disk: a turn's records are buffered, then written at once, or taken back.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use evidence::segment::{self, HEAD_LEN, Head};
use evidence::{Appended, Body, Lane, Mark, SessionId, Times, Tip};

use super::{Error, Shared, SyncMode, folder, lock};

/// A buffer that a large turn made larger than this is let go.
const BUFFER_KEPT: usize = 1 << 20;

/// The writing end of a lane, owned by one worker.
#[derive(Debug)]
pub struct LaneWriter {
    shared: Arc<Shared>,
    lane: Lane,
    /// Where the chain stood when the turn began.
    mark: Mark,
    head: Head,
    buffer: Vec<u8>,
    segment: Option<Segment>,
}

#[derive(Debug)]
struct Segment {
    file: File,
    path: PathBuf,
    /// Bytes that are part of the record.
    good: u64,
    /// Whether there may be bytes beyond those, of a write that failed.
    dirty: bool,
}

impl LaneWriter {
    pub(super) fn new(shared: Arc<Shared>, lane: Lane) -> Self {
        let (mark, head) = (lane.mark(), lane.segment_head());
        LaneWriter { shared, lane, mark, head, buffer: Vec::new(), segment: None }
    }

    /// The lane's number.
    pub fn number(&self) -> u32 {
        self.lane.number()
    }

    /// Appends a record to the turn. It is part of the record once [`LaneWriter::commit`] has said so.
    ///
    /// A session's end gets the tips of all lanes here.
    ///
    /// # Errors
    /// [`Error::TooLarge`], and nothing was appended.
    pub fn append(
        &mut self,
        session: Option<(SessionId, u64)>,
        body: &Body<'_>,
        times: Times,
    ) -> Result<Appended, Error> {
        let appended = match body {
            Body::SessionEnd(end) => {
                let mut end = end.clone();
                end.tips = self.lane.tip().into_iter().chain(self.shared.tips(self.number())).collect();
                end.tips.sort_by_key(|tip| tip.lane);
                self.lane.append(session, &Body::SessionEnd(end), times, &mut self.buffer)
            }
            body => self.lane.append(session, body, times, &mut self.buffer),
        };
        Ok(appended?)
    }

    /// Whether the turn has records that are not written yet.
    pub fn is_pending(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Takes back what the turn has appended.
    pub fn discard(&mut self) {
        self.lane.rollback(self.mark);
        self.turn_over();
    }

    /// Writes the turn's records with one write. What they describe may move on only after this.
    ///
    /// After an error none of them is part of the record; the next turn tries again.
    pub fn commit(&mut self) -> Result<(), Error> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let shared = Arc::clone(&self.shared);
        let Some(slot) = shared.tips.get(self.lane.number() as usize) else {
            return Err(Error::Stopped);
        };
        // Nobody but a beat or the stop asks for it, and these for no longer than it takes to copy it.
        let mut tip = lock(slot);
        if shared.stopped.load(Ordering::Acquire) {
            self.discard();
            return Err(Error::Stopped);
        }
        self.write(false)?;
        *tip = self.lane.tip();
        Ok(())
    }

    /// Like [`LaneWriter::commit`], for the host's own lane, whose last record is the stop itself.
    pub(super) fn commit_host(&mut self) -> Result<(), Error> {
        self.write(true)?;
        if let Some(slot) = self.shared.tips.get(self.lane.number() as usize) {
            *lock(slot) = self.lane.tip();
        }
        Ok(())
    }

    pub(super) fn tip(&self) -> Option<Tip> {
        self.lane.tip()
    }

    fn write(&mut self, is_host: bool) -> Result<(), Error> {
        let result = self.try_write(is_host);
        match &result {
            Ok(()) => {
                self.shared.budget.set_failing(false);
                self.turn_over();
            }
            Err(error) => {
                // A spool that is full by its budget is not a failing disk: it is told by its usage.
                if !matches!(error, Error::Full { .. }) {
                    self.shared.budget.set_failing(true);
                }
                self.discard();
            }
        }
        result
    }

    fn turn_over(&mut self) {
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_KEPT);
        self.mark = self.lane.mark();
        self.head = self.lane.segment_head();
    }

    fn try_write(&mut self, is_host: bool) -> Result<(), Error> {
        let bytes = self.buffer.len() as u64;
        if self.segment.as_ref().is_some_and(|segment| {
            segment.good > HEAD_LEN as u64 && segment.good.saturating_add(bytes) > self.shared.segment_bytes
        }) {
            // A failed write's leftovers go before the file is left for good.
            self.mend()?;
            self.segment = None;
        }
        if self.segment.is_none() {
            self.shared.budget.take(HEAD_LEN as u64, is_host)?;
            match self.create() {
                Ok(segment) => self.segment = Some(segment),
                Err(error) => {
                    self.shared.budget.give_back(HEAD_LEN as u64);
                    return Err(error);
                }
            }
        }
        self.mend()?;
        let Some(segment) = &mut self.segment else { return Ok(()) };
        self.shared.budget.take(bytes, is_host)?;
        match segment.write(&self.buffer, self.shared.sync) {
            Ok(()) => Ok(()),
            Err(source) => {
                self.shared.budget.give_back(bytes);
                let path = segment.path.clone();
                // Where even this fails, the lane stays failed until it does not.
                let _ = segment.mend();
                Err(Error::Write { path, source })
            }
        }
    }

    /// Removes what a failed write has left behind.
    fn mend(&mut self) -> Result<(), Error> {
        let Some(segment) = &mut self.segment else { return Ok(()) };
        segment.mend().map_err(|source| Error::Write { path: segment.path.clone(), source })
    }

    fn create(&self) -> Result<Segment, Error> {
        let path = self.shared.directory.join(segment::file_name(self.head.lane, self.head.first));
        let mut head = Vec::with_capacity(HEAD_LEN);
        self.head.encode(&mut head);
        let create = || {
            let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path)?;
            let mut segment = Segment { file, path: path.clone(), good: 0, dirty: false };
            if let Err(error) = segment.write(&head, self.shared.sync) {
                std::fs::remove_file(&path)?;
                return Err(error);
            }
            if self.shared.sync == SyncMode::Data {
                folder::sync(&self.shared.directory)?;
            }
            Ok(segment)
        };
        create().map_err(|source| Error::Write { path: path.clone(), source })
    }
}

impl Segment {
    fn write(&mut self, bytes: &[u8], sync: SyncMode) -> io::Result<()> {
        self.dirty = true;
        self.file.write_all(bytes)?;
        if sync == SyncMode::Data {
            self.file.sync_data()?;
        }
        self.dirty = false;
        self.good += bytes.len() as u64;
        Ok(())
    }

    fn mend(&mut self) -> io::Result<()> {
        if self.dirty {
            self.file.set_len(self.good)?;
            self.dirty = false;
        }
        Ok(())
    }
}
