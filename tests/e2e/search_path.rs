//! Names mean what the server's effective search path says, and to ask for it leaves no trace.

use anyhow::{Context as _, Result, ensure};
use e2e::wire::{self, Message};
use e2e::world::ROLE;
use e2e::{Setup, World, eventually, story};

use crate::steps::{play, q};

#[test]
fn a_table_is_created_where_the_server_creates_it_and_not_where_it_looks_first() -> Result<()> {
    let policy = "
version: 1
rules:
  - { name: all, actions: [\"*\"], decision: allow }
  - { name: nothing-new, actions: [create], relations: [\"public.*\"], decision: deny }
";
    story(&Setup::policy(policy), |world| {
        // The session's temporary schema is looked through first once it is there, and nothing is created in it.
        let told = world.error(&["CREATE TEMP TABLE own (id int)", "CREATE TABLE late (id int)"])?;
        ensure!(told.contains("\"nothing-new\""), "{told}");
        ensure!(world.server.sql("shop", "SELECT to_regclass('public.late') IS NULL")? == "t", "it is there");
        // Listed first, it is created in.
        let listed =
            ["SET search_path = pg_temp, public", "CREATE TABLE late (id int)", "SELECT count(*) FROM late"];
        ensure!(world.rows(&listed)?.ends_with('0'), "it is not found");
        Ok(())
    })
}

/// One in which a table may be read, and one in which none may.
fn two_schemas() -> Setup {
    let policy = "
version: 1
rules:
  - { name: all, actions: [\"*\"], decision: allow }
  - { name: no-vault, actions: [\"*\"], relations: [\"vault.*\"], decision: deny }
";
    let mut setup = Setup::policy(policy);
    setup.database = format!(
        "CREATE SCHEMA vault AUTHORIZATION {ROLE}; CREATE TABLE vault.notes (a text);
         CREATE SCHEMA mine AUTHORIZATION {ROLE};"
    );
    setup
}

/// The one that changed it sends nothing more, and the look that is taken every ten seconds is far.
#[test]
fn what_one_session_has_changed_others_go_by() -> Result<()> {
    story(&two_schemas(), |world| {
        let (mut one, mut other) = (world.wire()?, world.wire()?);
        let read = "SELECT a FROM notes";
        for _ in 0..20 {
            play(&mut one, &[q("CREATE TABLE mine.notes (a text)")])?;
            let lines = play(&mut other, &[q("SET search_path = mine, vault"), q(read)])?;
            ensure!(lines.contains(&"C SELECT 0".to_owned()), "{lines:?}");
            play(&mut one, &[q("BEGIN"), q("DROP TABLE mine.notes"), q("COMMIT")])?;
            let lines = play(&mut other, &[q(read)])?;
            ensure!(lines.contains(&"E 42501".to_owned()), "{lines:?}");
        }
        Ok(())
    })
}

/// Search paths, as they may be written.
const PATHS: &[&str] = &[
    "",
    "public",
    "pg_temp",
    "pg_temp, public",
    "PG_TEMP ,Public",
    "absent, pg_temp, spare",
    "spare, pg_temp",
    "secret, pg_temp, public",
    "\"$user\", pg_temp, public",
    "$user,pg_temp",
    "pg_temp, \"$user\", public, pg_catalog",
    "pg_catalog, pg_temp",
    "pg_temp, \"q\"\"q\", \"B c\" ,\tspare\n,absent",
    "\"\", pg_temp",
    "\"PG_TEMP\", public",
    "a\"b, pg_temp",
];

#[test]
fn the_path_is_asked_for_without_a_trace_and_is_the_servers_own() -> Result<()> {
    let setup = Setup { server: vec!["log_statement=all".to_owned()], ..Setup::default() };
    story(&setup, |world| {
        let schemas = format!(
            "CREATE SCHEMA spare; CREATE SCHEMA \"B c\"; CREATE SCHEMA \"q\"\"q\"; CREATE SCHEMA secret;
             CREATE SCHEMA {ROLE}; GRANT USAGE ON SCHEMA spare, \"B c\", \"q\"\"q\", {ROLE} TO {ROLE}"
        );
        world.server.sql("shop", &schemas)?;
        let looks = [
            "SET search_path = pg_temp, public",
            "SELECT count(*) FROM orders",
            "SELECT pg_my_temp_schema()",
        ];
        let rows = world.rows(&looks)?;
        ensure!(rows.ends_with("3\n0"), "a temporary schema was made: {rows}");
        let (short, listed) = (question(world, "pg_my_temp_schema")?, question(world, "regexp_matches")?);
        for path in PATHS {
            check(world, path, (&short, &listed)).with_context(|| format!("search_path = {path:?}"))?;
        }
        Ok(())
    })
}

/// What the session asked the server with that word in it, as the server has logged it.
fn question(world: &World, word: &str) -> Result<String> {
    let log = world.server.log();
    let asked = log.lines().filter(|line| line.contains("-facts: ") && line.contains(word));
    let asked = asked.filter_map(|line| line.split_once("-facts: ")).next();
    Ok(asked.with_context(|| format!("{word} was not asked"))?.1.to_owned())
}

/// What the session learns is what `current_schema()` and `current_schemas(true)` say afterwards.
fn check(world: &World, path: &str, (short, listed): (&str, &str)) -> Result<()> {
    for before in ["", "CREATE TEMP TABLE own (id int);"] {
        let set = format!("SET ROLE {ROLE}; {before} SELECT set_config('search_path', '{path}', false)");
        let ask = |question: &str| {
            // The role's own session, as `$user` and privileges are about it.
            let theirs =
                "SELECT coalesce(current_schema(), '') UNION ALL SELECT * FROM unnest(current_schemas(true))";
            let text = format!("{set};\n{question};\nSELECT '--', pg_my_temp_schema() <> 0;\n{theirs}");
            world.server.sql("shop", &text)
        };
        let mut told = parts(&ask(short)?, path)?;
        if told.0.is_empty() {
            told = parts(&ask(listed)?, path)?;
        }
        let (mut ours, made, theirs) = told;
        ensure!(made != before.is_empty(), "whether there is a temporary schema: {made}");
        if !theirs.iter().any(|schema| schema == "pg_temp") {
            // One that is listed and not there.
            ours.retain(|schema| schema != "pg_temp");
        }
        ensure!(ours == theirs, "{ours:?} is {theirs:?}");
    }
    Ok(())
}

/// What stands behind the setting: the answer, whether there was a temporary schema then, and the server's own.
fn parts(rows: &str, path: &str) -> Result<(Vec<String>, bool, Vec<String>)> {
    let rows = rows.strip_prefix(path).context("the setting comes first")?;
    let plain = |row: &str| if row.starts_with("pg_temp_") { "pg_temp".to_owned() } else { row.to_owned() };
    let mut rows = rows.strip_prefix('\n').unwrap_or(rows).split('\n');
    let mut made = None;
    let ours = rows
        .by_ref()
        .take_while(|row| {
            made = row.strip_prefix("--|").map(|is| is == "t");
            made.is_none()
        })
        .map(plain)
        .collect();
    Ok((ours, made.context("no mark")?, rows.map(plain).collect()))
}

/// It has been read, and is judged when the one before it has ended.
#[test]
fn what_others_have_changed_a_message_that_waits_goes_by() -> Result<()> {
    let mut setup = two_schemas();
    setup.database += "CREATE TABLE mine.notes (a text);";
    story(&setup, |world| {
        let (mut one, mut other) = (world.wire()?, world.wire()?);
        play(&mut other, &[q("SELECT 1")])?;
        let asleep = "SET search_path = mine, vault; SELECT pg_sleep(1)";
        other.send(&[wire::query(asleep), wire::query("SELECT a FROM notes")].concat())?;
        let sleeps = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        eventually("it sleeps", || {
            ensure!(world.server.sql("shop", sleeps)? == "1");
            Ok(())
        })?;
        play(&mut one, &[q("DROP TABLE mine.notes")])?;
        let lines: Vec<String> =
            [other.until_ready()?, other.until_ready()?].iter().flatten().map(Message::line).collect();
        ensure!(lines.contains(&"E 42501".to_owned()), "{lines:?}");
        Ok(())
    })
}
