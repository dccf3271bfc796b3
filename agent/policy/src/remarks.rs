//! What is not wrong with a policy but most likely not meant: rules that can never decide, and rules that allow
//! more than their pattern looks like.
//!
//! It errs to silence: who and where are compared as they are written, not by what they come to.

use std::fmt;

use crate::action::{Action, Detail, Object, ObjectKind, Verb};
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
    /// about everything that they are about; rules that name `opaque` in vain; and rules that allow, by a pattern,
    /// something of PostgreSQL's own that reaches past every rule.
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
            remarks.extend(self.reach(rule, judging));
            let anything =
                Verb::ALL.into_iter().find(|verb| verb.is_anything() && judging.actions.has_verb(*verb));
            let anything = anything.filter(|_| judging.decision != Decision::Deny);
            let hinders = |other: &Rule| other.decision() == Some(Decision::Deny) || !other.masks.is_empty();
            let hindering = self.rules.iter().find(|other| hinders(other) && meets(other, rule));
            if let (Some(verb), Some(other)) = (anything, hindering) {
                remarks.push(Remark {
                    place: rule.place.clone(),
                    message: format!(
                        "rule \"{}\" names `{verb}` in vain: rule \"{}\" at {} denies or masks for the same \
                         subjects",
                        rule.name, other.name, other.place
                    ),
                });
            }
        }
        remarks
    }

    /// What a rule that allows lets through beside what its author will have thought of.
    fn reach(&self, rule: &Rule, judging: &Judging) -> Option<Remark> {
        if judging.decision != Decision::Allow || judging.objects.is_every() {
            // A rule without patterns says plainly that it is about everything.
            return None;
        }
        let denied = |action: &Action| {
            let denies = |other: &Rule| {
                other.decision() > Some(Decision::Allow)
                    && other
                        .judging
                        .as_ref()
                        .is_some_and(|judging| judging.when.is_always() && judging.is_about(action))
                    && meets(other, rule)
            };
            self.rules.iter().any(denies)
        };
        let reached = REACHING.iter().find(|reaching| {
            let action = reaching.action();
            judging.is_about(&action) && !denied(&action)
        })?;
        Some(Remark {
            place: rule.place.clone(),
            message: format!(
                "rule \"{}\" allows pg_catalog.{} too, which {}; name what is meant, or deny it by a rule",
                rule.name, reached.name, reached.what
            ),
        })
    }
}

/// Something of PostgreSQL's own that reaches past the rules, for a role that is powerful enough.
struct Reaching {
    verb: Verb,
    kind: ObjectKind,
    name: &'static str,
    what: &'static str,
}

/// One of each kind stands for its like.
const REACHING: [Reaching; 4] = [
    Reaching {
        verb: Verb::Function,
        kind: ObjectKind::Function,
        name: "query_to_xml",
        what: "runs SQL that no rule is asked about",
    },
    Reaching {
        verb: Verb::Function,
        kind: ObjectKind::Function,
        name: "pg_read_file",
        what: "reads files of the server",
    },
    Reaching {
        verb: Verb::Select,
        kind: ObjectKind::Relation,
        name: "pg_authid",
        what: "holds the roles' password verifiers",
    },
    Reaching {
        verb: Verb::Select,
        kind: ObjectKind::Relation,
        name: "pg_statistic",
        what: "holds values of every table's rows",
    },
];

impl Reaching {
    fn action(&self) -> Action {
        let class = if self.kind == ObjectKind::Function { "function" } else { "table" };
        let schema = Some("pg_catalog".to_owned());
        let object = Object { kind: self.kind, class, schema, name: self.name.to_owned(), oid: None };
        Action { verb: self.verb, object, implied: false, detail: Detail::NONE }
    }
}

/// Whether `shadow` decides wherever `rule` matches.
fn shadows(shadow: &Rule, first: bool, rule: &Rule, judging: &Judging) -> bool {
    let Some(other) = &shadow.judging else { return false };
    let wins = other.decision > judging.decision || (other.decision == judging.decision && first);
    let objects = other.objects.is_every() || other.objects == judging.objects;
    let always = other.when.is_always() || other.when == judging.when;
    wins && objects && always && other.actions.covers(&judging.actions) && meets(shadow, rule)
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
                format!(
                    "{a}- {{ name: b, functions: [pg_catalog.lower], actions: [function], decision: allow }}\n"
                ),
                &[],
            ),
            (
                format!(
                    "{a}- {{ name: b, functions: [\"pg_catalog.*\"], actions: [function], decision: allow }}\n"
                ),
                &[
                    "p:3:3: rule \"b\" allows pg_catalog.query_to_xml too, which runs SQL that no rule is asked \
                   about; name what is meant, or deny it by a rule",
                ],
            ),
            (
                "- { name: b, functions: [\"pg_catalog.*\"], actions: [function], decision: allow }\n\
                 - { name: d, functions: [\"pg_catalog.*_to_xml*\", \"pg_catalog.pg_read_*\"], \
                    actions: [function], decision: deny }\n"
                    .to_owned(),
                &[],
            ),
            (
                "- { name: b, relations: [\"pg_catalog.*\"], actions: [select], decision: allow }\n"
                    .to_owned(),
                &[
                    "p:2:3: rule \"b\" allows pg_catalog.pg_authid too, which holds the roles' password verifiers; \
                   name what is meant, or deny it by a rule",
                ],
            ),
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
