//! `portreeve ca`: shows the certificate authority that vouches to jobs for the servers, and has this machine trust it.

pub(super) mod trust;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::authority::{self, Authority};
use crate::config::{self, Config};
use trust::TrustError;

/// See the authority that vouches to jobs for the servers, and have this machine trust it.
#[derive(Debug, Args)]
pub struct CaCommand {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the certificate that jobs have to trust for `sslmode=verify-full`. It is made if there is none yet.
    Show(At),
    /// Put it among those that this machine trusts, or take it from there. Containers have certificates of their own.
    Install(Install),
}

#[derive(Debug, Args)]
struct At {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = "/etc/portreeve/portreeve.yaml")]
    config: PathBuf,
}

#[derive(Debug, Args)]
struct Install {
    #[command(flatten)]
    at: At,
    /// Take it away again.
    #[arg(long)]
    remove: bool,
}

/// Why it is not shown, or not trusted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// The authority itself.
    #[error(transparent)]
    Authority(#[from] authority::Error),
    /// Where certificates are that this machine trusts.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The operator keeps the certificate elsewhere.
    #[error(
        "`authority.certificate_file` does not hold the certificate that clients trust, only those below it; put it behind \
         them, or have the machine trust it yourself"
    )]
    NoAnchor,
    /// What was found or done cannot be told.
    #[error("cannot print: {0}")]
    Print(#[from] io::Error),
}

/// Runs the command.
///
/// # Errors
/// See [`Error`].
pub fn run(command: &CaCommand) -> Result<ExitCode, Error> {
    let mut out = io::stdout().lock();
    match &command.command {
        Command::Show(at) => show(&open(at)?, &mut out)?,
        // Whatever the configuration says by now.
        Command::Install(Install { remove: true, .. }) => match trust::remove(trust::ROOT.as_ref())? {
            Some(file) => writeln!(out, "{} is gone, and this machine trusts it no more", file.display())?,
            None => writeln!(out, "this machine does not trust it")?,
        },
        Command::Install(Install { at, remove: false }) => {
            let authority = open(at)?;
            let anchor = authority.anchor().ok_or(Error::NoAnchor)?;
            let file = trust::install(trust::ROOT.as_ref(), anchor)?;
            writeln!(out, "this machine trusts {}: {}", authority.described(), file.display())?;
            writeln!(
                out,
                "jobs with sslmode=verify-full find it by sslrootcert=system (libpq 16 and later) or sslrootcert={}",
                file.display()
            )?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn open(at: &At) -> Result<Authority, Error> {
    Ok(Authority::open(&Config::read(&at.config)?.config.authority)?)
}

/// What stands before a certificate in PEM is not read, so that this is a file of certificates as it is.
fn show(authority: &Authority, out: &mut impl Write) -> Result<(), Error> {
    let anchor = authority.anchor().ok_or(Error::NoAnchor)?;
    writeln!(out, "# {}", authority.described())?;
    writeln!(out, "# SHA-256 {}", authority.fingerprint())?;
    write!(out, "{anchor}")?;
    Ok(())
}
