//! The rules that judge one subject, the one that decides first before all others.

use std::cmp::Reverse;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::index::Index;
use crate::rule::Rule;

/// The rules that judge one subject, by their rank.
#[derive(Debug)]
pub(super) struct Ranked {
    /// Indices into the policy's rules: the most severe first, among equals those of the base, then in document order.
    pub(super) rules: Vec<usize>,
    /// Those of them of which it is not known whether they are about this subject, in document order.
    pub(super) doubtful: Vec<usize>,
    pub(super) index: Index,
    /// One of them is only observed.
    pub(super) observes: bool,
}

/// The ranked rules of those who are here now: most sessions meet the same ones, and many rules take a while to index.
/// It is no part of what the policy says.
#[derive(Debug, Default)]
pub(crate) struct Shared(Mutex<Vec<Weak<Ranked>>>);

impl Shared {
    /// Of these, which stand in document order, as the doubtful ones among them do.
    pub(super) fn ranked(&self, mut rules: Vec<usize>, doubtful: Vec<usize>, all: &[Rule]) -> Arc<Ranked> {
        let rule = |at: &usize| all.get(*at);
        // Stable: what is equal stays in document order.
        rules.sort_by_key(|at| (Reverse(rule(at).and_then(Rule::decision)), rule(at).map(Rule::layer)));
        // What is in it is whole at any time.
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shared.retain(|ranked| ranked.strong_count() > 0);
        let mut known = shared.iter().filter_map(Weak::upgrade);
        let known = known.find(|ranked| ranked.rules == rules && ranked.doubtful == doubtful);
        known.unwrap_or_else(|| {
            let index = Index::new(rules.iter().filter_map(|at| rule(at)?.judging.as_ref()));
            let observes = rules.iter().filter_map(rule).any(|rule| rule.observed);
            let ranked = Arc::new(Ranked { rules, doubtful, index, observes });
            shared.push(Arc::downgrade(&ranked));
            ranked
        })
    }
}

impl Clone for Shared {
    fn clone(&self) -> Self {
        Shared::default()
    }
}

impl PartialEq for Shared {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Shared {}
