//! What a record says, as the columns beside it: the names here are the columns' names in the schema.
//!
//! These are for queries; the record's own bytes are what counts. A text that is long is cut here, and whole there.

use std::borrow::Cow;

use evidence::{Body, Decision, Header};
use policy::{Ancestor, Principal};
use serde_json::{Map, Value};

/// The most bytes of a text.
const TEXT: usize = 4096;
/// The most bytes of a name in a list: an index has those of relations.
const NAME: usize = 256;
/// The most names in a list.
const NAMES: usize = 200;

/// Columns that came with the second version of the schema. Who stored a record before that left them empty.
const SECOND: [&str; 4] = ["executable_sha256", "container", "ancestors", "destination"];

/// Whether these columns are what a record says: all of them, or those of the first version.
pub(super) fn agree(header: &Header, body: &[u8], columns: &Value) -> bool {
    let mut expect = of(header, body);
    if columns.as_object() == Some(&expect) {
        return true;
    }
    expect.retain(|column, _| !SECOND.contains(&column.as_str()));
    columns.as_object() == Some(&expect)
}

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
                self.principal(&start.principal);
                self.text("destination", &start.destination.to_string());
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
                self.text("reason", &format!("{}: {}", incident.kind, incident.detail));
                incident.principal.iter().for_each(|principal| self.principal(principal));
                incident.destination.iter().for_each(|to| self.text("destination", &to.to_string()));
            }
            Body::HostStart(_)
            | Body::Beat(_)
            | Body::PolicyReloaded(_)
            | Body::Reclaimed(_)
            | Body::Other(..) => {}
        }
    }

    fn principal(&mut self, principal: &Principal) {
        self.number("uid", principal.uid.into());
        self.text("username", principal.user.as_deref().unwrap_or_default());
        self.text("executable", principal.executable.as_deref().unwrap_or(&principal.comm));
        self.text("executable_sha256", &principal.executable_sha256.map(hex::encode).unwrap_or_default());
        self.text("unit", principal.unit.as_deref().unwrap_or_default());
        self.text("container", principal.container.as_deref().unwrap_or_default());
        let name = |ancestor: &Ancestor| ancestor.executable.as_ref().unwrap_or(&ancestor.comm).clone();
        self.names("ancestors", principal.ancestors.iter().map(name));
    }

    fn decision(&mut self, decision: &Decision<'_>) {
        self.text("decision", decision.ruling.name());
        self.text("rule", &decision.rule);
        self.names("relations", decision.relations.iter());
    }

    fn names(&mut self, column: &str, names: impl Iterator<Item = impl AsRef<str>>) {
        let names: Vec<Value> = names.take(NAMES).map(|name| Value::from(cut(name.as_ref(), NAME))).collect();
        if !names.is_empty() {
            self.0.insert(column.to_owned(), names.into());
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
    use evidence::{Digest, Incident, Kind, Protocol, Ruling, SessionId, Statement, StatementEnd, Times};
    use serde_json::json;

    use super::*;

    fn record(body: &Body<'_>) -> (Header, Vec<u8>) {
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
        (header, bytes)
    }

    #[track_caller]
    fn check(body: &Body<'_>, expect: Value) {
        let (header, bytes) = record(body);
        assert_eq!(Value::Object(of(&header, &bytes)), expect);
        assert!(of(&header, b"").is_empty() && of(&Header { kind: Kind::Hold, ..header }, &bytes).is_empty());
    }

    fn job() -> Principal {
        let ancestor = |comm: &str, executable: Option<&str>| Ancestor {
            comm: comm.into(),
            executable: executable.map(Into::into),
            ..Ancestor::default()
        };
        Principal {
            uid: 1000,
            comm: "psql".into(),
            executable_sha256: Some([0xab; 32]),
            container: Some("web".into()),
            ancestors: vec![ancestor("sh", Some("/bin/sh")), ancestor("ag\0nt", None)],
            ..Principal::default()
        }
    }

    #[test]
    fn an_incident_says_who_and_where_to_as_a_session_does() {
        let principal = job();
        let incident = Incident::new("opened-elsewhere", "on port 6543").by(&principal);
        let body = Body::Incident(incident.towards("10.0.0.5:6543".parse().unwrap()));
        let expect = json!({
            "reason": "opened-elsewhere: on port 6543", "uid": 1000, "executable": "psql",
            "executable_sha256": "ab".repeat(32), "container": "web",
            "ancestors": ["/bin/sh", "ag\u{fffd}nt"], "destination": "10.0.0.5:6543",
        });
        check(&body, expect);
        check(&Body::Incident(Incident::new("x", "y")), json!({ "reason": "x: y" }));
    }

    #[test]
    fn columns_of_the_first_version_are_no_edit_and_others_are() {
        let principal = job();
        let (header, bytes) = record(&Body::Incident(Incident::new("x", "y").by(&principal)));
        let without = |columns: &[&str]| {
            let mut told = of(&header, &bytes);
            told.retain(|column, _| !columns.contains(&column.as_str()));
            agree(&header, &bytes, &Value::Object(told))
        };
        assert!(without(&[]) && without(&SECOND));
        for missing in ["container", "ancestors", "executable_sha256", "uid", "reason"] {
            assert!(!without(&[missing]), "{missing}");
        }
        let mut other = of(&header, &bytes);
        other.insert("container".into(), "another".into());
        assert!(!agree(&header, &bytes, &Value::Object(other)));
        assert!(!agree(&header, &bytes, &Value::Null));
    }

    #[test]
    fn a_column_holds_what_the_body_says_as_far_as_postgresql_can_store_it() {
        let decision = Decision {
            ruling: Ruling::Deny,
            rule: "no-ddl".into(),
            findings: vec![].into(),
            relations: vec!["public.t".into(), "x".repeat(1000).into()].into(),
            policy: None,
            would: None,
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
