//! `cargo xtask bench`: makes what the benchmark needs, and runs it. What it measures lies in `tests/bench`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::{
    e2e, postgres,
    process::{cargo, run as run_command, say, workspace},
};

/// Its arguments.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How often each way is measured; medians are told
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// How long each time, in seconds
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// Write all figures to this file, too
    #[arg(long)]
    json: Option<PathBuf>,
    /// Only legs whose kind, clients and way are called like these words: `--only "prepared 16 portreeve"`
    #[arg(long)]
    only: Option<String>,
}

/// The command.
pub(crate) fn run(args: &Args) -> Result<()> {
    say("preparing the benchmark (an optimised build: the first time some minutes)");
    e2e::prepare_release().context("nothing can be measured here")?;
    if let Err(error) = postgres::ensure_bouncer() {
        // The other ways are worth measuring without it.
        say(&format!("pgbouncer is left out: {error:#}"));
    }
    let mut command = cargo();
    command.args(["run", "--quiet", "--release", "--package", "e2e", "--bin", "bench", "--"]);
    command.args(["--rounds", &args.rounds.to_string(), "--seconds", &args.seconds.to_string()]);
    if let Some(json) = &args.json {
        command.arg("--json").arg(absolute(json)?);
    }
    if let Some(only) = &args.only {
        command.args(["--only", only]);
    }
    run_command(command.current_dir(workspace()))
}

/// The benchmark runs in another folder than its user stands in.
fn absolute(file: &Path) -> Result<PathBuf> {
    let file = std::path::absolute(file)?;
    match file.parent() {
        Some(folder) if folder.is_dir() => Ok(file),
        _ => bail!("{} lies in no folder", file.display()),
    }
}
