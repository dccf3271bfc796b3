//! The folder of the evidence: `<directory>/<boot>/lane-<lane>-<first>.seg`. Read here by whoever reads evidence
//! from disk: the recorder at its start, the command line, the forwarder.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use evidence::segment::{self, Frames, HEAD_LEN, Head};
use evidence::{BootId, Digest, Header, Previous};
use rustix::fs::FlockOperation;

use super::Error;

/// The ending of a boot's folder that is being removed.
pub(super) const DOOMED: &str = "reclaimed";

/// One segment file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SegmentFile {
    /// The daemon's life that it belongs to.
    pub boot: BootId,
    /// The lane.
    pub lane: u32,
    /// The place in the lane of its first record.
    pub first: u64,
    /// Where it is.
    pub path: PathBuf,
    /// Its length in bytes, at the time of the scan.
    pub len: u64,
}

impl SegmentFile {
    /// `<boot>/<file>`, as places in a verification name it.
    pub fn name(&self) -> String {
        format!("{}/{}", self.boot, segment::file_name(self.lane, self.first))
    }

    /// All of its bytes.
    pub fn read(&self) -> Result<Vec<u8>, Error> {
        fs::read(&self.path).map_err(|source| Error::Read { path: self.path.clone(), source })
    }
}

/// All segments below the folder, by boot (oldest first), lane and place. Other files are left alone.
pub fn scan(directory: &Path) -> Result<Vec<SegmentFile>, Error> {
    let failed = |source| Error::Folder { path: directory.to_owned(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let Some(boot) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        found.extend(scan_boot(&entry.path(), boot)?);
    }
    found.sort();
    Ok(found)
}

/// One boot's segments in its folder, by lane and place.
pub(super) fn scan_boot(path: &Path, boot: BootId) -> Result<Vec<SegmentFile>, Error> {
    let failed = |source| Error::Folder { path: path.to_owned(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let Some((lane, first)) = entry.file_name().to_str().and_then(segment::parse_file_name) else {
            continue;
        };
        let len = match entry.metadata() {
            Ok(metadata) => metadata.len(),
            // Reclaimed between the two looks.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => return Err(Error::Folder { path: entry.path(), source }),
        };
        found.push(SegmentFile { boot, lane, first, path: entry.path(), len });
    }
    found.sort();
    Ok(found)
}

/// Makes the folder, or takes it as it is, for its owner alone.
pub(super) fn create(path: &Path) -> Result<(), Error> {
    let make = || {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
            fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
        }
        Ok(())
    };
    make().map_err(|source| Error::Folder { path: path.to_owned(), source })
}

/// Makes the folder's entries safe from the machine's death.
pub(super) fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Takes the folder for this daemon, and removes what an earlier one had begun to remove.
pub(super) fn lock(directory: &Path) -> Result<File, Error> {
    let path = directory.join("lock");
    let failed = |source| Error::Folder { path: path.clone(), source };
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(failed)?;
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|error| {
        if error == rustix::io::Errno::WOULDBLOCK {
            Error::InUse { path: directory.to_owned() }
        } else {
            failed(error.into())
        }
    })?;
    for entry in fs::read_dir(directory).map_err(failed)?.flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|ending| ending == DOOMED) {
            fs::remove_dir_all(&path).map_err(failed)?;
        }
    }
    Ok(file)
}

/// Where the latest boot's host lane ends, for the next start record to name.
pub(super) fn last_of_latest_boot(found: &[SegmentFile]) -> Result<Option<Previous>, Error> {
    let Some(boot) = found.iter().map(|segment| segment.boot).max() else { return Ok(None) };
    let mut last = None;
    for segment in found.iter().filter(|segment| segment.boot == boot && segment.lane == 0) {
        // A segment may hold its head alone: then the one before says it.
        last = end(segment)?.or(last);
    }
    Ok(last.map(|(sequence, digest)| Previous { boot, sequence, digest }))
}

/// The last whole record of a segment: its place in the lane and its header's digest.
pub fn end(file: &SegmentFile) -> Result<Option<(u64, Digest)>, Error> {
    let bytes = file.read()?;
    if Head::decode(&bytes).is_err() {
        return Ok(None);
    }
    let last = Frames::new(&bytes, HEAD_LEN).map_while(|(_, frame)| frame.ok()).last();
    Ok(last.and_then(|frame| {
        let header = Header::decode(frame.header).ok()?;
        Some((header.sequence, Digest::of(frame.header)))
    }))
}
