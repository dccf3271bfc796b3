//! Why evidence could not be taken.

use std::io;
use std::path::PathBuf;

/// Why evidence could not be taken. Whatever it is, what the record would have described must not happen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder cannot be used.
    #[error("cannot use the evidence folder {}: {source}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another daemon writes there.
    #[error("another daemon records into {}; stop it, or configure another folder", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// A segment could not be written.
    #[error("the evidence cannot be written to {}: {source}", path.display())]
    Write {
        /// The segment.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A segment could not be read.
    #[error("the evidence cannot be read from {}: {source}", path.display())]
    Read {
        /// The segment.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The budget is used up.
    #[error(
        "the evidence spool is full: {used} of {budget} bytes are used; let the central store take records, \
         remove old ones, or raise disk_budget"
    )]
    Full {
        /// Bytes that are used.
        used: u64,
        /// Bytes that may be.
        budget: u64,
    },
    /// A record that no segment can hold.
    #[error(transparent)]
    TooLarge(#[from] evidence::TooLarge),
    /// There was no randomness for the key.
    #[error(transparent)]
    Key(#[from] evidence::sign::NoKey),
    /// The record has been ended.
    #[error("the record has been ended: the daemon is stopping")]
    Stopped,
}

impl Error {
    /// Whether a segment was removed between the look at the folder and the reading.
    pub fn is_reclaimed(&self) -> bool {
        matches!(self, Error::Read { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}
