//! `portreeve policy diff`: which recorded statements would end otherwise by another policy.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;

use clap::Args;
use evidence::SessionId;
use policy::{Action, Decision, Judgement, Moment, Policy, Subject, SubjectPolicy, Verb};
use serde_json::json;

use super::recorded::{self, Recorded, Start};
use super::{Error, files};
use crate::cli::audit;
use crate::cli::store::login::Login;
use crate::cli::table::{one_line, plain};

/// The longest text that is shown, in characters.
const TEXT: usize = 100;

#[derive(Debug, Args)]
pub(super) struct Diff {
    /// A document, or a folder of them: the policy as it is.
    old: PathBuf,
    /// The policy as it would be.
    new: PathBuf,
    /// A document of the base, or a folder of them, beneath both; may be repeated.
    #[arg(long, value_name = "PATH")]
    base: Vec<PathBuf>,
    /// The folder of the evidence, or the central store: postgresql://auditor@host/database.
    #[arg(long, value_name = "DIR|URL", default_value = "/var/lib/portreeve/evidence")]
    over: PathBuf,
    #[command(flatten)]
    login: Login,
    /// One JSON object on each line.
    #[arg(long)]
    json: bool,
    /// Fail (exit code 1) where anything would end otherwise.
    #[arg(long)]
    exit_code: bool,
}

impl Diff {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<ExitCode, Error> {
        let policy = |path: &PathBuf| files::policy(&self.base, std::slice::from_ref(path)).map(Arc::new);
        let (old, new) = (policy(&self.old)?, policy(&self.new)?);
        let source = audit::place(&self.over, &self.login)?;
        let mut found = Found::default();
        let mut sides = (Side::new(&old), Side::new(&new));
        recorded::each(&*source, &mut |recorded| found.take(recorded, &mut sides))?;
        if self.json {
            found.print_json(out)?;
        } else {
            found.print(out)?;
        }
        let differs = !found.changes.is_empty() || !found.columns.is_empty();
        Ok(ExitCode::from(u8::from(self.exit_code && differs)))
    }
}

/// A policy, with the parts of it that concern the subjects that were met.
struct Side<'p> {
    policy: &'p Arc<Policy>,
    last: Option<(Rc<Start>, SubjectPolicy)>,
}

impl<'p> Side<'p> {
    fn new(policy: &'p Arc<Policy>) -> Self {
        Side { policy, last: None }
    }

    /// Statements come session by session.
    fn of(&mut self, start: &Rc<Start>) -> &SubjectPolicy {
        if !self.last.as_ref().is_some_and(|(last, _)| Rc::ptr_eq(last, start)) {
            self.last = None;
        }
        let policy = self.policy;
        let (_, subject) = self.last.get_or_insert_with(|| {
            let subject =
                Subject { principal: &start.principal, resource: &start.resource, database: &start.database };
            (Rc::clone(start), policy.for_subject(&subject))
        });
        subject
    }
}

/// What becomes of a statement, in words that are compared and shown.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Outcome {
    decision: &'static str,
    /// The decision if what it stores comes from a masked column, which records do not tell.
    storing: Option<&'static str>,
    /// The decision if what is only observed counted.
    observed: Option<&'static str>,
}

impl Outcome {
    fn of(policy: &SubjectPolicy, actions: &[Action], at: Moment) -> (Outcome, Judgement) {
        // A predicate was told by the masks that held then: where nothing of it is masked it is none.
        let told = |action: &&Action| action.verb != Verb::Predicate || has_masked(policy, action);
        let actions: Vec<&Action> = actions.iter().filter(told).collect();
        // Only where a masked column is among what is read may what is stored be one.
        let reads_masked =
            actions.iter().any(|action| action.verb == Verb::Select && has_masked(policy, action));
        let judgement = policy.judge(actions.iter().copied(), at);
        let storing = policy.judge_storing(actions, reads_masked, at).decision();
        let outcome = Outcome {
            decision: judgement.decision().name(),
            storing: (storing != judgement.decision()).then(|| storing.name()),
            observed: judgement.would().map(|would| would.decision.name()),
        };
        (outcome, judgement)
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.decision)?;
        if let Some(storing) = self.storing {
            write!(f, " ({storing} if what it stores is masked)")?;
        }
        if let Some(observed) = self.observed {
            write!(f, " ({observed} if it were enforced)")?;
        }
        Ok(())
    }
}

/// Statements that are one line of the answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Key {
    old: Outcome,
    new: Outcome,
    resource: String,
    database: String,
    old_message: String,
    new_message: String,
}

/// How often, and one of them.
#[derive(Debug)]
struct Cases {
    statements: u64,
    sessions: BTreeSet<SessionId>,
    text: Rc<[u8]>,
    session: SessionId,
    sequence: u64,
}

impl Cases {
    fn add(cases: Option<Cases>, recorded: &Recorded) -> Cases {
        let mut cases = cases.unwrap_or_else(|| Cases {
            statements: 0,
            sessions: BTreeSet::new(),
            text: Rc::clone(&recorded.text),
            session: recorded.start.session,
            sequence: recorded.sequence,
        });
        cases.statements += 1;
        cases.sessions.insert(recorded.start.session);
        cases
    }

    fn counted(&self) -> String {
        format!("{} statements in {} sessions", self.statements, self.sessions.len())
    }
}

/// A masked column by its full name, and how it was and would be shown.
type Column = (String, String, String);

