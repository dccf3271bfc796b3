//! What has been found, counted and told.

use std::collections::BTreeMap;

use crate::compare::{Finding, Outcome, Verdict};
use crate::known::Known;

/// Statements, and how many of them are understood.
#[derive(Debug, Default, Clone, Copy)]
pub struct Share {
    pub all: usize,
    pub understood: usize,
}

impl Share {
    fn add(&mut self, understood: bool) {
        self.all += 1;
        self.understood += usize::from(understood);
    }

    /// In percent, rounded down: 100.0 only if all are.
    pub fn percent(self) -> f64 {
        let thousandths = (self.understood * 10_000).checked_div(self.all).unwrap_or(10_000);
        thousandths as f64 / 100.0
    }
}

/// How much of a corpus is understood.
#[derive(Debug, Default)]
pub struct Coverage {
    pub all: Share,
    /// SELECT, INSERT, UPDATE, DELETE and MERGE.
    pub data: Share,
    kinds: BTreeMap<String, Share>,
    causes: BTreeMap<String, (usize, String)>,
}

impl Coverage {
    pub fn add(&mut self, verdict: &Verdict, text: &str) {
        let understood = verdict.opaque.is_none();
        self.all.add(understood);
        if matches!(&*verdict.kind, "SelectStmt" | "InsertStmt" | "UpdateStmt" | "DeleteStmt" | "MergeStmt") {
            self.data.add(understood);
        }
        self.kinds.entry(verdict.kind.clone()).or_default().add(understood);
        if let Some(reason) = &verdict.opaque {
            let cause = self.causes.entry(cause(reason)).or_default();
            cause.0 += 1;
            if cause.1.is_empty() || text.len() < cause.1.len() {
                text.clone_into(&mut cause.1);
            }
        }
    }

    /// Kinds that are not wholly understood, the most missed ones first; and why.
    pub fn tell(&self, causes: usize) {
        let mut kinds: Vec<_> = self.kinds.iter().filter(|(_, share)| share.understood < share.all).collect();
        kinds.sort_by_key(|(_, share)| std::cmp::Reverse(share.all - share.understood));
        for (kind, share) in kinds.iter().take(40) {
            println!("  {:>6} of {:>6} not understood: {kind}", share.all - share.understood, share.all);
        }
        let mut found: Vec<_> = self.causes.iter().collect();
        found.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        for (cause, (count, text)) in found.into_iter().take(causes) {
            println!("  {count:>6} {cause}   e.g. {}", short(text));
        }
    }
}

/// A reason without places, so that equal ones count as one.
fn cause(reason: &str) -> String {
    let reason = reason.split(" (character").next().unwrap_or(reason);
    match reason.split_once(" at byte") {
        Some((reason, _)) => reason.to_owned(),
        None => reason.to_owned(),
    }
}

fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() > 160 {
        format!("{}…", line.chars().take(160).collect::<String>())
    } else {
        line
    }
}

/// Findings by class, each with its shortest text.
#[derive(Debug, Default)]
pub struct Findings(BTreeMap<String, Class>);

#[derive(Debug)]
struct Class {
    finding: Finding,
    count: usize,
    text: String,
}

impl Findings {
    pub fn add(&mut self, outcome: &Outcome, text: &str) {
        for finding in &outcome.findings {
            self.add_one(finding, text, 1);
        }
    }

    fn add_one(&mut self, finding: &Finding, text: &str, count: usize) {
        match self.0.get_mut(&finding.class) {
            Some(class) => {
                class.count += count;
                if text.len() < class.text.len() {
                    text.clone_into(&mut class.text);
                    class.finding = finding.clone();
                }
            }
            None => {
                let class = Class { finding: finding.clone(), count, text: text.to_owned() };
                self.0.insert(finding.class.clone(), class);
            }
        }
    }

    /// Those of another run as well.
    pub fn merge(&mut self, other: Findings) {
        for class in other.0.into_values() {
            self.add_one(&class.finding, &class.text, class.count);
        }
    }

    /// Tells all; how many dangerous classes there are that are not known.
    pub fn tell(&self, known: &Known) -> usize {
        let mut new = 0;
        for (class, Class { finding, count, text }) in &self.0 {
            let word = match (finding.dangerous, known.has(class)) {
                (true, false) => {
                    new += 1;
                    "DANGEROUS"
                }
                (true, true) => "known",
                (false, _) => "harmless",
            };
            println!("  {word}: {class} ({count}): {}\n    {}", finding.detail, text.replace('\n', "\n    "));
        }
        new
    }

    pub fn has(&self, class: &str) -> bool {
        self.0.contains_key(class)
    }
}
