//! What is found on one action: what is decided, and what would be if everything that is only observed counted.

use std::sync::Arc;

use super::SubjectPolicy;
use super::exposure::{self, Around, Exposure};
use crate::action::{Action, Detail, ObjectKind, Verb};
use crate::decision::Decision;
use crate::judgement::{Cause, DEFAULT_RULE, Finding, IMPLIED_RULE, OBSERVED_RULE};
use crate::rule::Rule;
use crate::window::Moment;

/// Which rules decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counting {
    /// Those that are enforced.
    Enforced,
    /// Those that are only observed, too.
    All,
}

/// What is told where it is allowed in the place of something else.
const OFTEN: [Verb; 12] = [
    Verb::Select,
    Verb::Insert,
    Verb::Update,
    Verb::UpdateAll,
    Verb::Delete,
    Verb::DeleteAll,
    Verb::Truncate,
    Verb::CopyIn,
    Verb::CopyOut,
    Verb::Create,
    Verb::Alter,
    Verb::Drop,
];

impl SubjectPolicy {
    /// The finding on one action. The others count only in so far as they make up what is around it.
    pub(super) fn find(&self, action: &Action, around: Around) -> Finding {
        if self.observed {
            return self.only_observed(self.decide(action, around, Counting::All), around);
        }
        let mut finding = self.decide(action, around, Counting::Enforced);
        if self.ranked.observes {
            let all = self.decide(action, around, Counting::All);
            if all.decision != finding.decision {
                finding.would = Some(Box::new(all));
            }
        }
        finding
    }

    /// On a resource whose policy is only observed nothing is refused or held, but what would carry a masked value past
    /// its mask: to watch what a policy would do is no reason to show a secret.
    fn only_observed(&self, would: Finding, around: Around) -> Finding {
        let exposes = !self.masks.is_empty()
            && (exposure::is_code(would.action.verb)
                || would.action.verb == Verb::Predicate
                || exposure::of(&would.action, &self.masks, around) != Exposure::None);
        if would.decision == Decision::Allow || exposes {
            return would;
        }
        Finding {
            action: would.action.clone(),
            decision: Decision::Allow,
            rule: OBSERVED_RULE.into(),
            cause: Cause::Observed,
            message: None,
            would: Some(Box::new(would)),
            instead: None,
        }
    }

    /// What may be done to the same object, or under which condition the same: most often what was meant can be written
    /// so.
    pub(super) fn instead(&self, action: &Action, around: Around) -> Option<String> {
        let object = &action.object;
        if object.kind == ObjectKind::Other {
            return None;
        }
        let decided = |verb| {
            let other = Action { verb, detail: Detail::NONE, implied: false, ..action.clone() };
            self.decide(&other, around, Counting::Enforced).decision
        };
        let conditional =
            self.ranked.rules.iter().filter_map(|at| self.policy.rules.get(*at)).find_map(|rule| {
                let judging = rule.judging.as_ref().filter(|_| !rule.observed)?;
                let allows = judging.decision == Decision::Allow && judging.is_about(action);
                let unmet = judging.when.unmet(action, around.at, false).filter(|_| allows)?;
                Some(format!("rule \"{}\" allows it {}", rule.name, judging.when.words(unmet, false)))
            });
        if conditional.is_some() {
            return conditional;
        }
        let verbs = Verb::ALL.into_iter().filter(|verb| {
            *verb != action.verb
                && OFTEN.contains(verb)
                && verb.may_be_done_to(object.kind)
                && decided(*verb) == Decision::Allow
        });
        let names: Vec<&str> = verbs.map(Verb::name).collect();
        (!names.is_empty()).then(|| format!("allowed there: {}", names.join(", ")))
    }

    fn decide(&self, action: &Action, around: Around, counting: Counting) -> Finding {
        let finding = self.decide_by_name(action, around, counting);
        // Who renames something takes it from under the rules that know it by its name.
        let losing = self.losing(action, counting).filter(|(decision, _)| *decision > finding.decision);
        let Some((decision, rule)) = losing else { return finding };
        let (name, message) = (Arc::clone(&rule.name), rule.message.clone());
        Finding { decision, rule: name, cause: Cause::RenameUnderRule, message, ..finding }
    }

    /// The severest of the rules that restrict something by a name which the action takes from it.
    pub(super) fn losing(&self, action: &Action, counting: Counting) -> Option<(Decision, &Rule)> {
        if action.detail.renamings.is_empty() {
            return None;
        }
        let rules = self.ranked.rules.iter().filter_map(|at| self.policy.rules.get(*at));
        let mut counted = rules.filter(|rule| !rule.observed || counting == Counting::All);
        counted.find_map(|rule| {
            let judging = rule.judging.as_ref()?;
            judging.loses(action).then_some((judging.decision, rule))
        })
    }

