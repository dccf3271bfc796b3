//! Credentials in a file: one that the administrator wrote, or one that systemd laid down for this service.

use std::path::{Path, PathBuf};

use super::{Document, Error, Leasing, Source};
use crate::secret::Secret;

/// A file with a [`Document`], read at each lease.
#[derive(Debug)]
pub struct File {
    path: PathBuf,
}

impl File {
    /// The file at `path`.
    pub fn new(path: &Path) -> Self {
        File { path: path.to_owned() }
    }

    /// The systemd credential of that name.
    pub fn systemd(name: &str) -> Result<Self, Error> {
        let folder = std::env::var_os("CREDENTIALS_DIRECTORY");
        File::in_folder(folder.as_deref().map(Path::new), name)
    }

    /// The credential of that name in systemd's folder. A name with a path in it would leave the folder.
    pub(super) fn in_folder(folder: Option<&Path>, name: &str) -> Result<Self, Error> {
        let fits =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'@' | b':');
        if name.is_empty() || name.starts_with('.') || !name.bytes().all(fits) {
            return Err(Error::Name { name: name.to_owned() });
        }
        match folder {
            Some(folder) => Ok(File { path: folder.join(name) }),
            None => Err(Error::NotUnderSystemd { name: name.to_owned() }),
        }
    }
}

impl Source for File {
    fn lease<'a>(&'a self, database: &'a str) -> Leasing<'a> {
        // A small local file: reading it here costs less than a hand-over to another thread would.
        Box::pin(async move {
            let text = Secret::read(&self.path)?;
            Document::parse(&text, &self.path)?.lease(database)
        })
    }
}
