//! What is left for the auditor, and what becomes of it when somebody tampers with it.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use e2e::process::output;
use e2e::world::PASSWORD;
use e2e::{eventually, forge};

use crate::Demo;
use crate::teller::{Shown, chapter, note, show};

/// What an embezzler would change, and what into.
const EDIT: (&str, &str) = ("order 3 is a duplicate", "order 9 is a duplicate");

impl Demo {
    fn audit(&self, arguments: &[&str]) -> Result<Shown> {
        let line = format!("portreeve audit {}", arguments.join(" "));
        show(&line, &mut self.world.daemon.audit(arguments)?)
    }

    fn verify_copy(&self, copy: &Path) -> Result<Shown> {
        let mut command: Command = self.world.daemon.command(&["audit", "verify", "--from"])?;
        let name = copy.file_name().unwrap_or_default().to_string_lossy().into_owned();
        show(&format!("portreeve audit verify --from {name}"), command.arg(copy))
    }
}

/// Lists the sessions that the central store has, and gives the one with the held statement.
pub(crate) fn sessions(demo: &Demo) -> Result<String> {
    chapter(6, "The record: every session, in the central store within a second");
    let store = demo.world.store.as_ref().context("the demo has a store")?;
    eventually("all sessions are in the store", || {
        let listed = output(&mut store.audit(&["sessions"])?)?;
        ensure!(
            listed.matches("nobody").count() == 4 && listed.matches("terminate").count() == 4,
            "{listed}"
        );
        Ok::<_, anyhow::Error>(())
    })?;
    let line = format!("portreeve audit sessions --from {}", store.auditor());
    show(&line, &mut store.audit(&["sessions"])?)?.succeeds()?.has(&["nobody", "psql", "shop"])?;
    let records = demo.world.daemon.export()?;
    let hold = records.iter().find(|record| record["kind"] == "hold").context("no record of a hold")?;
    Ok(hold["session"].as_str().context("a hold has a session")?.to_owned())
}

pub(crate) fn replay(demo: &Demo, session: &str) -> Result<()> {
    chapter(7, "A replay: the session with the held DELETE, as it went");
    demo.audit(&["replay", session])?.succeeds()?.has(&[
        "DELETE FROM orders WHERE id = 3",
        "job-deletes",
        EDIT.0,
        "root",
    ])?;
    note("and the first one: results are recorded as the job got them, masked");
    let records = demo.world.daemon.export()?;
    // Their ids begin with the time.
    let first = records.iter().filter_map(|record| record["session"].as_str()).min().context("no session")?;
    demo.audit(&["replay", first])?.succeeds()?.has(&["Ada Lovelace"])?.has_not(&[
        "123-45-6789",
        "ada@example.com",
        PASSWORD,
    ])?;
    Ok(())
}

pub(crate) fn verify(demo: &Demo) -> Result<()> {
    chapter(8, "Is the record what was written?");
    demo.audit(&["verify"])?.succeeds()?.has(&["ok: the record is what was written"])?;
    Ok(())
}

pub(crate) fn edited(demo: &Demo) -> Result<()> {
    chapter(9, "Somebody edits one byte of it (in a copy)");
    let copy = demo.world.folder().join("edited");
    forge::copy(&demo.world.daemon.evidence(), &copy)?;
    forge::edit(&copy, EDIT.0, EDIT.1)?;
    note(&format!("`{}` is now `{}`", EDIT.0, EDIT.1));
    demo.verify_copy(&copy)?.fails()?.has(&["PROBLEM", "FAILED"])?;
    Ok(())
}

pub(crate) fn recomputed(demo: &Demo) -> Result<()> {
    chapter(10, "Somebody edits it and computes every checksum, digest and chain after it anew");
    let copy = demo.world.folder().join("recomputed");
    forge::copy(&demo.world.daemon.evidence(), &copy)?;
    forge::edit_and_recompute(&copy, EDIT.0, EDIT.1)?;
    note("all digests fit; only the daemon's key, which never left its memory, is missing");
    let shown = demo.verify_copy(&copy)?.fails()?.has(&["PROBLEM", "FAILED"])?.has_not(&["checksum"])?;
    shown.line_with("signature").map(drop)
}

/// The store has the bytes that were shipped before, and the key's public half.
pub(crate) fn stored(demo: &Demo) -> Result<()> {
    chapter(
        11,
        "And the central store, out of reach of whoever holds the machine, still has the true record",
    );
    let store = demo.world.store.as_ref().context("the demo has a store")?;
    let line = format!("portreeve audit verify --from {}", store.auditor());
    show(&line, &mut store.audit(&["verify"])?)?.succeeds()?.has(&["ok: the record is what was written"])?;
    Ok(())
}
