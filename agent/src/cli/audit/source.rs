//! Where records are read from.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use evidence::segment::{FrameError, Frames, HEAD_LEN};
use evidence::verify::Verifier;
use evidence::{Header, SessionId};

use super::Error;
use crate::recorder::folder;

/// Takes one record: its header, and its body, which is empty where it was erased.
pub type Take<'t> = &'t mut dyn FnMut(&Header, &[u8]) -> Result<(), Error>;

/// A place that has records: a folder of segments, or a store that holds the same bytes.
pub trait Source {
    /// Gives every record, or one session's, in the order of boots, lanes and sequences.
    ///
    /// # Errors
    /// What `take` says, and whatever keeps the records from being read. A record that is damaged is left out,
    /// with a word on standard error: what is wrong with it is [`Source::verify`]'s to say.
    fn read(&self, session: Option<SessionId>, take: Take<'_>) -> Result<(), Error>;

    /// Gives everything to a verifier.
    ///
    /// # Errors
    /// Whatever keeps the records from being read.
    fn verify(&self, verifier: &mut Verifier) -> Result<(), Error>;
}

/// A folder of segments, as the recorder writes it.
#[derive(Debug)]
pub struct Folder {
    directory: PathBuf,
}

impl Folder {
    /// The folder of all boots' folders.
    pub fn new(directory: &Path) -> Self {
        Folder { directory: directory.to_owned() }
    }
}

impl Source for Folder {
    fn read(&self, session: Option<SessionId>, take: Take<'_>) -> Result<(), Error> {
        let mut damaged = 0;
        for segment in folder::scan(&self.directory)? {
            let bytes = segment.read()?;
            for (_, frame) in Frames::new(&bytes, HEAD_LEN) {
                let record = match &frame {
                    Ok(frame) => Header::decode(frame.header).ok().map(|header| (header, frame.body)),
                    // The daemon may be writing just now.
                    Err(FrameError::Torn { .. }) => break,
                    Err(_) => None,
                };
                match record {
                    None => damaged += 1,
                    Some((header, body)) => {
                        if session.is_none() || header.session.map(|(id, _)| id) == session {
                            take(&header, body)?;
                        }
                    }
                }
            }
        }
        if damaged > 0 {
            writeln!(
                io::stderr(),
                "warning: damage in {damaged} places was passed over; `portreeve audit verify` names them"
            )?;
        }
        Ok(())
    }

    fn verify(&self, verifier: &mut Verifier) -> Result<(), Error> {
        for segment in folder::scan(&self.directory)? {
            verifier.segment(&segment.name(), &segment.read()?);
        }
        Ok(())
    }
}
