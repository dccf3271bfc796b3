//! The folder that keeps what takes long to make, for this clone and later ones.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

use crate::build_ebpf::object;

/// The cache folder; it exists.
pub(crate) struct Cache(PathBuf);

impl Cache {
    /// Finds the folder (`PORTREEVE_CACHE`, else `$XDG_CACHE_HOME/portreeve` or `~/.cache/portreeve`)
    /// and makes it.
    ///
    /// # Errors
    ///
    /// None of the variables is set, or the folder cannot be made.
    pub(crate) fn open() -> Result<Self> {
        // cargo runs build scripts elsewhere, so a relative path would be two folders.
        if std::env::var_os("PORTREEVE_CACHE").is_some_and(|path| !Path::new(&path).is_absolute()) {
            bail!("PORTREEVE_CACHE must be an absolute path");
        }
        let path = object::cache_dir()
            .context("no cache folder: set PORTREEVE_CACHE to an absolute path, or HOME")?;
        fs::create_dir_all(&path).with_context(|| {
            format!("cannot make the cache folder {}: set PORTREEVE_CACHE to another", path.display())
        })?;
        Ok(Self(path))
    }

    /// A path in it.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }

    /// Makes a folder of the cache whole or not at all: `fill` gets a temporary folder beside it,
    /// which takes its place when `fill` is done. If another process was faster, its result stays.
    ///
    /// # Errors
    ///
    /// Those of `fill`, or of the file system.
    pub(crate) fn fill(&self, name: &str, fill: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let destination = self.path(name);
        if destination.exists() {
            return Ok(destination);
        }
        let scratch = tempfile::Builder::new().prefix(".making-").tempdir_in(&self.0)?;
        let made = scratch.path().join("made");
        fs::create_dir(&made)?;
        fill(&made)?;
        if let Some(parent) = destination.parent() {
            fs::create_dir_all(parent)?;
        }
        match fs::rename(&made, &destination) {
            Ok(()) => Ok(destination),
            Err(_) if destination.exists() => Ok(destination),
            Err(error) => {
                Err(error).with_context(|| format!("cannot put {} in its place", destination.display()))
            }
        }
    }
}
