//! Jobs in containers, which nothing was prepared for, are taken like any other.

use std::process::{Child, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use e2e::process::{answer, begin, finish, output};
use e2e::world::text;
use e2e::{Container, Setup, World, eventually, story};
use rustix::process::{Signal, kill_process};
use serde_json::Value;

/// What the container's psql answers.
fn ask(world: &World, container: &Container, question: &str) -> Result<String> {
    let told = output(container.psql(&world.address()).args(["-c", question]))?;
    Ok(told.trim_end().to_owned())
}

/// A psql in the container, in the background.
fn asking(world: &World, container: &Container, question: &str) -> Result<Child> {
    begin(container.psql(&world.address()).args(["-c", question]))
}

/// Who began the sessions of that cgroup.
fn principals(world: &World, cgroup: &str) -> Result<Vec<Value>> {
    let records = world.daemon.export()?.into_iter();
    let starts = records.filter(|record| record["kind"] == "session-start");
    let principals = starts.map(|mut record| record["body"]["principal"].take());
    Ok(principals.filter(|who| who["cgroup"] == cgroup).collect())
}

/// Nobody came to the server but the daemon: a job that did would have come as who it says it is.
fn nobody_got_past(world: &World) -> Result<()> {
    let log = world.server.log();
    let past = log.lines().find(|line| line.contains(" job@"));
    ensure!(past.is_none(), "{past:?}");
    Ok(())
}

#[test]
fn a_job_in_a_container_is_taken_and_sees_the_address_that_it_asked_for() -> Result<()> {
    story(&Setup::default(), |world| {
        for container in [Container::new(world)?, Container::with_users(world)?] {
            let told = ask(world, &container, "\\conninfo")?;
            let [v4, _] = world.network.server();
            ensure!(told.contains(&format!("on host \"{v4}\" at port \"5432\"")), "{told}");
            // Its address and its routes are those of the way on.
            let from = "SELECT client_addr FROM pg_stat_activity WHERE pid = pg_backend_pid()";
            ensure!(ask(world, &container, from)? == container.address().to_string());
        }
        nobody_got_past(world)
    })
}

#[test]
fn the_record_says_which_process_of_which_container_it_was_as_the_host_numbers_them() -> Result<()> {
    story(&Setup::default(), |world| {
        let containers = [Container::new(world)?, Container::with_users(world)?];
        let mut namespaces = Vec::new();
        for container in &containers {
            ask(world, container, "SELECT 1")?;
            let waiting = asking(world, container, "SELECT pg_sleep(600)")?;
            let pid = eventually("psql runs", || container.process("psql"))?;
            let of = |who: &Value| who["pid"] == pid.as_raw_nonzero().get();
            let (who, before) = eventually("its session is recorded", || {
                let all = principals(world, &container.cgroup())?;
                let who = all.iter().find(|who| of(who)).cloned();
                Ok::<_, anyhow::Error>((who.with_context(|| format!("{all:?}"))?, all[0].clone()))
            })?;
            ensure!(who["uid"] == container.uid() && who["gid"] == container.uid(), "{who}");
            ensure!(who["comm"] == "psql" && who["start_time"].is_u64(), "{who}");
            ensure!(who["executable"].as_str().is_some_and(|path| path.ends_with("/psql")), "{who}");
            ensure!(who["executable_sha256"].is_string(), "{who}");
            ensure!(who["netns"] == before["netns"], "{who} {before}");
            namespaces.push(who["netns"].as_u64().context("no network namespace")?);
            kill_process(pid, Signal::KILL)?;
            waiting.wait_with_output()?;
        }
        world.rows(&["SELECT 1"])?;
        let outside = principals(world, &world.cgroup())?;
        namespaces.push(outside[0]["netns"].as_u64().context("no network namespace")?);
        let (count, _) = (namespaces.len(), namespaces.sort_unstable());
        namespaces.dedup();
        ensure!(namespaces.len() == count && !namespaces.contains(&0), "{namespaces:?}");
        Ok(())
    })
}

#[test]
fn an_interrupt_in_a_container_cancels_its_own_statement() -> Result<()> {
    story(&Setup::default(), |world| {
        let (one, other) = (Container::new(world)?, Container::with_users(world)?);
        let interrupted = asking(world, &one, "SELECT pg_sleep(600)")?;
        let left_alone = asking(world, &other, "SELECT pg_sleep(3), 'done'")?;
        world.server.runs("SELECT pg_sleep%", 2)?;
        kill_process(one.process("psql")?, Signal::INT)?;
        let told = text(&interrupted.wait_with_output()?.stderr);
        ensure!(told.contains("canceling statement due to user request"), "{told}");
        ensure!(answer(left_alone)? == "|done");
        Ok(())
    })
}

#[test]
fn a_container_that_ends_in_the_middle_of_a_statement_leaves_nothing() -> Result<()> {
    story(&Setup::default(), |world| {
        let mut container = Container::new(world)?;
        let descriptors = |world: &World| -> Result<usize> {
            Ok(std::fs::read_dir(format!("/proc/{}/fd", world.daemon.child()?.id()))?.count())
        };
        let before = descriptors(world)?;
        ask(world, &container, "SELECT 1")?;
        let waiting = asking(world, &container, "SELECT pg_sleep(600)")?;
        world.server.runs("SELECT pg_sleep%", 1)?;
        container.kill()?;
        drop(waiting.wait_with_output()?);
        eventually("its network namespace is gone", || match container.is_there() {
            true => Err("it is there"),
            false => Ok(()),
        })?;
        eventually("its session has ended", || match &world.daemon.status()?["sessions"]["running"] {
            count if *count == 0 => Ok(()),
            count => bail!("{count} run"),
        })?;
        // What the server goes on with is nobody's to hear of, as ever when a client is gone.
        let records = format!("{:?}", world.daemon.export()?);
        ensure!(records.contains("the connection ended before the server had answered"), "{records}");
        // Those of other worlds' namespaces come and go.
        let after = descriptors(world)?;
        ensure!(after < before + 32, "{after} descriptors, {before} before");
        Ok(())
    })
}

#[test]
fn masks_and_holds_are_the_same_in_a_container() -> Result<()> {
    let policy = "
version: 1
rules:
  - { name: all, actions: [\"*\"], decision: allow, mask: [\"public.customers.ssn\"] }
  - { name: wait, actions: [delete], decision: hold, message: A person looks. }
";
    story(&Setup::policy(policy), |world| {
        let container = Container::with_users(world)?;
        let told = ask(world, &container, "SELECT name, ssn FROM customers WHERE id = 1")?;
        ensure!(told.starts_with("Ada Lovelace|") && !told.contains("123-45-6789"), "{told}");
        let waiting = asking(world, &container, "DELETE FROM orders WHERE id = 1")?;
        let id = world.daemon.the_hold()?;
        let shown = output(&mut world.daemon.approvals(&["show", &id])?)?;
        ensure!(shown.contains(&container.uid().to_string()), "{shown}");
        output(&mut world.daemon.approvals(&["approve", &id, "--reason", "fine"])?)?;
        ensure!(answer(waiting)? == "DELETE 1");
        Ok(())
    })
}

#[test]
fn a_container_is_served_whichever_was_there_first_it_or_the_daemon() -> Result<()> {
    story(&Setup::default(), |world| {
        world.daemon.stop()?;
        let older = Container::new(world)?;
        // As Docker's are by default.
        let no_ipv6 = "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6";
        output(older.root("sh").args(["-c", no_ipv6]))?;
        world.daemon.start()?;
        ensure!(ask(world, &older, "SELECT 'older'")? == "older");
        ensure!(world.daemon.status()?["interception"]["held"] == 0, "it had to wait");

        world.daemon.kill()?;
        let younger = Container::new(world)?;
        let waiting = [asking(world, &older, "SELECT 2")?, asking(world, &younger, "SELECT 3")?];
        eventually("both have asked", || {
            older.process("psql")?;
            younger.process("psql")
        })?;
        world.daemon.start()?;
        let [older, younger] = waiting;
        ensure!(answer(older)? == "2" && answer(younger)? == "3");
        nobody_got_past(world)
    })
}

#[test]
fn a_kill_under_load_from_a_container_opens_nothing() -> Result<()> {
    story(&Setup::default(), |world| {
        let container = Container::new(world)?;
        let again = "while true; do psql -X -At -w -c 'SELECT 1' \"$0\"; done";
        let mut load = Vec::new();
        for _ in 0..4 {
            let mut shell = container.command("sh");
            shell.args(["-c", again, &world.address()]);
            shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            load.push(shell.spawn()?);
        }
        let served = |world: &World| world.server.log().matches("statement: SELECT 1").count();
        for _ in 0..3 {
            let before = served(world);
            eventually("it is served", || match served(world) {
                now if now > before + 20 => Ok(()),
                now => bail!("{now} statements"),
            })?;
            world.daemon.kill()?;
            let refused = finish(
                container.psql(&world.address()).env("PGCONNECT_TIMEOUT", "2").args(["-c", "SELECT 2"]),
            )?;
            ensure!(!refused.status.success(), "a connection is open without the daemon");
            world.daemon.start()?;
        }
        drop(container);
        for mut shell in load {
            shell.wait()?;
        }
        ensure!(!world.server.log().contains("SELECT 2"));
        nobody_got_past(world)
    })
}
