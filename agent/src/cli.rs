//! The command line.

pub mod approvals;
pub mod audit;
pub mod ca;
pub mod doctor;
pub mod policy;
pub mod status;
pub mod store;
mod table;

use std::fmt::Display;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{config, daemon, intercept};

/// The warden of port 5432: takes a host's PostgreSQL connections, judges, masks and records every statement.
#[derive(Debug, Parser)]
#[command(name = "portreeve", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon.
    Run(Configured),
    /// Say how the daemon is.
    Status(status::StatusCommand),
    /// Have the daemon read its policies again.
    Reload(status::StatusCommand),
    /// Say what protects this machine, what stays open and why, and what is wrong.
    Doctor(doctor::DoctorCommand),
    /// See and answer the statements that wait for approval.
    Approvals(approvals::ApprovalsCommand),
    /// Look at policy documents.
    Policy(policy::PolicyCommand),
    /// Look at the record.
    Audit(audit::AuditCommand),
    /// See the authority that vouches to jobs for the servers, and have this machine trust it.
    Ca(ca::CaCommand),
    /// Prepare the central store.
    Store(store::StoreCommand),
    /// Take everything out of the kernel: from then on nothing is protected. The daemon must have stopped.
    Release(Configured),
}

#[derive(Debug, clap::Args)]
struct Configured {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = "/etc/portreeve/portreeve.yaml")]
    config: PathBuf,
}

/// Runs the program with the process's arguments.
pub fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run(at) => told(daemon::run(&at.config)),
        Command::Status(command) => told(status::run(&command)),
        Command::Reload(command) => told(status::reload(&command)),
        Command::Doctor(command) => told(doctor::run(&command)),
        Command::Approvals(command) => told(approvals::run(&command)),
        Command::Policy(command) => told(policy::run(&command)),
        Command::Audit(command) => told(audit::run(&command)),
        Command::Ca(command) => told(ca::run(&command)),
        Command::Store(command) => told(store::run(&command)),
        Command::Release(at) => told(release(&at)),
    }
}

/// Why the kernel was left as it is.
#[derive(Debug, thiserror::Error)]
enum ReleaseError {
    #[error(transparent)]
    Config(#[from] config::Error),
    #[error(transparent)]
    Intercept(#[from] intercept::Error),
}

fn release(at: &Configured) -> Result<ExitCode, ReleaseError> {
    let read = config::Config::read(&at.config)?;
    intercept::release(&read.config.intercept)?;
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::print_stderr, reason = "this is where the program speaks to its user")]
fn told<E: Display>(result: Result<ExitCode, E>) -> ExitCode {
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("portreeve: {error}");
            ExitCode::FAILURE
        }
    }
}
