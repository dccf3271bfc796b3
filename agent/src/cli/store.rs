//! `portreeve store`: prepares a PostgreSQL to be the central store.

pub mod login;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::store::{self, Address, Initialized};
pub use login::LoginError;
use login::{Login, block_on};

/// Prepare a PostgreSQL to be the central store.
#[derive(Debug, Args)]
pub struct StoreCommand {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the schema `portreeve` and its roles, or bring them up to date. Run again it changes nothing.
    Init(Init),
}

#[derive(Debug, Args)]
struct Init {
    /// The database, as its administrator: postgresql://postgres@host/database.
    #[arg(long)]
    url: Address,
    #[command(flatten)]
    login: Login,
}

/// Why the store is not prepared.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// How to log in.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The store itself.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// What was done cannot be told.
    #[error("cannot print: {0}")]
    Print(#[from] io::Error),
}

/// Runs the command.
///
/// # Errors
/// See [`Error`]; then nothing was changed.
pub fn run(command: &StoreCommand) -> Result<ExitCode, Error> {
    let Command::Init(init) = &command.command;
    let connector = init.login.connector(&init.url)?;
    let Initialized { before, now } = block_on(store::init(&connector, &init.url))??;
    let mut out = io::stdout().lock();
    match before {
        before if before == now => writeln!(out, "the schema portreeve is up to date (version {now})")?,
        0 => writeln!(out, "made the schema portreeve (version {now}) and the roles")?,
        _ => writeln!(out, "brought the schema portreeve from version {before} to {now}")?,
    }
    writeln!(
        out,
        "A role for each host, which may add records and nothing else:\n\
         \x20   CREATE ROLE portreeve_ci_1 LOGIN PASSWORD '…' IN ROLE portreeve_agent;\n\
         A role for each auditor, who may read and nothing else:\n\
         \x20   CREATE ROLE alice LOGIN PASSWORD '…' IN ROLE portreeve_auditor;"
    )?;
    Ok(ExitCode::SUCCESS)
}
