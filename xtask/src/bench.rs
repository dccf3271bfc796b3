//! `cargo xtask bench`: makes what a benchmark needs, and runs it. What it measures lies in `tests/bench`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::{
    e2e, postgres,
    process::{cargo, run as run_command, say, workspace},
};

/// Its arguments.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    benchmark: Option<Benchmark>,
    #[command(flatten)]
    traffic: Traffic,
}

#[derive(clap::Subcommand)]
enum Benchmark {
    /// Statements, bulk and connections through Portreeve, beside direct ones, a plain relay and pgbouncer; what runs if
    /// none is named
    Traffic(Traffic),
    /// connect() and packets without the programs, with them, and redirected
    Connect(Connect),
    /// What the catalog costs: statements after DDL, short sessions one after another, and memory
    Catalog,
    /// What a judgement costs, with 10, 1,000 and 10,000 rules, and what the reading before it does
    Judge,
    /// What a megabyte of random shapes takes to read: each at most a second and 256 MiB, or it fails
    Sizes(Sizes),
}

#[derive(clap::Args)]
struct Sizes {
    /// How many shapes
    #[arg(long, default_value_t = 200)]
    shapes: u32,
}

#[derive(clap::Args)]
struct Traffic {
    /// How often each way is measured; medians are told
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// How long each time, in seconds
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// Write all figures to this file, too
    #[arg(long)]
    json: Option<PathBuf>,
    /// Only legs whose words in the table these are: `--only "prepared 16 portreeve"`, `--only select`
    #[arg(long)]
    only: Option<String>,
}

#[derive(clap::Args)]
struct Connect {
    /// How often each leg has its turn; medians are told
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// How many connections, or round trips, each time
    #[arg(long, default_value_t = 4000, value_parser = clap::value_parser!(u32).range(100..=100_000))]
    connects: u32,
    /// Write all figures to this file, too
    #[arg(long)]
    json: Option<PathBuf>,
}

/// The command.
pub(crate) fn run(args: &Args) -> Result<()> {
    let (name, words, json) = match &args.benchmark {
        Some(Benchmark::Catalog) => ("catalog", Vec::new(), &None),
        Some(Benchmark::Judge) => ("judge", Vec::new(), &None),
        Some(Benchmark::Sizes(sizes)) => ("sizes", vec![sizes.shapes.to_string()], &None),
        Some(Benchmark::Connect(connect)) => ("connect", connect.words(), &connect.json),
        Some(Benchmark::Traffic(traffic)) => ("traffic", traffic.words(), &traffic.json),
        None => ("traffic", args.traffic.words(), &args.traffic.json),
    };
    say("preparing the benchmark (an optimised build: the first time some minutes)");
    if name != "judge" && name != "sizes" {
        // They need no daemon, and no root.
        e2e::prepare_release().context("nothing can be measured here")?;
    }
    if name == "traffic"
        && let Err(error) = postgres::ensure_bouncer()
    {
        // The other ways are worth measuring without it.
        say(&format!("pgbouncer is left out: {error:#}"));
    }
    let mut command = cargo();
    command.args(["run", "--quiet", "--release", "--package", "e2e", "--bin", "bench", "--", name]);
    command.args(words);
    if let Some(json) = json {
        command.arg("--json").arg(absolute(json)?);
    }
    run_command(command.current_dir(workspace()))
}

impl Traffic {
    fn words(&self) -> Vec<String> {
        let mut words = vec!["--rounds".to_owned(), self.rounds.to_string()];
        words.extend(["--seconds".to_owned(), self.seconds.to_string()]);
        if let Some(only) = &self.only {
            words.extend(["--only".to_owned(), only.clone()]);
        }
        words
    }
}

impl Connect {
    fn words(&self) -> Vec<String> {
        ["--rounds", &self.rounds.to_string(), "--connects", &self.connects.to_string()]
            .map(str::to_owned)
            .to_vec()
    }
}

/// The benchmark runs in another folder than its user stands in.
fn absolute(file: &Path) -> Result<PathBuf> {
    let file = std::path::absolute(file)?;
    match file.parent() {
        Some(folder) if folder.is_dir() => Ok(file),
        _ => bail!("{} lies in no folder", file.display()),
    }
}
