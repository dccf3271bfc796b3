//! A thousand connections that have said something once, and then nothing.

use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use e2e::{World, eventually};

use super::pgbench::Script;
use super::report::Figures;
use super::ways::{Way, Ways};

const CONNECTIONS: u64 = 1000;

/// How much memory of the process in the middle a connection takes.
///
/// # Errors
///
/// They are not taken.
pub(crate) fn run(world: &World, ways: &Ways, way: Way) -> Result<Figures> {
    let resident = || ways.process(world, way)?.map(resident).transpose();
    // What is allocated once is allocated by now.
    hold(world, ways, way, 20)?.release()?;
    let before = resident()?;
    let held = hold(world, ways, way, CONNECTIONS)?;
    let after = resident()?;
    held.release()?;
    let bytes = match (before, after) {
        (Some(before), Some(after)) => Some(after.saturating_sub(before) as f64 / CONNECTIONS as f64),
        _ => None,
    };
    Ok(Figures { count: CONNECTIONS as f64, bytes, ..Figures::default() })
}

/// Clients that hold their connections.
struct Held<'a> {
    world: &'a World,
    client: std::process::Child,
    _script: Script,
}

/// Has so many clients connect, each with a statement.
fn hold<'a>(world: &'a World, ways: &Ways, way: Way, count: u64) -> Result<Held<'a>> {
    let script =
        Script::write("SELECT abalance /* idle */ FROM pgbench_accounts WHERE aid = 1;\n\\sleep 600 s\n")?;
    let mut command = ways.pgbench(world, way)?;
    command.args(["-n", "-c", &count.to_string(), "-t", "1", "-f"]).arg(script.path());
    let client = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let mut held = Held { world, client, _script: script };
    let talked = "SELECT count(*) FROM pg_stat_activity \
                  WHERE datname = 'shop' AND state = 'idle' AND query LIKE '%/* idle */%' AND pid <> pg_backend_pid()";
    eventually("the connections are there", || {
        if let Some(status) = held.client.try_wait()? {
            bail!("pgbench ended: {status}");
        }
        match world.server.sql("postgres", talked)?.parse::<u64>()? {
            there if there >= count => Ok(()),
            there => bail!("{there} of {count}"),
        }
    })?;
    Ok(held)
}

impl Held<'_> {
    /// Ends them, and waits until the server has no more of them.
    fn release(mut self) -> Result<()> {
        self.client.kill()?;
        self.client.wait()?;
        let left = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'shop' AND query LIKE '%/* idle */%' AND pid <> pg_backend_pid()";
        eventually("the connections are gone", || match self.world.server.sql("postgres", left)?.as_str() {
            "0" => Ok(()),
            left => bail!("{left} are left"),
        })
    }
}

/// The memory that a process has now, in bytes.
fn resident(process: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse::<u64>()? * 1024)
}
