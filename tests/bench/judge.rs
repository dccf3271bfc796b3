//! What a judgement costs: reading a text, and judging what it means by few rules and by many.
//!
//! It needs no daemon and no server: what is measured is what a session does between a text and its decision.

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, anyhow, bail, ensure};
use policy::{CaseFile, Decision, Document, Moment, Policy, Principal, Subject, SubjectPolicy};
use session::Measured;
use sql::{Limits, SearchPath, Settings};

use crate::statistics::{Quartiles, quartiles};

/// How often each thing is measured, and how often it is done each time.
const ROUNDS: usize = 21;
const TIMES: usize = 2_000;

/// The rules of each policy that is measured.
const RULES: [usize; 3] = [10, 1_000, 10_000];

/// The database, as a cases file describes one.
const DATABASE: &str = "version: 1\nresource: shop\ndatabase: shop\nschema:\n  \
    public.pgbench_accounts: [aid, bid, abalance, filler]\n\
    cases: [{name: n, who: {uid: 1}, statement: SELECT 1, expect: allow, rule: r}]\n";

/// The benchmark.
///
/// # Errors
///
/// An argument, or a policy that does not decide as it should.
pub(crate) fn run(mut words: impl Iterator<Item = String>) -> Result<()> {
    if let Some(word) = words.next() {
        bail!("unknown argument `{word}`");
    }
    let database = CaseFile::parse(&Document { name: "database", text: DATABASE }).map_err(first)?;
    let settings =
        Settings { search_path: SearchPath::listed(database.search_path.clone()), ..Settings::default() };
    // Enough that none comes twice in what is measured with new ones.
    let texts: Vec<String> = (0..TIMES * (ROUNDS + 1)).map(select).collect();
    let (same, limits) = (select(0), Limits::default());

    println!("\npgbench's SELECT, {} bytes", same.len());
    told(
        "read, as if it came for the first time",
        "us",
        each(|at| {
            black_box(sql::analyse(texts[at].as_bytes(), &settings, &database.catalog, &limits));
        }),
    );
    let of_one_rule = subject(1)?.1;
    let mut session = Measured::new(settings.clone(), database.catalog.clone(), of_one_rule);
    told(
        "read, with a literal that is new",
        "us",
        each(|at| {
            black_box(session.read(texts[at].as_bytes()));
        }),
    );
    told(
        "read, the same text again",
        "us",
        each(|_| {
            black_box(session.read(same.as_bytes()));
        }),
    );
    let analysis = sql::analyse(same.as_bytes(), &settings, &database.catalog, &limits);
    for count in RULES {
        println!("\n{count} rules, all about this job");
        let (policy, rules) = subject(count)?;
        let actions = || analysis.statements.iter().flat_map(|statement| &statement.actions);
        let decided = || rules.judge(actions(), Moment::default());
        ensure!(decided().decision() == Decision::Allow, "{}", decided().message());
        told(
            "judge, as if it came for the first time",
            "us",
            each(|_| {
                black_box(decided());
            }),
        );
        let mut session = Measured::new(settings.clone(), database.catalog.clone(), rules);
        told(
            "read and judge, with a literal that is new",
            "us",
            each(|at| {
                black_box(session.decide(texts[at].as_bytes()));
            }),
        );
        told(
            "read and judge, the same text again",
            "us",
            each(|_| {
                black_box(session.decide(same.as_bytes()));
            }),
        );
        let principal = Principal::plain();
        let subject = Subject { principal: &principal, resource: "shop", database: "shop" };
        let took = (0..ROUNDS).map(|_| {
            let began = Instant::now();
            black_box(policy.for_subject(&subject));
            began.elapsed().as_secs_f64() * 1e3
        });
        told("find the rules of a job, once for a session", "ms", took.collect());
    }
    Ok(())
}

fn select(at: usize) -> String {
    format!("SELECT abalance FROM pgbench_accounts WHERE aid = {};", 10_000 + at)
}

/// A policy of so many rules, and those of a job that all of them are about: tables, functions and settings by name,
/// whole schemas, and each tenth with a pattern that has to be tried. One allows what is asked.
fn subject(count: usize) -> Result<(Arc<Policy>, Arc<SubjectPolicy>)> {
    let mut text = "version: 1\nrules:\n".to_owned();
    for at in 1..count {
        let about = match at % 10 {
            0 if at % 1_000 == 0 => format!("actions: [write], relations: ['s{at}*.t'], decision: deny"),
            0 => format!("actions: [read], relations: ['s{at}.*'], decision: allow"),
            1 => format!("actions: [function], functions: [public.f{at}], decision: deny"),
            2 => format!("actions: [set], settings: [app.s{at}], decision: allow"),
            3 => format!("actions: [destructive], relations: [public.t{at}], decision: hold"),
            4 => format!("actions: [read], relations: [public.t{at}], decision: deny, mask: public.m{at}.c"),
            _ => format!("actions: [read, write], relations: [public.t{at}], decision: allow"),
        };
        writeln!(text, "  - {{ name: r{at}, {about} }}")?;
    }
    text.push_str("  - { name: bench, actions: [read, write], relations: ['public.*'], decision: allow }\n");
    // A document has a bound, which so many rules pass.
    let parts = split(&text);
    let documents: Vec<Document<'_>> = parts.iter().map(|text| Document { name: "bench", text }).collect();
    let policy = Arc::new(Policy::parse(&documents).map_err(first)?);
    ensure!(policy.rules().len() == count, "{} rules", policy.rules().len());
    let principal = Principal::plain();
    let subject = Subject { principal: &principal, resource: "shop", database: "shop" };
    let rules = Arc::new(policy.for_subject(&subject));
    Ok((policy, rules))
}

fn split(text: &str) -> Vec<String> {
    let rules: Vec<&str> = text.lines().skip(2).collect();
    rules.chunks(1_000).map(|rules| format!("version: 1\nrules:\n{}\n", rules.join("\n"))).collect()
}

fn first(errors: Vec<policy::DocumentError>) -> anyhow::Error {
    anyhow!("{}", errors.first().map(ToString::to_string).unwrap_or_default())
}

/// Microseconds for one of many times, of each round; each time has a number of its own.
fn each(mut what: impl FnMut(usize)) -> Vec<f64> {
    // Caches of ours and of the processor's are as they are in a session that runs for a while.
    (0..TIMES).for_each(&mut what);
    let round = |round| {
        let from = (round + 1) * TIMES;
        let began = Instant::now();
        (from..from + TIMES).for_each(&mut what);
        began.elapsed().as_secs_f64() * 1e6 / TIMES as f64
    };
    (0..ROUNDS).map(round).collect()
}

fn told(what: &str, unit: &str, took: Vec<f64>) {
    if let Some(Quartiles { low, middle, high }) = quartiles(took.into_iter()) {
        println!("{what:<56} {middle:>9.3} {unit} ({low:.3} to {high:.3})");
    }
}
