//! What we read of statements, beside what PostgreSQL's own grammar reads of them.
//!
//! `cargo xtask conformance grammar` builds and runs it. It knows nothing of how its corpora were made.

mod compare;
mod corpus;
mod known;
mod mutate;
mod oracle;
mod report;
mod trees;
mod world;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Parser;

use crate::corpus::Corpus;
use crate::known::Known;
use crate::report::{Coverage, Findings};

/// As deep statements need it on both sides.
const STACK: usize = 512 << 20;

#[derive(Parser)]
struct Args {
    /// The folder with `known`, and the corpora that are in the tree
    #[arg(long)]
    files: PathBuf,
    /// PostgreSQL's regression tests: a name of the corpus and its folder of scripts
    #[arg(long, num_args = 2, value_names = ["NAME", "FOLDER"])]
    regress: Vec<String>,
    /// So many mutated texts as well
    #[arg(long, default_value_t = 0)]
    mutations: u64,
    /// Mutated texts for so long
    #[arg(long)]
    minutes: Option<f64>,
    /// Which mutated texts
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The number of the first mutated text, as an earlier run told it
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// So many causes of what is not understood
    #[arg(long, default_value_t = 25)]
    causes: usize,
    /// The text whose table of figures has to agree with these
    #[arg(long)]
    figures: Option<PathBuf>,
    /// Only this text: tell both readings
    #[arg(long)]
    text: Option<String>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    // What a panic says is told as a finding.
    std::panic::set_hook(Box::new(|_| {}));
    let run = std::thread::Builder::new().stack_size(STACK).spawn(move || run(&args))?;
    run.join().map_err(|_| anyhow::anyhow!("the comparison itself panicked"))?
}

fn run(args: &Args) -> Result<()> {
    if let Some(text) = &args.text {
        return tell_one(text);
    }
    let known = Known::read(&args.files.join("known"))?;
    let mut corpora = Vec::new();
    for (name, file) in [("tools", "tools.sql"), ("honest", "honest.sql"), ("attacks", "attacks.sql")] {
        corpora.push(Corpus::read(name, &args.files.join(file))?);
    }
    for pair in args.regress.chunks_exact(2) {
        corpora.push(Corpus::read(&pair[0], Path::new(&pair[1]))?);
    }
    let mut findings = Findings::default();
    let mut rows = Vec::new();
    for corpus in &corpora {
        let begun = Instant::now();
        let mut coverage = Coverage::default();
        for text in &corpus.texts {
            let reading = oracle::read(text).context("a text of the corpus is no longer valid")?;
            let outcome = compare::compare(text, &reading);
            for verdict in &outcome.verdicts {
                coverage.add(verdict, text);
            }
            findings.add(&outcome, text);
            if let Some(foreign) = corpus::foreign(text, &reading)
                && let Some(reading) = oracle::read(&foreign)
            {
                findings.add(&compare::compare(&foreign, &reading), &foreign);
            }
        }
        let (all, data) = (coverage.all, coverage.data);
        println!(
            "{}: {} statements, {:.2} % understood; of {} that read or write rows, {:.2} % ({} texts invalid, {:.1} s)",
            corpus.name,
            all.all,
            all.percent(),
            data.all,
            data.percent(),
            corpus.invalid.len(),
            begun.elapsed().as_secs_f64(),
        );
        coverage.tell(args.causes);
        rows.push((corpus.name.clone(), coverage));
    }
    if args.mutations > 0 || args.minutes.is_some() {
        let until = args.minutes.map(|minutes| Instant::now() + Duration::from_secs_f64(minutes * 60.0));
        let count = if until.is_some() && args.mutations == 0 { u64::MAX } else { args.mutations };
        findings.merge(mutate::run(&corpora, args.seed, args.first, count, until)?);
    }
    println!("differences:");
    let new = findings.tell(&known);
    let met = |class: &str| findings.has(class);
    for class in known.others(&met) {
        println!("  not met any more: {class}");
    }
    let wrong = match &args.figures {
        Some(file) => wrong_figures(file, &rows)?,
        None => Vec::new(),
    };
    for line in &wrong {
        println!("figures: this line is missing: {line}");
    }
    if new > 0 {
        bail!("{new} dangerous differences that are not in {}", args.files.join("known").display());
    }
    if !wrong.is_empty() {
        bail!("the figures told are not those measured: write the lines above");
    }
    Ok(())
}

/// Lines of the table of figures that the file does not have.
fn wrong_figures(file: &Path, rows: &[(String, Coverage)]) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let lines = rows.iter().map(|(name, coverage)| {
        // Of a release of PostgreSQL's tests to the next one the second digit moves.
        let cut = |percent: f64| (percent * 10.0).floor() / 10.0;
        let (all, data) = (cut(coverage.all.percent()), cut(coverage.data.percent()));
        format!("| {name} | {all:.1} % | {data:.1} % |")
    });
    Ok(lines.filter(|line| !text.lines().any(|l| l == line)).collect())
}

fn tell_one(text: &str) -> Result<()> {
    let reading = oracle::read(text).context("PostgreSQL refuses it")?;
    for statement in &reading.statements {
        println!("PostgreSQL: {:?} {:#?}", statement.range, statement.facts);
    }
    let world = world::World::of(&reading);
    let limits = sql::Limits::default();
    let ours = sql::analyse(text.as_bytes(), &world::settings(), &world.catalog, &limits);
    for statement in &ours.statements {
        let actions: Vec<String> = statement.actions.iter().map(ToString::to_string).collect();
        println!("ours: {} [{}] {:?}", statement.tag, actions.join(", "), statement.output);
    }
    println!("{:#?}", compare::compare(text, &reading));
    Ok(())
}
