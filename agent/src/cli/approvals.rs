//! `portreeve approvals`: see what waits for a reviewer, and answer it.
//!
//! It talks to the daemon's control socket and knows nothing that the daemon does not tell. What it shows was
//! written by the job that asks, so that nothing of it reaches a terminal as a command.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};

use crate::approvals::client::{self, SOCKET};
use crate::approvals::protocol::{Request, Response};

mod show;
pub(super) mod text;

#[cfg(test)]
mod tests;

/// See and answer the statements that wait for approval.
#[derive(Debug, Args)]
pub struct ApprovalsCommand {
    /// The daemon's control socket.
    #[arg(long, value_name = "PATH", default_value = SOCKET, global = true)]
    socket: PathBuf,
    /// How to print.
    #[arg(long, value_enum, default_value_t, global = true)]
    format: Format,
    #[command(subcommand)]
    command: Command,
}

/// How to print.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs: one JSON object on each line.
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List what waits, the oldest first.
    List {
        /// Where nothing waits, wait until something does.
        #[arg(long)]
        wait: bool,
    },
    /// Show one in full.
    Show {
        /// Its id, such as h-7k3f9.
        id: String,
    },
    /// Let it run, once.
    Approve {
        /// Its id, such as h-7k3f9.
        id: String,
        /// Why, for the record.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Refuse it.
    Deny {
        /// Its id, such as h-7k3f9.
        id: String,
        /// Why, for the record and for who asked.
        #[arg(long)]
        reason: String,
    },
}

/// Why the command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The daemon cannot be asked.
    #[error(transparent)]
    Client(#[from] client::Error),
    /// It answered, and did not do it.
    #[error("{0}")]
    Refused(String),
    /// It answered something else than was asked.
    #[error("the daemon's answer does not fit the question; do both have the same version?")]
    Answer,
    /// What was found cannot be printed.
    #[error("cannot print: {0}")]
    Print(#[from] io::Error),
}

/// Runs the command.
///
/// # Errors
/// See [`Error`].
pub fn run(command: &ApprovalsCommand) -> Result<ExitCode, Error> {
    run_to(command, &mut io::stdout().lock())
}

fn run_to(command: &ApprovalsCommand, out: &mut impl Write) -> Result<ExitCode, Error> {
    let request = match &command.command {
        Command::List { wait } => Request::List { wait: *wait },
        Command::Show { id } => Request::Show { id: id.clone() },
        Command::Approve { id, reason } => Request::Approve { id: id.clone(), reason: reason.clone() },
        Command::Deny { id, reason } => Request::Deny { id: id.clone(), reason: reason.clone() },
    };
    let json = command.format == Format::Json;
    match client::call(&command.socket, &request)? {
        Response::Holds(holds) if json => {
            for hold in holds {
                json_line(out, &hold)?;
            }
        }
        Response::Holds(holds) => show::list(out, &holds)?,
        Response::Hold(hold) if json => json_line(out, &hold)?,
        Response::Hold(hold) => show::full(out, &hold)?,
        response @ Response::Decided { .. } if json => json_line(out, &response)?,
        Response::Decided { id, answer, reviewer } => {
            let done = if answer == "approve" { "approved" } else { "denied" };
            writeln!(out, "{} {done} by {}", text::line(&id), text::line(&reviewer))?;
        }
        Response::Refused { message, .. } => return Err(Error::Refused(text::line(&message))),
        Response::Status(_) | Response::Reloaded(_) => return Err(Error::Answer),
    }
    Ok(ExitCode::SUCCESS)
}

/// One value as one line of JSON.
pub(super) fn json_line(out: &mut impl Write, value: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}
