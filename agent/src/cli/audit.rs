//! `portreeve audit`: what was recorded, for people and for programs, and whether it is what was written.
//!
//! The commands read records from a [`Source`] and print; they know nothing of a running daemon.

mod export;
mod incidents;
mod json;
mod replay;
mod sessions;
mod show;
mod source;
mod stored;
mod story;
#[cfg(test)]
mod tests;
mod verify;
mod who;

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use evidence::{NotAnId, PublicKey, SessionId};

use super::store::LoginError;
use super::store::login::Login;
use crate::recorder;
use crate::store::{self, Address, AddressError};
pub use source::{Folder, Source, Take};
pub use stored::Stored;

/// Read and verify the evidence.
#[derive(Debug, Args)]
pub struct AuditCommand {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the sessions.
    Sessions(Where),
    /// List what happened that was no session's own doing: attempts to get around, faults of the host.
    Incidents(Where),
    /// List a session's statements.
    Show(OneSession),
    /// Print a session as it went: statements, decisions, and results as the workload saw them.
    Replay(Replay),
    /// Check every record's chain, digests and signatures. Fails (exit code 1) where something is wrong.
    Verify(Verify),
    /// Print every record as a line of JSON.
    Export(Export),
}

/// Where the records are.
#[derive(Debug, Args)]
pub(super) struct Origin {
    /// The folder of the evidence, or the central store: postgresql://auditor@host/database.
    #[arg(long, value_name = "DIR|URL", default_value = "/var/lib/portreeve/evidence")]
    from: PathBuf,
    #[command(flatten)]
    login: Login,
}

#[derive(Debug, Args)]
struct Where {
    #[command(flatten)]
    from: Origin,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Table,
    /// One JSON object on each line.
    Json,
}

#[derive(Debug, Args)]
struct OneSession {
    /// The session's id, or as much of its beginning as is unique.
    session: String,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, Args)]
struct Replay {
    #[command(flatten)]
    one: OneSession,
    /// Wait between the records as long as it took, divided by this.
    #[arg(long, value_name = "FACTOR")]
    speed: Option<f64>,
}

#[derive(Debug, Args)]
struct Verify {
    #[command(flatten)]
    place: Where,
    /// A boot's public key as it was learnt elsewhere, such as from the central store; may be given several times.
    #[arg(long = "key", value_name = "HEX", value_parser = key)]
    keys: Vec<PublicKey>,
}

#[derive(Debug, Args)]
struct Export {
    /// Only the records of this session.
    #[arg(long)]
    session: Option<String>,
    #[command(flatten)]
    from: Origin,
}

fn key(text: &str) -> Result<PublicKey, &'static str> {
    let mut key = PublicKey([0; 32]);
    hex::decode_to_slice(text, &mut key.0).map_err(|_| "a public key has 64 hexadecimal digits")?;
    Ok(key)
}

/// Why the command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder or one of its files cannot be read.
    #[error(transparent)]
    Read(#[from] recorder::Error),
    /// `--from` is no address.
    #[error("--from: {0}")]
    Address(#[from] AddressError),
    /// Nobody can log in to the central store so.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The central store cannot be read.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// What was found cannot be printed.
    #[error("cannot print: {0}")]
    Print(#[from] io::Error),
    /// The session's id is none.
    #[error("`{given}` is no session's id: {reason}")]
    Id {
        /// What was given.
        given: String,
        /// What is wrong with it.
        reason: NotAnId,
    },
    /// No session's id begins so.
    #[error("no session begins with `{0}`; `portreeve audit sessions` lists them")]
    NoSession(String),
    /// Several sessions' ids begin so.
    #[error("several sessions begin with `{given}`: {}; give more of it", ids(.found))]
    ManySessions {
        /// What was given.
        given: String,
        /// Some of those that begin so.
        found: Vec<SessionId>,
    },
}

fn ids(found: &[SessionId]) -> String {
    found.iter().take(5).map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Runs the command. `verify` fails (exit code 1) where something is not as it was written.
///
/// # Errors
/// See [`Error`].
pub fn run(command: &AuditCommand) -> Result<ExitCode, Error> {
    let mut out = BufWriter::new(io::stdout().lock());
    match run_to(command, &mut out).and_then(|code| Ok(out.flush().map(|()| code)?)) {
        // Whoever read it has seen enough (`| head`).
        Err(Error::Print(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        result => result,
    }
}

fn run_to(command: &AuditCommand, out: &mut dyn Write) -> Result<ExitCode, Error> {
    match &command.command {
        Command::Sessions(place) => sessions::run(&*source(&place.from)?, place.format, out)?,
        Command::Incidents(place) => incidents::run(&*source(&place.from)?, place.format, out)?,
        Command::Show(one) => {
            let source = source(&one.place.from)?;
            let session = find(&*source, &one.session)?;
            show::run(&*source, session, one.place.format, out)?;
        }
        Command::Replay(Replay { one, speed }) => {
            let source = source(&one.place.from)?;
            let session = find(&*source, &one.session)?;
            replay::run(&*source, session, one.place.format, *speed, out)?;
        }
        Command::Verify(verify) => {
            let source = source(&verify.place.from)?;
            return verify::run(&*source, &verify.keys, verify.place.format, out);
        }
        Command::Export(export) => {
            let source = source(&export.from)?;
            let session = export.session.as_deref().map(|given| find(&*source, given)).transpose()?;
            export::run(&*source, session, out)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What `--from` means.
pub(super) fn source(from: &Origin) -> Result<Box<dyn Source>, Error> {
    place(&from.from, &from.login)
}

/// A folder, or a central store.
pub(super) fn place(from: &Path, login: &Login) -> Result<Box<dyn Source>, Error> {
    match from.to_str().filter(|text| Address::is_meant(text)) {
        Some(url) => Ok(Box::new(Stored::new(url.parse()?, login)?)),
        None => Ok(Box::new(Folder::new(from))),
    }
}

/// The session that is meant.
fn find(source: &dyn Source, given: &str) -> Result<SessionId, Error> {
    let bad = |reason| Error::Id { given: given.to_owned(), reason };
    let digits = given.bytes().filter(|byte| *byte != b'-').count();
    if digits == 32 {
        return given.parse().map_err(bad);
    }
    if digits > 32 || !given.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit()) {
        return Err(bad(NotAnId));
    }
    let given_lower = given.to_ascii_lowercase();
    let mut found = Vec::new();
    source.read(None, &mut |header, _| {
        if let Some((session, 0)) = header.session
            && session.to_string().starts_with(&given_lower)
        {
            found.push(session);
        }
        Ok(())
    })?;
    match found[..] {
        [] => Err(Error::NoSession(given.to_owned())),
        [session] => Ok(session),
        _ => Err(Error::ManySessions { given: given.to_owned(), found }),
    }
}
