//! A held statement waits, and ends in one of five ways.

use std::process::{Child, Command, Output, Stdio};

use anyhow::{Context as _, Result, ensure};
use e2e::process::{finish, output, signal};
use e2e::wire::{self, Message};
use e2e::world::{JOB_UID, text};
use e2e::{Setup, World, eventually, story};
use rustix::process::Signal;

const POLICY: &str = "
version: 1
rules:
  - { name: all, actions: [\"*\"], decision: allow }
  - { name: wait, actions: [delete], decision: hold, message: A person looks. }
";

const DELETE: &str = "DELETE FROM orders WHERE id = 1";

/// A job's psql that waits for a reviewer, with another statement after the held one.
fn held(world: &World) -> Result<(Child, String)> {
    let mut command = world.job().psql(&world.address());
    command.args(["-c", DELETE, "-c", "SELECT 'goes on'"]);
    let psql = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    Ok((psql, world.daemon.the_hold()?))
}

/// psql's end: what it wrote, and what it was told.
fn end(psql: Child) -> Result<(String, String)> {
    let Output { stdout, stderr, .. } = psql.wait_with_output()?;
    Ok((text(&stdout), text(&stderr)))
}

fn orders(world: &World) -> Result<String> {
    world.server.sql("shop", "SELECT count(*) FROM orders")
}

/// How the record says that the only hold ended.
fn outcome(world: &World) -> Result<(String, String)> {
    let records = world.daemon.export()?;
    let end = records.iter().find(|record| record["kind"] == "hold-end").context("the hold has no end")?;
    let field = |name: &str| end["body"][name].as_str().unwrap_or_default().to_owned();
    Ok((field("outcome"), field("reviewer")))
}

#[test]
fn an_approved_statement_runs_once() -> Result<()> {
    story(&Setup::policy(POLICY), |world| {
        let (psql, id) = held(world)?;
        ensure!(orders(world)? == "3", "it did not wait");
        // Others do not wait with it.
        ensure!(world.rows(&["SELECT 'not blocked'"])? == "not blocked");
        output(&mut world.daemon.approvals(&["approve", &id, "--reason", "fine"])?)?;
        let (rows, told) = end(psql)?;
        ensure!(rows.contains("DELETE 1") && rows.contains("goes on"), "{rows}{told}");
        ensure!(told.contains(&id) && told.contains("\"wait\""), "{told}");
        ensure!(orders(world)? == "2");
        ensure!(
            outcome(world)?.0 == "approved" && outcome(world)?.1.contains("uid 0"),
            "{:?}",
            outcome(world)?
        );
        ensure!(output(&mut world.daemon.approvals(&["approve", &id])?).is_err(), "approved twice");
        Ok(())
    })
}

#[test]
fn a_denied_statement_does_not_run() -> Result<()> {
    story(&Setup::policy(POLICY), |world| {
        let (psql, id) = held(world)?;
        output(&mut world.daemon.approvals(&["deny", &id, "--reason", "not on a Friday"])?)?;
        let (rows, told) = end(psql)?;
        ensure!(told.contains("ERROR") && told.contains("not on a Friday"), "{told}");
        ensure!(rows.contains("goes on") && orders(world)? == "3", "{rows}");
        ensure!(outcome(world)?.0 == "denied");
        Ok(())
    })
}

/// By somebody who does not pass here, and a moment before: the catalog is asked once more.
#[test]
fn what_is_approved_is_what_its_names_meant() -> Result<()> {
    story(&Setup::policy(POLICY), |world| {
        world.server.sql("shop", "CREATE TABLE others (LIKE orders); INSERT INTO others TABLE orders")?;
        world.server.sql("shop", "GRANT ALL ON others TO PUBLIC")?;
        let (psql, id) = held(world)?;
        world.server.sql("shop", "ALTER TABLE orders RENAME TO kept; ALTER TABLE others RENAME TO orders")?;
        output(&mut world.daemon.approvals(&["approve", &id])?)?;
        let (rows, told) = end(psql)?;
        ensure!(told.contains("has changed while it waited"), "{told}");
        ensure!(rows.contains("goes on") && orders(world)? == "3", "{rows}");
        Ok(())
    })
}

#[test]
fn nobody_answers_and_it_is_denied() -> Result<()> {
    let config = "approvals: {socket: FOLDER/control.sock, expire_seconds: 1}\n".to_owned();
    story(&Setup { config, ..Setup::policy(POLICY) }, |world| {
        let output = world.psql(&[DELETE, "SELECT 'goes on'"])?;
        let told = text(&output.stderr);
        ensure!(told.contains("ERROR") && text(&output.stdout).contains("goes on"), "{told}");
        ensure!(orders(world)? == "3" && outcome(world)?.0 == "expired", "{:?}", outcome(world)?);
        Ok(())
    })
}

#[test]
fn the_client_cancels_it() -> Result<()> {
    story(&Setup::policy(POLICY), |world| {
        let (psql, _) = held(world)?;
        // What Ctrl-C does to psql: a CancelRequest.
        signal(&psql, Signal::INT)?;
        let (_, told) = end(psql)?;
        ensure!(told.contains("canceling statement due to user request"), "{told}");
        ensure!(orders(world)? == "3");
        eventually("the hold is gone", || match &world.daemon.holds()?[..] {
            [] => Ok(()),
            holds => anyhow::bail!("{holds:?}"),
        })?;
        ensure!(outcome(world)?.0 == "cancelled", "{:?}", outcome(world)?);
        Ok(())
    })
}

#[test]
fn the_client_goes_away() -> Result<()> {
    story(&Setup::policy(POLICY), |world| {
        let (mut psql, _) = held(world)?;
        psql.kill()?;
        psql.wait()?;
        eventually("the hold ends", || outcome(world)).and_then(|outcome| {
            ensure!(outcome.0 == "disconnected", "{outcome:?}");
            Ok(())
        })?;
        ensure!(world.daemon.holds()?.is_empty() && orders(world)? == "3");
        Ok(())
    })
}

/// A setup in which reviewers need not be root: they are in a group that exists everywhere.
fn with_reviewers() -> Setup {
    let config = "approvals: {socket: FOLDER/control.sock, reviewers_group: daemon}\n".to_owned();
    Setup { config, ..Setup::policy(POLICY) }
}

/// What comes of an approval by that user.
fn approve_as(world: &World, uid: u32, id: &str) -> Result<Output> {
    let group = output(Command::new("getent").args(["group", "daemon"]))?;
    let group = group.split(':').nth(2).context("getent gives the group's number")?.to_owned();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", &uid.to_string(), "--regid", &group, "--clear-groups", "--"]);
    let approve = world.daemon.approvals(&["approve", id])?;
    command.arg(approve.get_program()).args(approve.get_args());
    finish(command.current_dir("/"))
}

/// Approves as somebody who is neither root nor the job.
pub(crate) fn approve(world: &World, id: &str) -> Result<()> {
    let approved = approve_as(world, JOB_UID + 1, id)?;
    ensure!(approved.status.success(), "{approved:?}");
    Ok(())
}

#[test]
fn who_asked_cannot_approve() -> Result<()> {
    story(&with_reviewers(), |world| {
        let (psql, id) = held(world)?;
        let own = approve_as(world, JOB_UID, &id)?;
        ensure!(!own.status.success() && orders(world)? == "3", "the job approved itself: {own:?}");
        approve(world, &id)?;
        let (rows, told) = end(psql)?;
        ensure!(rows.contains("DELETE 1"), "{rows}{told}");
        ensure!(outcome(world)?.1.contains(&format!("uid {}", JOB_UID + 1)), "{:?}", outcome(world)?);
        Ok(())
    })
}

#[test]
fn in_the_extended_protocol_one_approval_is_one_execution() -> Result<()> {
    story(&with_reviewers(), |world| {
        let mut wire = world.wire()?;
        let delete = |id: &str| [wire::bind("", "s", &[id]), wire::execute("", 0), wire::sync()].concat();
        wire.send(&wire::parse("s", "DELETE FROM orders WHERE id = $1::int"))?;
        let mut ids = Vec::new();
        for (value, left) in [("2", "2"), ("3", "1")] {
            wire.send(&delete(value))?;
            let id = world.daemon.the_hold()?;
            let shown = output(&mut world.daemon.approvals(&["show", &id])?)?;
            ensure!(
                shown.contains("$1") && shown.contains(value),
                "the reviewer does not see the value: {shown}"
            );
            approve(world, &id)?;
            ids.push(id);
            let replies = lines(&mut wire)?;
            ensure!(replies.contains(&"C DELETE 1".to_owned()), "{replies:?}");
            ensure!(orders(world)? == left);
        }
        ensure!(ids[0] != ids[1], "the second execution has the first one's request");
        Ok(())
    })
}

#[test]
fn a_query_with_a_held_statement_waits_whole() -> Result<()> {
    story(&with_reviewers(), |world| {
        let mut wire = world.wire()?;
        let sql = "INSERT INTO orders VALUES (70, 1, 1, 'x'); DELETE FROM orders WHERE id = 70; SELECT 'end'";
        wire.send(&wire::query(sql))?;
        let id = world.daemon.the_hold()?;
        ensure!(!world.server.log().contains("(70,"), "its first statement did not wait");
        approve(world, &id)?;
        let replies = lines(&mut wire)?;
        ensure!(replies == ["C INSERT 0 1", "C DELETE 1", "T", "D end", "C SELECT 1", "Z I"], "{replies:?}");
        Ok(())
    })
}

#[test]
fn what_is_pipelined_behind_a_held_statement_keeps_its_place() -> Result<()> {
    story(&with_reviewers(), |world| {
        let run = |sql: &str| [wire::parse("", sql), wire::bind("", "", &[]), wire::execute("", 0)].concat();
        let script = [
            run("SELECT 'before'"),
            wire::sync(),
            run("SELECT 'with'"),
            run(DELETE),
            run("SELECT 'behind'"),
            wire::sync(),
            wire::query("SELECT 'after'"),
        ];
        let mut direct = world.direct_wire()?;
        direct.exchange(&[wire::query("BEGIN")], 1)?;
        let expect = direct.talk(&script, 3)?;
        direct.exchange(&[wire::query("ROLLBACK")], 1)?;
        let mut wire = world.wire()?;
        wire.exchange(&[wire::query("BEGIN")], 1)?;
        wire.send(&script.concat())?;
        approve(world, &world.daemon.the_hold()?)?;
        let mut got = Vec::new();
        for _ in 0..3 {
            got.extend(lines(&mut wire)?);
        }
        ensure!(got == expect, "{got:?}\n{expect:?}");
        Ok(())
    })
}

#[test]
fn a_stop_of_the_daemon_ends_the_wait() -> Result<()> {
    story(&Setup::policy(POLICY), |world| {
        let (psql, _) = held(world)?;
        let status = world.daemon.stop()?;
        ensure!(status.success(), "{status}");
        let (rows, told) = end(psql)?;
        ensure!(!rows.contains("DELETE") && orders(world)? == "3", "{rows}{told}");
        ensure!(told.contains("FATAL") || told.contains("ERROR"), "the client is not told: {told}");
        let outcome = outcome(world)?;
        ensure!(!outcome.0.is_empty() && outcome.0 != "approved", "{outcome:?}");
        Ok(())
    })
}

/// The replies up to the next ReadyForQuery, without the notice of a hold.
fn lines(wire: &mut wire::Wire) -> Result<Vec<String>> {
    let replies = wire.until_ready()?;
    Ok(replies.iter().filter(|reply| reply.tag != b'N').map(Message::line).collect())
}

#[test]
fn what_others_change_while_it_waits_is_not_what_was_approved() -> Result<()> {
    story(&Setup::policy(POLICY), |world| {
        let (psql, id) = held(world)?;
        let put = ["ALTER TABLE orders RENAME TO before", "CREATE TABLE orders AS SELECT * FROM before"];
        world.rows(&put)?;
        output(&mut world.daemon.approvals(&["approve", &id])?)?;
        let (rows, told) = end(psql)?;
        ensure!(told.contains("has changed while it waited"), "{rows}{told}");
        ensure!(rows.contains("goes on") && orders(world)? == "3", "{rows}");
        Ok(())
    })
}
