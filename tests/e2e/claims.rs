//! Who a job is by what its CI system says of it, and signs.

use std::path::Path;

use anyhow::{Result, ensure};
use e2e::process::finish;
use e2e::world::text;
use e2e::{Setup, World, story};

const POLICY: &str = "
version: 1
rules:
  - name: main-migrates
    who: { claims: { project_path: shop/shop, ref: main } }
    actions: [\"*\"]
    decision: allow
  # Who shows no token may be the one whom this is about.
  - name: not-from-branches
    who: { claims: { ref: 'top*' } }
    actions: [select]
    relations: public.customers
    decision: deny
  - { name: sessions, actions: [session], decision: allow }
  - { name: anybody-else, actions: [select], relations: public.customers, decision: allow }
";

/// What a job with that variable in its environment is answered.
fn answer(world: &World, table: &str, variable: Option<(&str, &str)>) -> Result<String> {
    let mut command = world.job().psql(&world.address());
    command.args(["-c", &format!("SELECT count(*) FROM {table}")]);
    command.envs(variable);
    let output = finish(&mut command)?;
    Ok(text(&output.stdout) + &text(&output.stderr))
}

#[test]
fn a_job_is_who_its_token_says_and_nobody_without_one_that_holds() -> Result<()> {
    let tokens = Path::new(env!("CARGO_MANIFEST_DIR")).join("tokens");
    let read = |name: &str| std::fs::read_to_string(tokens.join(name));
    let (main, branch) = (read("main.jwt")?, read("branch.jwt")?);
    // Whoever has the sources may be another user than the daemon.
    let folder = tempfile::tempdir()?;
    let keys = folder.path().join("keys.json");
    std::fs::write(&keys, read("keys.json")?)?;
    let config = format!(
        "identity:\n  tokens:\n    - {{ issuer: \"https://gitlab.example.com\", audience: portreeve, keys_file: {} }}\n",
        keys.display()
    );
    story(&Setup { config, ..Setup::policy(POLICY) }, |world| {
        let variable = "PORTREEVE_ID_TOKEN";
        ensure!(
            answer(world, "orders", Some((variable, main.trim())))?.trim() == "3",
            "the job of main is not known"
        );
        let told = answer(world, "customers", Some((variable, main.trim())))?;
        ensure!(told.trim() == "3", "{told}");
        let changed = main.trim().replace('.', "..");
        for other in
            [None, Some((variable, branch.trim())), Some((variable, &changed)), Some(("OTHER", main.trim()))]
        {
            let told = answer(world, "orders", other)?;
            ensure!(told.contains("no rule allows it"), "{other:?}: {told}");
            let told = answer(world, "customers", other)?;
            ensure!(told.contains("not-from-branches"), "{other:?}: {told}");
        }
        // The record knows the claims, and nobody the token.
        let records = world.daemon.export()?;
        let starts = records.iter().filter(|record| record["kind"] == "session-start");
        let refs = starts.filter(|start| start["body"]["principal"]["claims"]["ref"][0] == "main");
        ensure!(refs.count() == 2, "{records:?}");
        let signature = main.trim().rsplit('.').next().unwrap_or_default();
        let log = world.daemon.log();
        ensure!(log.contains("a job's token is not taken: it is no signed token"), "{log}");
        ensure!(!format!("{records:?}{log}").contains(signature), "the token is told");
        Ok(())
    })
}
