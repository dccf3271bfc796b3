//! Rules that match nothing, by themselves.

use super::Remark;
use crate::action::Verb;
use crate::decision::Decision;
use crate::judge::Policy;
use crate::rule::{ActionSet, Judging, Rule};
use crate::who::Who;

impl Policy {
    /// Why a rule matches nothing, if it does not.
    pub(super) fn never(&self, rule: &Rule) -> Option<Remark> {
        let why = nobody(rule).or_else(|| self.nowhere(rule)).or_else(|| nothing(rule.judging.as_ref()?))?;
        let message = format!("rule \"{}\" never matches: {why}", rule.name);
        Some(Remark { place: rule.place.clone(), message })
    }

    /// Databases that none of its resources serves.
    fn nowhere(&self, rule: &Rule) -> Option<String> {
        let served = |resource: &crate::Resource| {
            resource.databases.is_empty()
                || rule.databases.is_empty()
                || rule.databases.iter().any(|glob| resource.databases.iter().any(|name| glob.matches(name)))
        };
        let mut here = self.resources.iter().filter(|resource| rule.concerns(&resource.name)).peekable();
        // Others may be configured outside of the documents.
        let all_known = !rule.resources.is_empty()
            && rule.resources.iter().all(|(glob, _)| {
                glob.literal().is_some_and(|name| self.resources.iter().any(|known| known.name == name))
            });
        (all_known && here.peek().is_some() && !here.any(served))
            .then(|| "none of its resources serves one of its `databases`".to_owned())
    }
}

/// Everybody whom it is about is excepted.
fn nobody(rule: &Rule) -> Option<String> {
    // Of whom it is not known whether both mean him, a rule that restricts is about.
    let allows = rule.masks.is_empty() && rule.decision() == Some(Decision::Allow);
    let known = |who: &Who| allows || !who.may_be_unknown();
    let excepted = |who: &Who| known(who) && rule.except.iter().any(|except| except.covers(who));
    (!rule.who.is_empty() && rule.who.iter().all(excepted))
        .then(|| "`except` takes out everybody whom `who` is about".to_owned())
}

/// A verb that is done to none of its objects, or has none of its conditions.
fn nothing(judging: &Judging) -> Option<String> {
    let objects = judging.objects.each();
    let parts = judging.actions.each();
    let done = |part: &&ActionSet| objects.iter().any(|object| part.may_be_done_to(object));
    let parts: Vec<_> = parts.iter().filter(done).collect();
    if parts.is_empty() {
        return Some("none of its actions is ever done to what it lists".to_owned());
    }
    // Of these the verb itself says whether there is a condition.
    let verbs: &[Verb] = match judging.when.condition? {
        true => &[Verb::Select, Verb::Update, Verb::Delete],
        false => &[Verb::Select, Verb::UpdateAll, Verb::DeleteAll],
    };
    (!parts.iter().any(|part| verbs.iter().any(|verb| part.may_have(*verb)))).then(|| {
        let names: Vec<&str> = verbs.iter().map(|verb| verb.name()).collect();
        format!("with that `condition` there is only {}", names.join(", "))
    })
}
