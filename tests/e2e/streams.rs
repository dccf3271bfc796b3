//! What does not fit into memory: it streams, both ways, and the daemon stays as small as it was.

use std::thread;

use anyhow::{Context as _, Result, bail, ensure};
use e2e::wire::{self, Wire};
use e2e::{Setup, World, eventually, story};

/// What a session may take beside what the daemon takes anyway, in bytes; README says so.
const BOUND: u64 = 16 << 20;

/// The most memory that the daemon has had since `reset`, in bytes.
fn peak(world: &World) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", world.daemon.child()?.id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse::<u64>()? * 1024)
}

/// Has the kernel forget the peak so far (proc(5), `clear_refs`).
fn reset(world: &World) -> Result<u64> {
    std::fs::write(format!("/proc/{}/clear_refs", world.daemon.child()?.id()), "5")?;
    peak(world)
}

/// That the daemon does not grow by more than a session may take while `talk` goes on.
fn bounded<T>(world: &World, talk: impl FnOnce(&mut Wire) -> Result<T>) -> Result<T> {
    // What is allocated once is allocated by now.
    let mut wire = world.wire()?;
    wire.talk(&[wire::query("SELECT repeat('x', 100000) FROM generate_series(1, 100)")], 1)?;
    let before = reset(world)?;
    let talked = talk(&mut wire)?;
    let grown = peak(world)?.saturating_sub(before);
    ensure!(grown < BOUND, "the daemon grew by {grown} bytes");
    Ok(talked)
}

#[test]
fn a_field_of_a_gigabyte_passes() -> Result<()> {
    story(&Setup::default(), |world| {
        // The largest that a text may be.
        const LENGTH: u64 = (1 << 30) - 1000;
        for sql in [
            format!("SELECT repeat('x', {LENGTH})"),
            format!("COPY (SELECT repeat('x', {LENGTH})) TO STDOUT"),
        ] {
            let counted = bounded(world, |wire| {
                wire.send(&wire::query(&sql))?;
                wire.count(1)
            })?;
            let bytes = counted.get(&'D').or(counted.get(&'d')).map_or(0, |(_, bytes)| *bytes);
            ensure!(bytes >= LENGTH, "{sql}: {counted:?}");
        }
        Ok(())
    })
}

#[test]
fn five_million_rows_pass() -> Result<()> {
    story(&Setup::default(), |world| {
        const ROWS: usize = 5_000_000;
        let counted = bounded(world, |wire| {
            wire.send(&wire::query(&format!("SELECT generate_series(1, {ROWS})")))?;
            wire.count(1)
        })?;
        ensure!(counted.get(&'D').is_some_and(|(rows, _)| *rows == ROWS), "{counted:?}");
        Ok(())
    })
}

#[test]
fn what_a_client_copies_in_passes() -> Result<()> {
    story(&Setup::default(), |world| {
        const LINES: usize = 400;
        world.rows(&["CREATE TABLE dump (line text)"])?;
        let line = wire::copy_data(&format!("{}\n", "x".repeat(1 << 20)));
        let counted = bounded(world, |wire| {
            wire.send(&wire::query("COPY dump FROM STDIN"))?;
            for _ in 0..LINES {
                wire.send(&line)?;
            }
            wire.send(&wire::copy_done())?;
            wire.count(1)
        })?;
        ensure!(counted.contains_key(&'G'), "{counted:?}");
        ensure!(
            world.rows(&["SELECT count(*), sum(length(line)) FROM dump"])?
                == format!("{LINES}|{}", LINES << 20)
        );
        Ok(())
    })
}

#[test]
fn a_client_that_does_not_read_holds_a_server_that_floods_it() -> Result<()> {
    let flood = "DO $$ BEGIN FOR i IN 1..300000 LOOP RAISE NOTICE '%', repeat('x', 200); END LOOP; END $$";
    story(&Setup::default(), |world| {
        let counted = bounded(world, |wire| {
            wire.send(&wire::query(flood))?;
            let held =
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'ClientWrite' AND datname = 'shop'";
            eventually("the server is held", || match world.server.sql("postgres", held)?.as_str() {
                "1" => Ok(()),
                count => bail!("{count}"),
            })?;
            wire.count(1)
        })?;
        ensure!(counted.get(&'N').is_some_and(|(notices, _)| *notices == 300_000), "{counted:?}");
        Ok(())
    })
}

#[test]
fn a_pipeline_of_a_hundred_thousand_statements_passes() -> Result<()> {
    story(&Setup::default(), |world| {
        const STATEMENTS: usize = 100_000;
        let one =
            [wire::parse("", "SELECT $1::text"), wire::bind("", "", &["a value"]), wire::execute("", 0)]
                .concat();
        let counted = bounded(world, |wire| {
            let mut reader = wire.again()?;
            let read = thread::spawn(move || reader.count(1));
            for _ in 0..STATEMENTS / 100 {
                wire.send(&one.repeat(100))?;
            }
            wire.send(&wire::sync())?;
            read.join().map_err(|_| anyhow::anyhow!("the reader panicked"))?
        })?;
        for tag in ['1', '2', 'D', 'C'] {
            ensure!(counted.get(&tag).is_some_and(|(count, _)| *count == STATEMENTS), "{counted:?}");
        }
        Ok(())
    })
}
