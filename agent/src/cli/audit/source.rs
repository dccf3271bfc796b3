//! Where records are read from.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use evidence::segment::{FrameError, Frames, HEAD_LEN};
use evidence::verify::{Report, Verifier};
use evidence::{Header, PublicKey, SessionId};

use super::Error;
use crate::recorder::{self, folder};

/// How often a verification begins anew because a segment was reclaimed under it.
const ATTEMPTS: u32 = 3;

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

    /// Verifies everything. `keys` were learnt elsewhere; once there is one, each boot's own must be among them.
    ///
    /// # Errors
    /// Whatever keeps the records from being read.
    fn verify(&self, keys: &[PublicKey]) -> Result<Report, Error>;
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
            let bytes = match segment.read() {
                Err(error) if error.is_reclaimed() => continue,
                bytes => bytes?,
            };
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

    fn verify(&self, keys: &[PublicKey]) -> Result<Report, Error> {
        let mut attempts = 1..=ATTEMPTS;
        loop {
            match self.verify_once(keys) {
                Err(error) if error.is_reclaimed() && attempts.next().is_some() => {}
                result => return Ok(result?),
            }
        }
    }
}

impl Folder {
    /// A daemon may be writing: a record that was there before everything was read names none that was not
    /// written by then, so only those are held to all that they signed.
    fn verify_once(&self, keys: &[PublicKey]) -> Result<Report, recorder::Error> {
        let settled: BTreeMap<PathBuf, u64> =
            folder::scan(&self.directory)?.into_iter().map(|segment| (segment.path, segment.len)).collect();
        let mut verifier = Verifier::new();
        for key in keys {
            verifier.trust(*key);
        }
        for segment in folder::scan(&self.directory)? {
            let settled =
                settled.get(&segment.path).map_or(0, |len| usize::try_from(*len).unwrap_or(usize::MAX));
            verifier.growing_segment(&segment.name(), &segment.read()?, settled);
        }
        Ok(verifier.finish())
    }
}
