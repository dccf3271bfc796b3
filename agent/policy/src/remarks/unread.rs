//! Rules that let rows be changed which nobody lets be chosen.

use super::Remark;
use super::overlap::share_subjects;
use crate::action::Verb;
use crate::decision::Decision;
use crate::judge::Policy;
use crate::rule::{Judging, Rule};

impl Policy {
    /// UPDATE and DELETE with a condition are a `select` too, which a limit never allows: they have none. `any_meeting`:
    /// whether something is true of a rule that may be about some of the same.
    pub(super) fn unread(
        &self,
        rule: &Rule,
        judging: &Judging,
        any_meeting: impl Fn(&Rule, &mut dyn FnMut(usize) -> bool) -> bool,
    ) -> Option<Remark> {
        let verb = [Verb::Update, Verb::Delete].into_iter().find(|verb| judging.actions.has_verb(*verb));
        let verb =
            verb.filter(|_| judging.decision != Decision::Deny && judging.when.condition != Some(false))?;
        let reads = |other: &&Rule| {
            let lets = |theirs: &Judging| {
                theirs.decision != Decision::Deny
                    && theirs.actions.has_verb(Verb::Select)
                    && theirs.when.limit.is_none()
                    && theirs.when.condition != Some(false)
                    && theirs.objects.meets(&judging.objects)
            };
            other.judging.as_ref().is_some_and(lets) && share_subjects(other, rule)
        };
        if any_meeting(rule, &mut |at| self.rules.get(at).is_some_and(|other| reads(&other))) {
            return None;
        }
        let decides = if judging.decision == Decision::Hold { "holds" } else { "allows" };
        let message = format!(
            "rule \"{}\" {decides} `{verb}`, and no rule lets the rows be chosen: a WHERE reads its columns; allow `select` \
             there, without a limit",
            rule.name
        );
        Some(Remark { place: rule.place.clone(), message })
    }
}
