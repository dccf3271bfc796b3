//! What a process runs: the executable's path on the host, and the digest of its content.
//!
//! The link `/proc/PID/exe` (proc_pid_exe(5)) leads to the very file, whatever mount namespace it lies in and also
//! after its name is gone; its text is only how the process would name it.

use std::fs::{self, File, Metadata, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// The file that a process ran when it was looked at.
#[derive(Debug)]
pub(super) struct Executable {
    link: PathBuf,
    file: Metadata,
    /// Its path, if the host has this very file there. In a mount namespace or a chroot of its own a workload can
    /// show any name, so a path that means another file to the host is no name.
    pub(super) path: Option<String>,
}

impl Executable {
    /// What the process runs now: one that has called execve(2) since it connected shows what it runs then.
    pub(super) fn of(folder: &Path) -> Option<Self> {
        let link = folder.join("exe");
        let path = fs::read_link(&link).ok()?;
        let file = fs::metadata(&link).ok()?;
        let has_it = path.is_absolute() && fs::metadata(&path).is_ok_and(|there| same(&there, &file));
        let path = path.into_os_string().into_string().ok().filter(|_| has_it);
        Some(Executable { link, file, path })
    }

    /// The file itself, which can be read when the process is gone.
    pub(super) fn open(&self) -> Option<File> {
        // Nobody's lease on it may keep us (fcntl(2), F_SETLEASE).
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        let file = OpenOptions::new().read(true).custom_flags(flags).open(&self.link).ok()?;
        same(&file.metadata().ok()?, &self.file).then_some(file)
    }

    /// Whether it is what the process still runs.
    pub(super) fn remains(&self) -> bool {
        fs::metadata(&self.link).is_ok_and(|now| same(&now, &self.file))
    }
}

fn same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}
