//! Rules that allow, by a pattern, something of PostgreSQL's own that reaches past every rule.

use super::Remark;
use super::cover::concerns;
use crate::action::{Action, Detail, Object, ObjectKind, Verb};
use crate::decision::Decision;
use crate::judge::Policy;
use crate::rule::{Judging, Rule};

impl Policy {
    /// What a rule that allows lets through beside what its author will have thought of.
    pub(super) fn reach(&self, rule: &Rule, judging: &Judging) -> Option<Remark> {
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
                    && concerns(other, rule)
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
