//! The verdict: a policy, narrowed to one subject, over a statement's actions.

mod considered;
mod exposure;
mod find;
mod index;
mod ranked;

use std::sync::Arc;

use crate::action::{Action, Verb};
use crate::decision::Decision;
use crate::judgement::{Cause, Judgement};
use crate::mask::Masks;
use crate::principal::Subject;
use crate::resource::Resource;
use crate::rule::{Place, Rule};
use crate::who::Standing;
use crate::window::{Moment, Window};
pub use considered::Considered;
use exposure::Around;
use ranked::Ranked;
pub(crate) use ranked::Shared;

/// All rules of all documents. It is a value: a change is a new policy with another digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub(crate) digest: [u8; 32],
    pub(crate) rules: Vec<Rule>,
    pub(crate) resources: Vec<Resource>,
    /// Tags of teams that no rule names, in document order.
    pub(crate) unused_tags: Vec<(String, Place)>,
    pub(crate) shared: Shared,
}

impl Policy {
    /// SHA-256 over the documents' texts, in their order; their names do not count.
    pub const fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// In document order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule of that name.
    pub fn rule(&self, name: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| &*rule.name == name)
    }

    /// The first rule that asks who somebody is by claims.
    pub fn asking_for_claims(&self) -> Option<&Rule> {
        let asks = |rule: &&Rule| rule.who.iter().chain(&rule.except).any(|who| !who.claims.is_empty());
        self.rules.iter().find(asks)
    }

    /// The resources that the documents describe.
    pub fn resources(&self) -> &[Resource] {
        &self.resources
    }

    /// The masks that hold for that subject.
    pub fn masks(&self, subject: &Subject<'_>) -> Masks {
        let rules = self.masking_rules(subject);
        Masks::new(rules.flat_map(|rule| rule.masks.iter().cloned()))
    }

    /// The rules whose masks hold for that subject, in document order.
    pub fn masking_rules(&self, subject: &Subject<'_>) -> impl Iterator<Item = &Rule> {
        self.masking(subject).filter_map(|at| self.rules.get(at))
    }

    /// The rules with masks that hold for that subject: like what denies, a mask holds in doubt, and whether the rule is
    /// enforced or observed.
    fn masking(&self, subject: &Subject<'_>) -> impl Iterator<Item = usize> {
        let masks = |rule: &Rule| !rule.masks.is_empty() && rule.standing(subject) > Standing::Outside;
        self.rules.iter().enumerate().filter(move |(_, rule)| masks(rule)).map(|(at, _)| at)
    }

    /// The part of the policy that concerns that subject. Matching who and where is done here, once for a
    /// session; judging then looks at actions alone.
    pub fn for_subject(self: &Arc<Self>, subject: &Subject<'_>) -> SubjectPolicy {
        let served = self
            .resources
            .iter()
            .find(|resource| resource.name == subject.resource)
            .is_none_or(|resource| resource.serves(subject.database));
        let (mut rules, mut doubtful) = (Vec::new(), Vec::new());
        for (at, rule) in self.rules.iter().enumerate() {
            let Some(judging) = &rule.judging else { continue };
            let allows = judging.decision == Decision::Allow;
            match rule.standing(subject) {
                Standing::Inside if served || !allows => rules.push(at),
                Standing::Unknown if !allows => {
                    rules.push(at);
                    doubtful.push(at);
                }
                Standing::Inside | Standing::Unknown | Standing::Outside => {}
            }
        }
        let masking = self.masking(subject).next();
        let opaque = |counts: fn(&Rule) -> bool| {
            let first = |decision| {
                let is =
                    |at: &usize| self.rules[*at].decision() == Some(decision) && counts(&self.rules[*at]);
                rules.iter().copied().find(is)
            };
            match (first(Decision::Deny), masking, first(Decision::Hold)) {
                (Some(denial), _, _) => Some((Decision::Deny, denial, Cause::OpaqueUnderRule)),
                (None, Some(mask), _) => Some((Decision::Deny, mask, Cause::OpaqueUnderMask)),
                (None, None, Some(hold)) => Some((Decision::Hold, hold, Cause::OpaqueUnderRule)),
                (None, None, None) => None,
            }
        };
        let mut windows: Vec<Window> = Vec::new();
        for window in
            rules.iter().filter_map(|at| self.rules[*at].judging.as_ref()).flat_map(|j| &j.when.windows)
        {
            if !windows.contains(window) {
                windows.push(window.clone());
            }
        }
        let (opaque, opaque_by_all) = (opaque(|rule| !rule.observed), opaque(|_| true));
        SubjectPolicy {
            policy: Arc::clone(self),
            masks: self.masks(subject),
            opaque,
            opaque_by_all,
            masking,
            windows,
            observed: self.is_observed(subject.resource),
            ranked: self.shared.ranked(rules, doubtful, &self.rules),
        }
    }

    /// Whether what is decided on that resource is only observed.
    fn is_observed(&self, resource: &str) -> bool {
        self.resources.iter().any(|known| known.name == resource && known.observed)
    }

    /// What is judged and recorded but not enforced, one line for each: it is to be seen wherever somebody looks.
    pub fn observed(&self) -> Vec<String> {
        let resources = self.resources.iter().filter(|resource| resource.observed);
        let resources = resources.map(|resource| {
            format!("resource \"{}\": nothing is refused or held there, only masks hold", resource.name)
        });
        let rules = self.rules.iter().filter(|rule| rule.observed);
        let rules = rules.map(|rule| format!("rule \"{}\" at {}", rule.name, rule.place));
        resources.chain(rules).collect()
    }
}

