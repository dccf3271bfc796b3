//! Readings of texts, kept for the sessions of one worker. It knows nothing of what a reading is.
//!
//! A reading is good for the text, the settings that change its meaning, and one generation of one database's
//! catalog; all of these are the key. Many texts come once and never again, since literals stand in them: such a
//! text costs a mark of eight bytes and no more. A text is kept when it comes a second time.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::rc::Rc;
use std::sync::Arc;

use policy::Catalog;
use sql::{Limits, Settings};

use super::reading::Reading;

/// Readings by text, bounded by the texts' bytes. When it is full, the older half goes.
pub struct ReadingCache {
    hasher: RandomState,
    /// By the key's hash, so that looking takes no key of one's own; the key itself is compared.
    young: HashMap<u64, Entry>,
    old: HashMap<u64, Entry>,
    /// Hashes of keys that came once, each in the only place that it may have.
    seen: Box<[u64]>,
    bytes: usize,
    budget: usize,
    limits: Limits,
}

struct Entry {
    database: Arc<str>,
    generation: u64,
    settings: Settings,
    text: Box<[u8]>,
    reading: Rc<Reading>,
}

/// Where and when a text stands.
#[derive(Clone, Copy)]
struct Key<'a> {
    database: &'a Arc<str>,
    generation: u64,
    settings: &'a Settings,
    text: &'a [u8],
}

impl Entry {
    fn is(&self, key: Key<'_>) -> bool {
        self.generation == key.generation
            && *self.text == *key.text
            && self.database == *key.database
            && self.settings == *key.settings
    }
}

/// Longer texts are rarely sent twice and would push out many short ones.
const LONGEST_KEPT: usize = 64 * 1024;

/// How many texts are remembered that came once: 64 KiB of marks.
const SEEN: usize = 8 * 1024;

impl ReadingCache {
    /// A cache that holds texts of about `budget` bytes.
    pub fn new(budget: usize, limits: Limits) -> Self {
        ReadingCache {
            hasher: RandomState::new(),
            young: HashMap::new(),
            old: HashMap::new(),
            seen: vec![0; SEEN].into(),
            bytes: 0,
            budget,
            limits,
        }
    }

    /// Reads a text without looking into the cache: for catalogs that one session alone has.
    pub(crate) fn read_alone(&self, text: &[u8], settings: &Settings, catalog: &Catalog) -> Rc<Reading> {
        Rc::new(Reading::new(sql::analyse(text, settings, catalog, &self.limits)))
    }

    pub(crate) fn read(
        &mut self,
        database: &Arc<str>,
        text: &[u8],
        settings: &Settings,
        catalog: &Catalog,
    ) -> Rc<Reading> {
        if text.len() > LONGEST_KEPT {
            return self.read_alone(text, settings, catalog);
        }
        let key = Key { database, generation: catalog.generation(), settings, text };
        let hash = self.hasher.hash_one((key.database, key.generation, key.settings, key.text));
        if let Some(found) = self.young.get(&hash).filter(|entry| entry.is(key)) {
            return Rc::clone(&found.reading);
        }
        if self.old.get(&hash).is_some_and(|entry| entry.is(key))
            && let Some(found) = self.old.remove(&hash)
        {
            let reading = Rc::clone(&found.reading);
            self.keep(hash, found);
            return reading;
        }
        let reading = self.read_alone(text, settings, catalog);
        if self.came_before(hash) {
            let entry = Entry {
                database: Arc::clone(database),
                generation: key.generation,
                settings: settings.clone(),
                text: text.into(),
                reading: Rc::clone(&reading),
            };
            self.keep(hash, entry);
        }
        reading
    }

    /// Whether it has come before, as far as is remembered. It is remembered from now on.
    fn came_before(&mut self, hash: u64) -> bool {
        let place = usize::try_from(hash % SEEN as u64).unwrap_or(0);
        self.seen.get_mut(place).is_some_and(|seen| std::mem::replace(seen, hash) == hash)
    }

    fn keep(&mut self, hash: u64, entry: Entry) {
        // A reading takes several times its text: the text stands for it.
        let bytes = entry.text.len() + 256;
        self.bytes += bytes;
        if self.bytes > self.budget / 2 {
            self.old = std::mem::take(&mut self.young);
            self.bytes = bytes;
        }
        self.young.insert(hash, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `texts` in turn and says which of them were given from the cache.
    fn check(budget: usize, texts: &[&str], expect: &[bool]) {
        let mut cache = ReadingCache::new(budget, Limits::default());
        let (database, settings) = (Arc::from("db"), Settings::default());
        let catalog = Catalog::default();
        let mut given: Vec<Rc<Reading>> = Vec::new();
        let mut kept = Vec::new();
        for text in texts {
            let reading = cache.read(&database, text.as_bytes(), &settings, &catalog);
            kept.push(given.iter().any(|earlier| Rc::ptr_eq(earlier, &reading)));
            given.push(reading);
        }
        assert_eq!(kept, expect, "{texts:?}");
    }

    #[test]
    fn a_text_is_kept_when_it_comes_a_second_time() {
        check(1 << 20, &["SELECT 1"; 4], &[false, false, true, true]);
        check(1 << 20, &["SELECT 1", "SELECT 1", "SELECT 2", "SELECT 1"], &[false, false, false, true]);
    }

    #[test]
    fn a_cache_without_room_for_two_keeps_the_newest_in_both_halves() {
        let (a, b, c) = ("SELECT 1", "SELECT 2", "SELECT 3");
        check(800, &[a, a, b, b, a, b], &[false, false, false, false, true, true]);
        check(800, &[a, a, b, b, c, c, a], &[false; 7]);
    }

    #[test]
    fn other_settings_and_generations_are_other_readings() {
        let mut cache = ReadingCache::new(1 << 20, Limits::default());
        let database = Arc::from("db");
        let catalog = Catalog::default();
        let plain = Settings::default();
        let escaping = Settings { standard_conforming_strings: false, ..Settings::default() };
        let text = br"SELECT '\''";
        let mut read = |settings: &Settings| cache.read(&database, text, settings, &catalog);
        read(&plain);
        let (kept, other) = (read(&plain), read(&escaping));
        assert!(Rc::ptr_eq(&kept, &read(&plain)));
        assert!(!Rc::ptr_eq(&kept, &other));
    }
}
