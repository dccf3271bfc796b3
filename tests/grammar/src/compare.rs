//! Both readings of one text, side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use policy::{ObjectKind, Output, Verb};
use sql::{Analysis, Limits, Statement, TransactionEffect};

use crate::oracle::{Facts, Name, Reading, Write};
use crate::trees;
use crate::world::{self, CHILD, World};

/// Longer than this for a text of a corpus is a way to keep a worker from everybody else.
const LONGEST: Duration = Duration::from_secs(2);

/// A way in which the two differ.
#[derive(Debug, Clone)]
pub struct Finding {
    /// What differs and around what; findings of one class are one finding.
    pub class: String,
    /// Ours has less than PostgreSQL's.
    pub dangerous: bool,
    /// What exactly.
    pub detail: String,
}

impl Finding {
    /// Reading it panicked.
    pub fn panic() -> Self {
        Finding::dangerous("a panic", "")
    }

    pub(crate) fn dangerous(class: impl Into<String>, detail: impl Into<String>) -> Self {
        Finding { class: class.into(), dangerous: true, detail: detail.into() }
    }
}

/// What became of one statement.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The kind of its topmost node.
    pub kind: String,
    /// Why it was not understood, with what its message shows of the text.
    pub opaque: Option<String>,
}

/// Of one text.
#[derive(Debug, Default)]
pub struct Outcome {
    pub verdicts: Vec<Verdict>,
    pub findings: Vec<Finding>,
}

/// Whether reading a text panics that PostgreSQL refuses.
pub fn panics(text: &str) -> bool {
    let read =
        || sql::analyse(text.as_bytes(), &world::settings(), &policy::Catalog::default(), &Limits::default());
    catch_unwind(AssertUnwindSafe(read)).is_err()
}

/// Compares our reading of a text with PostgreSQL's.
pub fn compare(text: &str, reading: &Reading) -> Outcome {
    let mut outcome = Outcome::default();
    let (settings, limits) = (world::settings(), Limits::default());
    let world = World::of(reading);
    let begun = Instant::now();
    let ours = catch_unwind(AssertUnwindSafe(|| {
        let tokens = sql::tokens(text.as_bytes(), &settings, &limits);
        (tokens, sql::analyse(text.as_bytes(), &settings, &world.catalog, &limits))
    }));
    let Ok((tokens, ours)) = ours else {
        outcome.findings.push(Finding::panic());
        return outcome;
    };
    if begun.elapsed() > LONGEST {
        outcome.findings.push(Finding::dangerous("too long", format!("{:?}", begun.elapsed())));
    }
    let unread = |reason: String| {
        let verdict = |s: &crate::oracle::Statement| Verdict {
            kind: s.facts.kind.clone(),
            opaque: Some(reason.clone()),
        };
        reading.statements.iter().map(verdict).collect()
    };
    match tokens {
        Ok(tokens) if tokens == reading.tokens => {}
        Ok(tokens) => {
            let differ = tokens.iter().zip(&reading.tokens).find(|(ours, pg)| ours != pg);
            outcome.findings.push(Finding::dangerous("tokens", format!("{differ:?}")));
            return outcome;
        }
        Err(error) => {
            outcome.verdicts = unread(error.to_string());
            return outcome;
        }
    }
    let ranges: Vec<_> = ours.places.iter().map(|place| place.range.clone()).collect();
    let expected: Vec<_> = reading.statements.iter().map(|s| s.range.clone()).collect();
    if ranges != expected {
        // A text that could not be cut is one opaque statement.
        if ours.statements.len() == 1 && is_opaque(&ours.statements[0]) {
            outcome.verdicts = unread(opaque(&ours.statements[0]).unwrap_or_default());
        } else {
            outcome.findings.push(Finding::dangerous("statements", format!("{ranges:?}, not {expected:?}")));
        }
        return outcome;
    }
    let constants: Vec<_> = ours.places.iter().flat_map(|place| place.constants.clone()).collect();
    if constants != reading.constants {
        outcome.findings.push(Finding::dangerous("literals", format!("{constants:?}")));
    }
    statements(&ours, reading, &world, &mut outcome);
    let trees = sql::trees(text.as_bytes(), &settings, &limits).unwrap_or_default();
    for ((tree, statement), theirs) in trees.iter().zip(&ours.statements).zip(&reading.statements) {
        if let (Some(tree), Some(theirs), false) = (tree, &theirs.facts.names, is_opaque(statement)) {
            trees::compare(tree, theirs, &mut outcome.findings);
        }
    }
    outcome
}

