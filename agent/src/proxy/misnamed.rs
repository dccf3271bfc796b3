//! Names of a policy that a database does not have, where another is most likely meant: a mask on a column that is not
//! there hides nothing. The log tells each once for a policy, and `status` those of the policy that holds.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use policy::{Catalog, Policy};

/// More databases than this are not kept in mind.
const MOST: usize = 1024;

/// What was found, by resource and database.
#[derive(Debug, Default)]
pub struct Misnamed(Mutex<BTreeMap<(String, String), Found>>);

/// What was found in one database.
#[derive(Debug)]
struct Found {
    policy: [u8; 32],
    generation: u64,
    names: Vec<String>,
}

impl Misnamed {
    fn found(&self) -> MutexGuard<'_, BTreeMap<(String, String), Found>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds the policy's names against a database that a session begins in; only where either has changed since, and beside
    /// the session, which does not wait for it.
    pub(super) fn look(
        self: &Arc<Self>,
        policy: Arc<Policy>,
        (resource, database): (&str, &str),
        catalog: Arc<Catalog>,
    ) {
        let key = (resource.to_owned(), database.to_owned());
        let Some(known) = self.begin(&key, &policy, catalog.generation()) else { return };
        let misnamed = Arc::clone(self);
        tokio::task::spawn_blocking(move || misnamed.tell(key, &known, &policy, &catalog));
    }

    /// What is known of a database, where it has to be looked at; whoever comes after takes it for looked at.
    fn begin(&self, key: &(String, String), policy: &Policy, generation: u64) -> Option<Vec<String>> {
        let mut all = self.found();
        let before = all.get(key).filter(|found| found.policy == policy.digest());
        if before.is_some_and(|found| found.generation == generation) {
            return None;
        }
        let names = before.map_or_else(Vec::new, |found| found.names.clone());
        if all.len() < MOST || all.contains_key(key) {
            let found = Found { policy: policy.digest(), generation, names: names.clone() };
            all.insert(key.clone(), found);
        }
        Some(names)
    }

    fn tell(&self, key: (String, String), known: &[String], policy: &Policy, catalog: &Catalog) {
        let (resource, database) = (key.0.as_str(), key.1.as_str());
        let names = policy.unknown_names(catalog, |rule| rule.serves(resource, database));
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        for name in names.iter().filter(|name| !known.contains(name)) {
            tracing::warn!(resource, database, "the policy names what is not there: {name}");
        }
        let mut all = self.found();
        // Another may have been begun meanwhile.
        let looked =
            |found: &&mut Found| found.policy == policy.digest() && found.generation == catalog.generation();
        if let Some(found) = all.get_mut(&key).filter(looked) {
            found.names = names;
        }
    }

    /// What of that policy was found, a line for each name.
    pub fn of(&self, policy: &Policy) -> Vec<String> {
        let all = self.found();
        let of = all.iter().filter(|(_, found)| found.policy == policy.digest());
        let line = |resource: &str, database: &str, name: &str| format!("in {resource}/{database}: {name}");
        of.flat_map(|((resource, database), found)| {
            found.names.iter().map(move |name| line(resource, database, name))
        })
        .collect()
    }
}
