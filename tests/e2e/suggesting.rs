//! From watching to enforcing: a resource is observed, a policy is proposed from what ran there, and holds.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use e2e::process::output;
use e2e::{Setup, World, story};

const OBSERVED: &str = "
version: 1
resources: [{ name: shop, mode: observe }]
rules: []
";

/// What the job does all day.
const WORK: [&str; 5] = [
    "SELECT name, lower(name) FROM customers WHERE id = 1",
    "UPDATE orders SET total = total + 1 WHERE id = 1",
    "CREATE TEMP TABLE scratch AS SELECT id FROM orders; SELECT count(*) FROM scratch",
    "SET work_mem = '8MB'",
    "BEGIN; DELETE FROM orders WHERE id = 2; ROLLBACK",
];

fn portreeve(world: &World, arguments: &[&str]) -> Result<Command> {
    world.daemon.command(&[&["policy"], arguments].concat())
}

#[test]
fn what_is_proposed_from_an_observed_resource_lets_the_same_work_through_and_nothing_else() -> Result<()> {
    let mut proposed = String::new();
    story(&Setup::policy(OBSERVED), |world| {
        world.rows(&WORK)?;
        let evidence = world.daemon.evidence();
        proposed = output(portreeve(world, &["suggest", "--from"])?.arg(&evidence))?;
        ensure!(proposed.contains("CREATE TEMP TABLE scratch"), "{proposed}");

        let file = |name: &str, text: &str| -> Result<std::path::PathBuf> {
            let path = Path::new(&evidence).with_file_name(name);
            std::fs::write(&path, text)?;
            Ok(path)
        };
        let (new, none) = (file("new.yaml", &proposed)?, file("none.yaml", "version: 1\nrules: []\n")?);
        let mut diff = portreeve(world, &["diff"])?;
        let lost = output(diff.args([&new, &none]).arg("--over").arg(&evidence))?;
        ensure!(lost.contains("allow -> deny") && lost.contains("UPDATE orders SET total"), "{lost}");
        let mut diff = portreeve(world, &["diff", "--exit-code"])?;
        let same = output(diff.args([&new, &new]).arg("--over").arg(&evidence))?;
        ensure!(same.starts_with("0 of "), "{same}");
        Ok(())
    })?;
    if proposed.is_empty() {
        return Ok(());
    }
    story(&Setup::policy(&proposed), |world| {
        world.rows(&WORK)?;
        for other in [
            "SELECT ssn FROM accounts",
            "DELETE FROM orders",
            "DROP TABLE orders",
            "SET statement_timeout = 0",
        ] {
            ensure!(world.error(&[other]).is_ok(), "{other} ran, by\n{proposed}");
        }
        ensure!(world.server.sql("shop", "SELECT count(*) > 0 FROM orders")? == "t", "rows are gone");
        Ok(())
    })
}
