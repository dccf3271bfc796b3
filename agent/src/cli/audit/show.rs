//! `portreeve audit show`: who it was, and one line for each statement that ran, was held, or was refused.

use std::collections::BTreeMap;
use std::io::Write;

use evidence::{Body, Decision, HoldOutcome, Protocol, Ruling, SessionId, StatementEnd};
use serde_json::{Value, json};

use super::story::Statements;
use super::{Error, Format, Source, json, who};
use crate::cli::table;
use crate::cli::table::{duration, observed, one_line, plain, time};

/// The longest text of a line, in characters.
const TEXT: usize = 100;

#[derive(Debug)]
struct Line {
    wall_us: u64,
    ruling: Option<Ruling>,
    rule: String,
    /// What would have been decided, where it was only observed.
    observed: Option<String>,
    decision: Value,
    hold: Option<(String, Option<(HoldOutcome, String)>)>,
    rows: Option<u64>,
    duration_us: Option<u64>,
    outcome: String,
}

pub(super) fn run(
    source: &dyn Source,
    session: SessionId,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let mut statements = Statements::default();
    let mut lines: BTreeMap<u64, Line> = BTreeMap::new();
    source.read(Some(session), &mut |header, body| {
        let Some((_, sequence)) = header.session else { return Ok(()) };
        let Ok(body) = Body::decode(header.kind, body) else { return Ok(()) };
        if let (Body::SessionStart(start), Format::Table) = (&body, format) {
            who::tell(out, &time(header.times.wall_us), start)?;
            writeln!(out)?;
        }
        if let Body::Statement(statement) = &body {
            statements.add(sequence, statement);
            let mut line = Line::new(header.times.wall_us);
            line.decide(statement.decision.as_ref());
            lines.insert(sequence, line);
        }
        let of = match &body {
            Body::Decision(judged) => judged.statement,
            Body::Hold(hold) => hold.statement,
            Body::HoldEnd(end) => end.statement,
            Body::StatementEnd(end) => end.statement,
            _ => return Ok(()),
        };
        if let Some(line) = lines.get_mut(&of) {
            line.take(&body);
        }
        Ok(())
    })?;
    // A Parse or a Bind that went through is told by its Execute.
    lines.retain(|sequence, line| {
        let prepares = matches!(statements.protocol(*sequence), Some(Protocol::Parse | Protocol::Bind));
        !prepares
            || matches!(line.ruling, Some(Ruling::Deny | Ruling::Hold))
            || line.outcome.starts_with("error")
    });
    match format {
        Format::Json => {
            for (sequence, line) in &lines {
                writeln!(out, "{}", line.json(*sequence, &statements))?;
            }
        }
        Format::Table => {
            let head =
                ["#", "TIME", "PROTOCOL", "DECISION", "RULE", "ROWS", "DURATION", "OUTCOME", "STATEMENT"];
            let rows: Vec<Vec<String>> =
                lines.iter().map(|(sequence, line)| line.cells(*sequence, &statements)).collect();
            table::print(out, &head, &rows)?;
        }
    }
    Ok(())
}

impl Line {
    fn new(wall_us: u64) -> Self {
        Line {
            wall_us,
            ruling: None,
            rule: String::new(),
            observed: None,
            decision: Value::Null,
            hold: None,
            rows: None,
            duration_us: None,
            outcome: String::new(),
        }
    }

    fn decide(&mut self, decision: Option<&Decision<'_>>) {
        if let Some(decision) = decision {
            self.ruling = Some(decision.ruling);
            self.rule = plain(decision.rule.as_bytes(), false);
            self.observed = decision.would.as_ref().map(observed);
            self.decision = json::decision(decision);
        }
    }

    fn take(&mut self, body: &Body<'_>) {
        match body {
            Body::Decision(judged) => self.decide(Some(&judged.decision)),
            Body::Hold(hold) => self.hold = Some((plain(hold.request.as_bytes(), false), None)),
            Body::HoldEnd(end) => {
                let reviewer = plain(end.reviewer.as_bytes(), false);
                self.hold = Some((plain(end.request.as_bytes(), false), Some((end.outcome, reviewer))));
            }
            Body::StatementEnd(end) => self.end(end),
            _ => {}
        }
    }

    fn end(&mut self, end: &StatementEnd<'_>) {
        self.rows = Some(end.rows);
        self.duration_us = Some(end.duration_us);
        self.outcome = if end.sqlstate.is_empty() {
            plain(&end.tag, false)
        } else {
            format!("error {}: {}", plain(&end.sqlstate, false), plain(&end.message, false))
        };
    }

    /// The decision with what became of a hold.
    fn decision(&self) -> String {
        let ruling = self.ruling.map_or("-", Ruling::name);
        let decided = match &self.hold {
            None => ruling.to_owned(),
            Some((request, None)) => format!("{ruling} {request}: waits"),
            Some((request, Some((outcome, reviewer)))) if reviewer.is_empty() => {
                format!("{ruling} {request}: {}", outcome.name())
            }
            Some((request, Some((outcome, reviewer)))) => {
                format!("{ruling} {request}: {} by {reviewer}", outcome.name())
            }
        };
        match &self.observed {
            None => decided,
            Some(observed) => format!("{decided}, {observed}"),
        }
    }

    fn cells(&self, sequence: u64, statements: &Statements) -> Vec<String> {
        let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        vec![
            sequence.to_string(),
            time(self.wall_us),
            statements.protocol(sequence).map_or("-", Protocol::name).to_owned(),
            self.decision(),
            self.rule.clone(),
            number(self.rows),
            self.duration_us.map_or_else(|| "-".to_owned(), duration),
            one_line(self.outcome.as_bytes(), TEXT),
            one_line(statements.text(sequence), TEXT),
        ]
    }

    fn json(&self, sequence: u64, statements: &Statements) -> Value {
        let hold = self.hold.as_ref().map(|(request, end)| {
            json!({
                "request": request,
                "outcome": end.as_ref().map(|(outcome, _)| outcome.name()),
                "reviewer": end.as_ref().map(|(_, reviewer)| reviewer),
            })
        });
        json!({
            "sequence": sequence, "time": time(self.wall_us),
            "protocol": statements.protocol(sequence).map(Protocol::name),
            "text": json::bytes(statements.text(sequence)), "decision": self.decision, "hold": hold,
            "rows": self.rows, "duration_us": self.duration_us, "outcome": self.outcome,
        })
    }
}
