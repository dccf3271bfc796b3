//! Why a client is not let through, as it is told.

use std::borrow::Cow;

use pgwire::backend::{Notice, NoticeFields, notice::code};

use crate::authentication;

/// Why a client is not let through: what goes into its ErrorResponse. It never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Five characters.
    pub sqlstate: Cow<'static, str>,
    /// The primary message, one line.
    pub message: String,
    /// More on the problem.
    pub detail: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Refusal {
    /// With SQLSTATE and message; the rest absent.
    pub fn new(sqlstate: &'static str, message: impl Into<String>) -> Self {
        Refusal { sqlstate: sqlstate.into(), message: message.into(), detail: None, hint: None }
    }

    /// A server's own ErrorResponse to our login: what clients and people know it by stays as it is.
    pub fn of_server(error: &Notice<'_>) -> Self {
        let text = |code| error.get(code).map(|text| String::from_utf8_lossy(text).into_owned());
        let sqlstate = text(code::SQLSTATE)
            .filter(|code| code.len() == 5 && code.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        Refusal {
            // invalid_authorization_specification
            sqlstate: sqlstate.map_or(Cow::Borrowed("28000"), Cow::Owned),
            message: text(code::MESSAGE).unwrap_or_default(),
            detail: text(code::DETAIL),
            hint: text(code::HINT),
        }
    }

    /// Whether a server's refusal is about the login itself: about the role, which is the resource's own and not the
    /// client's (class 28 of SQLSTATEs), or about the conversation of the login, in which the client has no part (08).
    /// Everything else, from a database that is not there to a server that is full or is starting, is what a client of
    /// its own would meet too.
    pub(crate) fn is_of_login(&self) -> bool {
        self.sqlstate.starts_with("28") || self.sqlstate.starts_with("08")
    }

    /// A server's refusal as the client is told it: in the server's own words, or with whose login it was.
    #[must_use]
    pub fn told(self, resource: &str, role: &str, database: &str) -> Self {
        match self.is_of_login() {
            true => self.of_login(resource, role, database),
            false => self,
        }
    }

    /// The same, with whose login it was: the client has none of its own, and nobody is to look for one.
    #[must_use]
    pub fn of_login(mut self, resource: &str, role: &str, database: &str) -> Self {
        self.message = format!(
            "Portreeve could not log in to resource \"{resource}\" as role \"{role}\", database \"{database}\": {}",
            self.message
        );
        self
    }

    /// The fields of its ErrorResponse.
    pub(crate) fn fields(&self) -> NoticeFields<'_> {
        NoticeFields {
            detail: self.detail.as_deref(),
            hint: self.hint.as_deref(),
            ..NoticeFields::new("FATAL", &self.sqlstate, &self.message)
        }
    }
}

impl From<authentication::Error> for Refusal {
    fn from(error: authentication::Error) -> Self {
        Refusal { hint: error.hint().map(str::to_owned), ..Refusal::new(error.sqlstate(), error.to_string()) }
    }
}
