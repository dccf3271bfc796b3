//! Bytes that must not be seen: passwords and keys.
//!
//! This module knows where a secret may lie and who may read it there. It never prints one, and it does not
//! know what a secret is for.

#![forbid(unsafe_code)]

use std::fmt;
use std::hint::black_box;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::trusted;

/// No secret is longer than this many bytes; a file that is longer is not one.
pub const LIMIT: usize = 64 * 1024;

/// A secret. It has no `Display`, no `Serialize` and no `Clone`, its `Debug` prints `Secret(…)`, and its bytes
/// are overwritten when it is dropped.
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes these bytes for a secret.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Secret(bytes.into())
    }

    /// Reads a secret from a file that nobody but its owner can read, and whose owner is root or the user that
    /// this process runs as. One line end at the end of the file is not part of the secret.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let (file, metadata) = trusted::open(path)?;
        if metadata.mode() & 0o077 != 0 {
            return Err(Error::Open { path: path.into(), mode: metadata.mode() & 0o7777 });
        }
        let secret = Self::take(file, LIMIT as u64 + 1);
        let mut secret = secret.map_err(|source| trusted::Error::Read { path: path.into(), source })?;
        if secret.0.len() > LIMIT {
            return Err(Error::Long { path: path.into() });
        }
        secret.trim();
        Ok(secret)
    }

    /// At most `limit` bytes of what `from` gives.
    pub fn take(from: impl Read, limit: u64) -> io::Result<Self> {
        // All the room at once: a buffer that grows leaves pieces of the secret behind.
        let mut secret = Secret(Vec::with_capacity(usize::try_from(limit).unwrap_or(LIMIT)));
        from.take(limit).read_to_end(&mut secret.0)?;
        Ok(secret)
    }

    /// The bytes, for the one place that uses them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as text, if they are UTF-8.
    pub fn expose_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Takes one line end off the end: editors and `echo` leave it there.
    fn trim(&mut self) {
        if self.0.last() == Some(&b'\n') {
            self.0.pop();
            if self.0.last() == Some(&b'\r') {
                self.0.pop();
            }
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        let room = self.0.capacity();
        self.0.resize(room, 0);
        self.0.fill(0);
        // Keeps the compiler from leaving out stores to memory that is about to be freed.
        black_box(&self.0);
    }
}

/// Why a file is not taken for a secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be had, or somebody else could change it.
    #[error("the secret file {0}")]
    File(#[from] trusted::Error),
    /// Others than its owner can reach it.
    #[error("the secret file {path} has mode {mode:04o}, so others can reach it; chmod 600 {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is too long to be a secret.
    #[error("the secret file {path} is longer than {LIMIT} bytes; is it the right file?")]
    Long {
        /// The file.
        path: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions, write};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file(content: &[u8], mode: u32) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        write(&path, content).unwrap();
        set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        (folder, path)
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new(*b"hunter2")), "Secret(…)");
    }

    #[test]
    fn one_line_end_is_not_part_of_it() {
        let cases: [(&[u8], &[u8]); 5] =
            [(b"a", b"a"), (b"a\n", b"a"), (b"a\r\n", b"a"), (b"a\n\n", b"a\n"), (b"", b"")];
        for (content, expect) in cases {
            let (_folder, path) = file(content, 0o600);
            assert_eq!(Secret::read(&path).unwrap().expose(), expect);
        }
    }

    #[test]
    fn a_file_that_others_can_reach_is_refused_with_the_cure() {
        for mode in [0o640, 0o604, 0o620, 0o602, 0o601, 0o777] {
            let (_folder, path) = file(b"hunter2", mode);
            let error = Secret::read(&path).unwrap_err().to_string();
            assert!(error.contains("chmod 600") && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_folder_a_missing_file_and_a_long_file_are_refused() {
        let (folder, path) = file(&vec![b'x'; LIMIT + 1], 0o600);
        assert!(matches!(Secret::read(&path), Err(Error::Long { .. })));
        assert!(matches!(
            Secret::read(&folder.path().join("none")),
            Err(Error::File(trusted::Error::Read { .. }))
        ));
        assert!(matches!(Secret::read(folder.path()), Err(Error::File(trusted::Error::NotAFile { .. }))));
    }
}