fn statements(ours: &Analysis, reading: &Reading, world: &World, outcome: &mut Outcome) {
    for (statement, theirs) in ours.statements.iter().zip(&reading.statements) {
        let opaque = opaque(statement);
        outcome.verdicts.push(Verdict { kind: theirs.facts.kind.clone(), opaque: opaque.clone() });
        if opaque.is_none() {
            Pair { ours: statement, pg: &theirs.facts, world, found: &mut outcome.findings }.all();
        }
    }
}

fn is_opaque(statement: &Statement) -> bool {
    opaque(statement).is_some()
}

fn opaque(statement: &Statement) -> Option<String> {
    statement.actions.iter().find(|a| a.verb == Verb::Opaque).map(|a| a.object.name.clone())
}

struct Pair<'a> {
    ours: &'a Statement,
    pg: &'a Facts,
    world: &'a World,
    found: &'a mut Vec<Finding>,
}

impl Pair<'_> {
    fn all(&mut self) {
        let before = self.found.len();
        self.kind();
        self.writes();
        self.relations();
        self.functions();
        self.types();
        self.items();
        self.session();
        self.drops();
        // What is known of one kind of statement may be new in another.
        for finding in &mut self.found[before..] {
            finding.class = format!("{}: {}", self.pg.kind, finding.class);
        }
    }

    fn less(&mut self, class: String, detail: impl Into<String>) {
        self.found.push(Finding::dangerous(class, detail));
    }

    fn kind(&mut self) {
        let first = self.ours.tag.split(' ').next().unwrap_or_default();
        let same = match (first, self.pg.tag) {
            (_, "") => true,
            (ours, pg) if ours == pg => true,
            // A role's GRANT is a statement of roles, and so is its ALTER GROUP.
            ("ANALYSE", "ANALYZE") => true,
            _ => false,
        };
        if !same {
            self.less(format!("kind {:?}", self.ours.tag), "");
        }
    }

    fn has(&self, verbs: &[Verb], schema: &str, name: &str) -> bool {
        self.ours.actions.iter().any(|action| {
            (verbs.is_empty() || verbs.contains(&action.verb))
                && action.object.kind == ObjectKind::Relation
                && action.object.name == name
                && is_schema(action.object.schema.as_deref(), schema)
        })
    }

    fn writes(&mut self) {
        for ((write, name), around) in &self.pg.writes {
            let schema =
                if *write == Write::Create { world::schema(name) } else { self.world.schema_of(name) };
            if !self.has(verbs(*write), schema, &name.name) {
                let class = format!("{write:?} missing in {around}");
                self.found.push(Finding::dangerous(class, name.to_string()));
            }
        }
        // What we see beyond it is refused more often than it need be.
        for action in &self.ours.actions {
            let Some(write) = write_of(action.verb) else { continue };
            if action.implied || action.object.kind != ObjectKind::Relation {
                continue;
            }
            let same = |(known, name): &(Write, Name)| {
                verbs(*known).contains(&action.verb)
                    && name.name == action.object.name
                    && is_schema(action.object.schema.as_deref(), self.world.schema_of(name))
            };
            if !self.pg.writes.keys().any(same) && write != Write::Create {
                self.found.push(Finding {
                    class: format!("{write:?} too many"),
                    dangerous: false,
                    detail: action.to_string(),
                });
            }
        }
    }

    fn relations(&mut self) {
        let sets: [(&str, &[Verb], &BTreeMap<Name, String>); 2] = [
            ("read", &[Verb::Select, Verb::CopyOut, Verb::CopyServer], &self.pg.reads),
            ("relation", &[], &self.pg.relations),
        ];
        let mut told = BTreeSet::new();
        for (what, verbs, names) in sets {
            for (name, around) in names {
                if !self.has(verbs, self.world.schema_of(name), &name.name) && told.insert(name) {
                    self.found
                        .push(Finding::dangerous(format!("{what} missing in {around}"), name.to_string()));
                }
            }
        }
        for (name, around) in &self.pg.families {
            let child = format!("{}{CHILD}", name.name);
            if !self.has(&[], self.world.schema_of(name), &child) && !told.contains(name) {
                self.found
                    .push(Finding::dangerous(format!("children missing in {around}"), name.to_string()));
            }
        }
    }

    fn functions(&mut self) {
        for (name, around) in &self.pg.functions {
            // PostgreSQL's own need no action of their own if they are harmless.
            if name.schema.as_deref() == Some("pg_catalog") {
                continue;
            }
            let has = self.ours.actions.iter().any(|action| {
                action.object.kind == ObjectKind::Function
                    && action.object.name == name.name
                    && is_schema(action.object.schema.as_deref(), world::schema(name))
            });
            // What set_config does is told as the setting of what it sets.
            if !has {
                self.found
                    .push(Finding::dangerous(format!("function missing in {around}"), name.to_string()));
            }
        }
    }

    fn types(&mut self) {
        for (name, around) in &self.pg.types {
            if self.world.catalog.type_named(world::schema(name), &name.name).is_none() {
                continue;
            }
            let element = name.name.strip_prefix('_').unwrap_or(&name.name);
            if name.schema.is_none() && is_builtin_type(element) {
                continue;
            }
            let has =
                self.ours.actions.iter().any(|action| {
                    action.object.kind == ObjectKind::Function && action.object.name == name.name
                });
            if !has && name.schema.as_deref() != Some("information_schema") {
                self.found.push(Finding::dangerous(format!("type missing in {around}"), name.to_string()));
            }
        }
    }

    /// What each column of a plain SELECT carries.
    fn items(&mut self) {
        let Some(items) = &self.pg.items else { return };
        let known = |name: &str| !matches!(name, "ctid" | "tableoid" | "xmin" | "xmax" | "cmin" | "cmax");
        let carried: Vec<Option<BTreeSet<&str>>> = match &self.ours.output {
            Output::Unknown | Output::Inherited(_) => return,
            Output::None => Vec::new(),
            Output::Columns(columns) => columns
                .iter()
                .map(|lineage| match lineage.columns() {
                    Some(columns) if columns.iter().all(|c| c.attnum != 0) => {
                        Some(columns.iter().filter_map(|c| self.world.column(c.attnum)).collect())
                    }
                    Some(_) | None => None,
                })
                .collect(),
            Output::Within(columns) if columns.iter().any(|c| c.attnum == 0) => return,
            Output::Within(columns) => {
                let all: BTreeSet<&str> =
                    columns.iter().filter_map(|c| self.world.column(c.attnum)).collect();
                items.iter().map(|_| Some(all.clone())).collect()
            }
        };
        if carried.len() != items.len() {
            let detail = format!("{} of {}", carried.len(), items.len());
            self.found.push(Finding::dangerous("number of columns", detail));
            return;
        }
        for (wanted, carried) in items.iter().zip(&carried) {
            let Some(carried) = carried else { continue };
            for name in wanted.iter().filter(|name| known(name)) {
                if !carried.contains(&**name) {
                    self.found.push(Finding::dangerous("column missing", name.clone()));
                }
            }
        }
    }

    fn session(&mut self) {
        for name in &self.pg.settings {
            let has = self.ours.actions.iter().any(|action| {
                matches!(
                    action.verb,
                    Verb::Set
                        | Verb::SetRole
                        | Verb::Transaction
                        | Verb::Role
                        | Verb::System
                        | Verb::Alter
                        | Verb::Create
                )
            });
            let named = self.ours.actions.iter().any(|action| {
                matches!(action.verb, Verb::SetRole) || action.object.name.eq_ignore_ascii_case(name)
            });
            let whole = matches!(self.pg.kind.as_str(), "VariableSetStmt");
            if !has || (whole && !named && name != "all") {
                self.found.push(Finding::dangerous("setting missing", name.clone()));
            }
        }
        let ours = effects(self.ours);
        for effect in &self.pg.effects {
            if !ours.contains(effect) {
                let word = effect.split(' ').next().unwrap_or_default();
                self.found.push(Finding::dangerous(
                    format!("effect missing: {word}"),
                    format!("{effect}, but {ours:?}"),
                ));
            }
        }
    }

    fn drops(&mut self) {
        for (name, around) in &self.pg.drops {
            let has = self
                .ours
                .actions
                .iter()
                .any(|a| a.object.name == *name || a.object.name.rsplit('.').next() == Some(&**name));
            if !has {
                self.found.push(Finding::dangerous(format!("object missing in {around}"), name.clone()));
            }
        }
    }
}

