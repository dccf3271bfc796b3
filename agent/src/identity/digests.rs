//! SHA-256 of files, each computed once for as long as the file stays as it is.
//!
//! A file is known by device, inode, size and both times; whoever writes to it cannot set the time of change. That
//! time ticks coarsely, so a file that was changed just now is read again each time: it may change once more within
//! the same tick.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use ring::digest::{Context, SHA256};
use rustix::fs::fstatfs;

/// Files that are longer have no digest: it would take seconds.
pub(super) const MOST_BYTES: u64 = 512 << 20;
/// The most files that are remembered.
const MOST_KNOWN: usize = 512;
/// What is read at a time.
const CHUNK: usize = 256 << 10;
/// Since when a file must not have changed to be remembered. File systems tick at least that often (FAT does).
const SETTLED_SECONDS: i64 = 2;
/// `FUSE_SUPER_MAGIC`, include/uapi/linux/magic.h.
const FUSE: i64 = 0x6573_5546;

/// A file as it is at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Version {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Version {
    fn of(file: &File) -> Option<Self> {
        let found = file.metadata().ok().filter(|found| found.is_file())?;
        Some(Version {
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }

    /// Whether a later change would show.
    fn is_settled(&self, now: SystemTime) -> bool {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        i64::try_from(now).is_ok_and(|now| self.changed.0.saturating_add(SETTLED_SECONDS) < now)
    }
}

/// A digest that is there, or that one thread computes while others wait for it.
type Slot = Arc<OnceLock<Option<[u8; 32]>>>;

/// Digests, and those that are known.
#[derive(Debug)]
pub(super) struct Digests {
    most_bytes: u64,
    known: Mutex<Known>,
}

impl Digests {
    /// None are known yet.
    pub(super) fn new(most_bytes: u64) -> Self {
        Digests { most_bytes, known: Mutex::default() }
    }

    /// The digest of a file's content, or `None` where there is no one content to tell: it is longer than
    /// [`MOST_BYTES`], changes meanwhile, cannot be read, or is made up by a program at each read (FUSE).
    pub(super) fn of(&self, file: &File) -> Option<[u8; 32]> {
        let version = Version::of(file).filter(|version| version.size <= self.most_bytes)?;
        // The type of the field differs between architectures.
        #[allow(clippy::unnecessary_cast)]
        if fstatfs(file).ok()?.f_type as i64 == FUSE {
            return None;
        }
        if !version.is_settled(SystemTime::now()) {
            return content(file, &version);
        }
        let slot = self.lock().slot(version);
        let digest = *slot.get_or_init(|| content(file, &version));
        if digest.is_none() {
            // It may be readable the next time.
            self.lock().forget(&version);
        }
        digest
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Whoever panicked while it held this left at most one use uncounted.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The digest of what the file holds, if it is that version throughout.
fn content(file: &File, version: &Version) -> Option<[u8; 32]> {
    let mut context = Context::new(&SHA256);
    let mut chunk = vec![0; CHUNK];
    let mut at = 0;
    while at < version.size {
        let read = file.read_at(&mut chunk, at).ok()?;
        context.update(chunk.get(..read).filter(|read| !read.is_empty())?);
        at += read as u64;
    }
    let digest = context.finish();
    (at == version.size && Version::of(file).as_ref() == Some(version)).then_some(())?;
    digest.as_ref().try_into().ok()
}

/// Those that are known, of which the one that was not asked for the longest goes first.
#[derive(Debug, Default)]
struct Known {
    slots: HashMap<Version, (Slot, u64)>,
    uses: u64,
}

impl Known {
    fn slot(&mut self, version: Version) -> Slot {
        self.uses += 1;
        if self.slots.len() >= MOST_KNOWN && !self.slots.contains_key(&version) {
            let oldest = self.slots.iter().min_by_key(|(_, (_, used))| *used).map(|(version, _)| *version);
            oldest.map(|version| self.slots.remove(&version));
        }
        let (slot, used) = self.slots.entry(version).or_default();
        *used = self.uses;
        Arc::clone(slot)
    }

    fn forget(&mut self, version: &Version) {
        self.slots.remove(version);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::Duration;

    use super::*;

    fn digest(content: &[u8]) -> [u8; 32] {
        ring::digest::digest(&SHA256, content).as_ref().try_into().unwrap()
    }

    fn written(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file
    }

    fn version(inode: u64) -> Version {
        Version { device: 1, inode, size: 3, modified: (5, 6), changed: (7, 8) }
    }

    #[test]
    fn a_digest_is_that_of_the_whole_content() {
        let digests = Digests::new(MOST_BYTES);
        for content in [vec![], b"abc".to_vec(), vec![7; CHUNK], vec![7; 3 * CHUNK + 1]] {
            assert_eq!(digests.of(&written(&content)), Some(digest(&content)), "{} bytes", content.len());
        }
    }

    #[test]
    fn a_file_that_has_long_been_the_same_is_read_once() {
        let digests = Digests::new(MOST_BYTES);
        let shell = File::open("/bin/sh").unwrap();
        let expect = Some(digest(&std::fs::read("/bin/sh").unwrap()));
        assert_eq!((digests.of(&shell), digests.lock().slots.len()), (expect, 1));
        // What is known is given, whatever it is.
        let version = Version::of(&shell).unwrap();
        digests.lock().slots.insert(version, (Arc::new(OnceLock::from(Some([1; 32]))), 0));
        assert_eq!(digests.of(&shell), Some([1; 32]));
    }

    #[test]
    fn a_file_that_is_written_anew_within_a_tick_of_its_clock_has_its_new_digest() {
        let digests = Digests::new(MOST_BYTES);
        let file = written(b"000");
        for round in 1..200 {
            let content = format!("{round:03}");
            file.write_all_at(content.as_bytes(), 0).unwrap();
            assert_eq!(digests.of(&file), Some(digest(content.as_bytes())), "{content}");
        }
        assert_eq!(digests.lock().slots.len(), 0);
        let now = UNIX_EPOCH + Duration::from_secs(9);
        assert!(!version(1).is_settled(now) && version(1).is_settled(now + Duration::from_secs(1)));
    }

    #[test]
    fn what_is_not_one_content_has_no_digest() {
        let file = written(b"abc");
        let before = Version::of(&file).unwrap();
        for (what, other) in [
            ("touched", Version { changed: (before.changed.0, before.changed.1 + 1), ..before }),
            ("cut", Version { size: 4, ..before }),
            ("appended", Version { size: 2, ..before }),
        ] {
            assert_eq!(content(&file, &other), None, "{what}");
        }
        assert_eq!(Digests::new(2).of(&file), None, "too long");
        assert_eq!(Digests::new(3).of(&file), Some(digest(b"abc")));
        assert_eq!(Digests::new(3).of(&File::open("/").unwrap()), None, "a folder");
    }

    #[test]
    fn what_was_not_asked_for_the_longest_is_forgotten_first() {
        let mut known = Known::default();
        for inode in 0..MOST_KNOWN as u64 {
            known.slot(version(inode));
        }
        known.slot(version(0));
        known.slot(version(1000));
        let has = |inode| known.slots.contains_key(&version(inode));
        assert_eq!((known.slots.len(), has(0), has(1), has(1000)), (MOST_KNOWN, true, false, true));
        // Who asks while another reads waits for the same one.
        assert!(Arc::ptr_eq(&known.slot(version(1000)), &known.slot(version(1000))));
    }
}
