//! The verdict: a policy, narrowed to one subject, over a statement's actions.

mod exposure;
mod index;

use std::cmp::Reverse;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::action::{Action, Verb};
use crate::decision::Decision;
use crate::judgement::{Cause, DEFAULT_RULE, Finding, IMPLIED_RULE, Judgement};
use crate::mask::Masks;
use crate::principal::Principal;
use crate::resource::Resource;
use crate::rule::{Judging, Rule};
use crate::who::Standing;
use exposure::{Around, Exposure};
use index::Index;

/// Who asks, and where.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Who.
    pub principal: &'a Principal,
    /// The resource's name.
    pub resource: &'a str,
    /// The database that was asked for.
    pub database: &'a str,
}

/// All rules of all documents. It is a value: a change is a new policy with another digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub(crate) digest: [u8; 32],
    pub(crate) rules: Vec<Rule>,
    pub(crate) resources: Vec<Resource>,
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

    /// The resources that the documents describe.
    pub fn resources(&self) -> &[Resource] {
        &self.resources
    }

    /// The masks that hold for that subject.
    pub fn masks(&self, subject: &Subject<'_>) -> Masks {
        Masks::new(self.masking(subject).flat_map(|rule| rule.masks.iter().cloned()))
    }

    /// The rules with masks that hold for that subject: like what denies, a mask holds in doubt.
    fn masking<'a>(&'a self, subject: &'a Subject<'_>) -> impl Iterator<Item = &'a Rule> {
        self.rules.iter().filter(|rule| !rule.masks.is_empty() && rule.standing(subject) > Standing::Outside)
    }

    /// The part of the policy that concerns that subject. Matching who and where is done here, once for a
    /// session; judging then looks at actions alone.
    pub fn for_subject(self: &Arc<Self>, subject: &Subject<'_>) -> SubjectPolicy {
        let served = self
            .resources
            .iter()
            .find(|resource| resource.name == subject.resource)
            .is_none_or(|resource| resource.serves(subject.database));
        let judges = |rule: &Rule| match &rule.judging {
            None => false,
            Some(Judging { decision: Decision::Allow, .. }) => {
                served && rule.standing(subject) == Standing::Inside
            }
            Some(_) => rule.standing(subject) > Standing::Outside,
        };
        let mut rules: Vec<usize> = (0..self.rules.len()).filter(|at| judges(&self.rules[*at])).collect();
        let first =
            |decision| rules.iter().map(|at| &self.rules[*at]).find(|r| r.decision() == Some(decision));
        let masking = self.masking(subject).next().map(|rule| rule.name.clone());
        let under = |rule: &Rule| rule.name.clone();
        let opaque = match (first(Decision::Deny), &masking, first(Decision::Hold)) {
            (Some(denial), _, _) => Some((Decision::Deny, under(denial), Cause::OpaqueUnderRule)),
            (None, Some(mask), _) => Some((Decision::Deny, mask.clone(), Cause::OpaqueUnderMask)),
            (None, None, Some(hold)) => Some((Decision::Hold, under(hold), Cause::OpaqueUnderRule)),
            (None, None, None) => None,
        };
        // Stable: of rules that decide the same, the first in document order comes first.
        rules.sort_by_key(|at| Reverse(self.rules[*at].decision()));
        let ranked = self.shared.ranked(rules, &self.rules);
        SubjectPolicy { policy: Arc::clone(self), ranked, masks: self.masks(subject), opaque, masking }
    }
}

/// A policy as it concerns one subject.
#[derive(Debug, Clone)]
pub struct SubjectPolicy {
    policy: Arc<Policy>,
    ranked: Arc<Ranked>,
    masks: Masks,
    /// What an opaque statement comes to for this subject, at the least, even if a rule allows `opaque`.
    opaque: Option<(Decision, Arc<str>, Cause)>,
    /// The first rule that masks for this subject.
    masking: Option<Arc<str>>,
}

/// The rules that judge one subject, by their rank.
#[derive(Debug)]
struct Ranked {
    /// Indices into the policy's rules: the most severe first, and among equals in document order.
    rules: Vec<usize>,
    index: Index,
}

/// The ranked rules of those who are here now: most sessions meet the same ones, and many rules take a while to index.
/// It is no part of what the policy says.
#[derive(Debug, Default)]
pub(crate) struct Shared(Mutex<Vec<Weak<Ranked>>>);

