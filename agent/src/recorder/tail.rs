//! Reads what was written, from where it was left: for whoever ships the record elsewhere.
//!
//! Of the running boot only what a commit has confirmed is given: a write that fails halfway is taken back, and
//! must not have been shipped. It must not know where the records go.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use evidence::segment::{self, FrameError, HEAD_LEN};
use evidence::{BootId, Header};

use super::folder::{self, SegmentFile};
use super::{Error, Recorder, Shared, Shipped, lock};

/// Bytes that are read of a segment at a time; a frame that is longer is read as a whole.
const READ: usize = 256 << 10;

/// One record with its bytes as they stand in the segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// What the header says.
    pub header: Header,
    /// The header's bytes: what the chain runs over.
    pub header_bytes: Vec<u8>,
    /// The body's bytes; empty where it was erased.
    pub body_bytes: Vec<u8>,
}

/// A reader that goes along with the lanes.
#[derive(Debug)]
pub struct Tail {
    shared: Arc<Shared>,
    directory: std::path::PathBuf,
    /// The place of the next record of each lane.
    next: Shipped,
    /// Where in which segment that record begins, where it is known.
    offsets: BTreeMap<(BootId, u32), (u64, u64)>,
    /// Whether the earlier boots, which do not grow, were read to their ends: there may be a thousand of them.
    is_past_earlier: bool,
}

impl Recorder {
    /// A reader of all boots' records from those on that `shipped` says are next; from the first of a lane that
    /// it does not name.
    pub fn tail(&self, shipped: Shipped) -> Tail {
        Tail {
            shared: Arc::clone(&self.shared),
            directory: self.config.directory.clone(),
            next: shipped,
            offsets: BTreeMap::new(),
            is_past_earlier: false,
        }
    }
}

impl Tail {
    /// The next records: of each lane in order, oldest boot first, about `most_bytes` in all. None where there is
    /// nothing new.
    ///
    /// # Errors
    /// Where the folder or a segment cannot be read. What was read until then is read again the next time.
    pub fn read(&mut self, most_bytes: usize) -> Result<Vec<Written>, Error> {
        let mut lanes: BTreeMap<(BootId, u32), Vec<SegmentFile>> = BTreeMap::new();
        let segments = if self.is_past_earlier {
            folder::scan_boot(&self.shared.directory, self.shared.boot)?
        } else {
            folder::scan(&self.directory)?
        };
        for segment in segments {
            lanes.entry((segment.boot, segment.lane)).or_default().push(segment);
        }
        // So that a busy lane does not keep the others waiting.
        let share = (most_bytes / lanes.len().max(1)).max(READ.min(most_bytes));
        let mut records: Vec<Written> = Vec::new();
        let mut after = Vec::new();
        let mut left = most_bytes;
        for (lane, segments) in &lanes {
            let Some(confirmed) = self.confirmed(*lane) else { continue };
            let mut reading = Reading {
                next: self.next.0.get(lane).copied().unwrap_or(0),
                offset: self.offsets.get(lane).copied(),
                confirmed,
                left: share.min(left),
                records: &mut records,
            };
            let before = reading.left;
            for segment in reading.remaining(segments) {
                if !reading.segment(segment)? {
                    break;
                }
            }
            left = left.saturating_sub(before - reading.left);
            after.push((*lane, reading.next, reading.offset));
            if left == 0 {
                break;
            }
        }
        let is_earlier = |boot: BootId| boot != self.shared.boot;
        self.is_past_earlier |= left > 0 && !records.iter().any(|record| is_earlier(record.header.boot));
        for (lane, next, offset) in after {
            self.next.0.insert(lane, next);
            self.offsets.extend(offset.map(|offset| (lane, offset)));
        }
        Ok(records)
    }

    /// How far this has read.
    pub fn position(&self) -> &Shipped {
        &self.next
    }

    /// The last record of a lane that is surely part of the record; `None` if there is none.
    fn confirmed(&self, (boot, lane): (BootId, u32)) -> Option<u64> {
        if boot != self.shared.boot {
            return Some(u64::MAX);
        }
        let tip = *lock(self.shared.tips.get(lane as usize)?);
        Some(tip?.sequence)
    }
}

struct Reading<'r> {
    next: u64,
    /// First sequence of a segment, and where in it the next record begins.
    offset: Option<(u64, u64)>,
    confirmed: u64,
    left: usize,
    records: &'r mut Vec<Written>,
}

impl Reading<'_> {
    /// The segments from the one on that has the next record.
    fn remaining<'s>(&self, segments: &'s [SegmentFile]) -> &'s [SegmentFile] {
        let at = segments.partition_point(|segment| segment.first <= self.next).saturating_sub(1);
        segments.get(at..).unwrap_or_default()
    }

    /// Reads a segment's records; false where the lane has nothing more for this time.
    fn segment(&mut self, segment: &SegmentFile) -> Result<bool, Error> {
        let failed = |source| Error::Read { path: segment.path.clone(), source };
        let file = File::open(&segment.path).map_err(failed)?;
        let mut at = match self.offset {
            Some((first, offset)) if first == segment.first => offset,
            _ => HEAD_LEN as u64,
        };
        let mut want = READ;
        loop {
            let bytes = read_at(&file, at, want).map_err(failed)?;
            let is_end = bytes.len() < want;
            let mut rest = bytes.as_slice();
            loop {
                match segment::frame(rest) {
                    Ok(Some(frame)) => {
                        // A record that is damaged is left to the verification, which the central store's copy
                        // would only blur: the lane ends here for shipping.
                        let Ok(header) = Header::decode(frame.header) else { return Ok(false) };
                        if header.sequence > self.confirmed || self.left == 0 {
                            return Ok(false);
                        }
                        rest = rest.get(frame.len..).unwrap_or_default();
                        at += frame.len as u64;
                        if header.sequence >= self.next {
                            self.next = header.sequence + 1;
                            self.left = self.left.saturating_sub(frame.len);
                            self.records.push(Written {
                                header,
                                header_bytes: frame.header.to_vec(),
                                body_bytes: frame.body.to_vec(),
                            });
                        }
                        self.offset = Some((segment.first, at));
                    }
                    Ok(None) => {
                        want = READ;
                        break;
                    }
                    Err(FrameError::Torn { want: frame, .. }) => {
                        want = frame.max(READ);
                        break;
                    }
                    Err(FrameError::Length | FrameError::Checksum) => return Ok(false),
                }
            }
            if is_end {
                return Ok(true);
            }
        }
    }
}

/// Up to `most` bytes; fewer only at the file's end.
fn read_at(file: &File, at: u64, most: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; most];
    let mut have = 0;
    while let Some(room) = bytes.get_mut(have..).filter(|room| !room.is_empty()) {
        match file.read_at(room, at + have as u64) {
            Ok(0) => break,
            Ok(count) => have += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(have);
    Ok(bytes)
}
