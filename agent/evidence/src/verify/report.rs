//! What a verification says: places, faults, and what is known of each boot.

use std::fmt;

use crate::header::Kind;
use crate::id::BootId;
use crate::segment::{FrameError, HeadError};
use crate::sign::PublicKey;

/// Where something is, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The boot.
    pub boot: Option<BootId>,
    /// The lane.
    pub lane: Option<u32>,
    /// The record's place in the lane.
    pub sequence: Option<u64>,
    /// The segment's file.
    pub file: Option<String>,
    /// Where the record's frame begins in the file, in bytes.
    pub offset: Option<u64>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        let mut part = |f: &mut fmt::Formatter<'_>, name: &str, value: Option<&dyn fmt::Display>| match value
        {
            Some(value) => {
                write!(f, "{comma}{name} {value}")?;
                comma = ", ";
                Ok(())
            }
            None => Ok(()),
        };
        part(f, "boot", self.boot.as_ref().map(|value| value as _))?;
        part(f, "lane", self.lane.as_ref().map(|value| value as _))?;
        part(f, "record", self.sequence.as_ref().map(|value| value as _))?;
        part(f, "file", self.file.as_ref().map(|value| value as _))?;
        part(f, "offset", self.offset.as_ref().map(|value| value as _))
    }
}

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What.
    pub fault: Fault,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.fault)
    }
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The file does not begin as a segment.
    #[error("segment head: {0}")]
    Head(HeadError),
    /// The segment's head says another beginning than its first record has.
    #[error("the segment's head does not agree with its first record")]
    HeadDisagrees,
    /// The file's name says another beginning than its head.
    #[error("the file's name does not agree with the segment's head")]
    Misnamed,
    /// A record that belongs to another boot or lane than its segment.
    #[error("the record belongs to another boot or lane than its segment")]
    Foreign,
    /// Bytes that are no frame.
    #[error("edited or damaged: {0}")]
    Frame(FrameError),
    /// The file ends within a frame though the lane goes on, or the host stopped in order.
    #[error("the file ends within a record")]
    CutShort,
    /// The header's bytes are no header.
    #[error("edited: the header cannot be read: {0}")]
    Header(String),
    /// The predecessor's digest is another one.
    #[error(
        "the chain is broken: this record does not name the one before it as predecessor; one of the two was edited, or records were exchanged"
    )]
    Chain,
    /// Records are missing.
    #[error("dropped: records {from} to {to} are missing before this one")]
    Gap {
        /// First missing one.
        from: u64,
        /// Last missing one.
        to: u64,
    },
    /// A record that was there already.
    #[error("inserted: this record is a repetition of one that came before")]
    Duplicate,
    /// A record whose place was passed already.
    #[error("reordered or inserted: a record with this sequence came before")]
    Order,
    /// The body is not the one that the header names.
    #[error("edited: the body does not match the header's digest")]
    Body,
    /// The body's bytes are not what the kind asks for.
    #[error("the body cannot be read: {0}")]
    Unreadable(String),
    /// A body was erased that no erasure may take.
    #[error("the body of a record that cannot be erased is missing")]
    ErasedHostRecord,
    /// The signature is not the boot's key's.
    #[error("the {0}'s signature does not hold: the chain was recomputed, or the key replaced")]
    Signature(Kind),
    /// Signed tips and the chain differ.
    #[error("the chain was recomputed: the {by} at record {at} of lane {by_lane} signed another header here")]
    Tip {
        /// The signed record's kind.
        by: Kind,
        /// Its lane.
        by_lane: u32,
        /// Its sequence.
        at: u64,
    },
    /// Signed tips name a record that is not there.
    #[error("truncated: the {by} at record {at} of lane {by_lane} signed this record, which is missing")]
    Truncated {
        /// The signed record's kind.
        by: Kind,
        /// Its lane.
        by_lane: u32,
        /// Its sequence.
        at: u64,
    },
    /// Records follow the host's stop.
    #[error("inserted: the record comes after the host's stop")]
    AfterStop,
    /// A start that is not the boot's first record.
    #[error("inserted: a start record that is not the first of the host's lane")]
    SecondStart,
    /// The boot has signatures, but no key to verify them with.
    #[error(
        "the start record with the boot's key is missing, and none of the given keys verifies its signatures"
    )]
    NoKey,
    /// The start record's key is none of those that were given.
    #[error("the start record's key {0} is not a given one: key replaced")]
    Key(PublicKey),
    /// A store's columns, which people query, say something else than the record.
    #[error("edited: the columns beside the record do not say what the record says")]
    Columns,
    /// A store knows a boot, and has nothing of it.
    #[error("dropped: the boot is known here, and all of its records are missing")]
    NoRecords,
    /// The boot before is gone.
    #[error("the boot before this one, {0}, is missing")]
    PreviousBootMissing(BootId),
    /// The boot before has lost its end.
    #[error(
        "truncated: the boot before this one, {0}, has lost records that were there when this one started"
    )]
    PreviousBootTruncated(BootId),
    /// The boot before has another end.
    #[error("the boot before this one, {0}, was recomputed since this one started")]
    PreviousBootChanged(BootId),
}

/// What a verification found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Each boot of which there were records, oldest first.
    pub boots: Vec<BootReport>,
    /// What is not as it was written, in the order of finding.
    pub problems: Vec<Problem>,
    /// Problems beyond those, which were only counted.
    pub untold: u64,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }
}

/// What is known of one boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootReport {
    /// Its id.
    pub boot: BootId,
    /// The host's name, where the start record is there.
    pub host: Option<String>,
    /// Microseconds since the Unix epoch at its start.
    pub started_us: Option<u64>,
    /// The key that its start record names.
    pub public_key: Option<PublicKey>,
    /// Its lanes that have records.
    pub lanes: Vec<LaneReport>,
    /// How it ended.
    pub end: BootEnd,
    /// Sessions that began.
    pub sessions: u64,
    /// Signatures that hold.
    pub signatures: u64,
    /// Bodies that were erased.
    pub erased: u64,
}

/// What is known of one lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneReport {
    /// The lane.
    pub lane: u32,
    /// Records that were read.
    pub records: u64,
    /// The last one's place in the lane.
    pub last: u64,
    /// Records after the last signature that covers the lane. They are chained, but whoever can write the file
    /// could have recomputed them.
    pub unsigned: u64,
    /// Where the file's last write was cut short, as a kill or a full disk does.
    pub torn: Option<Place>,
    /// Records that were removed to make room after they had been shipped.
    pub reclaimed: u64,
}

/// How a boot ended. Times are microseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BootEnd {
    /// In order.
    Stopped {
        /// When.
        at_us: u64,
        /// Why.
        reason: String,
    },
    /// There is no stop record: it still runs, was killed, or its end was removed.
    Silent {
        /// The last sign of life.
        last_beat_us: Option<u64>,
        /// The last record of all.
        last_record_us: Option<u64>,
    },
}
