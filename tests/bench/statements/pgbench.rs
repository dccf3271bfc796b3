//! pgbench's select-only script: one row by its key, which is the smallest statement there is.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use e2e::postgres::programs;
use e2e::process::output;

/// How a statement is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Query, with the key as a literal: nearly every text is new.
    Simple,
    /// Parse, Bind, Describe, Execute, Sync, with the key as a value.
    Extended,
    /// Bind, Describe, Execute, Sync of a statement that was prepared once.
    Prepared,
}

impl Kind {
    pub(crate) const ALL: [Kind; 3] = [Kind::Simple, Kind::Extended, Kind::Prepared];

    /// What pgbench calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Simple => "simple",
            Kind::Extended => "extended",
            Kind::Prepared => "prepared",
        }
    }
}

/// What pgbench is to do.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) kind: Kind,
    pub(crate) clients: u32,
    pub(crate) seconds: u64,
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) statements: f64,
    /// Statements a second, the time to connect not counted.
    pub(crate) tps: f64,
    /// Of one statement as its client sees it, in microseconds.
    pub(crate) latency_us: f64,
    /// Of the process in the middle, for one statement, in microseconds.
    pub(crate) cpu_us: Option<f64>,
}

/// Makes pgbench's tables, over the server's Unix socket.
pub(crate) fn fill(socket: &Path, role: &str) -> Result<()> {
    let folder = socket.parent().context("a socket lies in a folder")?;
    let mut command = Command::new(programs()?.join("pgbench"));
    command.args(["-i", "-q", "-s", "1", "-U", role, "-h"]).arg(folder).arg("shop");
    output(&mut command).map(drop)
}

/// One statement for each client.
pub(crate) fn once(mut command: Command, run: &Run) -> Result<()> {
    output(arguments(&mut command, run).args(["-t", "1"])).map(drop)
}

/// As many as there is time for.
pub(crate) fn run(mut command: Command, run: &Run) -> Result<Measured> {
    let told = output(arguments(&mut command, run).args(["-T", &run.seconds.to_string()]))?;
    let number = |begin: &str| {
        let line = told.lines().find_map(|line| line.strip_prefix(begin));
        let word = line.and_then(|line| line.trim().split(' ').next());
        word.and_then(|word| word.parse::<f64>().ok())
            .with_context(|| format!("pgbench does not say `{begin}`:\n{told}"))
    };
    Ok(Measured {
        statements: number("number of transactions actually processed:")?,
        tps: number("tps =")?,
        latency_us: number("latency average =")? * 1000.0,
        cpu_us: None,
    })
}

fn arguments<'a>(command: &'a mut Command, run: &Run) -> &'a mut Command {
    command.args(["-n", "-S", "-M", run.kind.name(), "-c", &run.clients.to_string()])
}
