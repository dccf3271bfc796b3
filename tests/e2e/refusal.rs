//! A refused statement leaves everything around it as an error of PostgreSQL's own would.

use anyhow::{Result, ensure};
use e2e::process::finish;
use e2e::wire;
use e2e::{Setup, World, story};

const POLICY: &str = "
version: 1
rules:
  - { name: all, actions: [\"*\", opaque], decision: allow }
  - { name: no-drop, actions: [drop, truncate], decision: deny, message: Ask for a migration. }
  - { name: no-deletes, actions: [delete, delete-all], relations: [\"public.customers\"], decision: deny }
";

/// Sends the messages with a refused statement in them through Portreeve, and with one that PostgreSQL itself
/// refuses to the server. The replies must be the same but for the code, and so must be what is in the table.
fn check(world: &World, script: impl Fn(&str) -> Vec<Vec<u8>>, ready: usize) -> Result<()> {
    let left = "DELETE FROM orders WHERE id >= 60 RETURNING id";
    let got = world.wire()?.talk(&script("DELETE FROM customers WHERE id = 1"), ready)?;
    let got_left = world.server.sql("shop", left)?;
    let expect = world.direct_wire()?.talk(&script("DELETE FROM absent WHERE id = 1"), ready)?;
    let expect: Vec<String> = expect.iter().map(|line| line.replace("E 42P01", "E 42501")).collect();
    let expect_left = world.server.sql("shop", left)?;
    ensure!(got == expect, "through Portreeve:\n{}\nfrom the server:\n{}", got.join("\n"), expect.join("\n"));
    ensure!(got_left == expect_left, "left through Portreeve: {got_left}; by the server: {expect_left}");
    ensure!(got.iter().any(|line| line == "E 42501"), "nothing was refused: {got:?}");
    ensure!(world.server.sql("shop", "SELECT count(*) FROM customers WHERE id = 1")? == "1", "it ran");
    Ok(())
}

#[test]
fn the_client_learns_the_rule_and_the_session_goes_on() -> Result<()> {
    story(&Setup::policy(POLICY), |world| {
        let output =
            world.psql(&["\\set VERBOSITY verbose", "DROP TABLE orders", "SELECT count(*) FROM orders"])?;
        let (rows, error) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(error.contains("42501") && error.contains("\"no-drop\""), "{error}");
        let line = "drop table public.orders is denied by rule \"no-drop\": Ask for a migration.";
        ensure!(error.lines().any(|told| told.ends_with(line)), "{error}");
        ensure!(rows.trim() == "3", "{rows}");
        ensure!(!world.server.log().contains("DROP TABLE"), "the server has seen it");
        Ok(())
    })
}

#[test]
fn in_the_simple_protocol() -> Result<()> {
    story(&Setup::policy(POLICY), |world| {
        check(world, |refused| vec![wire::query(refused), wire::query("SELECT 1")], 2)?;
        check(world, |refused| ["BEGIN", refused, "SELECT 1", "ROLLBACK"].map(wire::query).to_vec(), 4)
    })
}

#[test]
fn a_query_with_one_refused_statement_does_not_run_at_all() -> Result<()> {
    story(&Setup::policy(POLICY), |world| {
        let sql = "INSERT INTO orders VALUES (50, 1, 1, 'x'); DROP TABLE orders; SELECT 1";
        let replies = world.wire()?.talk(&[wire::query(sql)], 1)?;
        ensure!(replies == ["E 42501", "Z I"], "{replies:?}");
        ensure!(world.server.sql("shop", "SELECT count(*) FROM orders WHERE id = 50")? == "0");
        ensure!(!world.server.log().contains("INSERT INTO orders VALUES (50"), "the server has seen it");
        Ok(())
    })
}

#[test]
fn in_the_extended_protocol() -> Result<()> {
    story(&Setup::policy(POLICY), |world| {
        check(world, |refused| vec![wire::run(refused), wire::sync(), wire::run("SELECT 1"), wire::sync()], 2)
    })
}

#[test]
fn what_is_not_there_is_refused_as_postgresql_refuses_it() -> Result<()> {
    let policy = "
version: 1
rules:
  - { name: all, actions: [\"*\"], decision: allow, mask: [public.customers.ssn] }
";
    let absent = [
        "SELECT 1 FROM absent",
        "SELECT 1 FROM nowhere.absent",
        "INSERT INTO orders SELECT * FROM absent",
        "UPDATE absent SET a = 1 WHERE a = 2",
        "DROP TABLE absent",
        "CREATE INDEX ON absent (a)",
        "SELECT absent(1)",
        "SELECT NULL::absent",
    ];
    story(&Setup::policy(policy), |world| {
        for sql in absent {
            for script in [
                vec![wire::query(sql), wire::query("SELECT 1")],
                vec![wire::run(sql), wire::sync(), wire::run("SELECT 1"), wire::sync()],
            ] {
                // Utility statements fail a message later there.
                let errors = |mut lines: Vec<String>| {
                    lines.retain(|line| line.starts_with(['E', 'Z']));
                    lines
                };
                let got = errors(world.wire()?.talk(&script, 2)?);
                let expect = errors(world.direct_wire()?.talk(&script, 2)?);
                ensure!(got == expect, "{sql}\nthrough Portreeve: {got:?}\nfrom the server: {expect:?}");
                ensure!(got.iter().any(|line| line.starts_with("E 42")), "{sql}: {got:?}");
            }
        }
        let told =
            String::from_utf8_lossy(&world.psql(&["SELECT count(*) FROM absent"])?.stderr).into_owned();
        ensure!(told.contains("relation \"absent\" does not exist"), "{told}");
        ensure!(told.contains("rule \"default\""), "{told}");
        // What has been made meanwhile is found, whoever made it.
        let mut wire = world.wire()?;
        let read = [wire::query("SELECT count(*) FROM absent")];
        ensure!(wire.talk(&read, 1)?.iter().any(|line| line == "E 42P01"));
        world.server.sql("shop", "CREATE TABLE absent (); GRANT SELECT ON absent TO PUBLIC")?;
        let found = wire.talk(&read, 1)?;
        ensure!(!found.iter().any(|line| line.starts_with('E')), "{found:?}");
        Ok(())
    })
}

#[test]
fn in_the_middle_of_a_pipeline() -> Result<()> {
    story(&Setup::policy(POLICY), |world| {
        let insert = |id: u32| wire::run(&format!("INSERT INTO orders VALUES ({id}, 1, 1, 'new')"));
        // What stands before it in the same implicit transaction is rolled back with it.
        check(
            world,
            |refused| {
                vec![insert(60), wire::run(refused), insert(61), wire::sync(), insert(62), wire::sync()]
            },
            2,
        )
    })
}

#[test]
fn in_an_open_transaction() -> Result<()> {
    story(&Setup::policy(POLICY), |world| {
        check(
            world,
            |refused| {
                vec![
                    wire::query("BEGIN"),
                    wire::query("SAVEPOINT a"),
                    wire::run(refused),
                    wire::run("SELECT 1"),
                    wire::sync(),
                    wire::run("SELECT 2"),
                    wire::sync(),
                    wire::query("ROLLBACK TO a"),
                    wire::run("SELECT 3"),
                    wire::sync(),
                    wire::query("COMMIT"),
                ]
            },
            7,
        )
    })
}

#[test]
fn a_refused_statement_can_be_prepared_again_and_stays_refused() -> Result<()> {
    story(&Setup::policy(POLICY), |world| {
        let client = world.connect()?;
        world.block_on(async {
            for _ in 0..3 {
                let error = client.execute("TRUNCATE orders", &[]).await;
                ensure!(error.is_err_and(|error| error.code().is_some_and(|code| code.code() == "42501")));
                let error = client.execute("DELETE FROM customers WHERE id = $1", &[&1_i32]).await;
                ensure!(error.is_err_and(|error| error.code().is_some_and(|code| code.code() == "42501")));
                ensure!(client.query("SELECT 1", &[]).await?.len() == 1);
            }
            client.batch_execute("PREPARE d AS DELETE FROM customers WHERE id = $1").await.ok();
            ensure!(client.batch_execute("EXECUTE d(1)").await.is_err(), "EXECUTE ran a refused statement");
            ensure!(client.query("SELECT 1", &[]).await?.len() == 1);
            Ok(())
        })?;
        ensure!(world.server.sql("shop", "SELECT count(*) FROM customers")? == "3");
        Ok(())
    })
}

#[test]
fn rules_are_about_the_process_that_connects() -> Result<()> {
    let policy = "
version: 1
rules:
  - { name: of-uid, who: { uid: 20007 }, actions: [select], decision: allow }
  - { name: of-cgroup, who: { cgroup: \"/portreeve-e2e-*\", uid: 20008 }, actions: [select], decision: allow }
  - { name: of-program, who: { executable: \"*/psql\", uid: 20009 }, actions: [select], decision: allow }
  - { name: no-program, who: { executable: /usr/bin/absent, uid: 20010 }, actions: [select], decision: allow }
";
    story(&Setup::policy(policy), |world| {
        for (uid, allowed) in
            [(20_007, true), (20_008, true), (20_009, true), (20_010, false), (20_011, false)]
        {
            let mut psql = world.job_of(uid).psql(&world.address());
            let output = finish(psql.args(["-c", "SELECT count(*) FROM orders"]))?;
            ensure!(output.status.success() == allowed, "uid {uid}: {output:?}");
        }
        Ok(())
    })
}
