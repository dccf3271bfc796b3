//! What is protected: host names as they move, and ports of every address.

use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::process::{finish, output};
use e2e::wire::{self, Wire};
use e2e::world::{JOB_UID, PASSWORD, ROLE, text};
use e2e::{Setup, World, eventually, story};
use serde_json::Value;

const NAME: &str = "db.portreeve.test";

/// A server that is known by its name alone, on a port that is protected everywhere.
fn by_name() -> Setup {
    Setup {
        addresses: Some(format!("[\"{NAME}:PORT\"]")),
        intercept: "ports: [PORT]".to_owned(),
        own_port: true,
        own_hosts: true,
        server: vec!["listen_addresses=*".to_owned()],
        ..Setup::default()
    }
}

/// A server whose port is protected, and whose address no resource has.
fn unmatched(what: &str) -> Setup {
    Setup {
        addresses: Some("[\"192.0.2.1:PORT\"]".to_owned()),
        intercept: format!("ports: [PORT], unmatched: {what}"),
        own_port: true,
        ..Setup::default()
    }
}

/// What the job's psql says that connects to that address: rows, or why not.
fn ask(world: &World, ip: IpAddr) -> Result<Result<String, String>> {
    let address = SocketAddr::new(ip, world.port());
    let mut psql = world.job().psql(&format!("postgresql://job@{address}/shop"));
    let output = finish(psql.args(["-c", "SELECT host(inet_server_addr())"]))?;
    let said = |bytes: &[u8]| text(bytes).trim_end().to_owned();
    Ok(if output.status.success() { Ok(said(&output.stdout)) } else { Err(said(&output.stderr)) })
}

/// Waits until the server behind that address is served.
fn is_served(world: &World, ip: IpAddr) -> Result<()> {
    eventually("the address is served", || match ask(world, ip)? {
        Ok(at) if at == ip.to_string() => Ok(()),
        other => anyhow::bail!("{other:?}"),
    })
}

/// The one name of the one resource, as `status` has it.
fn name_status(world: &World) -> Result<Value> {
    Ok(world.daemon.status()?["resources"][0]["names"][0].clone())
}

#[test]
fn a_name_that_does_not_resolve_stops_nothing_and_one_that_was_known_stays() -> Result<()> {
    story(&by_name(), |world| {
        let [_, v6] = world.network.server();
        let status = world.daemon.status()?;
        ensure!(status["state"] == "impaired", "{status}");
        let name = name_status(world)?;
        ensure!(name["name"] == NAME && name["addresses"] == serde_json::json!([]), "{name}");
        ensure!(name["last_error"].is_string() && name["failing_for_seconds"].is_u64(), "{name}");
        ensure!(world.daemon.log().contains("cannot be resolved"), "{}", world.daemon.log());
        let refused = ask(world, v6)?;
        ensure!(refused.as_ref().is_err_and(|told| told.contains("no resource")), "{refused:?}");

        world.write_hosts(&[(NAME, v6)])?;
        is_served(world, v6)?;
        let status = world.daemon.status()?;
        ensure!(status["state"] == "running", "{status}");
        let found = world.daemon.incidents("name-found")?;
        ensure!(found.len() == 1 && found[0]["detail"] == format!("{NAME} stands for {v6}"), "{found:?}");

        // It is not known any more, to this daemon and to the next: what it stood for stays.
        world.write_hosts(&[])?;
        eventually("the failure is told", || match world.daemon.status()?["state"].as_str() {
            Some("impaired") => Ok(()),
            state => anyhow::bail!("{state:?}"),
        })?;
        is_served(world, v6)?;
        world.daemon.kill()?;
        world.daemon.start()?;
        ensure!(world.daemon.status()?["state"] == "impaired");
        is_served(world, v6)
    })
}

