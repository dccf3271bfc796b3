//! pgbench's select-only script: one row by its key, which is the smallest statement there is.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use e2e::postgres::programs;
use e2e::process::output;

use super::report::Figures;
use crate::statistics::{quantile, sorted};

/// How a statement is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Query, with the key as a literal: nearly every text is new.
    Simple,
    /// Parse, Bind, Describe, Execute, Sync, with the key as a value.
    Extended,
    /// Bind, Describe, Execute, Sync of a statement that was prepared once.
    Prepared,
    /// The same, twenty of them before anything is waited for.
    Pipelined,
}

/// How many statements a pipeline has.
const PIPELINE: u32 = 20;

/// How many clients connect anew at once.
const CONNECTING: u32 = 4;

impl Kind {
    pub(crate) const ALL: [Kind; 4] = [Kind::Simple, Kind::Extended, Kind::Prepared, Kind::Pipelined];

    /// What it is called; pgbench says so, too.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Simple => "simple",
            Kind::Extended => "extended",
            Kind::Prepared => "prepared",
            Kind::Pipelined => "pipelined",
        }
    }

    fn mode(self) -> &'static str {
        match self {
            Kind::Pipelined => Kind::Prepared.name(),
            kind => kind.name(),
        }
    }

    /// How many statements one of pgbench's transactions has.
    fn statements(self) -> u32 {
        if self == Kind::Pipelined { PIPELINE } else { 1 }
    }

    /// pgbench's own script, and the same in a pipeline.
    fn script(self) -> String {
        let one = "SELECT abalance FROM pgbench_accounts WHERE aid = :aid;\n";
        let key = "\\set aid random(1, 100000 * :scale)\n";
        match self {
            Kind::Pipelined => {
                format!("{key}\\startpipeline\n{}\\endpipeline\n", one.repeat(PIPELINE as usize))
            }
            _ => format!("{key}{one}"),
        }
    }
}

/// Makes pgbench's tables, over the server's Unix socket.
pub(crate) fn fill(socket: &Path, role: &str, scale: u32) -> Result<()> {
    let folder = socket.parent().context("a socket lies in a folder")?;
    let mut command = Command::new(programs()?.join("pgbench"));
    command.args(["-i", "-q", "-s", &scale.to_string(), "-U", role, "-h"]).arg(folder).arg("shop");
    output(&mut command).map(drop)
}

/// One transaction for each client.
pub(crate) fn once(mut command: Command, kind: Kind, clients: u32) -> Result<()> {
    let script = Script::write(&kind.script())?;
    output(arguments(&mut command, kind, clients, &script).args(["-t", "1"])).map(drop)
}

/// As many as there is time for. How long one took is told where there is one client.
pub(crate) fn run(mut command: Command, kind: Kind, clients: u32, seconds: u64) -> Result<Figures> {
    let script = Script::write(&kind.script())?;
    let log = tempfile::tempdir()?;
    std::fs::set_permissions(log.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777))?;
    arguments(&mut command, kind, clients, &script).args(["-T", &seconds.to_string()]);
    if clients == 1 {
        command.arg("--log").arg("--log-prefix").arg(log.path().join("log"));
    }
    let told = output(&mut command)?;
    let statements = f64::from(kind.statements());
    let count = number(&told, "number of transactions actually processed:")? * statements;
    let latencies = sorted(latencies(log.path())?.into_iter());
    Ok(Figures {
        count,
        rate: number(&told, "tps =")? * statements,
        p50_us: quantile(&latencies, 0.5),
        p99_us: quantile(&latencies, 0.99),
        ..Figures::default()
    })
}

/// A connection for each transaction.
pub(crate) fn churn(mut command: Command, seconds: u64) -> Result<Figures> {
    let clients = CONNECTING.to_string();
    let told = output(command.args(["-n", "-S", "-C", "-c", &clients, "-T", &seconds.to_string()]))?;
    Ok(Figures {
        count: number(&told, "number of transactions actually processed:")?,
        rate: number(&told, "tps =")?,
        ..Figures::default()
    })
}

fn arguments<'a>(command: &'a mut Command, kind: Kind, clients: u32, script: &Script) -> &'a mut Command {
    command
        .args(["-n", "-M", kind.mode(), "-c", &clients.to_string(), "-D", "scale=1", "-f"])
        .arg(script.path())
}

/// A script that every user may read.
#[derive(Debug)]
pub(super) struct Script(tempfile::TempPath);

impl Script {
    pub(super) fn write(text: &str) -> Result<Self> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), text)?;
        std::fs::set_permissions(file.path(), std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
        Ok(Script(file.into_temp_path()))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

/// The figure behind `begin` in what pgbench tells.
fn number(told: &str, begin: &str) -> Result<f64> {
    let line = told.lines().find_map(|line| line.strip_prefix(begin));
    let word = line.and_then(|line| line.trim().split(' ').next());
    word.and_then(|word| word.parse::<f64>().ok())
        .with_context(|| format!("pgbench does not say `{begin}`:\n{told}"))
}

/// How long each transaction took in microseconds: the third word of each line of pgbench's log.
fn latencies(folder: &Path) -> Result<Vec<f64>> {
    let mut all = Vec::new();
    for file in std::fs::read_dir(folder)? {
        let lines = std::fs::read_to_string(file?.path())?;
        all.extend(lines.lines().filter_map(|line| line.split(' ').nth(2)?.parse::<f64>().ok()));
    }
    Ok(all)
}
