//! What it costs to know the catalog: statements after DDL, short sessions one after another, and the daemon's memory;
//! with a small database and with one of many tables.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use e2e::process::finish;
use e2e::wire::{self, Wire};
use e2e::world::{JOB_UID, ROLE, SHOP};
use e2e::{Setup, World};

use crate::cpu;
use crate::statistics::{Quartiles, quartiles};

/// How many tables the large database has, and how many columns each of them.
const LARGE: (usize, usize) = (2_000, 50);

/// How often something is done of which the time is told.
const TIMES: usize = 30;

/// How many sessions follow one another, and how many others do so with a pause between them that is longer than the
/// catalog's connection stays.
const SESSIONS: (usize, usize) = (50, 15);
const APART: Duration = Duration::from_millis(400);

/// The user whose job has a column masked.
const MASKED_UID: u32 = JOB_UID + 1;

/// The benchmark.
///
/// # Errors
///
/// What this machine does not give, or an argument.
pub(crate) fn run(mut words: impl Iterator<Item = String>) -> Result<()> {
    if let Some(word) = words.next() {
        bail!("unknown argument `{word}`");
    }
    for (what, (tables, columns)) in [("a small database", (0, 0)), ("a large database", LARGE)] {
        println!("\n{what}: {tables} tables of {columns} columns more than `shop` has");
        database(tables, columns).context(what)?;
    }
    Ok(())
}

fn database(tables: usize, columns: usize) -> Result<()> {
    let policy = format!(
        "version: 1\nrules:\n  - {{ name: plain, actions: [\"*\", opaque], decision: allow }}\n  \
         - {{ name: masked, who: {{ uid: {MASKED_UID} }}, actions: [read], decision: allow, mask: [public.customers.ssn] }}\n"
    );
    let setup = Setup {
        database: filled(tables, columns),
        server: ["fsync=off", "max_locks_per_transaction=1024"].map(str::to_owned).to_vec(),
        ..Setup::policy(&policy)
    };
    let world = World::new(&setup)?;
    let address = world.address();
    let daemon = world.daemon.child()?.id();
    let resting = memory(daemon)?;
    let began = Instant::now();
    let mut through = world.wire()?;
    through.exchange(&[wire::query("SELECT 1")], 1)?;
    told("the first session of all", &[began.elapsed()]);
    let mut direct = world.direct_wire()?;
    for (way, wire) in [("direct", &mut direct), ("through", &mut through)] {
        told(&format!("the statement after CREATE TABLE, {way}"), &after_ddl(wire, way)?);
    }
    println!("{:<56} {:>9} KiB", "the daemon's memory for it", memory(daemon)?.saturating_sub(resting));
    println!("{:<56} {:>9} KiB", "its peak", status(daemon, "VmHWM:")?);
    drop((through, direct));
    let masked = world.job_of(MASKED_UID);
    let socket = world.server.socket();
    let folder = socket.parent().context("a socket lies in a folder")?;
    let direct = format!("host={} user={ROLE} dbname=shop", folder.display());
    for (what, job, to) in [
        ("direct", world.job(), direct.as_str()),
        ("through", world.job(), &address),
        ("through, masked", masked, &address),
    ] {
        for (count, pause, apart) in [(SESSIONS.0, Duration::ZERO, ""), (SESSIONS.1, APART, ", apart")] {
            sessions(&world, &format!("{what}{apart}"), (count, pause), &mut || job.psql(to))?;
        }
    }
    Ok(())
}

/// Statements that make the database.
fn filled(tables: usize, columns: usize) -> String {
    let types = ["int", "text", "numeric(10,2)", "timestamptz"];
    let columns: String =
        (1..columns).map(|n| format!(", column_number_{n} {}", types[n % types.len()])).collect();
    format!(
        "{SHOP}
         DO $do$ BEGIN FOR n IN 1..{tables} LOOP
           EXECUTE format('CREATE TABLE table_number_%s (id int{columns})', n);
           IF n % 10 = 0 THEN
             EXECUTE format('CREATE VIEW view_number_%s AS SELECT id FROM table_number_%s', n, n);
           END IF;
           IF n % 4 = 0 THEN
             EXECUTE format('CREATE FUNCTION function_number_%s() RETURNS int LANGUAGE sql RETURN 1', n);
           END IF;
         END LOOP; END $do$;"
    )
}

fn after_ddl(wire: &mut Wire, way: &str) -> Result<Vec<Duration>> {
    let mut took = Vec::new();
    for time in 0..TIMES {
        wire.exchange(&[wire::query(&format!("CREATE TABLE new_{way}_{time} (id int)"))], 1)?;
        let began = Instant::now();
        let answers = wire.exchange(&[wire::query(&format!("SELECT id FROM new_{way}_{time}"))], 1)?;
        took.push(began.elapsed());
        ensure!(!answers.iter().any(|answer| answer.tag == b'E'), "the new table is not there");
    }
    Ok(took)
}

/// Sessions one after another, and what they cost the server.
fn sessions(
    world: &World,
    what: &str,
    (count, pause): (usize, Duration),
    psql: &mut dyn FnMut() -> Command,
) -> Result<()> {
    let postmaster = postmaster(world)?;
    let daemon = world.daemon.child()?.id();
    let mut took = Vec::new();
    // Until those of earlier ones have left.
    std::thread::sleep(Duration::from_secs(1));
    let (server, own) = (children(postmaster)?, cpu::time(daemon)?);
    for _ in 0..count {
        std::thread::sleep(pause);
        let began = Instant::now();
        let output = finish(psql().args(["-c", "SELECT 1"]))?;
        ensure!(output.status.success(), "psql: {}", String::from_utf8_lossy(&output.stderr));
        took.push(began.elapsed());
    }
    // The backends have to be gone before their time counts as their parent's.
    std::thread::sleep(Duration::from_secs(1));
    told(&format!("psql -c 'SELECT 1', {what}"), &took);
    let each = |spent: Duration| spent.as_secs_f64() * 1e3 / count as f64;
    let server = each(children(postmaster)?.saturating_sub(server));
    let own = each(cpu::time(daemon)?.saturating_sub(own));
    println!("{:<56} {server:>9.2} ms of the server's CPU, {own:.2} ms of the daemon's", "  each of them");
    Ok(())
}

fn told(what: &str, took: &[Duration]) {
    let milliseconds = took.iter().map(|took| took.as_secs_f64() * 1e3);
    if let Some(Quartiles { low, middle, high }) = quartiles(milliseconds) {
        println!("{what:<56} {middle:>9.2} ms ({low:.2} to {high:.2})");
    }
}

/// The server's first process.
fn postmaster(world: &World) -> Result<u32> {
    let pid = world.server.sql("postgres", "SELECT pg_read_file('postmaster.pid')")?;
    Ok(pid.lines().next().unwrap_or_default().trim().parse()?)
}

/// The processor time of a process's children that have ended.
fn children(process: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').context("the name stands in brackets")?;
    let ticks = fields.split_whitespace().skip(13).take(2).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second()))
}

/// What a process has in memory, in KiB.
fn memory(process: u32) -> Result<u64> {
    status(process, "VmRSS:")
}

fn status(process: u32, field: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let value = status.lines().find_map(|line| line.strip_prefix(field)).context("no such field")?;
    Ok(value.split_whitespace().next().context("no value")?.parse()?)
}
