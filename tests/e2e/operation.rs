//! What an operator does: policies that change, disks that fill, TLS, and the first installation.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use anyhow::{Result, ensure};
use e2e::process::{finish, output, portreeve};
use e2e::wire;
use e2e::world::{ALLOW_ALL, text};
use e2e::{Setup, World, eventually, story};
use rustix::process::Signal;

const DENY_ALL: &str =
    "version: 1\nrules:\n  - { name: nothing, actions: [\"*\", opaque], decision: deny }\n";

fn reload(world: &World) -> Result<std::process::Output> {
    let mut command = world.daemon.command(&["reload", "--socket"])?;
    finish(command.arg(world.daemon.socket()))
}

#[test]
fn a_new_policy_holds_for_the_next_statement_of_a_running_session() -> Result<()> {
    story(&Setup::policy(ALLOW_ALL), |world| {
        let mut wire = world.wire()?;
        let query = [wire::query("SELECT id FROM orders WHERE id = 1")];
        ensure!(wire.talk(&query, 1)?.contains(&"D 1".to_owned()));
        world.write_policy(DENY_ALL)?;
        ensure!(reload(world)?.status.success());
        eventually("the statement is refused", || {
            let replies = wire.talk(&query, 1)?;
            ensure!(replies == ["E 42501", "Z I"], "{replies:?}");
            Ok(())
        })?;
        // And by the signal.
        world.write_policy(ALLOW_ALL)?;
        world.daemon.signal(Signal::HUP)?;
        eventually("the statement is allowed", || {
            let replies = wire.talk(&query, 1)?;
            ensure!(replies.contains(&"D 1".to_owned()), "{replies:?}");
            Ok(())
        })
    })
}

#[test]
fn a_bad_policy_leaves_the_old_one_in_force_and_names_its_place() -> Result<()> {
    story(&Setup::policy(ALLOW_ALL), |world| {
        world.write_policy("version: 1\nrules:\n  - { name: x, actions: [slect], decision: deny }\n")?;
        let answer = reload(world)?;
        let told = text(&answer.stderr);
        ensure!(
            !answer.status.success() && told.contains("policy.yaml:3:") && told.contains("select"),
            "{told}"
        );
        ensure!(world.rows(&["SELECT 1"])? == "1");
        world.daemon.signal(Signal::HUP)?;
        eventually("the log says so", || match world.daemon.log().contains("still hold") {
            true => Ok(()),
            false => Err(world.daemon.log()),
        })
    })
}

#[test]
fn a_full_disk_budget_stops_statements_and_says_why() -> Result<()> {
    let config =
        "evidence: {directory: FOLDER/evidence, disk_budget: 1MiB, segment_bytes: 64KiB}\n".to_owned();
    story(&Setup { config, ..Setup::default() }, |world| {
        let mut wire = world.wire()?;
        // Short enough to come in one piece: in the middle of a message nothing can be said.
        let fill = [wire::query("SELECT repeat('x', 1000)")];
        let mut last = Vec::new();
        for _ in 0..2000 {
            wire.send(&fill.concat())?;
            match wire.until_ready() {
                Ok(replies) => last = replies,
                Err(_) => break,
            }
            if last.iter().any(|reply| reply.tag == b'E') {
                break;
            }
        }
        let error = last.iter().find(|reply| reply.tag == b'E');
        let told = error.map(|error| error.field(b'M')).unwrap_or_default();
        ensure!(told.contains("record"), "{last:?}");
        let refused = world.error(&["SELECT 1"])?;
        ensure!(refused.contains("FATAL"), "{refused}");
        ensure!(world.daemon.status()?["evidence"]["accepts_sessions"] == false);
        Ok(())
    })
}

#[test]
fn the_way_to_the_server_is_encrypted_and_its_name_is_checked() -> Result<()> {
    let setup = |tls: &str| Setup { tls: tls.to_owned(), server: Vec::new(), ..Setup::default() };
    for (tls, works) in [
        ("{mode: prefer}", true),
        ("{mode: require}", true),
        ("{mode: verify-ca, ca_file: FOLDER/tls/cert.pem}", true),
        ("{mode: verify-ca, ca_file: FOLDER/tls/other.pem}", false),
        ("{mode: verify-full, ca_file: FOLDER/tls/cert.pem, server_name: db.example}", true),
        ("{mode: verify-full, ca_file: FOLDER/tls/cert.pem, server_name: other.example}", false),
        ("{mode: verify-full, ca_file: FOLDER/tls/other.pem, server_name: db.example}", false),
    ] {
        story(&setup(tls).with_certificate(), |world| {
            let output = world.psql(&["SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"])?;
            let (rows, told) = (text(&output.stdout), text(&output.stderr));
            ensure!((rows.trim() == "t") == works, "{tls}: {rows}{told}");
            ensure!(works || told.contains("FATAL"), "{tls}: {rows}{told}");
            Ok(())
        })?;
    }
    story(&setup("{mode: prefer}"), |world| {
        let rows = world.rows(&["SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"])?;
        ensure!(rows == "f", "{rows}");
        Ok(())
    })?;
    // A server without TLS is no server for this resource.
    story(&setup("{mode: require}"), |world| {
        let told = world.error(&["SELECT 1"])?;
        ensure!(told.contains("FATAL"), "{told}");
        Ok(())
    })
}

#[test]
fn the_start_up_script_installs_into_a_root() -> Result<()> {
    let root = tempfile::tempdir()?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../agent/dist/install.sh");
    let install =
        || output(Command::new(script).arg("--root").arg(root.path()).arg("--binary").arg(portreeve()?));
    install()?;
    for (file, mode) in [
        ("usr/local/bin/portreeve", 0o755),
        ("etc/systemd/system/portreeve.service", 0o644),
        ("etc/portreeve/portreeve.yaml", 0o644),
        ("etc/portreeve/credentials", 0o700),
    ] {
        let found = fs::metadata(root.path().join(file))?.permissions().mode() & 0o777;
        ensure!(found == mode, "{file} has mode {found:o}");
    }
    // What a person wrote is kept by the next installation.
    let config = root.path().join("etc/portreeve/portreeve.yaml");
    fs::write(&config, "mine")?;
    install()?;
    ensure!(fs::read_to_string(&config)? == "mine");
    Ok(())
}

#[test]
fn status_tells_how_it_is() -> Result<()> {
    story(&Setup::default(), |world| {
        let _wire = world.wire()?;
        let status = world.daemon.status()?;
        ensure!(status["state"] == "running" && status["sessions"]["running"] == 1, "{status}");
        ensure!(status["resources"][0]["name"] == "shop", "{status}");
        Ok(())
    })
}