fn effects(statement: &Statement) -> BTreeSet<String> {
    let effects = &statement.effects;
    let mut words = BTreeSet::new();
    let transaction = effects.transaction.as_ref().map(|effect| match effect {
        TransactionEffect::Begin => "begin".to_owned(),
        TransactionEffect::Commit { chain } => format!("commit {chain}"),
        TransactionEffect::Rollback { chain } => format!("rollback {chain}"),
        TransactionEffect::Savepoint(name) => format!("savepoint {name}"),
        TransactionEffect::Release(name) => format!("release {name}"),
        TransactionEffect::RollbackTo(name) => format!("rollback to {name}"),
        TransactionEffect::Prepare => "prepare transaction".to_owned(),
        TransactionEffect::Prepared => "prepared".to_owned(),
    });
    words.extend(transaction);
    words.extend(effects.prepares.as_ref().map(|name| format!("prepares {name}")));
    words.extend(effects.executes.as_ref().map(|name| format!("executes {name}")));
    words.extend(effects.declares.as_ref().map(|name| format!("declares {name}")));
    words.extend(effects.fetches.as_ref().map(|name| format!("fetches {name}")));
    let deallocates = effects.deallocates.as_ref();
    words.extend(deallocates.map(|name| format!("deallocates {}", name.as_deref().unwrap_or_default())));
    words
}

