//! What a record says, as the columns beside it: the names here are the columns' names in the schema.
//!
//! These are for queries; the record's own bytes are what counts. A text that is long is cut here, and whole there.

use std::borrow::Cow;

use evidence::{Body, Decision, Header};
use serde_json::{Map, Value};

/// The most bytes of a text.
const TEXT: usize = 4096;
/// The most bytes of a relation's name: an index has them.
const NAME: usize = 256;
/// The most relations of one statement.
const NAMES: usize = 200;

/// The columns of a record, without those that have no value. None for a body that was erased or cannot be read.
pub(super) fn of(header: &Header, body: &[u8]) -> Map<String, Value> {
    let mut facts = Facts(Map::new());
    // Trust the bytes: a body that is not the header's would be told by the verification, not hidden here.
    if let Ok(body) = Body::decode(header.kind, body) {
        facts.fill(&body);
    }
    facts.0
}

struct Facts(Map<String, Value>);

impl Facts {
    fn fill(&mut self, body: &Body<'_>) {
        match body {
            Body::SessionStart(start) => {
                let principal = &start.principal;
                self.number("uid", principal.uid.into());
                self.text("username", principal.user.as_deref().unwrap_or_default());
                self.text("executable", principal.executable.as_deref().unwrap_or(&principal.comm));
                self.text("unit", principal.unit.as_deref().unwrap_or_default());
                self.text("resource", &start.resource);
                self.text("database", &start.database);
                self.text("role", &start.role);
            }
            Body::Statement(statement) => {
                self.text("protocol", statement.protocol.name());
                self.bytes("query", &statement.text);
                if let Some(decision) = &statement.decision {
                    self.decision(decision);
                }
            }
            Body::Decision(judged) => {
                self.number("statement", judged.statement);
                self.decision(&judged.decision);
            }
            Body::Hold(hold) => {
                self.number("statement", hold.statement);
                self.text("request", &hold.request);
            }
            Body::HoldEnd(end) => {
                self.number("statement", end.statement);
                self.text("request", &end.request);
                self.text("outcome", end.outcome.name());
                self.text("reviewer", &end.reviewer);
                self.text("reason", &end.reason);
            }
            Body::ResultChunk(chunk) => self.number("statement", chunk.statement),
            Body::ResultCut(cut) => {
                self.number("statement", cut.statement);
                self.number("rows", cut.rows);
            }
            Body::StatementEnd(end) => {
                self.number("statement", end.statement);
                self.bytes("tag", &end.tag);
                self.number("rows", end.rows);
                self.bytes("sqlstate", &end.sqlstate);
                self.number("duration_us", end.duration_us);
            }
            Body::SessionEnd(end) => self.text("reason", &end.reason),
            Body::HostStop(stop) => self.text("reason", &stop.reason),
            Body::Incident(incident) => {
                self.text("reason", &format!("{}: {}", incident.kind, incident.detail))
            }
            Body::HostStart(_)
            | Body::Beat(_)
            | Body::PolicyReloaded(_)
            | Body::Reclaimed(_)
            | Body::Other(..) => {}
        }
    }

    fn decision(&mut self, decision: &Decision<'_>) {
        self.text("decision", decision.ruling.name());
        self.text("rule", &decision.rule);
        let names: Vec<Value> =
            decision.relations.iter().take(NAMES).map(|name| Value::from(cut(name, NAME))).collect();
        if !names.is_empty() {
            self.0.insert("relations".to_owned(), names.into());
        }
    }

    fn number(&mut self, column: &str, value: u64) {
        // A bigint has 63 bits.
        self.0.insert(column.to_owned(), i64::try_from(value).unwrap_or(i64::MAX).into());
    }

    fn bytes(&mut self, column: &str, value: &[u8]) {
        self.text(column, &String::from_utf8_lossy(value));
    }

    fn text(&mut self, column: &str, value: &str) {
        if !value.is_empty() {
            self.0.insert(column.to_owned(), cut(value, TEXT).into());
        }
    }
}

/// As PostgreSQL can store it: without NUL (manual, section 8.3), and not too long.
fn cut(text: &str, most: usize) -> String {
    let kept = text.get(..text.floor_char_boundary(most)).unwrap_or_default();
    let kept: Cow<'_, str> =
        if kept.contains('\0') { kept.replace('\0', "\u{fffd}").into() } else { kept.into() };
    kept.into_owned()
}

#[cfg(test)]
mod tests {
    use evidence::{Digest, Kind, Protocol, Ruling, SessionId, Statement, StatementEnd, Times};
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(body: &Body<'_>, expect: Value) {
        let header = Header {
            boot: evidence::BootId([1; 16]),
            lane: 1,
            sequence: 0,
            session: Some((SessionId([2; 16]), 0)),
            kind: body.kind(),
            times: Times::default(),
            predecessor: Digest::NONE,
            body: Digest::NONE,
            body_len: 0,
        };
        let mut bytes = Vec::new();
        body.encode(&mut bytes);
        assert_eq!(Value::Object(of(&header, &bytes)), expect);
        assert!(of(&header, b"").is_empty() && of(&Header { kind: Kind::Hold, ..header }, &bytes).is_empty());
    }

    #[test]
    fn a_column_holds_what_the_body_says_as_far_as_postgresql_can_store_it() {
        let decision = Decision {
            ruling: Ruling::Deny,
            rule: "no-ddl".into(),
            findings: vec![],
            relations: vec!["public.t".into(), "x".repeat(1000).into()],
            policy: None,
        };
        check(
            &Body::Statement(Statement {
                text: b"drop \0 \xff"[..].into(),
                decision: Some(decision),
                ..Statement::new(Protocol::Simple)
            }),
            json!({
                "protocol": "simple", "query": "drop \u{fffd} \u{fffd}", "decision": "deny", "rule": "no-ddl",
                "relations": ["public.t", "x".repeat(NAME)],
            }),
        );
        check(
            &Body::StatementEnd(StatementEnd { statement: 7, rows: u64::MAX, ..StatementEnd::default() }),
            json!({ "statement": 7, "rows": i64::MAX, "duration_us": 0 }),
        );
        // A letter of two bytes is not cut in half.
        check(
            &Body::Statement(Statement {
                text: format!("a{}", "ä".repeat(TEXT)).into_bytes().into(),
                ..Statement::new(Protocol::Parse)
            }),
            json!({ "protocol": "parse", "query": format!("a{}", "ä".repeat(TEXT / 2 - 1)) }),
        );
    }
}
