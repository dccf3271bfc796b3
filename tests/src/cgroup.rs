//! A cgroup for the jobs of one world.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::eventually;

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

    /// One inside of it, which must go before it does.
    ///
    /// # Errors
    ///
    /// It may not be made.
    pub fn inside(&self, name: &str) -> Result<Self> {
        let path = self.path.join(name);
        fs::create_dir(&path).with_context(|| format!("cannot make the cgroup {}", path.display()))?;
        Ok(Cgroup { path })
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its processes that are not in a cgroup inside of it, as the host numbers them.
    ///
    /// # Errors
    ///
    /// The kernel does not tell.
    pub fn members(&self) -> Result<Vec<u32>> {
        let told = fs::read_to_string(self.processes())?;
        told.lines().map(|line| line.parse().with_context(|| line.to_owned())).collect()
    }

    /// Ends all its processes, and waits until they are gone.
    ///
    /// # Errors
    ///
    /// The kernel refuses (Linux 5.14).
    pub fn kill(&self) -> Result<()> {
        fs::write(self.path.join("cgroup.kill"), "1").context("cgroup.kill")?;
        eventually("the cgroup is empty", || {
            let events = fs::read_to_string(self.path.join("cgroup.events"))?;
            match events.contains("populated 0") {
                true => Ok(()),
                false => bail!("{events}"),
            }
        })
    }

    /// The file that takes a process in.
    pub fn processes(&self) -> PathBuf {
        self.path.join("cgroup.procs")
    }

    /// The cgroup as `/proc/PID/cgroup` names it.
    pub fn name(&self) -> String {
        let below = root().ok().and_then(|root| self.path.strip_prefix(root).ok().map(Path::to_path_buf));
        format!("/{}", below.unwrap_or_default().display())
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