#[derive(Default)]
struct Found {
    statements: u64,
    sessions: BTreeSet<SessionId>,
    /// Recorded without their parts.
    untold: u64,
    changes: BTreeMap<Key, Cases>,
    columns: BTreeMap<Column, Cases>,
}

impl Found {
    fn take(&mut self, recorded: &Recorded, (old, new): &mut (Side<'_>, Side<'_>)) {
        self.sessions.insert(recorded.start.session);
        let Some(actions) = &recorded.actions else {
            self.untold += 1;
            return;
        };
        self.statements += 1;
        let (old, new) = (old.of(&recorded.start), new.of(&recorded.start));
        // As of when it was recorded: rules may speak at certain times alone.
        let at = Moment::from_micros(recorded.wall_us);
        let ((was, judged), (would, rejudged)) =
            (Outcome::of(old, actions, at), Outcome::of(new, actions, at));
        if was != would {
            let key = Key {
                old: was,
                new: would,
                resource: recorded.start.resource.clone(),
                database: recorded.start.database.clone(),
                old_message: judged.message(),
                new_message: rejudged.message(),
            };
            let cases = Cases::add(self.changes.remove(&key), recorded);
            self.changes.insert(key, cases);
        }
        if rejudged.decision() != Decision::Deny {
            for column in shown_otherwise(actions, old, new) {
                let cases = Cases::add(self.columns.remove(&column), recorded);
                self.columns.insert(column, cases);
            }
        }
    }

    fn print(&self, out: &mut dyn Write) -> Result<(), Error> {
        for (key, cases) in &self.changes {
            writeln!(
                out,
                "{} -> {}: {} on {}/{}",
                key.old,
                key.new,
                cases.counted(),
                plain(key.resource.as_bytes(), false),
                plain(key.database.as_bytes(), false)
            )?;
            writeln!(out, "  old: {}", plain(key.old_message.as_bytes(), false))?;
            writeln!(out, "  new: {}", plain(key.new_message.as_bytes(), false))?;
            writeln!(
                out,
                "  such as {} in session {} at #{}",
                one_line(&cases.text, TEXT),
                cases.session,
                cases.sequence
            )?;
        }
        for ((column, was, would), cases) in &self.columns {
            writeln!(out, "{column}: {was} -> {would}: read by {}", cases.counted())?;
        }
        if !self.columns.is_empty() {
            writeln!(
                out,
                "What chooses or orders rows by a column that only the new policy masks is NOT told: it needs `predicate`"
            )?;
        }
        if self.untold > 0 {
            writeln!(
                out,
                "{} statements were NOT compared: they were recorded by a version that does not tell their actions in parts",
                self.untold
            )?;
        }
        let changed: u64 = self.changes.values().map(|cases| cases.statements).sum();
        writeln!(
            out,
            "{changed} of {} statements in {} sessions would end otherwise",
            self.statements,
            self.sessions.len()
        )?;
        Ok(())
    }

    fn print_json(&self, out: &mut dyn Write) -> Result<(), Error> {
        let outcome = |outcome: &Outcome, message: &str| {
            json!({
                "decision": outcome.decision, "storing_masked": outcome.storing,
                "observed": outcome.observed, "message": message,
            })
        };
        let cases = |cases: &Cases| {
            json!({
                "statements": cases.statements, "sessions": cases.sessions.len(),
                "text": String::from_utf8_lossy(&cases.text),
                "session": cases.session.to_string(), "sequence": cases.sequence,
            })
        };
        for (key, found) in &self.changes {
            let line = json!({
                "change": "decision", "resource": key.resource, "database": key.database,
                "old": outcome(&key.old, &key.old_message), "new": outcome(&key.new, &key.new_message),
                "cases": cases(found),
            });
            writeln!(out, "{line}")?;
        }
        for ((column, was, would), found) in &self.columns {
            let line = json!({ "change": "mask", "column": column, "old": was, "new": would, "cases": cases(found) });
            writeln!(out, "{line}")?;
        }
        let all = json!({
            "change": null, "statements": self.statements, "sessions": self.sessions.len(),
            "not_compared": self.untold,
        });
        writeln!(out, "{all}")?;
        Ok(())
    }
}

/// Whether one of the columns that an action is about is masked.
fn has_masked(policy: &SubjectPolicy, Action { object, detail, .. }: &Action) -> bool {
    match (&object.schema, &detail.columns) {
        (Some(schema), Some(columns)) => {
            columns.iter().any(|column| policy.masks().method(schema, &object.name, column).is_some())
        }
        _ => !policy.masks().is_empty(),
    }
}

/// The columns that the actions read and that the two policies mask in different ways.
fn shown_otherwise(actions: &[Action], old: &SubjectPolicy, new: &SubjectPolicy) -> BTreeSet<Column> {
    let mut found = BTreeSet::new();
    if old.masks() == new.masks() {
        return found;
    }
    for Action { object, detail, .. } in actions.iter().filter(|action| action.verb == Verb::Select) {
        let (Some(schema), Some(columns)) = (&object.schema, &detail.columns) else { continue };
        let shown = |policy: &SubjectPolicy, column: &str| {
            let method = policy.masks().method(schema, &object.name, column);
            method.map_or("shown".to_owned(), |method| format!("masked ({method})"))
        };
        for column in columns {
            let (was, would) = (shown(old, column), shown(new, column));
            if was != would {
                found.insert((format!("{schema}.{}.{column}", object.name), was, would));
            }
        }
    }
    found
}
