//! The job is taken without knowing it, and nobody gets past.

use std::net::TcpStream;

use anyhow::{Context as _, Result, bail, ensure};
use e2e::process::{finish, output};
use e2e::world::{JOB_UID, ROLE};
use e2e::{Setup, World, eventually, postgres, story};
use rustix::process::Signal;
use serde_json::{Value, json};

#[test]
fn a_job_is_taken_and_sees_the_address_that_it_asked_for() -> Result<()> {
    story(&Setup::default(), |world| {
        // A sentence or, since 18, a table.
        let [v4, v6] = world.network.server();
        let told = world.rows(&["\\conninfo"])?;
        ensure!(told.contains(&v4.to_string()) && told.contains("5432"), "{told}");
        let told = output(world.job().psql(&world.address_v6()).args(["-c", "\\conninfo"]))?;
        ensure!(told.contains(&v6.to_string()) && told.contains("5432"), "{told}");
        let stream = TcpStream::connect(world.destination())?;
        ensure!(stream.peer_addr()? == world.destination());
        Ok(())
    })
}

#[test]
fn the_server_sees_the_service_role_and_the_record_the_job() -> Result<()> {
    story(&Setup::default(), |world| {
        ensure!(world.rows(&["SELECT current_user, session_user"])? == format!("{ROLE}|{ROLE}"));
        let records = world.daemon.export()?;
        let Some(start) = records.iter().find(|record| record["kind"] == "session-start") else {
            bail!("no session start among {records:?}")
        };
        let principal = &start["body"]["principal"];
        ensure!(principal["uid"] == JOB_UID, "{principal}");
        ensure!(principal["cgroup"] == world.cgroup().as_str(), "{principal}");
        ensure!(start["body"]["role"] == ROLE && start["body"]["startup_user"] == "job", "{start}");
        Ok(())
    })
}

/// Who began the only session of that user, once it is recorded.
fn principal(world: &World, uid: u32) -> Result<Value> {
    eventually("the session is recorded", || {
        let records = world.daemon.export()?;
        let starts = records.iter().filter(|record| record["kind"] == "session-start");
        let mut principals = starts.map(|record| &record["body"]["principal"]);
        principals.find(|who| who["uid"] == uid).cloned().with_context(|| format!("{records:?}"))
    })
}

fn sha256(path: &str) -> Result<String> {
    let told = output(std::process::Command::new("sha256sum").arg(path))?;
    Ok(told.split(' ').next().unwrap_or_default().to_owned())
}

#[test]
fn a_job_is_recorded_with_what_it_runs_and_the_processes_that_it_came_from() -> Result<()> {
    story(&Setup::default(), |world| {
        let psql = postgres::programs()?.join("psql").display().to_string();
        // Each shell has something left to do, so that it stays.
        let inner = format!("{psql} -X -At -c 'SELECT 7' '{}'; true", world.address());
        let outer = "sh -c \"$0\"; true";
        let told = output(world.job().command("sh").args(["-c", outer, &inner]))?;
        ensure!(told.trim() == "7", "{told}");
        let who = principal(world, JOB_UID)?;
        ensure!(who["executable"] == psql.as_str(), "{who}");
        ensure!(who["executable_sha256"] == sha256(&psql)?.as_str(), "{who}");
        ensure!(who["cgroup"] == world.cgroup().as_str(), "{who}");
        ensure!(who["unit"] == Value::Null && who["container"] == Value::Null, "{who}");
        let ancestors = who["ancestors"].as_array().context("no ancestors")?;
        // Up to the one that was put into the cgroup: this test, which started it, is not part of the job.
        ensure!(ancestors.len() == 2, "{who}");
        let shell = std::fs::canonicalize("/bin/sh")?.display().to_string();
        let mut younger = &who["start_time"];
        for ancestor in ancestors {
            ensure!(ancestor["comm"] == "sh" && ancestor["executable"] == shell.as_str(), "{who}");
            ensure!(ancestor["start_time"].as_u64() <= younger.as_u64(), "{who}");
            younger = &ancestor["start_time"];
        }
        ensure!(ancestors[0]["pid"] != ancestors[1]["pid"], "{who}");
        Ok(())
    })
}

#[test]
fn a_job_that_is_gone_before_anybody_looks_is_still_recorded_with_its_user_and_cgroup() -> Result<()> {
    story(&Setup::default(), |world| {
        let [v4, _] = world.network.server();
        let start_up = r"\0\0\0\x20\0\x03\0\0user\0job\0database\0shop\0\0";
        let script = format!("exec 3<>/dev/tcp/{v4}/{} && printf '{start_up}' >&3", postgres::PORT);
        let uid = JOB_UID + 1;
        // The kernel takes the connection meanwhile, and the job ends.
        world.daemon.signal(Signal::STOP)?;
        let ended = finish(world.job_of(uid).command("bash").args(["-c", &script]));
        world.daemon.signal(Signal::CONT)?;
        let ended = ended?;
        ensure!(ended.status.success(), "{ended:?}");
        let who = principal(world, uid)?;
        ensure!(who["gid"] == uid && who["comm"] == "bash", "{who}");
        ensure!(who["cgroup"] == world.cgroup().as_str(), "{who}");
        for gone in ["start_time", "executable", "executable_sha256", "command_line"] {
            ensure!(who[gone] == Value::Null, "{gone}: {who}");
        }
        ensure!(who["ancestors"] == json!([]), "{who}");
        Ok(())
    })
}

#[test]
fn a_password_in_the_connection_string_is_neither_needed_nor_told() -> Result<()> {
    story(&Setup::default(), |world| {
        let address = world.address().replace("job@", "somebody:hunter2@");
        let told = output(world.job().psql(&address).args(["-c", "SELECT current_user"]))?;
        ensure!(told.trim() == ROLE, "{told}");
        let records = format!("{:?}", world.daemon.export()?);
        ensure!(
            !records.contains("hunter2") && !world.daemon.log().contains("hunter2"),
            "the password is told"
        );
        Ok(())
    })
}
