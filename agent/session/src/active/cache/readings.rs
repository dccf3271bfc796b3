//! Readings of texts, kept for the sessions of one worker. It knows nothing of what a reading is.
//!
//! A reading is good for the text, the settings that change its meaning, and one generation of one database's
//! catalog; all of these are the key. Many texts come once and never again, since literals stand in them: what they mean
//! is kept by their shape ([`sql::Shape`]), if it was shown that the literals say nothing. Whatever is kept is kept
//! when it comes a second time; until then it costs a mark of eight bytes.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::rc::Rc;
use std::sync::Arc;

use policy::Catalog;
use sql::{Limits, Settings, Shape};

use super::super::reading::{Meaning, Reading};

/// Readings by text, bounded by the texts' bytes. When it is full, the older half goes.
pub(in crate::active) struct Readings {
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
    kept: Kept,
}

/// What is known of a key.
#[derive(Clone)]
enum Kept {
    /// Of a text: its reading.
    Text(Rc<Reading>),
    /// Of a shape: what all its texts mean.
    Shape(Rc<Meaning>),
    /// Of a shape: its texts do not all mean the same.
    Differs,
}

/// Where and when a text stands.
#[derive(Clone, Copy, Hash)]
struct Key<'a> {
    database: &'a Arc<str>,
    generation: u64,
    settings: &'a Settings,
    text: &'a [u8],
    /// It is a shape's.
    shape: bool,
}

impl Entry {
    fn is(&self, key: Key<'_>) -> bool {
        self.generation == key.generation
            && *self.text == *key.text
            && matches!(self.kept, Kept::Text(_)) != key.shape
            && self.database == *key.database
            && self.settings == *key.settings
    }
}

/// Longer texts are rarely sent twice and would push out many short ones.
const LONGEST_KEPT: usize = 64 * 1024;

/// How many keys are remembered that came once: 64 KiB of marks.
const SEEN: usize = 8 * 1024;

impl Readings {
    /// A cache that holds texts of about `budget` bytes.
    pub(super) fn new(budget: usize, limits: Limits) -> Self {
        Readings {
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
    pub(in crate::active) fn read_alone(
        &self,
        text: &[u8],
        settings: &Settings,
        catalog: &Catalog,
    ) -> Rc<Reading> {
        Rc::new(Reading::new(sql::analyse(text, settings, catalog, &self.limits)))
    }

    pub(in crate::active) fn read(
        &mut self,
        database: &Arc<str>,
        text: &[u8],
        settings: &Settings,
        catalog: &Catalog,
    ) -> Rc<Reading> {
        if text.len() > LONGEST_KEPT {
            return self.read_alone(text, settings, catalog);
        }
        let key = Key { database, generation: catalog.generation(), settings, text, shape: false };
        let hash = self.hasher.hash_one(key);
        if let Some(Kept::Text(reading)) = self.find(hash, key) {
            return reading;
        }
        let shape = Shape::of(text, settings, &self.limits);
        let known = shape.as_ref().map(|shape| {
            let key = Key { text: shape.key(), shape: true, ..key };
            let hash = self.hasher.hash_one(key);
            (shape, key, hash, self.find(hash, key))
        });
        let reading = match known {
            Some((shape, _, _, Some(Kept::Shape(meaning)))) => {
                return Rc::new(Reading::alike(&meaning, shape.place().clone()));
            }
            Some((shape, key, hash, None)) if self.came_before(hash) => {
                let analysis = sql::analyse(text, settings, catalog, &self.limits);
                let stands = sql::stands_for_all(text, shape, &analysis, settings, catalog, &self.limits);
                let reading = Reading::new(analysis);
                let kept = if stands { Kept::Shape(Rc::clone(reading.meaning())) } else { Kept::Differs };
                self.keep(hash, key, kept);
                reading
            }
            _ => Reading::new(sql::analyse(text, settings, catalog, &self.limits)),
        };
        let reading = Rc::new(reading);
        if self.came_before(hash) {
            self.keep(hash, key, Kept::Text(Rc::clone(&reading)));
        }
        reading
    }

    /// What is kept of a key. It is young again.
    fn find(&mut self, hash: u64, key: Key<'_>) -> Option<Kept> {
        if let Some(found) = self.young.get(&hash).filter(|entry| entry.is(key)) {
            return Some(found.kept.clone());
        }
        if !self.old.get(&hash)?.is(key) {
            return None;
        }
        let found = self.old.remove(&hash)?;
        let kept = found.kept.clone();
        self.insert(hash, found);
        Some(kept)
    }

    /// Whether it has come before, as far as is remembered. It is remembered from now on.
    fn came_before(&mut self, hash: u64) -> bool {
        let place = usize::try_from(hash % SEEN as u64).unwrap_or(0);
        self.seen.get_mut(place).is_some_and(|seen| std::mem::replace(seen, hash) == hash)
    }

    fn keep(&mut self, hash: u64, key: Key<'_>, kept: Kept) {
        let entry = Entry {
            database: Arc::clone(key.database),
            generation: key.generation,
            settings: key.settings.clone(),
            text: key.text.into(),
            kept,
        };
        self.insert(hash, entry);
    }

    fn insert(&mut self, hash: u64, entry: Entry) {
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
        let mut cache = Readings::new(budget, Limits::default());
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
        let (a, b, c) = ("SET a = 1", "SET b = 2", "SET c = 3");
        check(800, &[a, a, b, b, a, b], &[false, false, false, false, true, true]);
        check(800, &[a, a, b, b, c, c, a], &[false; 7]);
    }

    /// Whether the last of the texts means, without being read, what the others do.
    fn is_alike(texts: [&str; 3]) -> bool {
        let mut cache = Readings::new(1 << 20, Limits::default());
        let (database, settings) = (Arc::from("db"), Settings::default());
        let catalog = Catalog::default();
        let [_, second, third] =
            texts.map(|text| cache.read(&database, text.as_bytes(), &settings, &catalog));
        let alone = cache.read_alone(texts[2].as_bytes(), &settings, &catalog);
        assert_eq!(third.statements(), alone.statements(), "{texts:?}");
        assert_eq!(third.places(), alone.places(), "{texts:?}");
        Rc::ptr_eq(second.meaning(), third.meaning())
    }

    #[test]
    fn a_text_whose_literals_alone_are_new_is_not_read_again() {
        assert!(is_alike(["SELECT 1", "SELECT 22", "SELECT 333 -- three"]));
        // What must not be recorded is found in each text.
        assert!(is_alike(["SELECT 'a'", "SELECT 'b'", "SELECT 'postgres://me:secret@db/shop'"]));
        assert!(is_alike(["SELECT 'a', 1.5", "SELECT 'b;', 2e10", "SELECT '', .5;"]));
        assert!(!is_alike(["SELECT 1", "SELECT 2", "SELECT 3000000000"]));
        assert!(!is_alike(["SELECT 1", "SELECT '2'", "SELECT 3.0"]));
        assert!(!is_alike(["SET a = 1", "SET a = 2", "SET a = 3"]));
        let set = |value: &str| format!("SELECT set_config('a', '{value}', true)");
        assert!(!is_alike([&set("1"), &set("2"), &set("3")]));
    }

    #[test]
    fn other_settings_and_generations_are_other_readings() {
        let mut cache = Readings::new(1 << 20, Limits::default());
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
