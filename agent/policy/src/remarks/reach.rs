//! Rules that allow, by a pattern, something of PostgreSQL's own that reaches past every rule.

use super::Remark;
use super::cover::concerns;
use crate::action::{Action, Detail, Object, ObjectKind, Verb};
use crate::decision::Decision;
use crate::judge::Policy;
use crate::rule::{Judging, Rule};

/// What reaches past the rules, each with the rules that deny or hold it: they are asked for every rule that allows.
#[derive(Debug)]
pub(super) struct Reach<'a>(Vec<(&'static Reaching, Action, Vec<&'a Rule>)>);

impl<'a> Reach<'a> {
    pub(super) fn of(policy: &'a Policy) -> Self {
        let reaching = REACHING.iter().map(|reaching| {
            let action = reaching.action();
            let denies = |rule: &&Rule| {
                let about = |judging: &Judging| judging.when.is_always() && judging.is_about(&action);
                rule.decision() > Some(Decision::Allow) && rule.judging.as_ref().is_some_and(about)
            };
            let denying = policy.rules.iter().filter(denies).collect();
            (reaching, action, denying)
        });
        Reach(reaching.collect())
    }

    /// What a rule that allows lets through beside what its author will have thought of.
    pub(super) fn past(&self, rule: &Rule, judging: &Judging) -> Option<Remark> {
        if judging.decision != Decision::Allow || judging.objects.is_every() {
            // A rule without patterns says plainly that it is about everything.
            return None;
        }
        let (reached, ..) = self.0.iter().find(|(_, action, denying)| {
            judging.is_about(action) && !denying.iter().any(|other| concerns(other, rule))
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
#[derive(Debug)]
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
