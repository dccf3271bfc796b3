//! What the job does, and what comes of it.

use std::io::Read as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use e2e::world::{PASSWORD, ROLE};

use crate::Demo;
use crate::teller::{Shown, chapter, note, print_line, show};

impl Demo {
    /// The job's psql with these statements, and the command as one would type it.
    fn psql(&self, statements: &[&str]) -> (String, Command) {
        let mut line = format!("psql {}", self.address);
        let mut command = self.job.command("psql");
        command.args(["-X", "-w", &self.address]);
        for statement in statements {
            line += &format!(" -c \"{statement}\"");
            command.args(["-c", statement]);
        }
        (line, command)
    }

    fn job_shows(&self, statements: &[&str]) -> Result<Shown> {
        let (line, mut command) = self.psql(statements);
        show(&line, &mut command)
    }

    /// What is really in the database, past Portreeve.
    fn real(&self, query: &str) -> Result<String> {
        self.world.server.sql("shop", query)
    }
}

pub(crate) fn masked_read(demo: &Demo) -> Result<()> {
    chapter(1, "A masked read: the job sees no personal data, and its connection looks like any other");
    demo.job_shows(&["\\conninfo", "SELECT id, name, email, ssn FROM customers ORDER BY id"])?
        .succeeds()?
        .has(&["Ada Lovelace", "10.77.", "5432"])?
        .has_not(&["123-45-6789", "987-65-4321", "ada@example.com"])?;
    Ok(())
}

pub(crate) fn allowed_write(demo: &Demo) -> Result<()> {
    chapter(2, "An allowed write");
    let write = "UPDATE orders SET state = 'paid' WHERE id = 2";
    demo.job_shows(&[write, "SELECT id, total, state FROM orders ORDER BY id"])?
        .succeeds()?
        .has(&["UPDATE 1"])?;
    match demo.real("SELECT state FROM orders WHERE id = 2")?.as_str() {
        "paid" => Ok(()),
        other => bail!("the write did not arrive: the order is `{other}`"),
    }
}

pub(crate) fn refused_drop(demo: &Demo) -> Result<()> {
    chapter(3, "A refused DROP TABLE: the server never sees it, and the session stays usable");
    demo.job_shows(&["DROP TABLE orders", "SELECT count(*) FROM orders"])?.succeeds()?.has(&[
        "ERROR",
        "job-keeps-tables",
        "Tables are changed by migrations",
        "    3",
    ])?;
    if demo.world.server.log().contains("DROP TABLE orders") {
        bail!("the server has seen the DROP TABLE");
    }
    Ok(())
}

pub(crate) fn held_delete(demo: &Demo) -> Result<()> {
    chapter(4, "A held DELETE: it waits until a person approves it");
    let delete = "DELETE FROM orders WHERE id = 3";
    let (line, mut command) = demo.psql(&[delete]);
    print_line(&format!("{line} &"));
    let mut psql = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut notice = [0; 4096];
    let Some(stderr) = psql.stderr.as_mut() else { bail!("psql has no standard error") };
    let length = stderr.read(&mut notice)?;
    crate::teller::print_output(&e2e::world::text(&notice[..length]));
    let daemon = &demo.world.daemon;
    let id = daemon.the_hold()?;
    if demo.real("SELECT count(*) FROM orders WHERE id = 3")? != "1" {
        bail!("the DELETE ran before anybody approved it");
    }
    note("root is the reviewer here; who asked may not approve");
    show("portreeve approvals list", &mut daemon.approvals(&["list"])?)?.succeeds()?.has(&[&id])?;
    show(&format!("portreeve approvals show {id}"), &mut daemon.approvals(&["show", &id])?)?
        .succeeds()?
        .has(&[delete, "job-deletes"])?;
    let approve = ["approve", &id, "--reason", "order 3 is a duplicate"];
    show(
        &format!("portreeve approvals approve {id} --reason \"order 3 is a duplicate\""),
        &mut daemon.approvals(&approve)?,
    )?
    .succeeds()?
    .has(&["approved by"])?;
    note("and psql goes on:");
    Shown::of(&line, &psql.wait_with_output()?).succeeds()?.has(&["DELETE 1"])?;
    if demo.real("SELECT count(*) FROM orders WHERE id = 3")? != "0" {
        bail!("the approved DELETE did not run");
    }
    Ok(())
}

pub(crate) fn what_the_server_saw(demo: &Demo) -> Result<()> {
    chapter(5, "What the server saw: the service's role, logged in with a password that the job never had");
    let log = demo.world.server.log();
    let line = |words: &[&str]| log.lines().find(|line| words.iter().all(|word| line.contains(word)));
    // The setup came as another role, and the catalog is read over a connection of its own.
    let login = line(&["connection authorized", &format!("user={ROLE}"), "application_name=psql"]);
    let login = login.context("the log has no login")?;
    let update = line(&["statement: UPDATE"]).context("the log has no UPDATE")?;
    print_line("grep -E 'connection authorized|statement: UPDATE' server/log");
    crate::teller::print_output(&format!("{login}\n{update}"));
    if !update.contains(&format!("{ROLE}@shop")) || log.contains("user=job") {
        bail!("the server saw another role than {ROLE}");
    }
    if demo.world.daemon.log().contains(PASSWORD) {
        bail!("the daemon's log has the password");
    }
    Ok(())
}
