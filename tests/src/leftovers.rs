//! What worlds leave behind that were killed: programs in the kernel, which would redirect for ever.

use std::fs;
use std::path::{Path, PathBuf};

/// Where the pins of all worlds are.
const PINS: &str = "/sys/fs/bpf";
const NAME: &str = "portreeve-e2e-";

/// The pins of one world of this process.
pub fn pin_directory(number: u16) -> PathBuf {
    Path::new(PINS).join(name(number))
}

/// A name that tells whose world it is.
pub fn name(number: u16) -> String {
    format!("{NAME}{}-{number}", std::process::id())
}

/// Takes a world's programs out of the kernel: they end with their last pin, when no daemon holds them.
pub fn unpin(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            unpin(&path);
        } else {
            let _ = fs::remove_file(path);
        }
    }
    let _ = fs::remove_dir(directory);
}

/// Removes what belongs to processes that are no more.
pub fn sweep() {
    for (root, remove) in [(PathBuf::from(PINS), unpin as fn(&Path)), (cgroups(), rmdir)] {
        let Ok(entries) = fs::read_dir(root) else { continue };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let owner = name.to_str().and_then(|name| name.strip_prefix(NAME)?.split('-').next());
            let alive = owner.is_none_or(|owner| Path::new("/proc").join(owner).exists());
            if !alive {
                remove(&entry.path());
            }
        }
    }
}

/// A cgroup with those inside of it.
fn rmdir(path: &Path) {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).for_each(|inside| rmdir(&inside));
    let _ = fs::remove_dir(path);
}

fn cgroups() -> PathBuf {
    crate::cgroup::root().unwrap_or_default()
}
