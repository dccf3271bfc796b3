//! Where the policy allows everything, nobody can tell that Portreeve is there: `cargo xtask conformance` runs a test
//! suite of other people twice at the same time, direct and through Portreeve, and compares what each test says.
//!
//! Both ways end at servers of their own that begin alike, so that neither sees what the other left.

mod arguments;
mod compare;
mod go;
mod known;
mod leg;
mod neutral;
mod python;
mod regress;
mod report;

use std::io::Write as _;
use std::process::ExitCode;
use std::thread;

use anyhow::{Context as _, Result, anyhow, bail};

use self::arguments::Arguments;
use self::known::Known;
use self::leg::{Leg, Way};
use self::report::Report;

/// What a test said, by its name, in the order in which they ran.
type Outcomes = Vec<(String, String)>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "conformance: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments = Arguments::parse(std::env::args_os().skip(1))?;
    let (suite, known): (fn(&Leg, &Arguments) -> Result<Outcomes>, _) = match arguments.suite.as_str() {
        "regress" | regress::QUICK => (regress::run, include_str!("known/regress")),
        "asyncpg" => (python::run, include_str!("known/asyncpg")),
        "pgx" => (go::run, include_str!("known/pgx")),
        "pg8000" => (python::run, include_str!("known/pg8000")),
        "psycopg2" => (python::run, include_str!("known/psycopg2")),
        "py-postgresql" => (python::run, include_str!("known/py-postgresql")),
        "sqlalchemy" => (python::run, include_str!("known/sqlalchemy")),
        other => bail!("no suite is called `{other}`"),
    };
    let one = |way: Way| {
        let leg = Leg::new(way, &arguments)?;
        let outcomes = suite(&leg, &arguments);
        leg.keep_log()?;
        leg.check()?;
        outcomes.with_context(|| format!("the run {}", way.name()))
    };
    // A world ends with the thread that made it.
    let (direct, through) = thread::scope(|scope| {
        let direct = scope.spawn(|| one(Way::Direct));
        let through = one(Way::Through);
        (direct.join(), through)
    });
    let direct = direct.map_err(|_| anyhow!("the direct run died"))??;
    let report = Report::new(compare::pair(direct, through?), Known::parse(known)?);
    report.tell(&arguments)
}
