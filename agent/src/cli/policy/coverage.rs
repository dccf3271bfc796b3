//! Which rules of a policy its cases have tried.

use std::collections::HashSet;

use policy::{Case, Cause, Masked, Policy, Rule};

use super::judged::Judged;

/// The rules of one document, and those that have decided about an action, or masked a result.
pub(super) struct Coverage<'a> {
    policy: &'a Policy,
    document: &'a str,
    tried: HashSet<String>,
}

impl<'a> Coverage<'a> {
    /// Of the document of that name: what it stands over has cases of its own.
    pub(super) fn new(policy: &'a Policy, document: &'a str) -> Self {
        Coverage { policy, document, tried: HashSet::new() }
    }

    /// What was found in one case.
    pub(super) fn add(&mut self, case: &Case, judged: &Judged) {
        for finding in judged.judgement.findings() {
            for finding in [Some(finding), finding.would.as_deref()].into_iter().flatten() {
                if finding.cause != Cause::NoRule && !self.tried.contains(&*finding.rule) {
                    self.tried.insert(finding.rule.to_string());
                }
            }
        }
        if judged.masked != Masked::Columns(Default::default()) {
            let subject = case.subject();
            self.tried.extend(self.policy.masking_rules(&subject).map(|rule| rule.name().to_string()));
        }
    }

    fn own(&self) -> impl Iterator<Item = &'a Rule> {
        self.policy.rules().iter().filter(|rule| &*rule.place().file == self.document)
    }

    /// How many there are.
    pub(super) fn rules(&self) -> usize {
        self.own().count()
    }

    /// Those that no case has tried.
    pub(super) fn untried(&self) -> impl Iterator<Item = &'a Rule> {
        self.own().filter(|rule| !self.tried.contains(&**rule.name()))
    }
}
