//! Where the programs would be attached, and why there.

#![forbid(unsafe_code)]

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use super::{
    super::cgroup_root::{self, Cgroup, ROOT_INODE},
    Seen,
};

/// The cgroup2 hierarchy as this process sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cgroups {
    /// Where it is mounted, in the order of the mounts.
    pub mounts: Vec<Mount>,
    /// Whether there are hierarchies of version 1 beside it.
    pub legacy: bool,
    /// What the daemon would take.
    pub chosen: Seen<Chosen>,
}

/// A mount of the hierarchy, or of a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where.
    pub path: PathBuf,
    /// The inode of its directory, which is the cgroup's id.
    pub inode: Seen<u64>,
}

/// A cgroup to attach to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Its id, which is the inode of its directory.
    pub id: u64,
    /// Where it is; none if it had to be mounted for the look.
    pub path: Option<PathBuf>,
    /// Whether the configuration names it.
    pub configured: bool,
}

impl Chosen {
    /// Whether it is the root of the hierarchy, so that no process is outside of it.
    pub fn is_root(&self) -> bool {
        self.id == ROOT_INODE
    }
}

/// Looks for the cgroup to attach to, as the daemon does.
pub fn cgroups(configured: Option<&Path>) -> Cgroups {
    let mountinfo = fs::read("/proc/self/mountinfo").unwrap_or_default();
    let mount = |path: PathBuf| Mount {
        inode: File::open(&path).and_then(Cgroup::open).map(|cgroup| cgroup.id).map_err(Into::into),
        path,
    };
    let mounts: Vec<_> = cgroup_root::cgroup2_mounts(&mountinfo).into_iter().map(mount).collect();
    let chosen = cgroup_root::Cgroups::find(configured).map(|found| {
        let cgroup = found.jobs();
        let mounted = || mounts.iter().find(|mount| mount.inode == Ok(cgroup.id));
        let path = configured.or_else(|| mounted().map(|mount| mount.path.as_path()));
        Chosen { id: cgroup.id, path: path.map(Path::to_path_buf), configured: configured.is_some() }
    });
    Cgroups { legacy: has_legacy(&mountinfo), chosen: chosen.map_err(Into::into), mounts }
}

/// Whether a mountinfo file has a mount of type cgroup. Spaces in names are escaped in it.
fn has_legacy(mountinfo: &[u8]) -> bool {
    mountinfo.windows(b" - cgroup ".len()).any(|part| part == b" - cgroup ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_of_version_1_are_told_from_version_2() {
        for (line, expect) in [
            ("29 20 0:25 / /sys/fs/cgroup/pids rw shared:9 - cgroup cgroup rw,pids\n", true),
            ("30 20 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n", false),
            ("30 20 0:26 / /sys\\040-\\040cgroup rw - tmpfs cgroup rw\n", false),
            ("", false),
        ] {
            assert_eq!(has_legacy(line.as_bytes()), expect, "{line}");
        }
    }
}
