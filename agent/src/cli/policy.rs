//! `portreeve policy`: look at policy documents without a daemon.
//!
//! `check` reads them, `test` runs the cases beside them, `explain` says what would become of a statement and
//! by which rule, `suggest` proposes one from what was recorded, `diff` says which of that would end otherwise, and
//! `schema` tells editors what a document may say. Here `policy`, which knows no SQL, and `sql`, which decides nothing, are
//! brought together.

mod coverage;
mod diff;
mod explain;
mod files;
mod judged;
mod lineage;
mod principal;
mod recorded;
mod suggest;
mod test;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use super::audit;
use crate::config::PoliciesError;
use clap::{Args, Subcommand};

/// Look at policy documents.
#[derive(Debug, Args)]
pub struct PolicyCommand {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Read documents and say what is wrong with them, or most likely not meant: also of names that the schema of the
    /// cases beside them (`x.cases.yaml`) does not have.
    Check(Check),
    /// Run the cases (`x.cases.yaml`) beside the policies (`x.yaml`) of a folder.
    Test(test::Test),
    /// Say what would become of a statement, and by which rule.
    Explain(explain::Explain),
    /// Propose a policy that allows what was recorded, and no more.
    Suggest(suggest::Suggest),
    /// Say which recorded statements would end otherwise by another policy.
    Diff(diff::Diff),
    /// Print the JSON Schema of policy documents, by which editors complete and check them.
    Schema,
}

#[derive(Debug, Args)]
struct Check {
    /// Documents, or folders of them, that make up one policy.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// A document of the base, or a folder of them; may be repeated. Without it the base is what says so of itself.
    #[arg(long = "base", value_name = "PATH")]
    base: Vec<PathBuf>,
    /// A resource that is configured outside of the documents; rules that name another one are wrong.
    #[arg(long = "resource", value_name = "NAME")]
    resources: Vec<String>,
    /// Tell also where rules decide otherwise about some of the same, and which of the two counts there.
    #[arg(long)]
    overlaps: bool,
}

/// Why the command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Documents or cases are missing or wrong.
    #[error(transparent)]
    Policies(#[from] PoliciesError),
    /// `--as` is wrong.
    #[error("--as {given}: {reason}; write key=value with one of {}", principal::KEYS.join(", "))]
    Principal {
        /// What was given.
        given: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// `--at` is wrong.
    #[error("--at {given}: {source}; write it as 2026-03-02T09:30:00Z")]
    Time {
        /// What was given.
        given: String,
        /// What is wrong with it.
        source: policy::TimeError,
    },
    /// What is proposed would refuse what it was made of.
    #[error("the proposal is wrong, since it refuses what ran: {message}; please report it")]
    Proposal {
        /// What it says of it.
        message: String,
    },
    /// The records cannot be read.
    #[error(transparent)]
    Records(#[from] audit::Error),
    /// What was found cannot be printed.
    #[error("cannot print: {0}")]
    Print(#[from] io::Error),
}

/// Runs the command. It fails (exit code 1) where a case comes out otherwise than expected.
///
/// # Errors
/// See [`Error`].
pub fn run(command: &PolicyCommand) -> Result<ExitCode, Error> {
    run_to(command, &mut io::stdout().lock())
}

fn run_to(command: &PolicyCommand, out: &mut dyn Write) -> Result<ExitCode, Error> {
    match &command.command {
        Command::Check(check) => check.run(out),
        Command::Test(test) => test.run(out),
        Command::Explain(explain) => explain.run(out),
        Command::Suggest(suggest) => suggest.run(out),
        Command::Diff(diff) => diff.run(out),
        Command::Schema => {
            writeln!(out, "{:#}", policy::schema())?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

impl Check {
    fn run(&self, out: &mut dyn Write) -> Result<ExitCode, Error> {
        let policy = files::policy(&self.base, &self.paths)?;
        if !self.resources.is_empty() {
            let known = self.resources.iter().map(String::as_str);
            let known: Vec<&str> = known.chain(policy.resources().iter().map(|r| r.name.as_str())).collect();
            let unknown = policy.unknown_resources(&known);
            if !unknown.is_empty() {
                return Err(PoliciesError::Documents(unknown).into());
            }
        }
        for what in policy.observed() {
            writeln!(out, "only observed, NOT ENFORCED: {what}")?;
        }
        let overlaps = if self.overlaps { policy.overlaps() } else { Vec::new() };
        let unknown = files::beside(&self.paths)?;
        let unknown: Vec<policy::Remark> =
            unknown.iter().flat_map(|cases| policy.unknown_names(&cases.catalog, |_| true)).collect();
        for remark in policy.remarks().iter().chain(&unknown).chain(&overlaps) {
            writeln!(out, "{remark}")?;
        }
        let (rules, digest) = (policy.rules().len(), hex::encode(policy.digest()));
        writeln!(out, "ok: {rules} rules, digest {digest}")?;
        Ok(ExitCode::SUCCESS)
    }
}

#[cfg(test)]
mod tests;
