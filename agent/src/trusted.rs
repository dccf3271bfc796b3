//! Files that nobody but root, or the user that this process runs as, can change.

#![forbid(unsafe_code)]

use std::fs::{File, Metadata};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// Why a file is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be opened or read.
    #[error("{path} cannot be read: {source}; check the path and its owner")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A folder, a device, a pipe.
    #[error("{path} is not a regular file")]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// It belongs to another user, who could change it.
    #[error("{path} belongs to uid {owner}; give it to the daemon: chown root {path}")]
    Owner {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// Others than its owner can change it.
    #[error("{path} has mode {mode:04o}, so others can change it; chmod go-w {path}")]
    Writable {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is too long for what it should be.
    #[error("{path} is longer than {limit} bytes; is it the right file?")]
    Long {
        /// The file.
        path: PathBuf,
        /// The bytes that it may have.
        limit: u64,
    },
}

/// Opens a regular file whose owner is root or the user that this process runs as; who else can reach it, the metadata say.
pub(crate) fn open(path: &Path) -> Result<(File, Metadata), Error> {
    let read = |source| Error::Read { path: path.into(), source };
    // Not blocking: a FIFO in the place of the file would otherwise hold the daemon for ever.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(|error| read(error.into()))?);
    // What was opened is what is checked: the path may lead elsewhere a moment later.
    let metadata = file.metadata().map_err(read)?;
    if !metadata.is_file() {
        return Err(Error::NotAFile { path: path.into() });
    }
    let owner = metadata.uid();
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        return Err(Error::Owner { path: path.into(), owner });
    }
    Ok((file, metadata))
}

/// Reads a file that its owner alone can change: at most `limit` bytes.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let (file, metadata) = open(path)?;
    if metadata.mode() & 0o022 != 0 {
        return Err(Error::Writable { path: path.into(), mode: metadata.mode() & 0o7777 });
    }
    let mut content = Vec::new();
    let taken = file.take(limit + 1).read_to_end(&mut content);
    taken.map_err(|source| Error::Read { path: path.into(), source })?;
    match content.len() as u64 > limit {
        true => Err(Error::Long { path: path.into(), limit }),
        false => Ok(content),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions, write};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_others_can_change_and_what_is_no_file_is_refused_with_the_cure() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        write(&path, "{}").unwrap();
        for (mode, taken) in [(0o644, true), (0o400, true), (0o664, false), (0o646, false)] {
            set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            match read(&path, 2) {
                Ok(content) => assert!(taken && content == b"{}", "{mode:o}"),
                Err(error) => assert!(!taken && error.to_string().contains("chmod go-w"), "{mode:o} {error}"),
            }
        }
        set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(read(&path, 1), Err(Error::Long { limit: 1, .. })));
        assert!(matches!(read(folder.path(), 2), Err(Error::NotAFile { .. })));
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
        assert!(matches!(read(&pipe, 2), Err(Error::NotAFile { .. })));
        assert!(matches!(read(&folder.path().join("none"), 2), Err(Error::Read { .. })));
    }
}
