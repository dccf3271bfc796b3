//! Suites of Python drivers, run by pytest.

mod reports;

use std::fs;
use std::process::Command;

use anyhow::{Result, bail};
use e2e::process::output;

use crate::Outcomes;
use crate::arguments::Arguments;
use crate::leg::{Leg, PASSWORD, ROLE, run_into};

/// A suite, and how its tests are told where the server is.
#[derive(Debug)]
pub(crate) struct Suite {
    /// Its name.
    pub(crate) name: &'static str,
    /// The database that its tests work in.
    database: &'static str,
    /// Words for pytest: what is run, and what is not.
    words: &'static [&'static str],
    /// Variables beside those of `libpq`; `ADDRESS`, `PORT`, `ROLE` and `PASSWORD` are filled in.
    variables: &'static [(&'static str, &'static str)],
    /// Statements that its authors ask to run first.
    ground: &'static [&'static str],
}

/// All of them.
const SUITES: [Suite; 5] = [
    Suite { name: "asyncpg", database: "postgres", words: &["tests"], variables: &[], ground: &[] },
    Suite {
        name: "pg8000",
        database: "postgres",
        words: &["test"],
        variables: &[],
        ground: &["CREATE EXTENSION hstore"],
    },
    Suite {
        name: "psycopg2",
        database: "psycopg2_test",
        words: &["tests"],
        variables: &[("PSYCOPG2_TESTDB", "psycopg2_test")],
        ground: &[],
    },
    Suite {
        name: "py-postgresql",
        database: "postgres",
        // Those left out start a cluster of their own, or are of the module in C.
        words: &[
            "postgresql/test",
            "--ignore=postgresql/test/test_cluster.py",
            "--ignore=postgresql/test/test_connect.py",
            "--ignore=postgresql/test/test_installation.py",
            "--ignore=postgresql/test/test_optimized.py",
            "--ignore=postgresql/test/test_ssl_connect.py",
        ],
        variables: &[
            ("PGTEST", "pq://ROLE:PASSWORD@ADDRESS:PORT/postgres"),
            // It verifies whatever certificate it is shown.
            ("PGSSLMODE", "disable"),
            // It asks who its user is, and the job has no name.
            ("LOGNAME", "ROLE"),
        ],
        ground: &[],
    },
    Suite {
        name: "sqlalchemy",
        database: "test",
        words: &[
            "test/dialect",
            "--maxfail=100000",
            "--dburi=postgresql+psycopg://ROLE:PASSWORD@ADDRESS:PORT/test",
            "--dburi=postgresql+asyncpg://ROLE:PASSWORD@ADDRESS:PORT/test",
        ],
        variables: &[],
        ground: &["CREATE SCHEMA test_schema", "CREATE SCHEMA test_schema_2", "CREATE EXTENSION hstore"],
    },
];

/// Runs the suite that is named.
///
/// # Errors
///
/// pytest does not run.
pub(crate) fn run(leg: &Leg, arguments: &Arguments) -> Result<Outcomes> {
    let Some(suite) = SUITES.iter().find(|suite| suite.name == arguments.suite) else {
        bail!("no suite is called `{}`", arguments.suite)
    };
    if suite.database != "postgres" {
        leg.world.server.sql("postgres", &format!("CREATE DATABASE {}", suite.database))?;
    }
    for statement in suite.ground {
        leg.world.server.sql(suite.database, statement)?;
    }
    let folder = leg.shared_folder("suite")?;
    output(Command::new("cp").arg("-rT").arg(&arguments.files).arg(&folder))?;
    output(Command::new("chmod").args(["-R", "a+rwX"]).arg(&folder))?;
    let filled = |text: &str| {
        let text = text.replace("ADDRESS", &leg.address().to_string());
        let text = text.replace("ROLE", ROLE).replace("PASSWORD", PASSWORD);
        text.replace("PORT", &leg.world.port().to_string())
    };
    let reports = folder.join("reports");
    // Debian's: another may lie where the job may not look. A test may take long on a machine that has much else to do:
    // asyncpg's makes a thousand tables.
    let mut pytest = leg.command("/usr/bin/python3", suite.database);
    pytest
        .args(["-m", "pytest", "-p", "no:cacheprovider", "--timeout=300", "--tb=native", "--report-log"])
        .arg(&reports)
        .args(suite.words.iter().map(|word| filled(word)))
        .args(arguments.only().iter().flat_map(|only| ["-k", only]))
        .current_dir(folder.join("tests"))
        .env("HOME", &folder)
        .env("PYTHONPATH", folder.join("packages"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        // Of several reasons to skip a test the first is told, in the order of a set: the same in both runs.
        .env("PYTHONHASHSEED", "0")
        .envs(suite.variables.iter().map(|(name, value)| (name, filled(value))));
    let said = folder.join("said");
    let status = run_into(&mut pytest, &said)?;
    let said = String::from_utf8_lossy(&fs::read(said)?).into_owned();
    leg.keep("said", &said)?;
    let Ok(reports) = fs::read_to_string(reports) else {
        bail!("pytest did not run ({status}): {said}");
    };
    reports::read(&reports, |text| leg.neutral(text))
}
