//! Replication connections: refused unless a rule names them, and then passed.

use std::process::Command;

use anyhow::{Result, ensure};
use e2e::postgres::programs;
use e2e::process::{finish, output};
use e2e::world::{ALLOW_ALL, ROLE, text};
use e2e::{Setup, World, story};

const REPLICATE: &str = "
version: 1
rules:
  - { name: backups, actions: [replicate, select, show, set, function], decision: allow }
";

fn setup(policy: &str) -> Setup {
    let mut setup = Setup::policy(policy);
    setup.server = vec!["wal_level=logical".to_owned()];
    setup
}

/// One of PostgreSQL's own programs, as a job runs it.
fn program(world: &World, name: &str) -> Result<Command> {
    let mut command = world.job().command(programs()?.join(name));
    let to = world.destination();
    command.args(["-w", "-U", "job", "-h", &to.ip().to_string(), "-p", &to.port().to_string()]);
    Ok(command)
}

/// psql on a replication connection.
fn psql(world: &World, kind: &str, command: &str) -> Command {
    let to = world.destination();
    let connection = format!("host={} port={} dbname=shop user=job replication={kind}", to.ip(), to.port());
    let mut psql = world.job().psql(&connection);
    psql.args(["-c", command]);
    psql
}

#[test]
fn a_start_that_asks_for_replication_needs_a_rule_that_names_it() -> Result<()> {
    let masked = format!("{REPLICATE}  - {{ name: mask, mask: public.customers.ssn }}\n");
    for (policy, expect) in [
        (ALLOW_ALL, "replicate is denied by rule \"default\": no rule allows it"),
        (&masked, "replicate is denied by rule \"mask\""),
    ] {
        story(&setup(policy), |world| {
            for kind in ["true", "database", "1"] {
                let refused = finish(&mut psql(world, kind, "IDENTIFY_SYSTEM"))?;
                ensure!(text(&refused.stderr).contains(expect), "{kind}: {refused:?}");
            }
            ensure!(!world.server.log().contains("IDENTIFY_SYSTEM"), "the server has seen it");
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn changes_are_streamed() -> Result<()> {
    story(&setup(REPLICATE), |world| {
        world.server.sql("shop", &format!("ALTER ROLE {ROLE} REPLICATION"))?;
        let slot = |what: &[&str]| -> Result<Command> {
            let mut command = program(world, "pg_recvlogical")?;
            command.args(["-d", "shop", "--slot", "made"]).args(what);
            Ok(command)
        };
        output(&mut slot(&["--create-slot", "-P", "test_decoding"])?)?;
        world.server.sql("shop", "INSERT INTO orders VALUES (90, 1, 1, 'streamed')")?;
        let end = world.server.sql("shop", "SELECT pg_current_wal_insert_lsn()")?;
        let streamed = output(&mut slot(&["--start", "--no-loop", "--endpos", &end, "-f", "-"])?)?;
        ensure!(
            streamed.contains("table public.orders: INSERT") && streamed.contains("streamed"),
            "{streamed}"
        );
        output(&mut slot(&["--drop-slot"])?)?;
        // What was streamed is in the record, as any result is.
        let records = world.daemon.export()?;
        ensure!(
            records.iter().any(|record| record.to_string().contains("START_REPLICATION SLOT")),
            "no record"
        );
        Ok(())
    })
}

#[test]
fn a_base_backup_is_taken() -> Result<()> {
    story(&setup(REPLICATE), |world| {
        world.server.sql("shop", &format!("ALTER ROLE {ROLE} REPLICATION"))?;
        let backup = tempfile::tempdir()?;
        std::os::unix::fs::chown(backup.path(), Some(world.job().uid), Some(world.job().gid))?;
        let folder = backup.path().join("backup");
        output(program(world, "pg_basebackup")?.args(["-c", "fast", "-X", "stream", "-D"]).arg(&folder))?;
        output(world.job().command(programs()?.join("pg_verifybackup")).arg(&folder))?;
        Ok(())
    })
}

#[test]
fn sql_on_a_replication_connection_is_judged_as_any() -> Result<()> {
    story(&setup(REPLICATE), |world| {
        world.server.sql("shop", &format!("ALTER ROLE {ROLE} REPLICATION"))?;
        let shown = finish(&mut psql(world, "database", "SHOW wal_level"))?;
        ensure!(text(&shown.stdout) == "logical\n", "{shown:?}");
        let read = finish(&mut psql(world, "database", "SELECT count(*) FROM public.customers"))?;
        ensure!(text(&read.stdout) == "3\n", "{read:?}");
        for sql in ["DROP TABLE public.orders", "/* */ DROP TABLE public.orders", "DELETE FROM public.orders"]
        {
            let refused = finish(&mut psql(world, "database", sql))?;
            ensure!(text(&refused.stderr).contains("is denied by rule"), "{sql}: {refused:?}");
        }
        ensure!(world.server.sql("shop", "SELECT count(*) FROM orders")? == "3");
        Ok(())
    })
}
