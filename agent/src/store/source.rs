//! Where records come from: the daemon joins this with the recorder.

use std::collections::BTreeMap;
use std::error::Error as StdError;

use evidence::{BootId, Header};

/// Of each lane, the place of the record that comes next.
pub type Positions = BTreeMap<(BootId, u32), u64>;

/// Why records cannot be read: the daemon's own error, only shown.
pub type SourceError = Box<dyn StdError + Send + Sync>;

/// One record with its bytes as they stand in the segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What the header says.
    pub header: Header,
    /// The header's bytes: what the chain runs over.
    pub header_bytes: Vec<u8>,
    /// The body's bytes; empty where it was erased.
    pub body_bytes: Vec<u8>,
}

impl Record {
    pub(super) fn lane(&self) -> (BootId, u32) {
        (self.header.boot, self.header.lane)
    }

    pub(super) fn len(&self) -> usize {
        self.header_bytes.len() + self.body_bytes.len()
    }
}

/// What waits to be shipped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Records.
    pub records: u64,
    /// About how many bytes of segments they stand in.
    pub bytes: u64,
}

/// Gives records. It is called on the forwarder's own thread and may read files.
pub trait Source: Send {
    /// All boots that have records here.
    ///
    /// # Errors
    /// They cannot be told.
    fn boots(&self) -> Result<Vec<BootId>, SourceError>;

    /// Begins anew with these records; with the first of a lane that is not named.
    fn rewind(&mut self, next: &Positions);

    /// The next records, of each lane in order, about `most_bytes` in all. None where there is nothing new.
    ///
    /// # Errors
    /// They cannot be read. What was read until then is read again the next time.
    fn read(&mut self, most_bytes: usize) -> Result<Vec<Record>, SourceError>;

    /// Hears that the store has everything before these.
    fn shipped(&mut self, next: &Positions);

    /// Hears that the store has another record in a record's place.
    fn conflict(&mut self, boot: BootId, lane: u32, sequence: u64);

    /// What waits when the store has everything before these.
    fn backlog(&mut self, next: &Positions) -> Backlog;
}
