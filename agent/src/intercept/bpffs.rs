//! The file system that pins live on.

#![forbid(unsafe_code)]

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::Path,
};

use rustix::{
    fs::statfs,
    mount::{MountFlags, mount},
};

use super::Error;

/// `BPF_FS_MAGIC`, include/uapi/linux/magic.h.
const BPF_FS_MAGIC: i64 = 0xcafe_4a11;
/// Where systemd mounts it, and where we may do it in its place.
const STANDARD: &str = "/sys/fs/bpf";

/// Makes sure that `pin_directory` exists, on a BPF file system, and is root's alone.
///
/// A machine without systemd may have nothing mounted at `/sys/fs/bpf`; there we mount it, nowhere else.
///
/// # Errors
///
/// It lies elsewhere, or cannot be made.
pub(super) fn ensure(pin_directory: &Path) -> Result<(), Error> {
    let parent = pin_directory.parent().unwrap_or(Path::new("/"));
    let wrong = |source: io::Error| Error::Bpffs {
        path: pin_directory.to_path_buf(),
        parent: if pin_directory.starts_with(STANDARD) { STANDARD.into() } else { parent.to_path_buf() },
        source,
    };
    let standard = Path::new(STANDARD);
    if pin_directory.starts_with(standard) && !is_bpffs(standard).map_err(wrong)? {
        mount(
            "bpf",
            standard,
            "bpf",
            MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC,
            c"mode=0700",
        )
        .map_err(|error| wrong(error.into()))?;
        tracing::info!("mounted a BPF file system at {STANDARD}");
    }
    if !is_bpffs(parent).map_err(wrong)? {
        return Err(wrong(io::Error::new(
            io::ErrorKind::Unsupported,
            "its parent is on another file system",
        )));
    }
    match fs::DirBuilder::new().mode(0o700).create(pin_directory) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => is_ours(pin_directory).map_err(wrong),
        Err(error) => Err(wrong(error)),
    }
}

/// Refuses a directory that somebody else made or may write to: what lies in it would be taken over.
pub(super) fn is_ours(path: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    let ours = metadata.is_dir()
        && metadata.uid() == rustix::process::geteuid().as_raw()
        && metadata.mode() & 0o022 == 0;
    if ours {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is not a directory that we alone may write to"))
}

/// Whether a path is on a BPF file system.
pub(super) fn is_bpffs(path: &Path) -> io::Result<bool> {
    // The type of the field differs between architectures.
    #[allow(clippy::unnecessary_cast)]
    Ok(statfs(path)?.f_type as i64 == BPF_FS_MAGIC)
}
