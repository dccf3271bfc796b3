//! The machine's only file system: an archive that the kernel unpacks into memory.

use std::{
    fs::File,
    io::{self, BufWriter, Write as _},
    path::Path,
};

use super::{cpio::Archive, modules::Modules, programs::Files};

/// The first process.
const INIT: &[u8] = include_bytes!("init.sh");

/// Where file systems are mounted, or something is made.
const FOLDERS: [&str; 8] = ["/applets", "/dev", "/etc", "/proc", "/root", "/run", "/sys", "/tmp"];

/// What is in it.
pub(super) struct Content<'a> {
    pub(super) programs: Files,
    /// The kernel's folder of modules, and which of them.
    pub(super) modules: Option<(&'a Path, &'a Modules)>,
    /// How cgroup v2 is mounted, as `init.sh` calls it.
    pub(super) cgroup: &'a str,
    /// The tests' environment and command line, as arguments of env(1).
    pub(super) command: &'a [String],
}

impl Content<'_> {
    /// Writes the archive.
    ///
    /// # Errors
    ///
    /// A file of the content cannot be read, or the archive not be written.
    pub(super) fn write(&self, to: &Path) -> io::Result<()> {
        let mut archive = Archive::new(BufWriter::new(File::create(to)?));
        for folder in FOLDERS {
            archive.folder(folder)?;
        }
        archive.file("/init", 0o755, INIT)?;
        for (path, from) in &self.programs {
            archive.copy(path, 0o755, from)?;
        }
        archive.link("/bin/sh", "busybox")?;
        archive.link("/bin/insmod", "kmod")?;
        let mut order = String::new();
        if let Some((folder, modules)) = self.modules {
            for file in &modules.files {
                let path = format!("/vm/modules.d/{file}");
                archive.copy(&path, 0o644, &folder.join(file))?;
                order.push_str(&path);
                order.push('\n');
            }
        }
        archive.file("/vm/modules", 0o644, order.as_bytes())?;
        archive.file("/vm/cgroup", 0o644, self.cgroup.as_bytes())?;
        let command: String = self.command.iter().flat_map(|word| [word, "\0"]).collect();
        archive.file("/vm/command", 0o644, command.as_bytes())?;
        archive.finish()?.flush()
    }
}
