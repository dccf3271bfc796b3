//! Holds as tables and as pages.
//!
//! Everything that comes from the job goes through [`text`].

use std::io::{self, Write};

use super::text;
use crate::approvals::protocol::{FindingView, Hold, Who};

/// One line for each hold under a head; a sentence where there is none.
pub(super) fn list(out: &mut impl Write, holds: &[Hold]) -> io::Result<()> {
    if holds.is_empty() {
        return writeln!(out, "No statement waits for approval.");
    }
    let mut rows = vec![["ID", "EXPIRES", "WHO", "DATABASE", "HELD BY", "STATEMENT"].map(str::to_owned)];
    for hold in holds {
        let rules: Vec<&str> = held(hold).map(|finding| finding.rule.as_str()).collect();
        let mut rules = rules;
        rules.dedup();
        rows.push([
            text::cell(&hold.id, 12),
            text::cell(&hold.expires_at, 20),
            text::cell(&who(&hold.who), 28),
            text::cell(&format!("{}/{}", hold.resource, hold.database), 28),
            text::cell(&rules.join(", "), 28),
            text::cell(&hold.statement, 60),
        ]);
    }
    let mut widths = [0; 6];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}

/// All that is known of one.
pub(super) fn full(out: &mut impl Write, hold: &Hold) -> io::Result<()> {
    let mut field = |name: &str, value: &str| writeln!(out, "{name:<12}{}", text::line(value));
    field("id", &hold.id)?;
    field("asked", &hold.asked_at)?;
    field("expires", &hold.expires_at)?;
    field(
        "who",
        &format!("{} (uid {}), pid {}, {}", who(&hold.who), hold.who.uid, hold.who.pid, hold.who.comm),
    )?;
    let parts =
        [("executable", &hold.who.executable), ("command", &hold.who.command_line), ("unit", &hold.who.unit)];
    for (name, value) in parts {
        if let Some(value) = value {
            field(name, value)?;
        }
    }
    for (name, values) in &hold.who.claims {
        field("claim", &format!("{name}={}", values.join(", ")))?;
    }
    field("database", &format!("{}/{}", hold.resource, hold.database))?;
    field("session", &hold.session)?;
    for finding in &hold.findings {
        let message = finding.message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
        field("does", &format!("{} ({}, rule {}{message})", finding.action, finding.decision, finding.rule))?;
    }
    writeln!(out, "statement")?;
    writeln!(out, "{}", text::block(&hold.statement, "    "))?;
    for (number, value) in hold.values.iter().enumerate() {
        writeln!(out, "{:<12}{}", format!("${}", number + 1), text::line(value))?;
    }
    if hold.cut {
        let (shown, values) = (hold.statement.len(), hold.values.len());
        writeln!(
            out,
            "*** NOT ALL IS SHOWN: {shown} of {} bytes of the statement, {values} of {} values ***",
            hold.statement_bytes, hold.values_count
        )?;
    }
    Ok(())
}

fn held(hold: &Hold) -> impl Iterator<Item = &FindingView> {
    hold.findings.iter().filter(|finding| finding.decision == "hold")
}

/// The shortest name for a principal that a reviewer recognises.
fn who(who: &Who) -> String {
    let user = who.user.clone().unwrap_or_else(|| format!("uid {}", who.uid));
    match &who.unit {
        Some(unit) => format!("{user} in {unit}"),
        None => user,
    }
}
