//! What is said over the control socket: one JSON object in each line, requests one way and responses the
//! other, in order.
//!
//! It carries no secret: statements and values are in the form in which they are recorded.

use std::collections::BTreeMap;

use jiff::Timestamp;
use policy::{Answer, Finding};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Ask;

/// The longest line of a request, in bytes.
pub const REQUEST_LIMIT: usize = 64 * 1024;

/// How much of a statement, and of all its values together, a reviewer is shown, in bytes.
pub const SHOWN: usize = 64 * 1024;

/// How much of each statement a list shows, in bytes.
pub const LISTED: usize = 2 * 1024;

/// What a client asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// All holds; with `wait`, as soon as there is one.
    List {
        /// Whether to wait.
        #[serde(default)]
        wait: bool,
    },
    /// One hold.
    Show {
        /// Its id.
        id: String,
    },
    /// Let it run, once.
    Approve {
        /// Its id.
        id: String,
        /// Why; may be empty.
        #[serde(default)]
        reason: String,
    },
    /// Refuse it.
    Deny {
        /// Its id.
        id: String,
        /// Why.
        reason: String,
    },
    /// How the daemon is.
    Status,
    /// Read the policies again.
    Reload,
}

/// What the daemon answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Response {
    /// To [`Request::List`], the oldest first, each cut to [`LISTED`].
    Holds(Vec<Hold>),
    /// To [`Request::Show`].
    Hold(Box<Hold>),
    /// To [`Request::Approve`] and [`Request::Deny`].
    Decided {
        /// The hold.
        id: String,
        /// `approve` or `deny`.
        answer: String,
        /// How the record calls who answered.
        reviewer: String,
    },
    /// To [`Request::Status`]; its form is the daemon's.
    Status(Value),
    /// To [`Request::Reload`]; its form is the daemon's.
    Reloaded(Value),
    /// It was not done.
    Refused {
        /// For programs.
        code: Code,
        /// For people, with the cure.
        message: String,
    },
}

/// Why something was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// The line is no request.
    BadRequest,
    /// No statement waits under that id.
    NotWaiting,
    /// The reviewer is who asked.
    OwnRequest,
    /// The caller may not do this.
    NotAllowed,
    /// The daemon tried and failed.
    Failed,
}

/// One statement that waits, as a reviewer sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// What to type.
    pub id: String,
    /// The session, in hex.
    pub session: String,
    /// Who asks.
    pub who: Who,
    /// The protected resource.
    pub resource: String,
    /// The database.
    pub database: String,
    /// The statement as recorded, as far as it is shown.
    pub statement: String,
    /// The length of the whole statement in bytes.
    pub statement_bytes: usize,
    /// The bound values as recorded, as far as they are shown.
    pub values: Vec<String>,
    /// How many values there are.
    pub values_count: usize,
    /// Whether something of the statement or the values is not shown.
    pub cut: bool,
    /// What the statement does, and which rules hold it.
    pub findings: Vec<FindingView>,
    /// When it was asked (RFC 3339, UTC).
    pub asked_at: String,
    /// When it is denied by itself.
    pub expires_at: String,
}

/// The principal, in a reviewer's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// Real uid at connect.
    pub uid: u32,
    /// Its name.
    pub user: Option<String>,
    /// Process id.
    pub pid: u32,
    /// The thread's name.
    pub comm: String,
    /// The executable's path.
    pub executable: Option<String>,
    /// The command line.
    pub command_line: Option<String>,
    /// The systemd unit.
    pub unit: Option<String>,
    /// What its CI system's token says.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub claims: BTreeMap<String, Vec<String>>,
}

/// A finding, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingView {
    /// Such as `delete table public.orders`.
    pub action: String,
    /// `allow`, `hold` or `deny`.
    pub decision: String,
    /// The rule's name.
    pub rule: String,
    /// The rule's message.
    pub message: Option<String>,
}

impl Hold {
    /// What is shown of `ask`.
    pub(super) fn new(ask: Ask, asked: Timestamp, expires: Timestamp) -> Self {
        let (statement_bytes, values_count) = (ask.statement.len(), ask.values.len());
        let mut hold = Hold {
            id: ask.id,
            session: hex::encode(ask.binding.session),
            who: Who {
                uid: ask.principal.uid,
                user: ask.principal.user,
                pid: ask.principal.pid,
                comm: ask.principal.comm,
                executable: ask.principal.executable,
                command_line: ask.principal.command_line,
                unit: ask.principal.unit,
                claims: ask.principal.claims,
            },
            resource: ask.resource,
            database: ask.database,
            statement: ask.statement,
            statement_bytes,
            values: ask.values,
            values_count,
            cut: false,
            findings: ask.findings.iter().take(FINDINGS).map(FindingView::new).collect(),
            asked_at: seconds(asked),
            expires_at: seconds(expires),
        };
        hold.cut(SHOWN);
        hold
    }

    /// Keeps at most `limit` bytes of the statement, and of all values together.
    pub(super) fn cut(&mut self, limit: usize) {
        let shown = self.statement.floor_char_boundary(limit);
        self.statement.truncate(shown);
        self.statement.shrink_to_fit();
        let mut room = limit;
        let count = self.values.iter().take_while(|value| {
            // A value of no length takes room too.
            room = room.saturating_sub(value.len().saturating_add(8));
            room > 0
        });
        let count = count.count();
        self.values.truncate(count);
        self.cut = self.statement.len() < self.statement_bytes || self.values.len() < self.values_count;
    }
}

/// How many findings are shown.
const FINDINGS: usize = 100;

impl FindingView {
    fn new(finding: &Finding) -> Self {
        FindingView {
            action: finding.action.to_string(),
            decision: finding.decision.name().to_owned(),
            rule: finding.rule.to_string(),
            message: finding.message.as_deref().map(str::to_owned),
        }
    }
}

/// Whole seconds: what people read.
fn seconds(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}

/// The word for an answer.
pub(super) const fn word(answer: Answer) -> &'static str {
    match answer {
        Answer::Approve => "approve",
        Answer::Deny => "deny",
    }
}