/// A policy as it concerns one subject.
#[derive(Debug, Clone)]
pub struct SubjectPolicy {
    policy: Arc<Policy>,
    ranked: Arc<Ranked>,
    masks: Masks,
    /// What an opaque statement comes to for this subject, at the least, even if a rule allows `opaque`.
    opaque: Option<(Decision, usize, Cause)>,
    /// The same if every rule counted that is only observed.
    opaque_by_all: Option<(Decision, usize, Cause)>,
    /// The first rule that masks for this subject.
    masking: Option<usize>,
    /// Nothing is enforced here but what keeps secrets.
    observed: bool,
    /// The times at which some of the rules speak, each once.
    windows: Vec<Window>,
}

impl SubjectPolicy {
    /// Whether both judge all alike: the same rules of the same policy speak, and the same is masked.
    pub fn is_alike(&self, other: &Self) -> bool {
        let SubjectPolicy { policy, ranked, masks, opaque, opaque_by_all, masking, observed, windows } = self;
        // Who has the same rules shares them.
        Arc::ptr_eq(policy, &other.policy)
            && Arc::ptr_eq(ranked, &other.ranked)
            && (opaque, opaque_by_all, masking) == (&other.opaque, &other.opaque_by_all, &other.masking)
            && *observed == other.observed
            && *masks == other.masks
            && *windows == other.windows
    }

    /// The masks that hold for this subject.
    pub const fn masks(&self) -> &Masks {
        &self.masks
    }

    /// [`Policy::digest`] of the policy that this is a part of.
    pub fn digest(&self) -> [u8; 32] {
        self.policy.digest
    }

    /// The time until which judgements of that time hold: no window of a rule opens or closes before.
    pub fn steady_until(&self, at: Moment) -> Moment {
        self.windows.iter().map(|window| window.steady_until(at)).min().unwrap_or(Moment::LAST)
    }

    /// Judges a statement, or all of a Query at once, by its actions, where nothing that it stores comes from a
    /// masked column.
    pub fn judge<'a>(&self, actions: impl IntoIterator<Item = &'a Action>, at: Moment) -> Judgement {
        self.judge_storing(actions, false, at)
    }

    /// The same where `stores_masked` says whether a value that it stores, copies out, or hands to a function, may come from
    /// a column that is masked for this subject: it could be read back in clear, so it is denied.
    pub fn judge_storing<'a>(
        &self,
        actions: impl IntoIterator<Item = &'a Action>,
        stores_masked: bool,
        at: Moment,
    ) -> Judgement {
        let actions: Vec<&Action> = actions.into_iter().collect();
        let reads_masked = !self.masks.is_empty()
            && actions.iter().any(|a| a.verb == Verb::Select && exposure::touches(&self.masks, &a.object));
        let stores_masked = stores_masked && !self.masks.is_empty();
        let around = Around { reads_masked, stores_masked, at };
        let findings = actions.into_iter().map(|action| self.find(action, around)).collect();
        let mut judgement = Judgement::new(findings, self.policy.digest);
        // Once for a statement, however many of its actions are refused: it looks at every rule.
        if let Some(finding) = judgement.decisive_mut().filter(|finding| finding.cause == Cause::NoRule) {
            finding.instead = self.instead(&finding.action, around);
        }
        judgement
    }
}

#[cfg(test)]
mod tests;
