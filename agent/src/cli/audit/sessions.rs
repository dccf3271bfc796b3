//! `portreeve audit sessions`: one line for each session, oldest first.

use std::collections::BTreeMap;
use std::io::Write;

use evidence::{Body, Protocol, Ruling, SessionId};
use serde_json::{Value, json};

use super::{Error, Format, Source, json, who};
use crate::cli::table;
use crate::cli::table::{plain, time};

/// What is told of a session.
#[derive(Debug, Default)]
struct Row {
    started_us: u64,
    start: Value,
    user: String,
    executable: String,
    place: [String; 3],
    statements: u64,
    denied: u64,
    held: u64,
    observed: u64,
    end: Option<String>,
}

pub(super) fn run(source: &dyn Source, format: Format, out: &mut dyn Write) -> Result<(), Error> {
    let mut sessions: BTreeMap<SessionId, Row> = BTreeMap::new();
    source.read(None, &mut |header, body| {
        let Some((session, _)) = header.session else { return Ok(()) };
        let row = sessions.entry(session).or_default();
        if row.started_us == 0 {
            row.started_us = header.times.wall_us;
        }
        // An erased or unreadable body tells nothing, but the session is there.
        let Ok(body) = Body::decode(header.kind, body) else { return Ok(()) };
        row.take(&body);
        Ok(())
    })?;
    let mut sessions: Vec<(SessionId, Row)> = sessions.into_iter().collect();
    sessions.sort_by_key(|(session, row)| (row.started_us, *session));
    match format {
        Format::Json => {
            for (session, row) in sessions {
                writeln!(out, "{}", row.json(session))?;
            }
        }
        Format::Table => {
            let head = [
                "SESSION",
                "STARTED",
                "USER",
                "EXECUTABLE",
                "RESOURCE",
                "DATABASE",
                "ROLE",
                "STATEMENTS",
                "DENIED",
                "HELD",
                "OBSERVED",
                "END",
            ];
            let rows: Vec<Vec<String>> =
                sessions.into_iter().map(|(session, row)| row.cells(session)).collect();
            table::print(out, &head, &rows)?;
        }
    }
    Ok(())
}

impl Row {
    fn take(&mut self, body: &Body<'_>) {
        match body {
            Body::SessionStart(start) => {
                let principal = &start.principal;
                self.user = who::user(principal);
                self.executable = who::program(principal.executable.as_deref(), &principal.comm);
                self.place =
                    [&start.resource, &start.database, &start.role].map(|name| plain(name.as_bytes(), false));
                self.start = json::body(body);
            }
            Body::Statement(statement) => {
                let ruling = statement.decision.as_ref().map_or(Ruling::Allow, |decision| decision.ruling);
                // What ran or was to run: Parse and Bind only where they were stopped.
                let runs = matches!(
                    statement.protocol,
                    Protocol::Simple | Protocol::Execute | Protocol::FunctionCall
                );
                self.statements += u64::from(runs || ruling == Ruling::Deny);
                self.denied += u64::from(ruling == Ruling::Deny);
                let would = statement.decision.as_ref().and_then(|decision| decision.would.as_ref());
                self.observed += u64::from(runs && would.is_some());
            }
            Body::Decision(judged) => {
                self.denied += u64::from(judged.decision.ruling == Ruling::Deny);
                self.observed += u64::from(judged.decision.would.is_some());
            }
            Body::Hold(_) => self.held += 1,
            Body::SessionEnd(end) => self.end = Some(plain(end.reason.as_bytes(), false)),
            _ => {}
        }
    }

    fn json(&self, session: SessionId) -> Value {
        json!({
            "session": session.to_string(), "started": time(self.started_us), "start": self.start,
            "statements": self.statements, "denied": self.denied, "held": self.held,
            "observed": self.observed, "end": self.end,
        })
    }

    fn cells(self, session: SessionId) -> Vec<String> {
        let [resource, database, role] = self.place;
        vec![
            session.to_string(),
            time(self.started_us),
            self.user,
            self.executable,
            resource,
            database,
            role,
            self.statements.to_string(),
            self.denied.to_string(),
            self.held.to_string(),
            self.observed.to_string(),
            // Still open, or the host fell silent before it could be written.
            self.end.unwrap_or_else(|| "-".to_owned()),
        ]
    }
}
