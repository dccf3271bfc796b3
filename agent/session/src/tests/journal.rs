//! Records as they were written, owned.

use evidence::{Body, HoldOutcome, Ruling, SessionId, Stream, Times, TooLarge};

use crate::Journal;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Record {
    Start {
        role: String,
    },
    Statement {
        sequence: u64,
        text: String,
        values: Vec<String>,
        ruling: Ruling,
        rule: String,
        protocol: &'static str,
    },
    Hold {
        statement: u64,
        request: String,
    },
    HoldEnd {
        statement: u64,
        outcome: HoldOutcome,
        reviewer: String,
    },
    Chunk {
        statement: u64,
        stream: Stream,
        frames: Vec<u8>,
    },
    Cut {
        statement: u64,
        recorded: u64,
        bytes: u64,
    },
    End {
        statement: u64,
        tag: String,
        rows: u64,
        sqlstate: String,
        message: String,
        frames: Vec<u8>,
    },
    SessionEnd {
        reason: String,
        statements: u64,
        denied: u64,
        held: u64,
    },
}

#[derive(Default)]
pub(crate) struct Records(pub(crate) Vec<Record>);

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Journal for Records {
    fn append(&mut self, session: (SessionId, u64), body: &Body<'_>, _: Times) -> Result<(), TooLarge> {
        assert_eq!(session.1, self.0.len() as u64, "a session's records are numbered without a gap");
        self.0.push(match body {
            Body::SessionStart(start) => Record::Start { role: start.role.to_string() },
            Body::Statement(s) => {
                let decision = s.decision.as_ref().unwrap();
                Record::Statement {
                    sequence: session.1,
                    text: text(&s.text),
                    values: s
                        .parameters
                        .iter()
                        .map(|p| p.value.as_deref().map_or("NULL".to_owned(), text))
                        .collect(),
                    ruling: decision.ruling,
                    rule: decision.rule.to_string(),
                    protocol: s.protocol.name(),
                }
            }
            Body::Hold(h) => Record::Hold { statement: h.statement, request: h.request.to_string() },
            Body::HoldEnd(h) => Record::HoldEnd {
                statement: h.statement,
                outcome: h.outcome,
                reviewer: h.reviewer.to_string(),
            },
            Body::ResultChunk(c) => {
                Record::Chunk { statement: c.statement, stream: c.stream, frames: c.frames.to_vec() }
            }
            Body::ResultCut(c) => {
                Record::Cut { statement: c.statement, recorded: c.recorded, bytes: c.bytes }
            }
            Body::StatementEnd(e) => Record::End {
                statement: e.statement,
                tag: text(&e.tag),
                rows: e.rows,
                sqlstate: text(&e.sqlstate),
                message: text(&e.message),
                frames: e.frames.to_vec(),
            },
            Body::SessionEnd(e) => Record::SessionEnd {
                reason: e.reason.to_string(),
                statements: e.statements,
                denied: e.denied,
                held: e.held,
            },
            other => panic!("a session writes no {other:?}"),
        });
        Ok(())
    }
}

impl Records {
    /// `protocol ruling rule` of every statement.
    pub(crate) fn rulings(&self) -> Vec<String> {
        self.0
            .iter()
            .filter_map(|record| match record {
                Record::Statement { ruling, rule, protocol, .. } => {
                    Some(format!("{protocol} {} {rule}", ruling.name()))
                }
                _ => None,
            })
            .collect()
    }

    /// All frames recorded of the server's answers, in their order.
    pub(crate) fn delivered(&self) -> Vec<u8> {
        self.stream(Stream::Backend)
    }

    pub(crate) fn stream(&self, wanted: Stream) -> Vec<u8> {
        let frames = self.0.iter().filter_map(|record| match record {
            Record::Chunk { stream, frames, .. } if *stream == wanted => Some(frames),
            Record::End { frames, .. } if wanted == Stream::Backend => Some(frames),
            _ => None,
        });
        frames.flatten().copied().collect()
    }

    pub(crate) fn everything(&self) -> String {
        self.0.iter().map(|record| format!("{record:?}\n")).collect()
    }
}
