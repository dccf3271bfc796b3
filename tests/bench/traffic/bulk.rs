//! A whole table at once: pgbench's accounts, rows of about a hundred bytes.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use e2e::World;
use e2e::process::output;

use super::pgbench::Script;
use super::report::Figures;
use super::ways::{Way, Ways};

/// How they go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Direction {
    /// SELECT of all rows.
    Select,
    /// COPY TO STDOUT.
    CopyOut,
    /// COPY FROM STDIN.
    CopyIn,
}

impl Direction {
    pub(crate) const ALL: [Direction; 3] = [Direction::Select, Direction::CopyOut, Direction::CopyIn];

    /// What it is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Direction::Select => "select",
            Direction::CopyOut => "copy-out",
            Direction::CopyIn => "copy-in",
        }
    }
}

/// How often the table passes in one leg, so that what is measured takes a while.
const TIMES: usize = 4;

/// The table, and a file of the same rows.
#[derive(Debug)]
pub(crate) struct Bulk {
    file: PathBuf,
    /// The rows as COPY writes them.
    bytes: u64,
}

impl Bulk {
    /// Writes the file, and makes a table for it.
    ///
    /// # Errors
    ///
    /// The server does not take it, or there is no room.
    pub(crate) fn prepare(world: &World) -> Result<Self> {
        let file = world.folder().join("accounts");
        let mut psql = Command::new("psql");
        let out = format!("\\copy pgbench_accounts to '{}'", file.display());
        let socket = world.server.socket();
        let folder = socket.parent().context("a socket lies in a folder")?;
        output(psql.args(["-X", "-q", "-U", "postgres", "-d", "shop", "-h"]).arg(folder).args(["-c", &out]))?;
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
        world.server.sql(
            "shop",
            "CREATE UNLOGGED TABLE copied (LIKE pgbench_accounts); GRANT ALL ON copied TO PUBLIC",
        )?;
        Ok(Bulk { bytes: file.metadata()?.len(), file })
    }

    /// Sends it over a way.
    ///
    /// # Errors
    ///
    /// It does not arrive.
    pub(crate) fn run(&self, world: &World, ways: &Ways, way: Way, direction: Direction) -> Result<Figures> {
        let empty = || world.server.sql("shop", "TRUNCATE copied").map(drop);
        let (script, mut command) = match direction {
            Direction::Select => {
                // pgbench takes the rows as libpq gives them, and does nothing with them.
                let script = Script::write("SELECT * FROM pgbench_accounts;\n")?;
                let mut command = ways.pgbench(world, way)?;
                command.args(["-n", "-t", &TIMES.to_string(), "-f"]).arg(script.path());
                (script, command)
            }
            Direction::CopyOut => {
                let script = Script::write(&"\\copy pgbench_accounts to '/dev/null'\n".repeat(TIMES))?;
                let mut command = ways.psql(world, way);
                command.arg("-f").arg(script.path());
                (script, command)
            }
            Direction::CopyIn => {
                empty()?;
                let one = format!("\\copy copied from '{}'\n", self.file.display());
                let script = Script::write(&one.repeat(TIMES))?;
                let mut command = ways.psql(world, way);
                command.arg("-f").arg(script.path());
                (script, command)
            }
        };
        let begun = Instant::now();
        output(&mut command)?;
        let took = begun.elapsed().as_secs_f64();
        drop(script);
        if direction == Direction::CopyIn {
            let rows = world
                .server
                .sql("shop", "SELECT count(*) / (SELECT count(*) FROM pgbench_accounts) FROM copied")?;
            ensure!(rows == TIMES.to_string(), "the table arrived {rows} times");
            empty()?;
        }
        let megabytes = (self.bytes * TIMES as u64) as f64 / 1e6;
        Ok(Figures { count: megabytes, rate: megabytes / took, ..Figures::default() })
    }
}