/// The session's temporary schema has two names.
fn is_schema(ours: Option<&str>, wanted: &str) -> bool {
    let temp = |schema: &str| schema == "pg_temp" || schema.starts_with("pg_temp_");
    ours == Some(wanted) || (temp(wanted) && ours.is_some_and(temp))
}

/// The verbs that say at least as much.
const fn verbs(write: Write) -> &'static [Verb] {
    match write {
        Write::Insert => &[Verb::Insert],
        // A condition that holds for every row may be known as such.
        Write::Update => &[Verb::Update, Verb::UpdateAll],
        Write::UpdateAll => &[Verb::UpdateAll],
        Write::Delete => &[Verb::Delete, Verb::DeleteAll],
        Write::DeleteAll => &[Verb::DeleteAll],
        Write::Truncate => &[Verb::Truncate],
        // The tree does not tell a file without a name from the client.
        Write::CopyIn => &[Verb::CopyIn, Verb::CopyServer],
        Write::CopyServer => &[Verb::CopyServer],
        Write::Create => &[Verb::Create],
    }
}

const fn write_of(verb: Verb) -> Option<Write> {
    match verb {
        Verb::Insert => Some(Write::Insert),
        Verb::Update => Some(Write::Update),
        Verb::UpdateAll => Some(Write::UpdateAll),
        Verb::Delete => Some(Write::Delete),
        Verb::DeleteAll => Some(Write::DeleteAll),
        Verb::Truncate => Some(Write::Truncate),
        Verb::CopyIn => Some(Write::CopyIn),
        _ => None,
    }
}

/// Whether we take an unqualified name for one of PostgreSQL's own types: asked of the reader itself.
fn is_builtin_type(name: &str) -> bool {
    let text = format!("SELECT NULL::\"{}\"", name.replace('"', "\"\""));
    let read =
        sql::analyse(text.as_bytes(), &world::settings(), &policy::Catalog::default(), &Limits::default());
    !read.statements.iter().any(is_opaque)
}
