//! A cgroup for the jobs of one world.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// An empty cgroup of the version 2 hierarchy; removed when dropped.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
}

impl Cgroup {
    /// A cgroup of that name below the root.
    ///
    /// # Errors
    ///
    /// There is no cgroup2 mount, or it may not be written to.
    pub fn new(name: &str) -> Result<Self> {
        let path = root()?.join(name);
        fs::create_dir(&path).with_context(|| format!("cannot make the cgroup {}", path.display()))?;
        Ok(Cgroup { path })
    }

    /// The file that takes a process in.
    pub fn processes(&self) -> PathBuf {
        self.path.join("cgroup.procs")
    }

    /// The cgroup as `/proc/PID/cgroup` names it.
    pub fn name(&self) -> String {
        format!("/{}", self.path.file_name().unwrap_or_default().to_string_lossy())
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.path);
    }
}

/// Where the version 2 hierarchy is mounted.
///
/// # Errors
///
/// Nowhere.
pub fn root() -> Result<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let mut fields = mounts.lines().map(|line| line.split(' '));
    let mount = fields.find_map(|mut fields| {
        let point = fields.nth(1)?;
        (fields.next()? == "cgroup2").then(|| Path::new(point).to_path_buf())
    });
    mount.context("no cgroup2 hierarchy is mounted")
}
