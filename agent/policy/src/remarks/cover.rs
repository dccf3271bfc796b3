//! Rules that others are about all of.

use super::Remark;
use crate::judge::Policy;
use crate::pattern::Glob;
use crate::rule::{ActionSet, Judging, Objects, Rule};
use crate::who::{Who, covers};

/// A rule that is made of more parts than this is not taken apart.
const PARTS: usize = 4096;

impl Policy {
    /// Whether others, which are among the candidates, decide wherever this rule, which stands at that place, would.
    pub(super) fn covered(
        &self,
        at: usize,
        rule: &Rule,
        judging: &Judging,
        candidates: &[usize],
    ) -> Option<Remark> {
        let before = |other: usize| {
            self.rules.get(other).is_some_and(|shadow| (shadow.layer, other) < (rule.layer, at))
        };
        let wins = |(other, shadow): &(usize, &Rule)| {
            let Some(theirs) = &shadow.judging else { return false };
            *other != at
                && (!shadow.observed || rule.observed)
                && (theirs.decision > judging.decision
                    || (theirs.decision == judging.decision && before(*other)))
                && !theirs.actions.common(&judging.actions).is_empty()
        };
        let candidates = candidates.iter().filter_map(|at| Some((*at, self.rules.get(*at)?)));
        let winning: Vec<&Rule> = candidates.filter(wins).map(|(_, rule)| rule).collect();
        let whole = Part { actions: &judging.actions, objects: &judging.objects, who: &rule.who };
        if let Some(shadow) = winning.iter().find(|shadow| whole.is_in(shadow, rule, judging)) {
            let theirs = shadow.judging.as_ref()?;
            let same = Part { actions: &theirs.actions, objects: &theirs.objects, who: &shadow.who };
            let contradicts = theirs.decision != judging.decision && same.is_in(rule, shadow, theirs);
            let message = match contradicts {
                true => format!(
                    "rule \"{}\" contradicts rule \"{}\" at {}: of what both are about, `{}` decides",
                    rule.name, shadow.name, shadow.place, theirs.decision
                ),
                false => format!(
                    "rule \"{}\" never decides: rule \"{}\" at {} is about all of it",
                    rule.name, shadow.name, shadow.place
                ),
            };
            return Some(Remark { place: rule.place.clone(), message });
        }
        let together = by_parts(&winning, rule, judging)?;
        let names = together.iter().map(|shadow| format!("\"{}\" at {}", shadow.name, shadow.place));
        let message = format!(
            "rule \"{}\" never decides: rules {} are about all of it together",
            rule.name,
            names.collect::<Vec<_>>().join(" and ")
        );
        Some(Remark { place: rule.place.clone(), message })
    }
}

/// Rules each of which is about a part, and that together are about all of it.
fn by_parts<'a>(winning: &[&'a Rule], rule: &Rule, judging: &Judging) -> Option<Vec<&'a Rule>> {
    let (actions, objects) = (judging.actions.each(), judging.objects.each());
    let who: Vec<&[Who]> = if rule.who.is_empty() { vec![&[]] } else { rule.who.chunks(1).collect() };
    if winning.len() < 2 || actions.len() * objects.len() * who.len() > PARTS {
        return None;
    }
    let mut together: Vec<&Rule> = Vec::new();
    for actions in &actions {
        for objects in objects.iter().filter(|objects| actions.may_be_done_to(objects)) {
            for who in &who {
                let part = Part { actions, objects, who };
                let shadow = winning.iter().find(|shadow| part.is_in(shadow, rule, judging))?;
                if !together.iter().any(|known| known.name == shadow.name) {
                    together.push(shadow);
                }
            }
        }
    }
    (!together.is_empty()).then_some(together)
}

/// Some of what a rule is about.
#[derive(Clone, Copy)]
struct Part<'a> {
    actions: &'a ActionSet,
    objects: &'a Objects,
    who: &'a [Who],
}

impl Part<'_> {
    /// Whether `wide` is about all of this part of `rule`.
    fn is_in(self, wide: &Rule, rule: &Rule, judging: &Judging) -> bool {
        let Some(theirs) = &wide.judging else { return false };
        let restricts = |judging: &Judging| judging.decision > crate::Decision::Allow;
        theirs.actions.covers(self.actions)
            && theirs.objects.covers(self.objects)
            && covers(&wide.who, self.who, Who::covers)
            && where_covers(wide, rule)
            && theirs.when.covers(&judging.when, restricts(theirs) == restricts(judging))
    }
}

/// Whether `wide` is about every subject that `narrow` is about.
pub(super) fn concerns(wide: &Rule, narrow: &Rule) -> bool {
    covers(&wide.who, &narrow.who, Who::covers) && where_covers(wide, narrow)
}

/// The same but for `who`.
fn where_covers(wide: &Rule, narrow: &Rule) -> bool {
    // Whom the wide one spares, the narrow one spares, too.
    let spared = wide.except.iter().all(|w| narrow.except.iter().any(|n| n.covers(w)));
    spared
        && covers(&wide.resources, &narrow.resources, |w, n| w.0.covers(&n.0))
        && covers(&wide.databases, &narrow.databases, Glob::covers)
}
