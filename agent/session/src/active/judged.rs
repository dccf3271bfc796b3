//! A judgement with the words in which it is recorded. A statement that is prepared once is judged once and recorded each
//! time that it runs.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Deref;

use evidence::{Finding, Would};
use policy::{Judgement, ObjectKind};

use super::judging::ruling;

/// What the policy says of a reading.
pub(crate) struct Told {
    judgement: Judgement,
    words: OnceCell<Words>,
}

struct Words {
    findings: Vec<Finding<'static>>,
    relations: Vec<Cow<'static, str>>,
}

impl Told {
    pub(crate) fn new(judgement: Judgement) -> Self {
        Told { judgement, words: OnceCell::new() }
    }

    /// What was found on each action, as the record has it.
    pub(crate) fn findings(&self) -> &[Finding<'_>] {
        &self.words().findings
    }

    /// Every relation that was named, for people who search by it.
    pub(crate) fn relations(&self) -> &[Cow<'_, str>] {
        &self.words().relations
    }

    fn words(&self) -> &Words {
        self.words.get_or_init(|| Words {
            findings: self.judgement.findings().iter().map(told).collect(),
            relations: relations(self.judgement.findings()),
        })
    }
}

impl Deref for Told {
    type Target = Judgement;

    fn deref(&self) -> &Judgement {
        &self.judgement
    }
}

fn told(finding: &policy::Finding) -> Finding<'static> {
    Finding {
        action: Cow::Owned(finding.action.to_string()),
        parts: Some(Cow::Owned(finding.action.clone())),
        ruling: ruling(finding.decision),
        rule: Cow::Owned(finding.rule.to_string()),
        would: finding.would.as_deref().map(would),
    }
}

/// What would have been decided, as the record has it.
pub(crate) fn would(finding: &policy::Finding) -> Would<'static> {
    Would { ruling: ruling(finding.decision), rule: Cow::Owned(finding.rule.to_string()) }
}

fn relations(findings: &[policy::Finding]) -> Vec<Cow<'static, str>> {
    let mut relations: Vec<Cow<'static, str>> = Vec::new();
    for finding in findings {
        let object = &finding.action.object;
        if object.kind != ObjectKind::Relation {
            continue;
        }
        let name = match &object.schema {
            Some(schema) => format!("{schema}.{}", object.name),
            None => object.name.clone(),
        };
        if !relations.iter().any(|known| **known == name) {
            relations.push(Cow::Owned(name));
        }
    }
    relations
}