#[test]
fn a_name_is_followed_and_its_old_address_served_for_as_long_as_a_session_uses_it() -> Result<()> {
    story(&by_name(), |world| {
        let [_, old] = world.network.server();
        let new = world.network.add_address()?;
        world.write_hosts(&[(NAME, old)])?;
        is_served(world, old)?;
        let refused = ask(world, new)?;
        ensure!(refused.as_ref().is_err_and(|told| told.contains("no resource")), "{refused:?}");
        let mut session = Wire::connect((old, world.port()).into(), "shop")?;

        world.write_hosts(&[(NAME, new)])?;
        is_served(world, new)?;
        // Its time is two seconds.
        eventually("only the session keeps it", || {
            let kept = name_status(world)?["kept"].clone();
            let left = kept[0]["left_seconds_ago"].as_u64();
            ensure!(kept[0]["address"] == old.to_string() && kept[0]["sessions"] == 1, "{kept}");
            ensure!(left.is_some_and(|seconds| seconds > 3), "{kept}");
            Ok(())
        })?;
        is_served(world, old)?;
        ensure!(session.talk(&[wire::query("SELECT 'goes on'")], 1)?.contains(&"D goes on".to_owned()));

        drop(session);
        eventually("the old address is no longer served", || match ask(world, old)? {
            Err(told) if told.contains("no resource of Portreeve names") => Ok(()),
            other => anyhow::bail!("{other:?}"),
        })?;
        is_served(world, new)?;
        let found = world.daemon.incidents("name-found")?;
        let moved = format!("{NAME} stands for {new}; kept from before: {old}");
        ensure!(found.len() == 2 && found[1]["detail"] == moved.as_str(), "{found:?}");
        ensure!(world.daemon.incidents("name-left")?.len() == 1);
        Ok(())
    })
}

#[test]
fn a_name_that_a_new_policy_brings_is_served_when_the_reload_is_over() -> Result<()> {
    let setup = Setup { addresses: Some("[\"192.0.2.1:PORT\"]".to_owned()), ..by_name() };
    story(&setup, |world| {
        let [_, v6] = world.network.server();
        world.write_hosts(&[(NAME, v6)])?;
        ensure!(ask(world, v6)?.is_err());
        let resources = format!("resources: [{{name: shop, addresses: [\"{NAME}:{}\"]}}]\n", world.port());
        world.write_policy(&format!("{}{resources}", e2e::world::ALLOW_ALL))?;
        output(world.daemon.command(&["reload", "--socket"])?.arg(world.daemon.socket()))?;
        ensure!(ask(world, v6)? == Ok(v6.to_string()));
        Ok(())
    })
}

#[test]
fn a_connection_that_no_resource_names_is_refused_in_words_that_psql_shows() -> Result<()> {
    story(&unmatched("refuse"), |world| {
        let [v4, v6] = world.network.server();
        // Also where nobody listens.
        for ip in [v4, v6, Ipv4Addr::LOCALHOST.into()] {
            let to = SocketAddr::new(ip, world.port());
            let told = ask(world, ip)?.err().context("it was not refused")?;
            ensure!(told.contains(&format!("FATAL:  no resource of Portreeve names {to}")), "{told}");
            ensure!(told.contains("HINT:") && told.contains("\"resources\""), "{told}");
            let recorded = world.daemon.incidents("unmatched-refused")?;
            let detail = recorded.last().map(|last| last["detail"].to_string()).unwrap_or_default();
            for part in [&format!("to {to}"), &format!("uid {JOB_UID}"), &world.cgroup(), "psql"] {
                ensure!(detail.contains(part), "`{part}` is not in {detail}");
            }
        }
        let reached = |ip: &str| world.server.log().contains(&format!("connection received: host={ip}"));
        ensure!(!reached("10.") && !reached("fd"), "{}", world.server.log());
        // Whom it is refused over TLS, psql asks once more in clear text, as it does with every server.
        ensure!(world.daemon.status()?["sessions"]["unmatched"] == 6);
        // A flood of one kind is told once, and then with its number.
        for _ in 0..200 {
            TcpStream::connect(world.destination())?;
        }
        eventually("all are counted", || match &world.daemon.status()?["sessions"]["unmatched"] {
            count if *count == 206 => Ok(()),
            count => anyhow::bail!("{count}"),
        })?;
        world.daemon.stop()?;
        let recorded = world.daemon.incidents("unmatched-refused")?;
        let counted: u64 = recorded.iter().filter_map(|incident| incident["count"].as_u64()).sum();
        ensure!(counted == 206 && recorded.len() < 13, "{recorded:?}");
        Ok(())
    })
}

