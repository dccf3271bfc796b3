//! The daemon dies or is told to stop, and the record stays whole.

use std::collections::HashSet;
use std::process::Stdio;

use anyhow::{Result, ensure};
use e2e::process::{finish, output};
use e2e::wire;
use e2e::world::text;
use e2e::{Setup, eventually, story};
use rustix::process::Signal;

#[test]
fn a_kill_in_the_middle_of_statements_loses_no_record_of_one_that_the_server_saw() -> Result<()> {
    story(&Setup::default(), |world| {
        for round in 0..3 {
            let script = world.folder().join(format!("script-{round}.sql"));
            let statements: String =
                (0..3000).map(|i| format!("SELECT 'round {round} number {i}';\n")).collect();
            std::fs::write(&script, statements)?;
            let mut clients = Vec::new();
            for _ in 0..2 {
                let mut psql = world.job().psql(&world.address());
                psql.arg("-f").arg(&script).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
                clients.push(psql.spawn()?);
            }
            let reached = format!("'round {round} number 200'");
            eventually("the server has seen some", || match world.server.log().contains(&reached) {
                true => Ok(()),
                false => Err("not yet"),
            })?;
            world.daemon.kill()?;
            for mut client in clients {
                client.wait()?;
            }
            ensure!(!world.psql(&["SELECT 1"])?.status.success(), "a connection is open without the daemon");
            world.daemon.start()?;
        }
        let recorded: HashSet<String> = (world.daemon.export()?.iter())
            .filter_map(|record| record["body"]["text"].as_str().map(str::to_owned))
            .map(|text| text.trim_end_matches(';').to_owned())
            .collect();
        let log = world.server.log();
        let seen = log.lines().filter_map(|line| line.split_once("statement: SELECT 'round"));
        let seen: Vec<String> =
            seen.map(|(_, rest)| format!("SELECT 'round{}", rest.trim_end_matches(';'))).collect();
        ensure!(seen.len() > 600, "only {} statements", seen.len());
        for statement in seen {
            ensure!(recorded.contains(&statement), "{statement} ran and is not recorded");
        }
        let verified = finish(&mut world.daemon.audit(&["verify"])?)?;
        let told = text(&verified.stdout);
        ensure!(verified.status.success() && told.matches("FELL SILENT").count() == 3, "{told}");
        Ok(())
    })
}

#[test]
fn a_stop_lets_running_statements_end_and_then_says_so() -> Result<()> {
    story(&Setup::default(), |world| {
        let (mut idle, mut busy) = (world.wire()?, world.wire()?);
        busy.send(&wire::query("SELECT pg_sleep(1), 'done'"))?;
        world.server.runs("SELECT pg_sleep%", 1)?;
        world.daemon.signal(Signal::TERM)?;
        let told = idle.receive()?;
        ensure!(told.tag == b'E' && told.field(b'C') == "57P01", "{told:?}");
        let lines: Vec<String> = busy.until_ready()?.iter().map(wire::Message::line).collect();
        ensure!(lines.contains(&"D |done".to_owned()), "{lines:?}");
        let status = world.daemon.wait()?;
        ensure!(status.success(), "{status}");
        let verified = output(&mut world.daemon.audit(&["verify"])?)?;
        ensure!(verified.contains("stopped in order") && verified.contains("ok: "), "{verified}");
        Ok(())
    })
}

#[test]
fn the_server_dies_and_comes_back() -> Result<()> {
    story(&Setup::default(), |world| {
        let mut wire = world.wire()?;
        wire.talk(&[wire::query("SELECT 1")], 1)?;
        world.server.crash();
        world.server.start_again()?;
        ensure!(wire.talk(&[wire::query("SELECT 1")], 1).is_err(), "the old session answers");
        eventually("a new session works", || world.rows(&["SELECT 'again'"])).map(drop)
    })
}
