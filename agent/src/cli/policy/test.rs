//! `portreeve policy test`: every case of every policy in a folder.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use policy::CaseFile;

use super::Error;
use super::coverage::Coverage;
use super::files::{self, File};
use super::judged::judge;
use crate::config::PoliciesError;

#[derive(Debug, Args)]
pub(super) struct Test {
    /// A folder with policies (`x.yaml`), each with its cases beside it (`x.cases.yaml`).
    #[arg(default_value = "policies")]
    folder: PathBuf,
    /// A document of the base, or a folder of them, that every policy of the folder stands over; may be repeated.
    #[arg(long = "base", value_name = "PATH")]
    base: Vec<PathBuf>,
    /// Fail, too, where a rule decides in none of its cases.
    #[arg(long)]
    every_rule: bool,
}

impl Test {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<ExitCode, Error> {
        let (mut run, mut failed, mut untried) = (0, 0, 0);
        for (policy, cases) in files::cases(&self.folder)? {
            let policy_name = policy.display().to_string();
            let policy = Arc::new(files::policy(&self.base, &[policy])?);
            let file = File::read(cases)?;
            let cases = CaseFile::parse(&file.document()).map_err(PoliciesError::Documents)?;
            let known = (&cases.catalog, cases.search_path.as_slice());
            for remark in policy.unknown_names(&cases.catalog, |_| true) {
                writeln!(out, "{remark}")?;
            }
            let mut coverage = Coverage::new(&policy, &policy_name);
            let mut mismatches = Vec::new();
            for case in &cases.cases {
                let judged = judge(&policy, &case.subject(), known, &case.statement, case.at);
                coverage.add(case, &judged);
                mismatches.extend(case.check(&judged.judgement, &judged.masked).err());
            }
            let (all, wrong) = (cases.cases.len(), mismatches.len());
            for mismatch in mismatches {
                writeln!(out, "{mismatch}")?;
            }
            for rule in coverage.untried() {
                writeln!(out, "{}: rule \"{}\" decides in none of the cases", rule.place(), rule.name())?;
            }
            let rules = coverage.rules();
            let tried = rules - coverage.untried().count();
            writeln!(
                out,
                "{}: {} of {all} cases as expected, {tried} of {rules} rules tried",
                file.path.display(),
                all - wrong
            )?;
            untried += rules - tried;
            run += all;
            failed += wrong;
        }
        for policy in files::without_cases(&self.folder)? {
            writeln!(out, "{}: has no cases", policy.display())?;
        }
        let fails = failed > 0 || (self.every_rule && untried > 0);
        writeln!(
            out,
            "{}: {run} cases, {failed} not as expected, {untried} rules untried",
            if fails { "failed" } else { "ok" }
        )?;
        Ok(if fails { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}
