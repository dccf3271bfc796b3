//! Rules of which a part matches nothing: an action that its conditions are not asked of, columns of other relations, a
//! name that nobody has.

use super::Remark;
use crate::action::Verb;
use crate::decision::Decision;
use crate::pattern::Glob;
use crate::rule::actions::GROUPS;
use crate::rule::when::{COLUMNS, CONDITION, LIMIT, ROLES};
use crate::rule::{ActionSet, Judging, Rule};
use crate::who::Who;

/// What of a rule is there in vain.
pub(super) fn remarks(rule: &Rule) -> Vec<Remark> {
    let judging = rule.judging.as_ref();
    let told = judging.and_then(unasked).into_iter().chain(judging.and_then(elsewhere));
    let told = told.chain(nobody(rule));
    let remark =
        |what| Remark { place: rule.place.clone(), message: format!("rule \"{}\" {what}", rule.name) };
    told.map(remark).collect()
}

/// An action that a rule names, but asks a condition that it cannot answer.
fn unasked(judging: &Judging) -> Option<String> {
    let when = &judging.when;
    let asked = [
        ("condition", when.condition.is_some(), CONDITION),
        ("limit", when.limit.is_some(), LIMIT),
        ("columns", !when.columns.is_empty(), COLUMNS),
        ("roles", !when.roles.is_empty(), ROLES),
    ];
    asked.into_iter().filter(|(_, is_asked, _)| *is_asked).find_map(|(key, _, of)| {
        let verb =
            Verb::ALL.into_iter().find(|verb| is_named(*verb, &judging.actions) && !of.contains(verb))?;
        let of: Vec<&str> = of.iter().map(|verb| verb.name()).collect();
        Some(format!(
            "names `{verb}` in vain: `{key}` is asked of {} alone; give `{verb}` a rule without it",
            of.join(", ")
        ))
    })
}

/// Whether a verb was most likely written out, and did not come with a group or a star.
fn is_named(verb: Verb, actions: &ActionSet) -> bool {
    let whole = |verbs: &[Verb]| verbs.contains(&verb) && verbs.iter().all(|verb| actions.has_verb(*verb));
    let every = Verb::ALL.into_iter().filter(|verb| !verb.must_be_named()).all(|verb| actions.has_verb(verb));
    actions.has_verb(verb) && !every && !GROUPS.iter().any(|group| whole(group.verbs))
}

/// Columns of relations that the rule is not about.
fn elsewhere(judging: &Judging) -> Option<String> {
    let (columns, relations) = (&judging.when.columns, &judging.objects.relations);
    let apart =
        !columns.iter().any(|column| relations.iter().any(|relation| column.meets_relation(relation)));
    let told = match judging.decision {
        // Of `count(*)` there are no columns, and so no others.
        Decision::Allow => "allows no column of what it lists: its `columns` are of other relations",
        Decision::Hold | Decision::Deny => {
            "is about no column of what it lists: its `columns` are of other relations"
        }
    };
    (!columns.is_empty() && !relations.is_empty() && apart).then(|| told.to_owned())
}

/// A name of a form that none has.
fn nobody(rule: &Rule) -> Option<String> {
    let blocks = rule.who.iter().map(|who| ("who", who)).chain(rule.except.iter().map(|who| ("except", who)));
    blocks.into_iter().find_map(|(key, who)| {
        let Who { unit, cgroup, executable, .. } = who;
        let no_type = unit.iter().filter_map(Glob::literal).find(|name| !name.contains('.'));
        if let Some(name) = no_type {
            let why = "a unit's name ends with its type";
            return Some(format!("has in `{key}` a unit that there is not: {why}, as `{name}.service`"));
        }
        let relative = |glob: &&Glob| !glob.begins().is_empty() && !glob.begins().starts_with('/');
        if let Some(glob) = executable.iter().find(relative) {
            let why = "it is told by its whole path";
            return Some(format!("has in `{key}` an executable that there is not: {why}, as `*/{glob}`"));
        }
        let glob = cgroup.iter().find(relative)?;
        let why = "its path begins with `/`";
        Some(format!("has in `{key}` a cgroup that there is not: {why}, as `/{glob}`"))
    })
}
