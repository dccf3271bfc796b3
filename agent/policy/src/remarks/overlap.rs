//! Rules that decide otherwise about some of the same: most often an exception that is meant, so it is told when asked.

use super::Remark;
use super::candidates::Candidates;
use crate::judge::Policy;
use crate::pattern::Glob;
use crate::rule::{Objects, Rule};
use crate::who::{Who, meets};

impl Policy {
    /// Rules with different decisions that may be about the same action of the same subject, and which of the two decides
    /// there. What [`Policy::remarks`] tells of is not among them.
    pub fn overlaps(&self) -> Vec<Remark> {
        let candidates = Candidates::new(&self.rules);
        self.overlaps_by(|rule| candidates.meeting(rule))
    }

    /// The same, where it is told which rules may be about some of what a rule is about.
    pub(super) fn overlaps_by(&self, meeting: impl Fn(&Rule) -> Vec<usize>) -> Vec<Remark> {
        let mut overlaps = Vec::new();
        for (at, rule) in self.rules.iter().enumerate() {
            let others = meeting(rule).into_iter().filter(|other| *other > at);
            overlaps.extend(others.filter_map(|other| overlap(rule, self.rules.get(other)?)));
        }
        overlaps
    }
}

fn overlap(one: &Rule, other: &Rule) -> Option<Remark> {
    let (ours, theirs) = (one.judging.as_ref()?, other.judging.as_ref()?);
    if ours.decision == theirs.decision || !share_subjects(one, other) || !ours.objects.meets(&theirs.objects)
    {
        return None;
    }
    let common = ours.actions.common(&theirs.actions);
    let (first, second) = (ours.objects.each(), theirs.objects.each());
    let shared = |actions: &crate::rule::ActionSet| {
        let both =
            |a: &Objects, b: &Objects| actions.may_be_done_to(a) && actions.may_be_done_to(b) && a.meets(b);
        first.iter().any(|a| second.iter().any(|b| both(a, b)))
    };
    let mut words = common.each().into_iter().filter(shared).flat_map(|actions| actions.words()).peekable();
    words.peek()?;
    let words: Vec<String> = words.collect();
    let few = words.iter().take(4).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = if words.len() > 4 { ", \u{2026}" } else { "" };
    let (winner, decision) = match ours.decision > theirs.decision {
        true => (one, ours.decision),
        false => (other, theirs.decision),
    };
    let message = format!(
        "rule \"{}\" ({}) and rule \"{}\" ({}) at {} overlap in {few}{more}: there rule \"{}\" decides, {decision}",
        one.name, ours.decision, other.name, theirs.decision, other.place, winner.name
    );
    Some(Remark { place: one.place.clone(), message })
}

/// Whether somebody may be meant by both, as far as it can be seen from the text.
pub(super) fn share_subjects(one: &Rule, other: &Rule) -> bool {
    let spares = |sparing: &Rule, spared: &Rule| {
        !spared.who.is_empty()
            && spared.who.iter().all(|who| sparing.except.iter().any(|except| except.covers(who)))
    };
    meets(&one.who, &other.who, Who::meets)
        && meets(&one.resources, &other.resources, |a, b| a.0.meets(&b.0))
        && meets(&one.databases, &other.databases, Glob::meets)
        && !spares(one, other)
        && !spares(other, one)
}
