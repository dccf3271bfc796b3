//! The job is taken without knowing it, and nobody gets past.

use std::net::TcpStream;

use anyhow::{Result, bail, ensure};
use e2e::process::output;
use e2e::world::{JOB_UID, ROLE};
use e2e::{Setup, story};

#[test]
fn a_job_is_taken_and_sees_the_address_that_it_asked_for() -> Result<()> {
    story(&Setup::default(), |world| {
        let told = world.rows(&["\\conninfo"])?;
        let [v4, v6] = world.network.server();
        ensure!(told.contains(&format!("on host \"{v4}\" at port \"5432\"")), "{told}");
        let told = output(world.job().psql(&world.address_v6()).args(["-c", "\\conninfo"]))?;
        ensure!(told.contains(&format!("on host \"{v6}\" at port \"5432\"")), "{told}");
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

#[test]
fn without_the_daemon_connections_are_refused_and_the_next_one_takes_over() -> Result<()> {
    story(&Setup::default(), |world| {
        ensure!(world.rows(&["SELECT 1"])? == "1");
        world.daemon.kill()?;
        let refused = world.psql(&["SELECT 1"])?;
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        ensure!(!refused.status.success() && told.contains("Connection refused"), "{told}");
        let logins = world.server.log().matches("connection authorized").count();
        world.daemon.start()?;
        ensure!(world.rows(&["SELECT 2"])? == "2");
        ensure!(world.server.log().matches("connection authorized").count() > logins);
        Ok(())
    })
}
