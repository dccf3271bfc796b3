//! A statement: pgbench direct, through a plain relay, through pgbouncer and through Portreeve, in turns.
//!
//! All ways end at the same server over the same link; direct, relay and pgbouncer use an address of it that is not
//! protected.

mod arguments;
mod bouncer;
mod pgbench;
mod relay;
mod report;
mod ways;

use anyhow::{Context as _, Result};
use e2e::world::{JOB_UID, ROLE, SHOP};
use e2e::{Setup, World};

use self::arguments::Arguments;
use self::pgbench::{Kind, Measured, Run};
use self::report::Report;
use self::ways::{Way, Ways};
use crate::cpu;

pub(crate) use self::relay::{COMMAND as RELAY, main as relay};

/// The user whose job has a column masked, as the policy document has it.
const MASKED_UID: u32 = JOB_UID + 1;

/// How many clients at once: one shows the latency, sixteen the cost when there is always something to do.
const CLIENTS: [u32; 2] = [1, 16];

/// The benchmark.
///
/// # Errors
///
/// What this machine does not give, or unknown arguments.
pub(crate) fn run(words: impl Iterator<Item = String>) -> Result<()> {
    let arguments = Arguments::parse(words)?;
    let setup = Setup {
        database: SHOP.to_owned(),
        server: ["listen_addresses=*", "log_statement=none", "log_connections=off", "shared_buffers=64MB"]
            .map(str::to_owned)
            .to_vec(),
        config: "evidence: {directory: FOLDER/evidence, disk_budget: 8GiB}\n".to_owned(),
        ..Setup::policy(include_str!("statements/policy.yaml"))
    };
    let mut world = World::new(&setup)?;
    pgbench::fill(&world.server.socket(), ROLE)?;
    let ways = Ways::open(&world)?;
    let legs = legs(&ways, &arguments);
    if legs.is_empty() {
        anyhow::bail!("nothing is called that; see the table of a whole run");
    }
    println!(
        "{} legs of {} s, {} rounds: about {} s",
        legs.len(),
        arguments.seconds,
        arguments.rounds,
        legs.len() as u64 * arguments.rounds * (arguments.seconds + 1)
    );
    let mut report = Report::default();
    for round in 0..arguments.rounds {
        if round > 0 {
            fresh(&mut world)?;
        }
        for &(way, kind, clients) in &legs {
            let run = Run { kind, clients, seconds: arguments.seconds };
            let measured = measure(&world, &ways, way, &run).with_context(|| label(way, kind, clients))?;
            report.add(way, kind, clients, measured);
        }
        println!("round {} of {} is over", round + 1, arguments.rounds);
    }
    println!("\n{}", report.table());
    if let Some(file) = &arguments.json {
        std::fs::write(file, report.json().to_string())
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

/// What is measured in each round, in this order: those that are compared stand beside each other.
fn legs(ways: &Ways, arguments: &Arguments) -> Vec<(Way, Kind, u32)> {
    let mut legs = Vec::new();
    for kind in Kind::ALL {
        for clients in CLIENTS {
            legs.extend(ways.all().map(|way| (way, kind, clients)));
        }
    }
    legs.retain(|(way, kind, clients)| arguments.wants(&label(*way, *kind, *clients)));
    legs
}

fn label(way: Way, kind: Kind, clients: u32) -> String {
    format!("{} {clients} {}", kind.name(), way.name())
}

/// One leg: first a statement for each client, whose cost is that of connecting, then the real thing.
fn measure(world: &World, ways: &Ways, way: Way, run: &Run) -> Result<Measured> {
    let process = ways.process(world, way)?;
    let cpu = || process.map(cpu::time).transpose();
    let before = cpu()?;
    pgbench::once(ways.pgbench(world, way)?, run)?;
    let connected = cpu()?;
    let mut measured = pgbench::run(ways.pgbench(world, way)?, run)?;
    if let (Some(before), Some(connected), Some(after)) = (before, connected, cpu()?) {
        let spent = (after - connected).saturating_sub(connected - before);
        measured.cpu_us = Some(spent.as_secs_f64() * 1e6 / measured.statements);
    }
    Ok(measured)
}

/// A daemon without evidence of earlier rounds: the disk's use is bounded by one round's.
fn fresh(world: &mut World) -> Result<()> {
    world.daemon.stop()?;
    std::fs::remove_dir_all(world.daemon.evidence())?;
    world.daemon.start()
}
