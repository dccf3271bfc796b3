//! What pytest reports of each test, as its plug-in `pytest-reportlog` writes it: a JSON object a line.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::Outcomes;

/// The outcomes of all tests, in the order in which they began.
///
/// # Errors
///
/// It is no such report.
pub(super) fn read(reports: &str, neutral: impl Fn(&str) -> String) -> Result<Outcomes> {
    let mut outcomes = Outcomes::new();
    let mut places = HashMap::new();
    for line in reports.lines() {
        let report: Value = serde_json::from_str(line).with_context(|| format!("a report: {line}"))?;
        let is_collection = report["$report_type"] == "CollectReport" && report["outcome"] != "passed";
        if report["$report_type"] != "TestReport" && !is_collection {
            continue;
        }
        let test = report["nodeid"].as_str().context("a report names its test")?;
        let place = *places.entry(test.to_owned()).or_insert_with(|| {
            outcomes.push((test.to_owned(), String::new()));
            outcomes.len() - 1
        });
        let phase = report["when"].as_str().unwrap_or("collect");
        let outcome = report["outcome"].as_str().context("a report has an outcome")?;
        if outcome != "passed" || phase == "call" {
            outcomes[place].1 += &format!("{phase}: {outcome}{}\n", neutral(&why(&report["longrepr"])));
        }
    }
    Ok(outcomes)
}

/// What went wrong, or why it was skipped: the first line of it.
fn why(told: &Value) -> String {
    let skipped = || told[2].as_str();
    let message = told["reprcrash"]["message"].as_str().or_else(skipped).or_else(|| told.as_str());
    message.and_then(|message| message.lines().next()).map_or_else(String::new, |line| format!(": {line}"))
}
