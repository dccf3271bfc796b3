//! `portreeve doctor`: says in words what of the defence is in place on this machine, what stays open and why, and
//! what is wrong, each with a cure.
//!
//! Each area has its own module: `look` asks the machine, `judge` makes findings of what was seen and asks nobody.
//! Nothing is changed. With the daemon running its own word is asked for as well; without, it is looked from outside.

mod authority;
mod bypasses;
mod capabilities;
mod cgroup;
mod clock;
mod configuration;
mod daemon;
mod dial;
mod disk;
mod examination;
#[cfg(test)]
mod expected;
mod files;
mod finding;
mod kernel;
mod layers;
mod namespaces;
mod pins;
mod render;
mod resources;
mod stage;
mod store;
mod systemd;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::approvals::Format;

/// Said by `--help`, and in the README.
const EXIT_CODES: &str = "\
Exit codes, for start-up scripts:
  0  all well; notes may have been told
  1  the doctor itself failed
  2  the command line is not understood
  3  it works, but a layer of the defence is missing, or something should be looked at
  4  connections are not protected, or cannot be served";

/// Say what protects this machine, what stays open and why, and what is wrong.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub struct DoctorCommand {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = "/etc/portreeve/portreeve.yaml")]
    config: PathBuf,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The daemon is about to be started: ask whether it can, and do not mind that it does not run yet.
    #[arg(long)]
    before_start: bool,
}

/// Why there is no finding at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was found cannot be printed.
    #[error("cannot print: {0}")]
    Print(io::Error),
    /// Threads or timers.
    #[error("the system does not give what a look takes: {0}")]
    System(io::Error),
}

/// Runs the command. The exit code is that of the worst finding: see `--help`.
///
/// # Errors
/// See [`Error`].
pub fn run(command: &DoctorCommand) -> Result<ExitCode, Error> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::System)?;
    let findings = runtime.block_on(examination::examine(&command.config, command.before_start));
    // A resolver that does not answer is not waited for.
    runtime.shutdown_background();
    render::print(&mut io::stdout().lock(), command.format, &findings).map_err(Error::Print)?;
    Ok(finding::exit_code(&findings))
}