#[test]
fn a_connection_that_no_resource_names_passes_where_that_is_said_and_the_record_says_who() -> Result<()> {
    let setup = Setup { config: "drain_seconds: 1\n".to_owned(), ..unmatched("pass") };
    story(&setup, |world| {
        let mut psql = world.job().psql(&format!("postgresql://{ROLE}@{}/shop", world.destination()));
        psql.env("PGPASSWORD", PASSWORD).args(["-c", "SELECT name FROM customers WHERE id = 1"]);
        ensure!(output(&mut psql)? == "Ada Lovelace\n");
        let refused = ask(world, world.destination().ip())?;
        ensure!(refused.as_ref().is_err_and(|told| told.contains("no password supplied")), "{refused:?}");
        let passed = world.daemon.incidents("unmatched-passed")?;
        let detail = passed.first().map(|passed| passed["detail"].to_string()).unwrap_or_default();
        for part in [&format!("to {}", world.destination()), &format!("uid {JOB_UID}"), &world.cgroup()] {
            ensure!(detail.contains(part), "`{part}` is not in {detail}");
        }
        eventually("the end is recorded", || {
            let ended = world.daemon.incidents("unmatched-ended")?;
            let detail = ended.first().map(|ended| ended["detail"].to_string()).unwrap_or_default();
            ensure!(detail.contains("bytes from it") && !detail.contains(" 0 bytes"), "{ended:?}");
            Ok(())
        })?;
        let nobody = ask(world, Ipv4Addr::LOCALHOST.into())?;
        ensure!(nobody.as_ref().is_err_and(|told| told.contains("Connection refused")), "{nobody:?}");

        // One that goes on when the daemon stops is waited for, and then cut off.
        let mut stream = TcpStream::connect(world.destination())?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        eventually("it passes", || match &world.daemon.status()?["sessions"]["passing_unmatched"] {
            count if *count == 1 => Ok(()),
            count => anyhow::bail!("{count}"),
        })?;
        ensure!(world.daemon.stop()?.success());
        ensure!(matches!(stream.read(&mut [0; 1]), Ok(0) | Err(_)));
        let counted = |kind| -> Result<u64> {
            Ok(world.daemon.incidents(kind)?.iter().filter_map(|incident| incident["count"].as_u64()).sum())
        };
        // psql asks nobody twice, with TLS and without.
        ensure!((counted("unmatched-passed")?, counted("unmatched-ended")?) == (5, 5));
        Ok(())
    })
}

#[test]
fn what_cannot_be_recorded_does_not_pass() -> Result<()> {
    let setup = Setup {
        addresses: Some("[\"V4:PORT\"]".to_owned()),
        config: "evidence: {directory: FOLDER/evidence, disk_budget: 1MiB, segment_bytes: 64KiB}\n"
            .to_owned(),
        ..unmatched("pass")
    };
    story(&setup, |world| {
        let [_, v6] = world.network.server();
        let told = ask(world, v6)?.err().unwrap_or_default();
        ensure!(told.contains("no password supplied"), "{told}");
        let mut session = world.wire()?;
        let fill = [wire::query("SELECT repeat('x', 30000)")];
        eventually("the record is full", || {
            // The session ends by it.
            let _ = session.talk(&fill, 1);
            match &world.daemon.status()?["evidence"]["accepts_sessions"] {
                Value::Bool(false) => Ok(()),
                other => anyhow::bail!("{other}"),
            }
        })?;
        let told = ask(world, v6)?.err().unwrap_or_default();
        ensure!(told.contains("FATAL:  Portreeve lets nothing through to"), "{told}");
        Ok(())
    })
}
