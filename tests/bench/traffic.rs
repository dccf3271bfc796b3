//! What passes: statements, rows in bulk and connections, direct, through a plain relay, through pgbouncer and through
//! Portreeve, in turns.
//!
//! All ways end at the same server over the same link; direct, relay and pgbouncer use an address of it that is not
//! protected.

mod arguments;
mod bouncer;
mod bulk;
mod idle;
mod pgbench;
mod relay;
mod report;
mod ways;
mod workload;

use std::time::Duration;

use anyhow::{Context as _, Result};
use e2e::world::{JOB_UID, ROLE, SHOP};
use e2e::{Setup, World};

use self::arguments::Arguments;
use self::bulk::{Bulk, Direction};
use self::report::{Figures, Report};
use self::ways::{Way, Ways};
use self::workload::Workload;
use crate::cpu;

pub(crate) use self::relay::{COMMAND as RELAY, main as relay};

/// The user whose job has a column masked, as the policy document has it.
const MASKED_UID: u32 = JOB_UID + 1;

/// Rows for each of pgbench's scale: 13 MB of them, a dozen times what the relay's and the kernel's buffers hold.
const SCALE: u32 = 4;

/// The benchmark.
///
/// # Errors
///
/// What this machine does not give, or unknown arguments.
pub(crate) fn run(words: impl Iterator<Item = String>) -> Result<()> {
    let arguments = Arguments::parse(words)?;
    let setup = Setup {
        database: SHOP.to_owned(),
        server: [
            "listen_addresses=*",
            "log_statement=none",
            "log_connections=off",
            "shared_buffers=128MB",
            "max_connections=1200",
            "max_wal_size=4GB",
            "autovacuum=off",
        ]
        .map(str::to_owned)
        .to_vec(),
        config: "evidence: {directory: FOLDER/evidence, disk_budget: 16GiB}\n\
                 sessions: {recorded_bytes: 4000000000}\n"
            .to_owned(),
        ..Setup::policy(include_str!("traffic/policy.yaml"))
    };
    let mut world = World::new(&setup)?;
    pgbench::fill(&world.server.socket(), ROLE, SCALE)?;
    let bulk = Bulk::prepare(&world)?;
    let ways = Ways::open(&world)?;
    let legs = legs(&ways, &arguments);
    if legs.is_empty() {
        anyhow::bail!("nothing is called that; see the table of a whole run");
    }
    println!("{} legs, {} rounds of about {} s", legs.len(), arguments.rounds, legs.len() as u64 * 2);
    let mut report = Report::default();
    for round in 0..arguments.rounds {
        if round > 0 {
            fresh(&mut world)?;
        }
        for &(workload, way) in &legs {
            if round > 0 && workload == Workload::Idle {
                // Memory is no matter of luck, and a thousand connections take their time.
                continue;
            }
            if workload == Workload::Idle {
                // What earlier legs took and let go would be used again.
                fresh(&mut world)?;
            }
            let measured = measure(&world, &ways, &bulk, (workload, way), arguments.seconds)
                .with_context(|| label(workload, way))?;
            report.add(workload, way, measured);
        }
        println!("round {} of {} is over", round + 1, arguments.rounds);
    }
    println!("\n{}", report.tables());
    if let Some(file) = &arguments.json {
        std::fs::write(file, report.json().to_string())
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

/// What is measured in each round, in this order: those that are compared stand beside each other.
fn legs(ways: &Ways, arguments: &Arguments) -> Vec<(Workload, Way)> {
    let mut legs = Vec::new();
    for workload in Workload::all() {
        // What COPY sends is not masked: it is refused where anything is.
        let refused = |way: &Way| *way == Way::Masked && workload == Workload::Bulk(Direction::CopyOut);
        legs.extend(ways.all().filter(|way| !refused(way)).map(|way| (workload, way)));
    }
    legs.retain(|(workload, way)| arguments.wants(&label(*workload, *way)));
    legs
}

fn label(workload: Workload, way: Way) -> String {
    format!("{} {}", workload.name(), way.name())
}

fn measure(
    world: &World,
    ways: &Ways,
    bulk: &Bulk,
    (workload, way): (Workload, Way),
    seconds: u64,
) -> Result<Figures> {
    let process = ways.process(world, way)?;
    let cpu = || process.map_or(Ok(Duration::ZERO), cpu::time);
    match workload {
        Workload::Statements { kind, clients } => {
            // First a statement for each client, whose cost is that of connecting, then the real thing.
            let before = cpu()?;
            pgbench::once(ways.pgbench(world, way)?, kind, clients)?;
            let connected = cpu()?;
            let measured = pgbench::run(ways.pgbench(world, way)?, kind, clients, seconds)?;
            let spent = (cpu()? - connected).saturating_sub(connected - before);
            Ok(measured.with_cpu(process.map(|_| spent)))
        }
        Workload::Bulk(direction) => {
            let before = cpu()?;
            let measured = bulk.run(world, ways, way, direction)?;
            let spent = cpu()? - before;
            Ok(measured.with_cpu(process.map(|_| spent)))
        }
        Workload::Churn => {
            let before = cpu()?;
            let measured = pgbench::churn(ways.pgbench(world, way)?, seconds)?;
            let spent = cpu()? - before;
            Ok(measured.with_cpu(process.map(|_| spent)))
        }
        Workload::Idle => idle::run(world, ways, way),
    }
}

/// A daemon without evidence of earlier rounds: the disk's use is bounded by one round's.
fn fresh(world: &mut World) -> Result<()> {
    world.daemon.stop()?;
    std::fs::remove_dir_all(world.daemon.evidence())?;
    world.daemon.start()
}
