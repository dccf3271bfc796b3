//! `cargo xtask conformance`: fetches test suites of other people, and runs each twice, direct and through Portreeve.
//! How they are run and compared lies in `tests/conformance`.

mod go;
mod grammar;
mod python;
mod regress;

use std::{ffi::OsString, path::Path};

use anyhow::{Context as _, Result, bail};

use crate::{
    cache::Cache,
    e2e,
    postgres::{self, MAJORS, Major},
    process::{cargo, run as run_command, say, workspace},
};

/// Its arguments.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    other: Option<Other>,
    /// Which suite; all of them if none is named
    suite: Option<Suite>,
    /// Only these of its tests, and what they need; may be given more than once
    #[arg(long, value_name = "TEST")]
    only: Vec<String>,
    #[command(flatten)]
    server: postgres::Choice,
}

/// What is compared with something else than a direct connection.
#[derive(clap::Subcommand)]
enum Other {
    /// What we read of statements, with what PostgreSQL's own grammar reads: corpora, and mutations of them
    Grammar(grammar::Args),
}

/// A suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Suite {
    /// Some of PostgreSQL's regression tests, which CI runs: nothing is compiled for them
    Quick,
    /// PostgreSQL's own regression tests, by psql
    Regress,
    /// The tests of asyncpg: binary format, pipelines, prepared statements, COPY
    Asyncpg,
    /// The tests of pg8000, which speaks the protocol in Python
    Pg8000,
    /// The tests of psycopg2, which is libpq
    Psycopg2,
    /// The tests of py-postgresql, which speaks the protocol in Python: binary format, cursors, COPY from server to server
    PyPostgresql,
    /// The tests of pgx, the driver of Go, which speaks the protocol itself: batches, binary format, COPY, a pool
    Pgx,
    /// The tests of SQLAlchemy's dialect, over psycopg 3 and asyncpg
    Sqlalchemy,
}

/// What is run if none is named, in the order in which they run.
const ALL: [Suite; 7] = [
    Suite::Regress,
    Suite::Asyncpg,
    Suite::Pg8000,
    Suite::Psycopg2,
    Suite::PyPostgresql,
    Suite::Pgx,
    Suite::Sqlalchemy,
];

/// The command.
pub(crate) fn run(args: &Args) -> Result<()> {
    if let Some(Other::Grammar(args)) = &args.other {
        return grammar::run(args);
    }
    say("preparing (the first time: some minutes to fetch and to build)");
    e2e::prepare().context("nothing can be compared here")?;
    let server = args.server.fetch()?;
    let cache = Cache::open()?;
    let suites = match args.suite {
        Some(suite) => vec![suite],
        None => ALL.to_vec(),
    };
    // One that differs does not keep the others from being told.
    let mut different = Vec::new();
    for suite in suites {
        let words = match suite {
            Suite::Quick => regress::prepare_quick(&cache, server.as_ref()),
            Suite::Regress => regress::prepare(&cache, server.as_ref()),
            Suite::Asyncpg => python::prepare(&cache, &python::ASYNCPG),
            Suite::Pg8000 => python::prepare(&cache, &python::PG8000),
            Suite::Psycopg2 => python::prepare(&cache, &python::PSYCOPG2),
            Suite::PyPostgresql => python::prepare(&cache, &python::PY_POSTGRESQL),
            Suite::Pgx => go::prepare(&cache),
            Suite::Sqlalchemy => python::prepare(&cache, &python::SQLALCHEMY),
        };
        let compared = words.and_then(|words| match (suite, &server) {
            // It does not understand how Debian's server writes its version.
            (Suite::PyPostgresql, None) => compare(&words, &args.only, Some(&Major::new(*MAJORS.end())?)),
            (_, server) => compare(&words, &args.only, server.as_ref()),
        });
        if let Err(error) = compared {
            say(&format!("{suite:?}: {error:#}"));
            different.push(format!("{suite:?}"));
        }
    }
    if !different.is_empty() {
        bail!("not the same, or not compared: {}", different.join(", "));
    }
    Ok(())
}

/// The suite of CI, where everything but its files is prepared.
///
/// # Errors
///
/// Its files cannot be had, or a test differs that is not listed.
pub(crate) fn quick() -> Result<()> {
    compare(&regress::prepare_quick(&Cache::open()?, None)?, &[], None)
}

/// What CI compares with PostgreSQL's own grammar.
///
/// # Errors
///
/// Its library cannot be had, or less is read than it reads.
pub(crate) fn grammar() -> Result<()> {
    grammar::quick()
}

/// Runs a suite that is prepared; `words` are its name and its files.
fn compare(words: &[OsString], only: &[String], server: Option<&Major>) -> Result<()> {
    let mut command = cargo();
    command.args(["run", "--quiet", "--package", "e2e", "--bin", "conformance", "--"]).args(words);
    for test in only {
        command.args(["--only", test]);
    }
    if let Some(server) = server {
        server.run_by(&mut command);
    }
    run_command(command.current_dir(workspace()))
}

/// The words that name a suite and its folders.
fn words(suite: &str, folders: &[(&str, &Path)]) -> Vec<OsString> {
    let mut words = vec![OsString::from(suite)];
    for (option, folder) in folders {
        words.extend([OsString::from(option), folder.as_os_str().to_owned()]);
    }
    words
}
