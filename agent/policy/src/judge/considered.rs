//! Why each rule decides, or does not: what people are shown. Judging itself goes by the index and asks for no reasons.

use std::borrow::Cow;

use super::find::Counting;
use super::{Policy, Subject, SubjectPolicy};
use crate::action::Action;
use crate::decision::Decision;
use crate::principal::Principal;
use crate::rule::Rule;
use crate::who::{Standing, Who};
use crate::window::Moment;

/// A rule, and how it stands to an action or a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Considered<'a> {
    /// The rule.
    pub rule: &'a Rule,
    /// Whether it is about what was asked.
    pub matches: bool,
    /// How it stands to it, behind the rule's name: `decides: deny`, `is about other actions`.
    pub why: Cow<'static, str>,
}

impl SubjectPolicy {
    /// Every rule that may be about this subject, in document order, and how it stands to that action.
    pub fn considered(&self, action: &Action, at: Moment) -> Vec<Considered<'_>> {
        let counting = if self.observed { Counting::All } else { Counting::Enforced };
        let decides = self.severest(action, at, counting);
        let mut rules = self.ranked.rules.clone();
        rules.sort_unstable();
        let stands = |place: usize| {
            let rule = self.policy.rules.get(place)?;
            let mut considered = self.stands(rule, action, at, decides)?;
            let why = match decides {
                None => "holds only what another rule allows".into(),
                Some((_, deciding)) if deciding.name == rule.name => considered.why.clone(),
                Some(_) => return Some(considered),
            };
            if considered.matches && self.ranked.doubtful.contains(&place) {
                considered.why = format!("{why}, since it is not known whether it is about this one").into();
            }
            Some(considered)
        };
        rules.into_iter().filter_map(stands).collect()
    }

    fn stands<'a>(
        &self,
        rule: &'a Rule,
        action: &Action,
        at: Moment,
        decides: Option<(Decision, &Rule)>,
    ) -> Option<Considered<'a>> {
        let judging = rule.judging.as_ref()?;
        let not = |why: &'static str| Some(Considered { rule, matches: false, why: why.into() });
        if judging.loses(action) {
            let why = format!("would {} what else is done to it, and not by its new name", judging.decision);
            return Some(Considered { rule, matches: true, why: why.into() });
        }
        if !judging.actions.contains(action) {
            return not("is about other actions");
        }
        if !judging.is_about(action) {
            if judging.objects.kinds().any(|kind| kind == action.object.kind) {
                return not("is about other objects");
            }
            let lists =
                judging.objects.lists().map(|list| format!("`{list}`")).collect::<Vec<_>>().join(", ");
            let what = match action.object.class {
                "" => "this is done to none",
                _ => "this is of another kind",
            };
            return Some(Considered {
                rule,
                matches: false,
                why: format!("lists {lists}, and {what}").into(),
            });
        }
        let restricts = judging.decision > Decision::Allow;
        if let Some(key) = judging.when.unmet(action, at, restricts) {
            let words = judging.when.words(key, restricts);
            let why = format!("would {} it {words}", judging.decision).into();
            return Some(Considered { rule, matches: false, why });
        }
        if action.implied && judging.decision == Decision::Allow {
            return not("allows nothing that only comes along with what was named");
        }
        let why = match decides {
            _ if rule.observed && !self.observed => {
                format!("matches, and would {}, but is only observed", judging.decision).into()
            }
            Some((_, deciding)) if deciding.name == rule.name => {
                format!("decides: {}", judging.decision).into()
            }
            Some((decision, _)) if decision > judging.decision => {
                format!("matches, but {} is milder", judging.decision).into()
            }
            _ => "matches, but comes after one that decides the same".into(),
        };
        Some(Considered { rule, matches: true, why })
    }
}

impl Policy {
    /// The rules that are not about that subject, in document order, and why.
    pub fn aside(&self, subject: &Subject<'_>) -> Vec<Considered<'_>> {
        let aside = |rule: &'_ Rule| -> Option<Cow<'static, str>> {
            let standing = rule.standing(subject);
            let allows = rule.decision() == Some(Decision::Allow);
            if standing == Standing::Inside || (standing == Standing::Unknown && !allows) {
                return None;
            }
            let why: &'static str = if !rule.concerns(subject.resource) {
                "is about other resources"
            } else if !rule.databases.is_empty()
                && !rule.databases.iter().any(|glob| glob.matches(subject.database))
            {
                "is about other databases"
            } else if standing == Standing::Unknown {
                "allows nothing, since it is not known whether it is about this one"
            } else if rule.who.is_empty()
                || rule.who.iter().any(|who| who.standing(subject.principal) > Standing::Outside)
            {
                "takes this one out by `except`"
            } else {
                return Some(others(&rule.who, subject.principal).into());
            };
            Some(why.into())
        };
        let aside = |rule| aside(rule).map(|why| Considered { rule, matches: false, why });
        self.rules.iter().filter_map(aside).collect()
    }
}

/// By which keys of `who` a rule is about others: of each block, those that do not mean this one.
fn others(blocks: &[Who], principal: &Principal) -> String {
    let keys = |who: &Who| {
        let keys = who.outside(principal).into_iter().map(|key| format!("`{key}`"));
        keys.collect::<Vec<_>>().join(" and ")
    };
    let mut keys: Vec<String> = blocks.iter().map(keys).collect();
    keys.dedup();
    format!("is about others, by {}", keys.join(" or "))
}
