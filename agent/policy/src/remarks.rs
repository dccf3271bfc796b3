//! What is not wrong with a policy but most likely not meant: rules that are about nothing, rules that can never decide,
//! rules that contradict each other, and rules that allow more than their pattern looks like.
//!
//! It is told by how the rules are written, for any database and any principal, and errs to silence.

mod candidates;
mod cover;
mod names;
mod never;
mod overlap;
mod partly;
mod reach;
mod unread;

use std::fmt;

use crate::action::Verb;
use crate::decision::Decision;
use crate::judge::Policy;
use crate::rule::{Judging, Place, Rule};
use candidates::Candidates;
use cover::concerns;
use reach::Reach;

/// A remark about a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// Where.
    pub place: Place,
    /// What.
    pub message: String,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

impl Policy {
    /// Tags and rules that are there for nothing, wholly or in part; rules that never decide, because others are at least as severe, come first among
    /// equals, and are about everything that they are about; rules that name `opaque` in vain; and rules that allow, by a
    /// pattern, something of PostgreSQL's own that reaches past every rule.
    pub fn remarks(&self) -> Vec<Remark> {
        let (candidates, of_subjects) = (Candidates::new(&self.rules), Candidates::of_subjects(&self.rules));
        self.remarks_by(
            |rule| candidates.covering(rule),
            |rule| of_subjects.covering(rule),
            |rule, is| candidates.any_meeting(rule, is),
        )
    }

    /// The same, where it is told which rules may be about all of some part of what a rule is about, which may be about
    /// everybody whom it is about, and whether something is true of one that may be about some of the same.
    fn remarks_by(
        &self,
        covering: impl Fn(&Rule) -> Vec<usize>,
        concerning: impl Fn(&Rule) -> Vec<usize>,
        any_meeting: impl Fn(&Rule, &mut dyn FnMut(usize) -> bool) -> bool,
    ) -> Vec<Remark> {
        let reach = Reach::of(self);
        let unused = self.unused_tags.iter().map(|(name, place)| Remark {
            place: place.clone(),
            message: format!("tag `{name}` is named by no rule"),
        });
        let mut remarks: Vec<Remark> = unused.collect();
        for (at, rule) in self.rules.iter().enumerate() {
            let never = self.never(rule);
            if never.is_none() {
                remarks.extend(partly::remarks(rule));
            }
            let Some(judging) = &rule.judging else {
                remarks.extend(never);
                continue;
            };
            let covered = || self.covered(at, rule, judging, &covering(rule));
            remarks.extend(never.or_else(covered));
            remarks.extend(reach.past(rule, judging));
            remarks.extend(self.in_vain(rule, judging, &concerning));
            remarks.extend(self.unread(rule, judging, &any_meeting));
        }
        remarks
    }

    /// What may be anything is not allowed beside what is denied or masked.
    fn in_vain(
        &self,
        rule: &Rule,
        judging: &Judging,
        concerning: impl Fn(&Rule) -> Vec<usize>,
    ) -> Option<Remark> {
        let verb = Verb::ALL.into_iter().find(|verb| verb.is_anything() && judging.actions.has_verb(*verb));
        let verb = verb.filter(|_| judging.decision != Decision::Deny)?;
        let hinders = |other: &&Rule| {
            let denies = other.decision() == Some(Decision::Deny) && !other.observed;
            (denies || !other.masks.is_empty()) && concerns(other, rule)
        };
        let other = concerning(rule).into_iter().filter_map(|at| self.rules.get(at)).find(hinders)?;
        let message = format!(
            "rule \"{}\" names `{verb}` in vain: rule \"{}\" at {} denies or masks for the same subjects",
            rule.name, other.name, other.place
        );
        Some(Remark { place: rule.place.clone(), message })
    }
}

#[cfg(test)]
mod tests;