    fn decide_by_name(&self, action: &Action, around: Around, counting: Counting) -> Finding {
        let finding = |decision, rule, cause, message| Finding {
            action: action.clone(),
            decision,
            rule,
            cause,
            message,
            would: None,
            instead: None,
        };
        let Some((decision, rule)) = self.severest(action, around.at, counting) else {
            let loses_mask = match action.verb {
                // What comes along is altered as well: a column of it may have another name then, by which no mask knows it.
                Verb::Alter => exposure::touches(&self.masks, &action.object),
                // A cast that applies by itself calls it, and hands it what the statement computes.
                Verb::Function => around.stores_masked,
                _ => false,
            };
            let masking = self.masking.filter(|_| loses_mask).and_then(|at| self.policy.rules.get(at));
            return if let Some(rule) = masking.filter(|_| action.implied) {
                finding(Decision::Deny, Arc::clone(&rule.name), Cause::StoreUnderMask, rule.message.clone())
            } else if implies(action) {
                finding(Decision::Allow, IMPLIED_RULE.into(), Cause::Implied, None)
            } else {
                finding(Decision::Deny, DEFAULT_RULE.into(), Cause::NoRule, None)
            };
        };
        let under_mask = |cause| self.masking.map(|rule| (Decision::Deny, rule, cause));
        let least = match exposure::of(action, &self.masks, around) {
            Exposure::Anything if counting == Counting::All => self.opaque_by_all,
            Exposure::Anything => self.opaque,
            Exposure::Copies => under_mask(Cause::CopyUnderMask),
            Exposure::Stores => under_mask(Cause::StoreUnderMask),
            Exposure::None => None,
        };
        let least = least.filter(|(least, ..)| *least > decision);
        let least = least.and_then(|(least, at, cause)| Some((least, self.policy.rules.get(at)?, cause)));
        let (decision, rule, cause) = least.unwrap_or((decision, rule, Cause::Rule));
        finding(decision, Arc::clone(&rule.name), cause, rule.message.clone())
    }

    /// The severest of the rules that match the action, the first of equals. A rule that allows does not speak
    /// about implied actions.
    pub(super) fn severest(
        &self,
        action: &Action,
        at: Moment,
        counting: Counting,
    ) -> Option<(Decision, &Rule)> {
        let (decision, found) = self.first(action, counting, at, |_| true)?;
        // To wait for a person is more than to be refused. Whoever is perhaps not meant waits where he would be allowed,
        // and nowhere else.
        let doubtful = &self.ranked.doubtful;
        let may_grant = decision == Decision::Hold && !doubtful.is_empty() && !implies(action);
        if may_grant && self.first(action, counting, at, |rule| !doubtful.contains(&rule)).is_none() {
            return None;
        }
        Some((decision, found))
    }

    /// The first by rank of the rules that match the action, of those that `counts`.
    fn first(
        &self,
        action: &Action,
        counting: Counting,
        at: Moment,
        counts: impl Fn(usize) -> bool,
    ) -> Option<(Decision, &Rule)> {
        let ranked_at = |rank| self.ranked_at(rank, action, at, counting, &counts);
        let Some(lists) = self.ranked.index.candidates(action.verb, &action.object) else {
            return (0..).zip(&self.ranked.rules).find_map(|(rank, _)| ranked_at(rank));
        };
        let mut severest = None;
        let mut best = u32::MAX;
        for list in lists {
            for rank in list.iter().copied().take_while(|rank| *rank < best) {
                if let Some(found) = ranked_at(rank) {
                    (best, severest) = (rank, Some(found));
                    break;
                }
            }
        }
        severest
    }

    /// The rule of that rank, if it counts and is about the action.
    fn ranked_at(
        &self,
        rank: u32,
        action: &Action,
        at: Moment,
        counting: Counting,
        counts: impl Fn(usize) -> bool,
    ) -> Option<(Decision, &Rule)> {
        let place = self.ranked.rules.get(rank as usize).copied().filter(|place| counts(*place))?;
        let rule = self.policy.rules.get(place)?;
        let judging = rule.judging.as_ref()?;
        let silent = (action.implied && judging.decision == Decision::Allow)
            || (rule.observed && counting == Counting::Enforced);
        (!silent && judging.matches(action, at)).then_some((judging.decision, rule))
    }
}

/// Whether what no rule is about is allowed, since it only comes along.
fn implies(action: &Action) -> bool {
    action.implied && action.verb != Verb::Opaque
}
