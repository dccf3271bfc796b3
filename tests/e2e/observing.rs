//! What is only observed runs, and everybody who looks is told.

use anyhow::{Result, ensure};
use e2e::{Setup, eventually, story};

const POLICY: &str = "
version: 1
rules:
  - { name: all, actions: [\"*\"], decision: allow, mask: [public.customers.ssn] }
  - { name: no-truncate, actions: [truncate], decision: deny, mode: observe }
  - { name: no-drop, actions: [drop], decision: deny }
";

#[test]
fn what_is_only_observed_runs_and_is_recorded_as_what_it_would_have_been() -> Result<()> {
    story(&Setup::policy(POLICY), |world| {
        world.rows(&["TRUNCATE orders"])?;
        ensure!(world.server.sql("shop", "SELECT count(*) FROM orders")? == "0", "it was enforced");
        let refused = world.error(&["DROP TABLE orders"])?;
        ensure!(refused.contains("\"no-drop\""), "{refused}");

        let would = serde_json::json!({ "decision": "deny", "rule": "no-truncate" });
        let records = world.daemon.export()?;
        let told = records.iter().filter(|record| record["kind"] == "statement");
        let decided = |record: &serde_json::Value| record["body"]["decision"]["would"] == would;
        ensure!(told.filter(|record| decided(record)).count() == 1, "{records:?}");

        let status = world.daemon.status()?;
        let observed = status["policy"]["only_observed"][0].as_str().unwrap_or_default();
        ensure!(observed.starts_with("rule \"no-truncate\" at "), "{status}");
        let log = world.daemon.log();
        ensure!(log.contains("NOT ENFORCED") && log.contains("no-truncate"), "{log}");
        Ok(())
    })
}

#[test]
fn a_mask_on_a_column_that_is_not_there_is_told_to_whoever_looks() -> Result<()> {
    let policy = POLICY.replace("public.customers.ssn", "public.customers.snn");
    story(&Setup::policy(&policy), |world| {
        world.rows(&["SELECT 1"])?;
        world.rows(&["SELECT 2"])?;
        let status = world.daemon.status()?;
        let told = status["policy"]["unknown_names"][0].as_str().unwrap_or_default();
        ensure!(told.starts_with("in shop/shop: ") && told.ends_with("did you mean `ssn`?"), "{status}");
        ensure!(world.daemon.log().matches("names what is not there").count() == 1, "{}", world.daemon.log());
        world.server.sql("shop", "ALTER TABLE customers RENAME ssn TO snn")?;
        // A session that begins once it is noticed finds it there.
        eventually("the column is known", || {
            world.rows(&["SELECT 3"])?;
            let status = world.daemon.status()?;
            ensure!(status["policy"]["unknown_names"].as_array().is_some_and(Vec::is_empty), "{status}");
            Ok(())
        })?;
        Ok(())
    })
}

#[test]
fn on_an_observed_resource_nothing_is_refused_but_a_secret_stays_one() -> Result<()> {
    let policy = POLICY.replace("rules:", "resources: [{ name: shop, mode: observe }]\nrules:");
    story(&Setup::policy(&policy), |world| {
        let direct = world.server.sql("shop", "SELECT ssn FROM customers ORDER BY id LIMIT 1")?;
        let shown = world.rows(&["SELECT ssn FROM customers ORDER BY id LIMIT 1"])?;
        ensure!(shown.trim() != direct.trim(), "in clear: {shown}");
        let copied = world.error(&["COPY customers TO STDOUT"])?;
        ensure!(copied.contains("it masks columns here"), "{copied}");
        world.rows(&["DROP TABLE orders"])?;
        ensure!(world.server.sql("shop", "SELECT to_regclass('orders') IS NULL")? == "t", "it was enforced");
        Ok(())
    })
}
