//! What the names stood for last, in a file: for a daemon that starts while the resolver is away.
//!
//! Nothing hangs on the file but that: without it, or with one that cannot be read, names begin with nothing.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::book::Addresses;

/// The file, and what was in it of names that nobody has asked for yet.
#[derive(Debug)]
pub(super) struct Memory {
    path: PathBuf,
    found: Written,
    /// Whether the last write failed, so that it is told once.
    failed: bool,
}

/// The file's form: each name's addresses, with the second since the Unix epoch in which the name left it.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Written {
    names: BTreeMap<String, BTreeMap<IpAddr, Option<u64>>>,
}

impl Memory {
    pub(super) fn open(path: &Path) -> Self {
        let found = match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::warn!(%error, file = %path.display(), "what names stood for last cannot be read");
                Written::default()
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Written::default(),
            Err(error) => {
                tracing::warn!(%error, file = %path.display(), "what names stood for last cannot be read");
                Written::default()
            }
        };
        Memory { path: path.to_owned(), found, failed: false }
    }

    /// What was known of a name.
    pub(super) fn take(&mut self, name: &str, now: Instant) -> Addresses {
        let seconds = since_epoch();
        let instant = |left: u64| {
            let ago = Duration::from_secs(seconds.saturating_sub(left));
            // A machine that has run for less than that: then it is kept for longer.
            now.checked_sub(ago).unwrap_or(now)
        };
        let addresses = self.found.names.remove(name).unwrap_or_default();
        addresses.into_iter().map(|(address, left)| (address, left.map(instant))).collect()
    }

    /// Writes what is known now in the place of what was, in one step.
    pub(super) fn write(&mut self, known: &BTreeMap<String, Addresses>, now: Instant) {
        let seconds = since_epoch();
        let left = |left: Instant| seconds.saturating_sub(now.saturating_duration_since(left).as_secs());
        let addresses = |addresses: &Addresses| {
            addresses.iter().map(|(address, since)| (*address, since.map(left))).collect()
        };
        let names = known.iter().map(|(name, known)| (name.clone(), addresses(known))).collect();
        match (self.replace(&Written { names }), self.failed) {
            (Ok(()), _) => self.failed = false,
            (Err(error), false) => {
                self.failed = true;
                tracing::error!(
                    %error, file = %self.path.display(),
                    "what names stand for cannot be written: the next start will not know it"
                );
            }
            (Err(_), true) => {}
        }
    }

    fn replace(&self, written: &Written) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let new = self.path.with_extension("new");
        std::fs::write(&new, serde_json::to_vec_pretty(written)?)?;
        std::fs::rename(new, &self.path)
    }
}

fn since_epoch() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_known_is_known_again_and_no_file_or_a_broken_one_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deeper/names.json");
        let now = Instant::now();
        let left = now.checked_sub(Duration::from_secs(90)).unwrap();
        let addresses: Addresses =
            [("10.0.0.1".parse().unwrap(), None), ("fd00::1".parse().unwrap(), Some(left))].into();
        let mut memory = Memory::open(&path);
        assert!(memory.take("db", now).is_empty());
        memory.write(&BTreeMap::from([("db".to_owned(), addresses.clone())]), now);

        let mut again = Memory::open(&path);
        let taken = again.take("db", now);
        assert_eq!(taken.keys().collect::<Vec<_>>(), addresses.keys().collect::<Vec<_>>());
        assert_eq!(taken[&"10.0.0.1".parse::<IpAddr>().unwrap()], None);
        let ago = now - taken[&"fd00::1".parse::<IpAddr>().unwrap()].unwrap();
        // The file has whole seconds, and one may have ended in between.
        assert!((89..=91).contains(&ago.as_secs()), "{ago:?}");
        assert!(again.take("db", now).is_empty(), "it is given out once");

        std::fs::write(&path, "{").unwrap();
        assert!(Memory::open(&path).take("db", now).is_empty());
    }
}
