//! The central store has every record once, whatever happens on the way.

use anyhow::{Result, ensure};
use e2e::patience::within;
use e2e::process::{finish, output};
use e2e::world::text;
use e2e::{Setup, World, eventually, story};
use std::time::Duration;

fn setup() -> Setup {
    Setup { store: true, ..Setup::default() }
}

/// Waits until the store has what the folder has, and checks that it verifies there.
fn arrives(world: &mut World) -> Result<()> {
    eventually("the store has every record", || {
        let local = output(&mut world.daemon.audit(&["export"])?)?;
        let stored = output(&mut world.store()?.audit(&["export"])?)?;
        let (mut local, mut stored): (Vec<&str>, Vec<&str>) =
            (local.lines().collect(), stored.lines().collect());
        // A beat may have come between the two looks.
        let beat = |line: &&str| line.contains("\"kind\":\"beat\"");
        local.retain(|line| !beat(line));
        stored.retain(|line| !beat(line));
        ensure!(local == stored, "{} here, {} there", local.len(), stored.len());
        Ok(())
    })?;
    let verified = finish(&mut world.store()?.audit(&["verify"])?)?;
    let told = text(&verified.stdout) + &text(&verified.stderr);
    ensure!(verified.status.success() && told.contains("ok: "), "{told}");
    Ok(())
}

#[test]
fn records_arrive_soon_and_read_there_as_here() -> Result<()> {
    story(&setup(), |world| {
        world.rows(&["SELECT name FROM customers WHERE id = 1"])?;
        within(Duration::from_secs(5), "the session is in the store", || {
            let sessions = output(&mut world.store()?.audit(&["sessions"])?)?;
            ensure!(sessions.contains("shop_service"), "{sessions}");
            Ok(())
        })?;
        arrives(world)?;
        let session = world.daemon.export()?;
        let session = session.iter().find_map(|record| record["session"].as_str()).unwrap_or_default();
        let here = output(&mut world.daemon.audit(&["replay", session])?)?;
        let there = output(&mut world.store()?.audit(&["replay", session])?)?;
        ensure!(here == there && there.contains("Ada Lovelace"), "{here}\n{there}");
        Ok(())
    })
}

#[test]
fn while_the_store_is_away_records_wait_and_statements_run() -> Result<()> {
    story(&setup(), |world| {
        world.rows(&["SELECT 'before'"])?;
        world.store()?.server.crash();
        for i in 0..5 {
            world.rows(&[&format!("SELECT 'while it is away {i}'")])?;
        }
        world.store()?.server.start_again()?;
        world.rows(&["SELECT 'after'"])?;
        arrives(world)
    })
}

#[test]
fn a_stop_ships_what_is_left_and_the_next_daemon_what_a_kill_left() -> Result<()> {
    story(&setup(), |world| {
        world.rows(&["SELECT 'first life'"])?;
        world.store()?.server.crash();
        world.rows(&["SELECT 'not shipped'"])?;
        world.daemon.kill()?;
        world.store()?.server.start_again()?;
        world.daemon.start()?;
        world.rows(&["SELECT 'second life'"])?;
        let status = world.daemon.stop()?;
        ensure!(status.success(), "{status}");
        arrives(world)?;
        let stored = output(&mut world.store()?.audit(&["export"])?)?;
        for found in ["first life", "not shipped", "second life", "host-stop"] {
            ensure!(stored.contains(found), "`{found}` is not in the store");
        }
        Ok(())
    })
}

#[test]
fn a_host_can_neither_read_nor_change_the_store_and_an_auditor_only_read() -> Result<()> {
    story(&setup(), |world| {
        world.rows(&["SELECT 1"])?;
        arrives(world)?;
        let server = &world.store()?.server;
        for (role, sql) in [
            ("portreeve_host", "SELECT count(*) FROM portreeve.record"),
            ("portreeve_host", "DELETE FROM portreeve.record"),
            ("alice", "DELETE FROM portreeve.record"),
            ("alice", "INSERT INTO portreeve.record SELECT * FROM portreeve.record"),
        ] {
            let told = match server.sql("audit", &format!("SET ROLE {role}; {sql}")) {
                Err(error) => error.to_string(),
                Ok(rows) => anyhow::bail!("{role} may `{sql}`: {rows}"),
            };
            ensure!(told.contains("permission denied"), "{role}: `{sql}`: {told}");
        }
        server.sql("audit", "SET ROLE alice; SELECT count(*) FROM portreeve.record")?;
        let again = output(&mut world.store()?.init()?)?;
        ensure!(again.contains("up to date"), "{again}");
        Ok(())
    })
}
