//! From a text to its decision as a session goes, and nothing else of a session: what benchmarks measure.

use std::sync::Arc;

use policy::{Catalog, Decision, SubjectPolicy};
use sql::{Limits, Settings};

use super::cache::Cache;
use super::judged::{Recent, Told};

/// Reads and judges texts with what sessions keep between them.
pub struct Measured {
    cache: Cache,
    recent: Recent,
    database: Arc<str>,
    settings: Settings,
    catalog: Catalog,
    policy: Arc<SubjectPolicy>,
}

impl Measured {
    /// Texts that stand in a session with these settings.
    pub fn new(settings: Settings, catalog: Catalog, policy: Arc<SubjectPolicy>) -> Self {
        let cache = Cache::new(1 << 20, Limits::default());
        Measured { cache, recent: Recent::default(), database: Arc::from("shop"), settings, catalog, policy }
    }

    /// Reads a text that may have come before, and says how many statements stand in it.
    pub fn read(&mut self, text: &[u8]) -> usize {
        self.cache.readings.read(&self.database, text, &self.settings, &self.catalog).statements().len()
    }

    /// Reads and judges it.
    pub fn decide(&mut self, text: &[u8]) -> Decision {
        let reading = self.cache.readings.read(&self.database, text, &self.settings, &self.catalog);
        if let Some(told) = self.recent.get(reading.meaning()) {
            return told.decision();
        }
        let told =
            std::rc::Rc::new(Told::new(self.policy.judge(reading.actions(), policy::Moment::default())));
        self.recent.keep(reading.meaning(), &told);
        told.decision()
    }
}
