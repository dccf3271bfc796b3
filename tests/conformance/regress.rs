//! PostgreSQL's own regression suite, run by psql as `pg_regress` does, one test after the other.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use e2e::postgres::programs;
use e2e::process::output;

use crate::Outcomes;
use crate::arguments::Arguments;
use crate::leg::{Leg, run_into};

const DATABASE: &str = "regression";

/// The suite of some of the tests.
pub(crate) const QUICK: &str = "quick";

/// What later tests need of earlier ones, if only some are run.
const GROUND: [&str; 1] = ["test_setup"];

/// A program with its words.
type Tool = (&'static str, &'static [&'static str]);

/// What is run after the tests, in this order. Of data only tables are dumped that hold neither OIDs nor random numbers
/// nor times. The copy is of a database that all have just left.
const TOOLS: [Tool; 9] = [
    ("pg_isready", &["pg_isready"]),
    ("pg_dump --schema-only", &["pg_dump", "--schema-only"]),
    ("pg_dump --table", &["pg_dump", "--table=onek", "--table=tenk1", "--table=int8_tbl"]),
    (
        "pg_dump --inserts",
        &["pg_dump", "--inserts", "--rows-per-insert=7", "--table=onek", "--table=tenk1", "--table=int8_tbl"],
    ),
    ("pg_dumpall", &["pg_dumpall", "--globals-only", "--no-role-passwords"]),
    ("vacuumdb", &["vacuumdb", "--analyze", "--jobs=3"]),
    ("createdb", &["createdb", "--template", DATABASE, "copied"]),
    ("psql -c", &["psql", "-X", "-c", "\\l", "-c", "\\d+", "-c", "\\df+", "-c", "\\dT+", "copied"]),
    ("dropdb", &["dropdb", "copied"]),
];

/// Runs the tests of the schedule, and then the tools.
///
/// # Errors
///
/// The suite's files are not as they were, or the server cannot be prepared.
pub(crate) fn run(leg: &Leg, arguments: &Arguments) -> Result<Outcomes> {
    let source = leg.shared_folder("source")?;
    let build = leg.shared_folder("build")?;
    output(Command::new("cp").arg("-rT").arg(&arguments.files).arg(&source))?;
    output(Command::new("mkdir").args(["-m", "777"]).arg(build.join("results")))?;
    let library = leg.shared_folder("library")?;
    gather(&library, arguments.library.as_deref())?;
    prepare(leg)?;
    let schedule = fs::read_to_string(source.join("parallel_schedule"))?;
    let quick: Vec<&str> = include_str!("quick").lines().filter(|line| !line.starts_with('#')).collect();
    let is_wanted = |test: &str| {
        arguments.wants(test) && (arguments.suite != QUICK || quick.contains(&test)) || GROUND.contains(&test)
    };
    let mut outcomes = Outcomes::new();
    for test in tests(&schedule).filter(|test| is_wanted(test)) {
        let script =
            File::open(source.join("sql").join(format!("{test}.sql"))).with_context(|| test.to_owned())?;
        let said = build.join("said");
        let mut psql = leg.command("psql", DATABASE);
        psql.args(["-X", "-a", "-q", "-v", "HIDE_TABLEAM=on", "-v", "HIDE_TOAST_COMPRESSION=on"])
            .current_dir(&build)
            .stdin(script)
            .env("PGTZ", "PST8PDT")
            .env("PGDATESTYLE", "Postgres, MDY")
            .env("PGOPTIONS", "-c intervalstyle=postgres_verbose")
            .env("PG_ABS_SRCDIR", &source)
            .env("PG_ABS_BUILDDIR", &build)
            .env("PG_LIBDIR", &library)
            .env("PG_DLSUFFIX", ".so");
        run_into(&mut psql, &said)?;
        let text = leg.neutral(&String::from_utf8_lossy(&fs::read(&said)?));
        leg.keep(&format!("{test}.out"), &text)?;
        outcomes.push((test.to_owned(), text));
    }
    for tool in TOOLS.iter().filter(|tool| arguments.wants(tool.0)) {
        outcomes.push(run_tool(leg, tool, &build)?);
    }
    Ok(outcomes)
}

/// One of PostgreSQL's own programs, on what the tests have left.
fn run_tool(leg: &Leg, (name, words): &Tool, build: &Path) -> Result<(String, String)> {
    let said = build.join("said");
    let mut tool = leg.command(programs()?.join(words[0]), DATABASE);
    let status = run_into(tool.args(&words[1..]).current_dir(build), &said)?;
    let text = leg.neutral(&String::from_utf8_lossy(&fs::read(&said)?));
    // pg_dump's key against psql's own commands is another each time.
    let is_key = |line: &str| line.starts_with("\\restrict ") || line.starts_with("\\unrestrict ");
    let text: String = text.split_inclusive('\n').filter(|line| !is_key(line)).collect();
    leg.keep(&format!("{name}.tool"), &text)?;
    Ok(((*name).to_owned(), format!("{text}{status}\n")))
}

/// The modules that tests load: the suite's own, and those of the server that `refint` and `autoinc` are.
fn gather(library: &Path, own: Option<&Path>) -> Result<()> {
    let pkglibdir = output(Command::new(programs()?.join("pg_config")).arg("--pkglibdir"))?;
    let pkglibdir = Path::new(pkglibdir.trim_end());
    for name in ["refint.so", "autoinc.so"] {
        if pkglibdir.join(name).is_file() {
            fs::copy(pkglibdir.join(name), library.join(name))?;
        }
    }
    if let Some(own) = own.filter(|own| own.join("regress.so").is_file()) {
        fs::copy(own.join("regress.so"), library.join("regress.so"))?;
    }
    Ok(())
}

/// The database, with the settings that `pg_regress` gives it.
fn prepare(leg: &Leg) -> Result<()> {
    let server = &leg.world.server;
    server.sql("postgres", &format!("CREATE DATABASE {DATABASE} TEMPLATE template0"))?;
    for setting in [
        "lc_messages TO 'C'",
        "lc_monetary TO 'C'",
        "lc_numeric TO 'C'",
        "lc_time TO 'C'",
        "bytea_output TO 'hex'",
        "timezone_abbreviations TO 'Default'",
    ] {
        server.sql("postgres", &format!("ALTER DATABASE {DATABASE} SET {setting}"))?;
    }
    Ok(())
}

/// The schedule's tests in its order: `test: NAME NAME …` runs some at once there.
fn tests(schedule: &str) -> impl Iterator<Item = &str> {
    schedule.lines().filter_map(|line| line.strip_prefix("test:")).flat_map(str::split_whitespace)
}
