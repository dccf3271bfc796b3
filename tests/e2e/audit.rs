//! What is left for the auditor.

use anyhow::{Context as _, Result, ensure};
use e2e::forge;
use e2e::process::{finish, output};
use e2e::world::text;
use e2e::{Setup, World, story};

fn verify(world: &World, evidence: &std::path::Path) -> Result<(bool, String)> {
    let mut command = world.daemon.command(&["audit", "verify", "--from"])?;
    let output = finish(command.arg(evidence))?;
    Ok((output.status.success(), text(&output.stdout)))
}

#[test]
fn verify_finds_an_edit_and_a_chain_that_was_recomputed() -> Result<()> {
    story(&Setup::default(), |world| {
        world.rows(&["SELECT 'embezzled 100'"])?;
        world.rows(&["SELECT 'another session'"])?;
        world.daemon.stop()?;
        let evidence = world.daemon.evidence();
        let (sound, told) = verify(world, &evidence)?;
        ensure!(sound, "{told}");
        let (edited, recomputed) = (world.folder().join("edited"), world.folder().join("recomputed"));
        forge::copy(&evidence, &edited)?;
        forge::edit(&edited, "embezzled 100", "embezzled 001")?;
        let (sound, told) = verify(world, &edited)?;
        ensure!(!sound && told.contains("lane-"), "{told}");
        forge::copy(&evidence, &recomputed)?;
        forge::edit_and_recompute(&recomputed, "embezzled 100", "embezzled 001")?;
        let (sound, told) = verify(world, &recomputed)?;
        ensure!(!sound && told.contains("signature"), "{told}");
        Ok(())
    })
}

#[test]
fn verify_finds_a_file_that_is_gone_or_cut() -> Result<()> {
    story(&Setup::default(), |world| {
        world.rows(&["SELECT 1", "SELECT 2"])?;
        world.daemon.stop()?;
        let evidence = world.daemon.evidence();
        let segments = || -> Result<Vec<std::path::PathBuf>> {
            let boot = std::fs::read_dir(&evidence)?.filter_map(|entry| Some(entry.ok()?.path()));
            let boot = boot.into_iter().find(|path| path.is_dir()).context("no boot")?;
            Ok(std::fs::read_dir(boot)?.filter_map(|entry| Some(entry.ok()?.path())).collect())
        };
        for segment in segments()? {
            let bytes = std::fs::read(&segment)?;
            std::fs::remove_file(&segment)?;
            let (sound, told) = verify(world, &evidence)?;
            ensure!(!sound, "without {}: {told}", segment.display());
            std::fs::write(&segment, &bytes[..bytes.len() - 1])?;
            let (sound, told) = verify(world, &evidence)?;
            // The host's own lane ends in a beat or a stop: a cut there looks like a crash, and is told as one.
            ensure!(!sound || told.contains("cut short"), "with {} cut: {told}", segment.display());
            std::fs::write(&segment, bytes)?;
        }
        let (sound, told) = verify(world, &evidence)?;
        ensure!(sound, "{told}");
        Ok(())
    })
}

#[test]
fn a_session_can_be_listed_shown_and_replayed() -> Result<()> {
    story(&Setup::default(), |world| {
        world.rows(&[
            "SELECT name FROM customers WHERE id = 1",
            "UPDATE orders SET state = 'x' WHERE id = 1",
        ])?;
        let sessions = output(&mut world.daemon.audit(&["sessions", "--format", "json"])?)?;
        let session: serde_json::Value =
            serde_json::from_str(sessions.lines().next().context("no session")?)?;
        let id = session["session"].as_str().with_context(|| sessions.clone())?;
        let shown = output(&mut world.daemon.audit(&["show", id])?)?;
        ensure!(shown.contains("UPDATE 1") && shown.contains("observe"), "{shown}");
        let replay = output(&mut world.daemon.audit(&["replay", id])?)?;
        ensure!(replay.contains("Ada Lovelace") && replay.contains("SELECT 1 (1 row"), "{replay}");
        Ok(())
    })
}

#[test]
fn passwords_in_statements_are_never_recorded() -> Result<()> {
    story(&Setup::default(), |world| {
        let mut wire = world.wire()?;
        for sql in [
            "CREATE ROLE somebody LOGIN PASSWORD 'hunter2'",
            "ALTER ROLE somebody WITH ENCRYPTED PASSWORD E'hunter\\x33'",
            "ALTER USER somebody PASSWORD $tag$hunter4$tag$; SELECT 1",
            "create user mapping for somebody server s options (user 'x', password 'hunter5')",
        ] {
            wire.talk(&[e2e::wire::query(sql)], 1)?;
        }
        let records = world.daemon.export()?;
        let statements = records.iter().filter(|record| record["kind"] == "statement");
        let told: String = statements.map(ToString::to_string).collect();
        for password in ["hunter2", "x33", "hunter4", "hunter5"] {
            ensure!(!told.contains(password), "`{password}` is recorded: {told}");
        }
        ensure!(!world.daemon.log().contains("hunter"), "{}", world.daemon.log());
        Ok(())
    })
}
