//! A cgroup's path, from the id that the kernel gave.
//!
//! The id is the inode of the cgroup's directory and is not given twice in a life of the kernel, so a path whose
//! directory has that inode is the cgroup's, wherever the path was found. A process tells its own path as long as it
//! lives; for one that has gone the hierarchy is walked. A cgroup that was removed has no path any more.

use std::collections::{HashMap, VecDeque};
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Inode of the hierarchy's own root.
const ROOT: u64 = 1;
/// The most directories that one walk looks into: whoever may make cgroups can make many.
const MOST_DIRECTORIES: usize = 4096;
/// The most paths that are remembered.
const MOST_KNOWN: usize = 1024;

/// The cgroup2 hierarchy.
#[derive(Debug)]
pub(super) struct Cgroups {
    root: PathBuf,
    /// Whether everything below `root` is everything: only then is a path from there the cgroup's whole path.
    whole: bool,
    known: Mutex<HashMap<u64, String>>,
}

impl Cgroups {
    /// The hierarchy whose root is mounted at `root`.
    pub(super) fn new(root: PathBuf) -> Self {
        let whole = inode(&root) == Some(ROOT);
        Cgroups { root, whole, known: Mutex::default() }
    }

    /// A made-up hierarchy.
    #[cfg(test)]
    pub(super) fn made_up(root: PathBuf) -> Self {
        Cgroups { root, whole: true, known: Mutex::default() }
    }

    /// The path of the cgroup with that id, beginning with `/`. `told` is where the process said that it was.
    pub(super) fn path(&self, id: u64, told: Option<String>) -> Option<String> {
        let has_id = |path: &String| inode(&self.folder(path)) == Some(id);
        if let Some(path) = told.filter(has_id) {
            return Some(path);
        }
        let lock = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().get(&id).cloned();
        if let Some(path) = known.filter(has_id) {
            return Some(path);
        }
        let found = self.search(id).filter(has_id)?;
        let mut known = lock();
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.insert(id, found.clone());
        Some(found)
    }

    fn folder(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// Looks for the id level by level: what the system's managers made stands near the root.
    fn search(&self, id: u64) -> Option<String> {
        if !self.whole {
            return None;
        }
        if inode(&self.root) == Some(id) {
            return Some("/".to_owned());
        }
        let mut next = VecDeque::from([String::new()]);
        for _ in 0..MOST_DIRECTORIES {
            let path = next.pop_front()?;
            // One that was removed meanwhile holds nothing.
            let Ok(entries) = std::fs::read_dir(self.folder(&path)) else { continue };
            for entry in entries.flatten() {
                let is_cgroup = entry.file_type().is_ok_and(|kind| kind.is_dir());
                let name = entry.file_name();
                let Some(name) = name.to_str().filter(|_| is_cgroup) else { continue };
                let path = format!("{path}/{name}");
                if entry.ino() == id {
                    return Some(path);
                }
                if next.len() < MOST_DIRECTORIES {
                    next.push_back(path);
                }
            }
        }
        None
    }
}

fn inode(folder: &Path) -> Option<u64> {
    Some(std::fs::metadata(folder).ok()?.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made_up(paths: &[&str]) -> (tempfile::TempDir, Cgroups) {
        let folder = tempfile::tempdir().unwrap();
        for path in paths {
            std::fs::create_dir_all(folder.path().join(path.trim_start_matches('/'))).unwrap();
        }
        let cgroups = Cgroups::made_up(folder.path().to_owned());
        (folder, cgroups)
    }

    fn id(cgroups: &Cgroups, path: &str) -> u64 {
        inode(&cgroups.folder(path)).unwrap()
    }

    #[test]
    fn a_cgroup_is_found_by_its_id_alone() {
        let (_folder, cgroups) = made_up(&["/a/b/c", "/a (deleted)", "/d"]);
        for path in ["/", "/a", "/a/b/c", "/a (deleted)", "/d"] {
            // Once by the walk, once as it is known.
            for _ in 0..2 {
                assert_eq!(cgroups.path(id(&cgroups, path), None).as_deref(), Some(path));
            }
        }
    }

    #[test]
    fn what_a_process_says_counts_only_with_the_id() {
        let (_folder, cgroups) = made_up(&["/job", "/trusted"]);
        let job = id(&cgroups, "/job");
        for told in ["/job", "/trusted", "/missing", "/job/missing"] {
            assert_eq!(cgroups.path(job, Some(told.to_owned())).as_deref(), Some("/job"), "{told}");
        }
    }

    #[test]
    fn a_cgroup_that_was_removed_has_no_path_and_another_in_its_place_is_not_it() {
        let (folder, cgroups) = made_up(&["/job"]);
        let job = id(&cgroups, "/job");
        assert_eq!(cgroups.path(job, None).as_deref(), Some("/job"));
        // Not removed before the other is there, or it might get the same inode: cgroups never do.
        std::fs::rename(folder.path().join("job"), folder.path().with_extension("gone")).unwrap();
        std::fs::create_dir(folder.path().join("job")).unwrap();
        assert_eq!(cgroups.path(job, None), None);
        assert_eq!(cgroups.path(job, Some("/job".into())), None);
        std::fs::remove_dir(folder.path().with_extension("gone")).unwrap();
    }

    #[test]
    fn below_a_part_of_the_hierarchy_nothing_is_searched_for() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("docker")).unwrap();
        let cgroups = Cgroups::new(folder.path().to_owned());
        let docker = id(&cgroups, "/docker");
        assert_eq!(cgroups.path(docker, None), None, "its whole path is not known");
        assert_eq!(cgroups.path(docker, Some("/docker".into())).as_deref(), Some("/docker"));
    }
}
