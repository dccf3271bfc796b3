//! From a text to its decision as a session goes, and nothing else of a session: what benchmarks measure.

use std::rc::Rc;
use std::sync::Arc;

use policy::{Catalog, Decision, Moment, SubjectPolicy};
use sql::{Limits, Settings};

use super::cache::Alike;
use super::cache::Cache;
use super::judged::Told;

/// Reads and judges texts with what sessions keep between them.
pub struct Measured {
    cache: Cache,
    judgements: Rc<Alike>,
    database: Arc<str>,
    settings: Settings,
    catalog: Catalog,
}

impl Measured {
    /// Texts that stand in a session with these settings.
    pub fn new(settings: Settings, catalog: Catalog, policy: Arc<SubjectPolicy>) -> Self {
        let mut cache = Cache::new(1 << 20, Limits::default());
        let judgements = cache.judgements.of(&policy, None);
        Measured { cache, judgements, database: Arc::from("shop"), settings, catalog }
    }

    /// Reads a text that may have come before, and says how many statements stand in it.
    pub fn read(&mut self, text: &[u8]) -> usize {
        self.cache.readings.read(&self.database, text, &self.settings, &self.catalog).statements().len()
    }

    /// Reads and judges it.
    pub fn decide(&mut self, text: &[u8]) -> Decision {
        let reading = self.cache.readings.read(&self.database, text, &self.settings, &self.catalog);
        let (policy, now) = (self.judgements.policy(), Moment::default());
        let judge = || Told::new(policy.judge(reading.actions(), now));
        self.judgements.judgement(&reading, now, judge).decision()
    }
}
