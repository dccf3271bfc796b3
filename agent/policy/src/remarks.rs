//! What is not wrong with a policy but most likely not meant: rules that can never decide.
//!
//! It errs to silence: who and where are compared as they are written, not by what they come to.

use std::fmt;

use crate::action::Verb;
use crate::decision::Decision;
use crate::judge::Policy;
use crate::rule::{Judging, Place, Rule};

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
    /// Rules that can never decide, because another is at least as severe, comes first among equals, and is
    /// about everything that they are about; and rules that name `opaque` in vain.
    pub fn remarks(&self) -> Vec<Remark> {
        let mut remarks = Vec::new();
        for (at, rule) in self.rules.iter().enumerate() {
            let Some(judging) = &rule.judging else { continue };
            let others = || self.rules.iter().enumerate().filter(|(other, _)| *other != at);
            if let Some((_, shadow)) =
                others().find(|(other, shadow)| shadows(shadow, *other < at, rule, judging))
            {
                remarks.push(Remark {
                    place: rule.place.clone(),
                    message: format!(
                        "rule \"{}\" never decides: rule \"{}\" at {} is about all of it",
                        rule.name, shadow.name, shadow.place
                    ),
                });
            }
            let opaque = judging.actions.has_verb(Verb::Opaque) && judging.decision != Decision::Deny;
            let hinders = |other: &Rule| other.decision() == Some(Decision::Deny) || !other.masks.is_empty();
            let hindering = self.rules.iter().find(|other| hinders(other) && meets(other, rule));
            if opaque && let Some(other) = hindering {
                remarks.push(Remark {
                    place: rule.place.clone(),
                    message: format!(
                        "rule \"{}\" names `opaque` in vain: rule \"{}\" at {} denies or masks for the same \
                         subjects",
                        rule.name, other.name, other.place
                    ),
                });
            }
        }
        remarks
    }
}

/// Whether `shadow` decides wherever `rule` matches.
fn shadows(shadow: &Rule, first: bool, rule: &Rule, judging: &Judging) -> bool {
    let Some(other) = &shadow.judging else { return false };
    let wins = other.decision > judging.decision || (other.decision == judging.decision && first);
    let objects = other.objects.is_every() || other.objects == judging.objects;
    wins && objects && other.actions.covers(&judging.actions) && meets(shadow, rule)
}

/// Whether `wide` is about every subject that `narrow` is about, as far as it can be seen from the text.
fn meets(wide: &Rule, narrow: &Rule) -> bool {
    let names = |rule: &Rule| rule.resources.iter().map(|(glob, _)| glob.clone()).collect::<Vec<_>>();
    let who = wide.who.is_empty() || wide.who == narrow.who;
    let except = wide.except.is_empty() || wide.except == narrow.except;
    let resources = wide.resources.is_empty() || names(wide) == names(narrow);
    let databases = wide.databases.is_empty() || wide.databases == narrow.databases;
    who && except && resources && databases
}

#[cfg(test)]
mod tests {
    use crate::{Document, Policy};

    #[test]
    fn rules_that_never_decide_are_remarked_upon() {
        let a = "- { name: a, actions: [select], decision: allow }\n";
        for (rules, remarks) in [
            (format!("{a}- {{ name: b, actions: [insert], decision: allow }}\n"), &[][..]),
            (
                format!("{a}- {{ name: b, who: {{uid: 1}}, actions: [select], decision: allow }}\n"),
                &["p:3:3: rule \"b\" never decides: rule \"a\" at p:2:3 is about all of it"],
            ),
            (
                format!("{a}- {{ name: b, actions: [read], decision: deny }}\n"),
                &["p:2:3: rule \"a\" never decides: rule \"b\" at p:3:3 is about all of it"],
            ),
            (format!("{a}- {{ name: b, who: {{uid: 1}}, actions: [read], decision: deny }}\n"), &[]),
            (format!("{a}- {{ name: b, relations: [a.b], actions: [select], decision: deny }}\n"), &[]),
            (
                format!("{a}- {{ name: b, actions: [opaque], decision: allow, mask: a.b.c }}\n"),
                &[
                    "p:3:3: rule \"b\" names `opaque` in vain: rule \"b\" at p:3:3 denies or masks for the same \
                   subjects",
                ],
            ),
            (
                format!(
                    "- {{ name: m, mask: a.b.c }}\n- {{ name: b, actions: [opaque], decision: hold }}\n{a}"
                ),
                &[
                    "p:3:3: rule \"b\" names `opaque` in vain: rule \"m\" at p:2:3 denies or masks for the same \
                   subjects",
                ],
            ),
        ] {
            let text = format!("rules:\n{rules}version: 1\n");
            let policy = Policy::parse(&[Document { name: "p", text: &text }]).unwrap();
            let found: Vec<String> = policy.remarks().iter().map(ToString::to_string).collect();
            assert_eq!(found, remarks, "{rules}");
        }
    }
}
