//! The error that a client gets for a refused statement.

use bytes::BytesMut;
use pgwire::backend::NoticeFields;
use policy::Judgement;

use crate::Fault;

/// What the client is told in the place of the server's own error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) sqlstate: &'static str,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    /// The place in the text of what was not understood, in characters from 1.
    pub(crate) position: Option<u32>,
    /// The server says the same, with all the fields that it has: its error is the one that the client gets.
    pub(crate) is_servers: bool,
}

/// `insufficient_privilege`, as PostgreSQL's own permission checks give.
const INSUFFICIENT_PRIVILEGE: &str = "42501";
/// `program_limit_exceeded`.
const PROGRAM_LIMIT_EXCEEDED: &str = "54000";
/// `query_canceled`.
pub(super) const QUERY_CANCELED: &str = "57014";

impl Refusal {
    /// The policy says no, in the words of PostgreSQL's own error where that would say no as well.
    pub(crate) fn denied(judgement: &Judgement) -> Self {
        Refusal {
            sqlstate: judgement.sqlstate().unwrap_or(INSUFFICIENT_PRIVILEGE),
            message: judgement.refusal(),
            // One line says it all: many a tool shows no other.
            hint: None,
            position: judgement.position(),
            is_servers: false,
        }
    }

    /// Something of the session's own says no, whatever the policy says.
    pub(crate) fn because(message: impl Into<String>, hint: Option<String>) -> Self {
        Refusal {
            sqlstate: INSUFFICIENT_PRIVILEGE,
            message: message.into(),
            hint,
            position: None,
            is_servers: false,
        }
    }

    /// A reviewer said no, or nobody said anything in time.
    pub(crate) fn not_approved(message: String) -> Self {
        Refusal { sqlstate: INSUFFICIENT_PRIVILEGE, message, hint: None, position: None, is_servers: false }
    }

    /// The client itself cancelled the statement before the server had it.
    pub(crate) fn cancelled() -> Self {
        Refusal::interrupted("canceling statement due to user request".to_owned())
    }

    /// There is more of something than a session may have.
    pub(crate) fn limit(message: String, hint: &str) -> Self {
        Refusal {
            sqlstate: PROGRAM_LIMIT_EXCEEDED,
            message,
            hint: Some(hint.to_owned()),
            position: None,
            is_servers: false,
        }
    }

    /// The server would have broken it off, with these words.
    pub(crate) fn interrupted(message: String) -> Self {
        Refusal { sqlstate: QUERY_CANCELED, message, hint: None, position: None, is_servers: false }
    }

    /// Puts the ErrorResponse before the client.
    pub(crate) fn encode(&self, out: &mut BytesMut) -> Result<(), Fault> {
        let clean = |text: &str| text.replace('\0', "\u{fffd}");
        let (message, hint) = (clean(&self.message), self.hint.as_deref().map(clean));
        let fields = NoticeFields {
            hint: hint.as_deref(),
            position: self.position,
            ..NoticeFields::new("ERROR", self.sqlstate, &message)
        };
        fields
            .encode_error(out)
            .map_err(|_| Fault::Limit { what: "the length of an error", limit: i32::MAX as usize })
    }
}
