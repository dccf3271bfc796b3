//! The daemon is away, and comes back: nothing gets past meanwhile, and nothing is lost where that can be helped.

use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use e2e::process::{answer, begin, finish, mortal, output, portreeve};
use e2e::world::text;
use e2e::{Setup, World, eventually, story, wire};
use rustix::process::Signal;

/// A job that asks one question, in the background.
fn asking(world: &World, question: &str) -> Result<Child> {
    begin(world.job().psql(&world.address()).args(["-c", question]))
}

fn logins(world: &World) -> usize {
    world.server.log().matches("connection authorized").count()
}

#[test]
fn without_the_daemon_a_connection_waits_and_the_next_daemon_serves_it() -> Result<()> {
    story(&Setup::default(), |world| {
        ensure!(world.rows(&["SELECT 1"])? == "1");
        world.daemon.kill()?;
        let before = logins(world);
        let waiting = asking(world, "SELECT 2")?;
        // Longer than a first try takes, shorter than it goes on.
        let away = Instant::now();
        eventually("a while has passed", || match away.elapsed() > Duration::from_secs(3) {
            true => Ok(()),
            false => Err("not yet"),
        })?;
        ensure!(logins(world) == before, "somebody got past");
        world.daemon.start()?;
        ensure!(answer(waiting)? == "2");
        Ok(())
    })
}

#[test]
fn without_any_daemon_a_connection_ends_with_an_error() -> Result<()> {
    story(&Setup::default(), |world| {
        world.daemon.kill()?;
        let before = logins(world);
        let mut psql = world.job().psql(&world.address());
        let refused = finish(psql.env("PGCONNECT_TIMEOUT", "4").args(["-c", "SELECT 1"]))?;
        let told = text(&refused.stderr);
        ensure!(!refused.status.success() && told.contains("timeout expired"), "{told}");
        ensure!(logins(world) == before, "somebody got past");
        world.daemon.start()
    })
}

#[test]
fn where_the_listeners_are_kept_connections_of_a_restart_of_five_seconds_complete() -> Result<()> {
    story(&Setup::default(), |world| {
        world.daemon.stop()?;
        world.daemon.keep_listeners()?;
        world.daemon.start()?;
        ensure!(world.rows(&["SELECT 1"])? == "1");
        ensure!(world.daemon.kept()?.len() >= 2, "{:?}", world.daemon.kept()?);
        for (round, kill) in [false, true].into_iter().enumerate() {
            if kill {
                world.daemon.kill()?;
            } else {
                world.daemon.stop()?;
            }
            world.daemon.kept()?;
            let away = Instant::now();
            let mut jobs = Vec::new();
            while away.elapsed() < Duration::from_secs(5) {
                jobs.push((jobs.len(), asking(world, &format!("SELECT {round}, {}", jobs.len()))?));
                eventually("half a second has passed", || {
                    match away.elapsed() > Duration::from_millis(500) * u32::try_from(jobs.len()).unwrap_or(1)
                    {
                        true => Ok(()),
                        false => Err("not yet"),
                    }
                })?;
            }
            world.daemon.start()?;
            ensure!(jobs.len() >= 8, "only {} jobs", jobs.len());
            for (number, job) in jobs {
                ensure!(answer(job)? == format!("{round}|{number}"));
            }
        }
        // Where a listener is made anew, connections wait in the client's kernel meanwhile.
        let status = world.daemon.status()?;
        ensure!(status["interception"]["held"] == 0, "a listener was gone: {status}");
        Ok(())
    })
}

#[test]
fn a_service_manager_that_does_not_listen_stops_nothing() -> Result<()> {
    story(&Setup::default(), |world| {
        world.daemon.stop()?;
        world.daemon.keep_listeners()?;
        world.daemon.start()?;
        // More to store than its socket's queue takes.
        let mut others: Vec<Child> = Vec::new();
        for _ in 0..8 {
            let mut other = mortal("KILL", "unshare");
            others.push(other.args(["--net", "sleep", "infinity"]).stdin(Stdio::null()).spawn()?);
        }
        let before = &world.daemon.status()?["network_namespaces"];
        eventually("all of them are served", || {
            ensure!(world.rows(&["SELECT 1"])? == "1");
            let now = &world.daemon.status()?["network_namespaces"];
            ensure!(now.as_u64() >= before.as_u64().map(|before| before + 8), "{before}, {now}");
            Ok(())
        })?;
        for mut other in others {
            other.kill()?;
            other.wait()?;
        }
        Ok(())
    })
}

#[test]
fn descriptors_that_are_said_to_be_handed_over_and_are_not_do_no_harm() -> Result<()> {
    story(&Setup::default(), |world| {
        world.daemon.stop()?;
        let run = "export LISTEN_PID=$$; exec \"$0\" run --config \"$1\"";
        let mut command = mortal("KILL", "sh");
        command.args(["-c", run]).arg(portreeve()?).arg(world.daemon.config());
        command.env("LISTEN_FDS", "30").env("LISTEN_FDNAMES", ["x"; 30].join(":"));
        let log = world.folder().join("log");
        let mut daemon =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(fs::File::create(&log)?).spawn()?;
        let outcome = eventually("it is ready", || {
            let told = fs::read_to_string(&log)?;
            match told.contains(" ready ") {
                true => Ok(told),
                false => anyhow::bail!("{told}"),
            }
        });
        let _ = daemon.kill();
        daemon.wait()?;
        ensure!(outcome?.contains("is not understood"));
        world.daemon.start()
    })
}

#[test]
fn a_stop_says_how_long_sessions_have() -> Result<()> {
    story(&Setup { config: "drain_seconds: 20\n".to_owned(), ..Setup::default() }, |world| {
        let mut busy = world.wire()?;
        busy.send(&wire::query("SELECT pg_sleep(2), 'done'"))?;
        world.server.runs("SELECT pg_sleep%", 1)?;
        world.daemon.signal(Signal::TERM)?;
        let status = eventually("it drains", || match world.daemon.status()? {
            status if status["state"] == "draining" => Ok(status),
            status => anyhow::bail!("{status}"),
        })?;
        ensure!(status["draining"]["sessions"] == 1, "{status}");
        ensure!(
            status["draining"]["seconds_left"].as_u64().is_some_and(|left| (10..=20).contains(&left)),
            "{status}"
        );
        busy.until_ready()?;
        ensure!(world.daemon.wait()?.success());
        world.daemon.start()
    })
}

#[test]
fn a_release_leaves_nothing_in_the_kernel() -> Result<()> {
    story(&Setup::default(), |world| {
        ensure!(world.rows(&["SELECT 1"])? == "1");
        world.daemon.stop()?;
        let config = world.daemon.config().display().to_string();
        output(&mut world.daemon.command(&["release", "--config", &config])?)?;
        let pins = e2e::leftovers::pin_directory(world.network.number());
        ensure!(!pins.exists(), "{} stays", pins.display());
        // Nobody is in the way any more: the server itself asks for a password.
        let direct = world.psql(&["SELECT 1"])?;
        let told = text(&direct.stderr);
        ensure!(told.contains("no password supplied"), "{told}");
        world.daemon.start()
    })
}