impl Shared {
    fn ranked(&self, ranks: Vec<usize>, all: &[Rule]) -> Arc<Ranked> {
        // What is in it is whole at any time.
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shared.retain(|ranked| ranked.strong_count() > 0);
        let known = shared.iter().filter_map(Weak::upgrade).find(|ranked| ranked.rules == ranks);
        known.unwrap_or_else(|| {
            let judging = ranks.iter().filter_map(|at| all.get(*at)?.judging.as_ref());
            let ranked = Arc::new(Ranked { index: Index::new(judging), rules: ranks });
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

impl SubjectPolicy {
    /// The masks that hold for this subject.
    pub const fn masks(&self) -> &Masks {
        &self.masks
    }

    /// [`Policy::digest`] of the policy that this is a part of.
    pub fn digest(&self) -> [u8; 32] {
        self.policy.digest
    }

    /// Judges a statement, or all of a Query at once, by its actions, where nothing that it stores comes from a
    /// masked column.
    pub fn judge<'a>(&self, actions: impl IntoIterator<Item = &'a Action>) -> Judgement {
        self.judge_storing(actions, false)
    }

    /// The same where `stores_masked` says whether a value that it stores, or hands to a function, may come from
    /// a column that is masked for this subject: it could be read back in clear, so it is denied.
    pub fn judge_storing<'a>(
        &self,
        actions: impl IntoIterator<Item = &'a Action>,
        stores_masked: bool,
    ) -> Judgement {
        let actions: Vec<&Action> = actions.into_iter().collect();
        let reads_masked = !self.masks.is_empty()
            && actions.iter().any(|a| a.verb == Verb::Select && exposure::touches(&self.masks, &a.object));
        let around = Around { reads_masked, stores_masked: stores_masked && !self.masks.is_empty() };
        let findings = actions.into_iter().map(|action| self.find(action, around)).collect();
        Judgement::new(findings, self.policy.digest)
    }

    /// The finding on one action. The others count only in so far as they make up what is around it.
    fn find(&self, action: &Action, around: Around) -> Finding {
        let finding = |decision, rule, cause, message| Finding {
            action: action.clone(),
            decision,
            rule,
            cause,
            message,
        };
        let Some((decision, rule)) = self.severest(action) else {
            return if action.implied && action.verb != Verb::Opaque {
                finding(Decision::Allow, IMPLIED_RULE.into(), Cause::Implied, None)
            } else {
                finding(Decision::Deny, DEFAULT_RULE.into(), Cause::NoRule, None)
            };
        };
        let under_mask = |cause| self.masking.clone().map(|rule| (Decision::Deny, rule, cause));
        let least = match exposure::of(action, &self.masks, around) {
            Exposure::Anything => self.opaque.clone(),
            Exposure::Copies => under_mask(Cause::CopyUnderMask),
            Exposure::Stores => under_mask(Cause::StoreUnderMask),
            Exposure::None => None,
        };
        match least {
            Some((least, name, cause)) if least > decision => {
                let message = self.policy.rule(&name).and_then(|rule| rule.message.clone());
                finding(least, name, cause, message)
            }
            _ => finding(decision, rule.name.clone(), Cause::Rule, rule.message.clone()),
        }
    }

    /// The severest of the rules that match the action, the first of equals. A rule that allows does not speak
    /// about implied actions.
    fn severest(&self, action: &Action) -> Option<(Decision, &Rule)> {
        let Some(lists) = self.ranked.index.candidates(action.verb, &action.object) else {
            return (0..).zip(&self.ranked.rules).find_map(|(rank, _)| self.at(rank, action));
        };
        let mut severest = None;
        let mut best = u32::MAX;
        for list in lists {
            for rank in list.iter().copied().take_while(|rank| *rank < best) {
                if let Some(found) = self.at(rank, action) {
                    (best, severest) = (rank, Some(found));
                    break;
                }
            }
        }
        severest
    }

    /// The rule of that rank, if it is about the action.
    fn at(&self, rank: u32, action: &Action) -> Option<(Decision, &Rule)> {
        let rule = self.policy.rules.get(*self.ranked.rules.get(rank as usize)?)?;
        let judging = rule.judging.as_ref()?;
        let silent = action.implied && judging.decision == Decision::Allow;
        (!silent && judging.matches(action)).then_some((judging.decision, rule))
    }
}

#[cfg(test)]
mod tests;
