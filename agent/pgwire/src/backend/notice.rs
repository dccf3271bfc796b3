//! The body of ErrorResponse and NoticeResponse.
//!
//! Source: PostgreSQL manual, section "Error and Notice Message Fields".

use bytes::BytesMut;

use super::tag;
use crate::{EncodeError, FrameError, read::Reader, write};

/// The fields' codes.
pub mod code {
    /// Severity, which may be translated.
    pub const SEVERITY: u8 = b'S';
    /// Severity, never translated.
    pub const SEVERITY_NONLOCALIZED: u8 = b'V';
    /// SQLSTATE.
    pub const SQLSTATE: u8 = b'C';
    /// The primary message.
    pub const MESSAGE: u8 = b'M';
    /// More on the problem.
    pub const DETAIL: u8 = b'D';
    /// What to do about it.
    pub const HINT: u8 = b'H';
    /// The place in the statement, in characters from 1.
    pub const POSITION: u8 = b'P';
    /// What the server was in the midst of, a line for each, the innermost first.
    pub const CONTEXT: u8 = b'W';
    /// The text of a command that the server made itself, such as one in the body of a function.
    pub const INTERNAL_QUERY: u8 = b'q';
    /// The function of the server's own code that says it.
    pub const ROUTINE: u8 = b'R';
}

/// The fields of an ErrorResponse or a NoticeResponse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notice<'a>(&'a [u8]);

impl<'a> Notice<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, FrameError> {
        let body = reader.rest();
        let mut len = 0;
        while reader.u8()? != 0 {
            reader.cstr()?;
            len = body.len() - reader.rest().len();
        }
        Ok(Notice(&body[..len]))
    }

    /// Each field's code and value, in their order.
    pub fn fields(&self) -> impl Iterator<Item = (u8, &'a [u8])> + use<'a> {
        self.0
            .split_inclusive(|byte| *byte == 0)
            .filter_map(|field| field.split_first())
            .map(|(code, value)| (*code, value.strip_suffix(&[0]).unwrap_or(value)))
    }

    /// The value of the first field with that code.
    pub fn get(&self, code: u8) -> Option<&'a [u8]> {
        self.fields().find(|field| field.0 == code).map(|field| field.1)
    }
}

/// What an ErrorResponse or a NoticeResponse of our own says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoticeFields<'a> {
    /// `ERROR`, `FATAL`, `PANIC`; `WARNING`, `NOTICE`, `DEBUG`, `INFO`, `LOG`.
    pub severity: &'a str,
    /// Five characters.
    pub sqlstate: &'a str,
    /// The primary message, one line.
    pub message: &'a str,
    /// More on the problem.
    pub detail: Option<&'a str>,
    /// What to do about it.
    pub hint: Option<&'a str>,
    /// The place in the statement, in characters from 1.
    pub position: Option<u32>,
}

impl<'a> NoticeFields<'a> {
    /// With severity, SQLSTATE and message; the rest absent.
    pub const fn new(severity: &'a str, sqlstate: &'a str, message: &'a str) -> Self {
        NoticeFields { severity, sqlstate, message, detail: None, hint: None, position: None }
    }

    /// Appends an ErrorResponse.
    ///
    /// # Errors
    /// [`EncodeError`] if a text holds a zero byte.
    pub fn encode_error(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        self.encode(out, tag::ERROR_RESPONSE)
    }

    /// Appends a NoticeResponse.
    ///
    /// # Errors
    /// [`EncodeError`] if a text holds a zero byte.
    pub fn encode_notice(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        self.encode(out, tag::NOTICE_RESPONSE)
    }

    fn encode(&self, out: &mut BytesMut, tag: u8) -> Result<(), EncodeError> {
        let position = self.position.map(|position| position.to_string());
        let fields = [
            (code::SEVERITY, Some(self.severity)),
            (code::SEVERITY_NONLOCALIZED, Some(self.severity)),
            (code::SQLSTATE, Some(self.sqlstate)),
            (code::MESSAGE, Some(self.message)),
            (code::DETAIL, self.detail),
            (code::HINT, self.hint),
            (code::POSITION, position.as_deref()),
        ];
        write::frame(out, Some(tag), |body| {
            for (code, value) in fields {
                if let Some(value) = value {
                    body.u8(code);
                    body.cstr(value.as_bytes())?;
                }
            }
            body.u8(0);
            Ok(())
        })
    }
}
