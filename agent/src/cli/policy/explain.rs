//! `portreeve policy explain`: one Query, action by action.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use policy::{Action, CaseFile, Catalog, Cause, Considered, Masked, Moment, Policy, Rule, Subject, Verb};

use super::files::{self, File};
use super::judged::judge;
use super::{Error, lineage, principal};
use crate::config::PoliciesError;

#[derive(Debug, Args)]
pub(super) struct Explain {
    /// A document, or a folder of them; may be repeated.
    #[arg(long = "policy", value_name = "PATH", default_value = "/etc/portreeve/policies")]
    policies: Vec<PathBuf>,
    /// A document of the base, or a folder of them; may be repeated. Without it the base is what says so of itself.
    #[arg(long = "base", value_name = "PATH")]
    base: Vec<PathBuf>,
    /// Who asks, as key=value: user, uid, gid, unit, cgroup, executable, executable_sha256,
    /// container, claims.NAME.
    #[arg(long = "as", value_name = "KEY=VALUE", value_delimiter = ',', required = true)]
    who: Vec<String>,
    /// The resource that is asked.
    #[arg(long, default_value = "")]
    resource: String,
    /// The database that is asked for.
    #[arg(long, default_value = "postgres")]
    database: String,
    /// A cases file whose schema the statement is read with. Without it no table is known, and a statement
    /// that names one is opaque.
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// When it is asked, as 2026-03-02T09:30:00Z: for rules with a time. If left out: now.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Show every rule that does not match, too, where there are many.
    #[arg(long)]
    every_rule: bool,
    /// The text of one Query.
    sql: String,
}

impl Explain {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<ExitCode, Error> {
        let policy = Arc::new(files::policy(&self.base, &self.policies)?);
        let principal = principal::principal(&self.who)?;
        let at = moment(self.at.as_deref())?;
        let (catalog, search_path) = match &self.schema {
            Some(path) => {
                let file = File::read(path.clone())?;
                let cases = CaseFile::parse_schema(&file.document()).map_err(PoliciesError::Documents)?;
                (cases.catalog, cases.search_path)
            }
            None => (Catalog::default(), vec!["pg_catalog".to_owned(), "public".to_owned()]),
        };
        let subject = Subject { principal: &principal, resource: &self.resource, database: &self.database };
        let judged = judge(&policy, &subject, (&catalog, &search_path), &self.sql, at);
        writeln!(out, "{} by rule \"{}\"", judged.judgement.decision(), judged.judgement.rule())?;
        writeln!(out, "  {}", judged.judgement.refusal())?;
        let opaque = judged.judgement.findings().iter().any(|finding| finding.action.verb == Verb::Opaque);
        if self.schema.is_none() && opaque {
            writeln!(out, "  no table is known here: --schema x.cases.yaml says which there are")?;
        }
        let by_none = judged.judgement.decisive().is_none_or(|finding| finding.cause == Cause::NoRule);
        if let Some(known) = unnamed(&policy, &self.resource).filter(|_| by_none) {
            writeln!(
                out,
                "  no rule names the resource \"{}\" (--resource): they name {known}",
                self.resource
            )?;
        }
        if let Some(would) = judged.judgement.would() {
            writeln!(
                out,
                "  only observed: it would be {} by rule \"{}\"",
                would.decision.participle(),
                would.rule
            )?;
        }
        let rules = policy.for_subject(&subject);
        let set = masking::MaskSet::resolve(rules.masks(), &catalog);
        let mut findings = judged.judgement.findings().iter();
        for (statement, place) in judged.analysis.statements.iter().zip(&judged.analysis.places) {
            let text = self.sql.get(place.range.clone()).unwrap_or_default();
            writeln!(out, "{}", text.trim())?;
            for finding in findings.by_ref().take(statement.actions.len()) {
                let place = policy.rule(&finding.rule).map(|rule| format!(" ({})", rule.place()));
                writeln!(
                    out,
                    "  {:5}  {}{}  by rule \"{}\"{}",
                    finding.decision.name(),
                    finding.action,
                    if finding.action.implied { " (comes along)" } else { "" },
                    finding.rule,
                    place.unwrap_or_default()
                )?;
                if let Some(detail) = detail(&finding.action) {
                    writeln!(out, "           {detail}")?;
                }
                self.considered(&rules.considered(&finding.action, at), out)?;
            }
            for line in lineage::lines(statement, &catalog, &set) {
                writeln!(out, "  {line}")?;
            }
        }
        if judged.masked != Masked::Columns(Default::default()) {
            writeln!(out, "{}", judged.masked)?;
        }
        let masking = policy.masking_rules(&subject).map(|rule| format!("\"{}\"", rule.name()));
        let masking = masking.collect::<Vec<_>>().join(", ");
        if !masking.is_empty() {
            writeln!(out, "masks hold by {masking}")?;
        }
        let aside = policy.aside(&subject);
        if !aside.is_empty() {
            writeln!(out, "not about this job here:")?;
            self.considered(&aside, out)?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// A line for each rule; of many, only for those that match.
    fn considered(&self, rules: &[Considered<'_>], out: &mut dyn Write) -> Result<(), Error> {
        let all = self.every_rule || rules.len() <= FEW;
        for considered in rules.iter().filter(|considered| all || considered.matches) {
            writeln!(out, "           \"{}\" {}", considered.rule.name(), considered.why)?;
        }
        let left = rules.iter().filter(|considered| !all && !considered.matches).count();
        if left > 0 {
            writeln!(out, "           and {left} rules that do not match (--every-rule shows them)")?;
        }
        Ok(())
    }
}

/// The resources that rules name, where none of them is that one.
fn unnamed(policy: &Policy, resource: &str) -> Option<String> {
    let named: BTreeSet<String> = policy.rules().iter().flat_map(Rule::resources).collect();
    let here = |rule: &Rule| rule.resources().next().is_some() && rule.concerns(resource);
    let none = !named.is_empty() && !policy.rules().iter().any(here);
    none.then(|| named.into_iter().collect::<Vec<_>>().join(", "))
}

/// So many rules are told one by one.
const FEW: usize = 40;

/// What conditions of rules go by, where it is known.
fn detail(action: &Action) -> Option<String> {
    let detail = &action.detail;
    let mut told = Vec::new();
    if let Some(columns) = &detail.columns {
        told.push(match columns.is_empty() {
            true => "no column".to_owned(),
            false => format!("columns {}", columns.join(", ")),
        });
    }
    if let Some(condition) = detail.condition {
        told.push(if condition { "by a condition" } else { "without a condition" }.to_owned());
    }
    told.extend(detail.limit.map(|limit| format!("at most {limit} rows")));
    if !detail.roles.is_empty() {
        told.push(format!("roles {}", detail.roles.join(", ")));
    }
    told.extend(detail.renamings.iter().map(ToString::to_string));
    (!told.is_empty()).then(|| told.join("; "))
}

/// The time that was given, or this one.
fn moment(given: Option<&str>) -> Result<Moment, Error> {
    match given {
        Some(given) => given.parse().map_err(|source| Error::Time { given: given.to_owned(), source }),
        None => {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Ok(Moment::from_micros(u64::try_from(since.as_micros()).unwrap_or_default()))
        }
    }
}
