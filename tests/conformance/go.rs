//! The suite of pgx, the driver of Go: its tests as programs, each a package's.

use std::fs;
use std::process::Command;

use anyhow::{Result, bail};
use e2e::process::output;

use crate::Outcomes;
use crate::arguments::Arguments;
use crate::leg::{Leg, PASSWORD, ROLE, run_into};

const DATABASE: &str = "pgx_test";

/// The packages, as their programs are called.
const PACKAGES: [&str; 2] = ["pgx", "pgxpool"];

/// Runs it.
///
/// # Errors
///
/// A program does not run.
pub(crate) fn run(leg: &Leg, arguments: &Arguments) -> Result<Outcomes> {
    leg.world.server.sql("postgres", &format!("CREATE DATABASE {DATABASE}"))?;
    for statement in ["CREATE EXTENSION hstore", "CREATE DOMAIN uint64 AS numeric(20,0)"] {
        leg.world.server.sql(DATABASE, statement)?;
    }
    let folder = leg.shared_folder("suite")?;
    output(Command::new("cp").arg("-rT").arg(&arguments.files).arg(&folder))?;
    output(Command::new("chmod").args(["-R", "a+rwX"]).arg(&folder))?;
    let address = format!(
        "host={} port={} user={ROLE} password={PASSWORD} dbname={DATABASE} sslmode=disable",
        leg.address(),
        leg.world.port()
    );
    let mut outcomes = Vec::new();
    for package in PACKAGES {
        let mut tests = leg.command(folder.join(package), DATABASE);
        tests.args(["-test.v", "-test.timeout=600s", "-test.parallel=1"]);
        if !arguments.only().is_empty() {
            tests.arg(format!("-test.run=^({})$", arguments.only().join("|")));
        }
        tests.current_dir(&folder).env("HOME", &folder).env("PGX_TEST_DATABASE", &address);
        let said = folder.join(format!("{package}.said"));
        let status = run_into(&mut tests, &said)?;
        let said = String::from_utf8_lossy(&fs::read(said)?).into_owned();
        leg.keep(package, &said)?;
        let of_package = read(package, &leg.neutral(&said));
        if of_package.is_empty() && arguments.only().is_empty() {
            bail!("the tests of {package} did not run ({status}): {said}");
        }
        outcomes.extend(of_package);
    }
    Ok(outcomes)
}

/// What each test said, from `go test -v`: what stands between `=== RUN` and its `---`, and that without the time.
fn read(package: &str, said: &str) -> Outcomes {
    let mut outcomes: Outcomes = Vec::new();
    let mut told = String::new();
    for line in said.lines() {
        let result = line.trim_start();
        if result.starts_with("=== ") {
            continue;
        }
        let verdict = ["PASS", "FAIL", "SKIP"].iter().find(|word| {
            result
                .strip_prefix("--- ")
                .and_then(|rest| rest.strip_prefix(**word))
                .is_some_and(|r| r.starts_with(": "))
        });
        match verdict {
            Some(verdict) => {
                let name = result[verdict.len() + 6..].split(' ').next().unwrap_or_default();
                outcomes.push((
                    format!("{package}::{name}"),
                    format!("{verdict}\n{}", std::mem::take(&mut told)),
                ));
            }
            None => {
                told.push_str(&without_pointers(line));
                told.push('\n');
            }
        }
    }
    outcomes
}

/// Addresses of objects are others in each run.
fn without_pointers(line: &str) -> String {
    let mut parts = line.split("0xc0");
    let mut neutral = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        neutral.push_str("0xN");
        neutral.push_str(part.trim_start_matches(|c: char| c.is_ascii_hexdigit()));
    }
    neutral
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn what_a_test_said_is_told_without_its_time() {
        let said = "=== RUN   TestA\n--- PASS: TestA (0.01s)\n=== RUN   TestB\n=== RUN   TestB/one\n    b_test.go:7: got 0xc000123\n--- FAIL: TestB (0.20s)\n    --- FAIL: TestB/one (0.20s)\nFAIL\n";
        assert_eq!(
            read("p", said),
            [
                ("p::TestA".to_owned(), "PASS\n".to_owned()),
                ("p::TestB".to_owned(), "FAIL\n    b_test.go:7: got 0xN\n".to_owned()),
                ("p::TestB/one".to_owned(), "FAIL\n".to_owned()),
            ]
        );
    }
}
