//! Where the programs are attached: the root of the cgroup2 hierarchy, whatever is mounted where.
//!
//! The root is known by its inode, 1. The paths in mountinfo do not tell: inside a cgroup namespace a fresh
//! mount shows `/` and is not the root, and hooks there would miss every process outside the namespace.

#![forbid(unsafe_code)]

use std::{
    fs::{self, File},
    io,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::{ffi::OsStringExt as _, fs::MetadataExt as _},
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Mode, OFlags, fstatfs, openat},
    mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen},
};

use super::Error;

/// `CGROUP2_SUPER_MAGIC`, include/uapi/linux/magic.h.
const CGROUP2_SUPER_MAGIC: i64 = 0x6367_7270;
/// The inode of the hierarchy's root, which no other directory of it has.
pub(super) const ROOT_INODE: u64 = 1;

/// An open directory of a cgroup2 mount.
pub(super) struct Cgroup {
    directory: File,
    /// As the kernel's cgroup helpers and link infos give it: the directory's inode.
    pub(super) id: u64,
}

impl AsFd for Cgroup {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

impl Cgroup {
    pub(super) fn open(directory: File) -> io::Result<Self> {
        // The type of the field differs between architectures.
        #[allow(clippy::unnecessary_cast)]
        let magic = fstatfs(&directory)?.f_type as i64;
        if magic != CGROUP2_SUPER_MAGIC {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "it lies on another file system"));
        }
        let id = directory.metadata()?.ino();
        Ok(Self { directory, id })
    }
}

/// Where programs are attached.
pub(super) struct Cgroups {
    /// The cgroup whose processes are intercepted.
    jobs: Cgroup,
    /// The root, where the other is not it.
    root: Option<Cgroup>,
}

impl Cgroups {
    /// Opens the configured cgroup, and the root; without one the root is both.
    ///
    /// # Errors
    ///
    /// It is none, or no root can be reached.
    pub(super) fn find(configured: Option<&Path>) -> Result<Self, Error> {
        let Some(path) = configured else { return Ok(Self { jobs: find_root()?, root: None }) };
        let wrong = |source| Error::Cgroup { path: path.to_path_buf(), source };
        let jobs = File::open(path).and_then(Cgroup::open).map_err(wrong)?;
        if jobs.id == ROOT_INODE {
            return Ok(Self { jobs, root: None });
        }
        tracing::warn!(cgroup = %path.display(), "processes outside this cgroup are not intercepted");
        Ok(Self { jobs, root: Some(find_root()?) })
    }

    /// The cgroup whose processes are intercepted.
    pub(super) fn jobs(&self) -> &Cgroup {
        &self.jobs
    }

    /// The root.
    pub(super) fn root(&self) -> &Cgroup {
        self.root.as_ref().unwrap_or(&self.jobs)
    }
}

/// Finds the root.
///
/// # Errors
///
/// None can be reached.
pub(super) fn find_root() -> Result<Cgroup, Error> {
    let mountinfo = fs::read("/proc/self/mountinfo")
        .map_err(|error| Error::CgroupRoot { reason: format!("/proc/self/mountinfo: {error}") })?;
    let mounts = cgroup2_mounts(&mountinfo);
    let root = mounts
        .iter()
        .filter_map(|path| File::open(path).and_then(Cgroup::open).ok())
        .find(|cgroup| cgroup.id == ROOT_INODE);
    if let Some(root) = root {
        return Ok(root);
    }
    match mount_privately() {
        Ok(root) if root.id == ROOT_INODE => Ok(root),
        Ok(other) => Err(Error::CgroupRoot {
            reason: format!("this process is in a cgroup namespace whose root is cgroup {}", other.id),
        }),
        Err(error) => Err(Error::CgroupRoot {
            reason: format!("none of the mounts {mounts:?} is it, and mounting one failed: {error}"),
        }),
    }
}

/// The mount points of type cgroup2 in a mountinfo file (proc_pid_mountinfo(5)).
pub(super) fn cgroup2_mounts(mountinfo: &[u8]) -> Vec<PathBuf> {
    let mut mounts = Vec::new();
    for line in mountinfo.split(|byte| *byte == b'\n') {
        let mut fields = line.split(|byte| *byte == b' ');
        let Some(point) = fields.nth(4) else { continue };
        // Any number of optional fields, a hyphen, then the type.
        if fields.any(|field| field == b"-") && fields.next() == Some(b"cgroup2") {
            mounts.push(PathBuf::from(std::ffi::OsString::from_vec(unescape(point))));
        }
    }
    mounts
}

/// Undoes the octal escapes (`\040`) that mountinfo has for space, tab, newline and backslash.
pub(super) fn unescape(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, tail)) = rest.split_first() {
        let code = match (first, tail) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..]) => {
                Some((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'))
            }
            _ => None,
        };
        plain.push(code.unwrap_or(first));
        rest = if code.is_some() { tail.get(3..).unwrap_or_default() } else { tail };
    }
    plain
}

/// Mounts the hierarchy where nobody sees it: the mount has no place in the tree and ends with its
/// descriptor.
fn mount_privately() -> io::Result<Cgroup> {
    let filesystem = fsopen("cgroup2", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&filesystem)?;
    let mount = fsmount(&filesystem, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?;
    let directory = openat(&mount, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    Cgroup::open(File::from(directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(mountinfo: &str, expect: &[&str]) {
        let expect: Vec<PathBuf> = expect.iter().map(PathBuf::from).collect();
        assert_eq!(cgroup2_mounts(mountinfo.as_bytes()), expect);
    }

    #[test]
    fn cgroup2_mounts_are_found_among_others() {
        check("", &[]);
        check("36 35 98:0 / /mnt rw - ext4 /dev/sda1 rw\n", &[]);
        check(
            "31 24 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
            &["/sys/fs/cgroup"],
        );
        check(
            "29 20 0:25 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n\
             30 20 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
             90 20 0:26 /x /mnt/a\\040b\\134c rw shared:1 master:2 - cgroup2 none rw\n",
            &["/sys/fs/cgroup/unified", "/mnt/a b\\c"],
        );
    }

    #[test]
    fn a_line_that_is_cut_short_is_passed_over() {
        check("31 24 0:27 / /sys/fs/cgroup rw,nosuid shared:9", &[]);
        check("31 24 0:27 / /sys/fs/cgroup rw -", &[]);
        check("31 24", &[]);
        check("31 24 0:27 / /a\\04 rw - cgroup2 none rw", &["/a\\04"]);
    }
}
