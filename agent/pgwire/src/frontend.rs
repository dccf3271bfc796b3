//! The messages that a frontend sends: views of a whole body, and encoders.
//!
//! Strings are bytes in the session's client encoding, not necessarily UTF-8. A body is checked in full when it
//! is parsed, so the lists in a message can be walked without further errors. What PostgreSQL itself would
//! answer with an ordinary ERROR (an unknown format code, a wrong number of parameters) is not an error here.

use crate::frame::malformed;
use crate::{Format, Formats, FrameError, Oid, Oids, Values, read::Reader};

pub mod encode;
pub mod tag;
#[cfg(test)]
mod tests;

/// What Describe and Close name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// A prepared statement (`S`).
    Statement,
    /// A portal (`P`).
    Portal,
}

impl Target {
    /// As it stands on the wire.
    pub const fn byte(self) -> u8 {
        match self {
            Target::Statement => b'S',
            Target::Portal => b'P',
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, FrameError> {
        match reader.u8()? {
            b'S' => Ok(Target::Statement),
            b'P' => Ok(Target::Portal),
            _ => Err(reader.malformed(malformed::TARGET)),
        }
    }
}

/// Parse: a text becomes a prepared statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parse<'a> {
    /// The statement's name; empty for the unnamed one.
    pub name: &'a [u8],
    /// The text.
    pub query: &'a [u8],
    /// Types given for the parameters, from the first; fewer than there are parameters is allowed.
    pub parameter_types: Oids<'a>,
}

/// Bind: a prepared statement with values becomes a portal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind<'a> {
    /// The portal's name; empty for the unnamed one.
    pub portal: &'a [u8],
    /// The statement's name; empty for the unnamed one.
    pub statement: &'a [u8],
    /// How the values are written.
    pub parameter_formats: Formats<'a>,
    /// The values.
    pub parameters: Values<'a>,
    /// How the results are to be written.
    pub result_formats: Formats<'a>,
}

/// What stands before the values of a Bind or a FunctionCall, and the beginning of those.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head<'a> {
    /// Of a Bind: the portal's name.
    pub portal: &'a [u8],
    /// Of a Bind: the statement's name.
    pub statement: &'a [u8],
    /// Of a FunctionCall: `pg_proc.oid`.
    pub function: Oid,
    /// How the values are written.
    pub formats: Formats<'a>,
    /// How many values there are.
    pub count: u16,
    /// The values, each with its length in front, as far as they are there.
    pub values: &'a [u8],
}

/// A value of which not everything need be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// NULL.
    Null,
    /// A value.
    Whole(&'a [u8]),
    /// The beginning of one of so many bytes.
    Cut(&'a [u8], u32),
}

impl<'a> Head<'a> {
    /// Reads the beginning of a Bind's body.
    ///
    /// # Errors
    /// [`FrameError::Malformed`] where the values do not begin in these bytes.
    pub fn of_bind(body: &'a [u8]) -> Result<Self, FrameError> {
        let mut reader = Reader::new("Bind", body);
        let (portal, statement) = (reader.cstr()?, reader.cstr()?);
        Self::values(portal, statement, 0, reader)
    }

    /// The same of a FunctionCall's.
    ///
    /// # Errors
    /// As [`Head::of_bind`].
    pub fn of_function_call(body: &'a [u8]) -> Result<Self, FrameError> {
        let mut reader = Reader::new("FunctionCall", body);
        let function = reader.u32()?;
        Self::values(b"", b"", function, reader)
    }

    fn values(
        portal: &'a [u8],
        statement: &'a [u8],
        function: Oid,
        mut reader: Reader<'a>,
    ) -> Result<Self, FrameError> {
        let (formats, count) = (Formats::read(&mut reader)?, reader.u16()?);
        Ok(Head { portal, statement, function, formats, count, values: reader.rest() })
    }

    /// The values that have begun, each in turn.
    pub fn parts(&self) -> impl Iterator<Item = Part<'a>> + use<'a> {
        let mut rest = self.values;
        (0..self.count).map_while(move |_| {
            let (length, after) = rest.split_first_chunk::<4>()?;
            // A negative one is NULL, or the server's to refuse.
            let Ok(length) = u32::try_from(i32::from_be_bytes(*length)) else {
                rest = after;
                return Some(Part::Null);
            };
            match after.split_at_checked(length as usize) {
                Some((value, after)) => {
                    rest = after;
                    Some(Part::Whole(value))
                }
                None => {
                    rest = &[];
                    Some(Part::Cut(after, length))
                }
            }
        })
    }
}

/// FunctionCall: the fast path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionCall<'a> {
    /// `pg_proc.oid`.
    pub function: Oid,
    /// How the arguments are written.
    pub argument_formats: Formats<'a>,
    /// The arguments.
    pub arguments: Values<'a>,
    /// How the result is to be written.
    pub result_format: Format,
}

/// One message of a frontend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message<'a> {
    /// Bind.
    Bind(Bind<'a>),
    /// Close.
    Close {
        /// Statement or portal.
        target: Target,
        /// Its name.
        name: &'a [u8],
    },
    /// CopyData with its bytes.
    CopyData(&'a [u8]),
    /// CopyDone.
    CopyDone,
    /// CopyFail with its reason.
    CopyFail(&'a [u8]),
    /// Describe.
    Describe {
        /// Statement or portal.
        target: Target,
        /// Its name.
        name: &'a [u8],
    },
    /// Execute.
    Execute {
        /// The portal's name.
        portal: &'a [u8],
        /// At most so many rows; 0 (and, as the server reads it, less) means all.
        max_rows: i32,
    },
    /// Flush.
    Flush,
    /// FunctionCall.
    FunctionCall(FunctionCall<'a>),
    /// Parse.
    Parse(Parse<'a>),
    /// PasswordMessage, SASLInitialResponse, SASLResponse or GSSResponse: the raw body.
    Password(&'a [u8]),
    /// Query with its text.
    Query(&'a [u8]),
    /// Sync.
    Sync,
    /// Terminate.
    Terminate,
}

impl<'a> Message<'a> {
    /// Reads a whole body.
    ///
    /// # Errors
    /// [`FrameError::UnknownTag`] and [`FrameError::Malformed`].
    pub fn parse(tag: u8, body: &'a [u8]) -> Result<Self, FrameError> {
        let name = tag::name(tag).ok_or(FrameError::UnknownTag { tag })?;
        let mut reader = Reader::new(name, body);
        let message = match tag {
            tag::BIND => Message::Bind(Bind {
                portal: reader.cstr()?,
                statement: reader.cstr()?,
                parameter_formats: Formats::read(&mut reader)?,
                parameters: Values::read(&mut reader)?,
                result_formats: Formats::read(&mut reader)?,
            }),
            tag::CLOSE => Message::Close { target: Target::read(&mut reader)?, name: reader.cstr()? },
            tag::COPY_DATA => return Ok(Message::CopyData(body)),
            tag::COPY_DONE => Message::CopyDone,
            tag::COPY_FAIL => Message::CopyFail(reader.cstr()?),
            tag::DESCRIBE => Message::Describe { target: Target::read(&mut reader)?, name: reader.cstr()? },
            tag::EXECUTE => Message::Execute { portal: reader.cstr()?, max_rows: reader.i32()? },
            tag::FLUSH => Message::Flush,
            tag::FUNCTION_CALL => Message::FunctionCall(FunctionCall {
                function: reader.u32()?,
                argument_formats: Formats::read(&mut reader)?,
                arguments: Values::read(&mut reader)?,
                result_format: Format(reader.i16()?),
            }),
            tag::PARSE => Message::Parse(Parse {
                name: reader.cstr()?,
                query: reader.cstr()?,
                parameter_types: Oids::read(&mut reader)?,
            }),
            tag::PASSWORD => return Ok(Message::Password(body)),
            tag::QUERY => Message::Query(reader.cstr()?),
            tag::SYNC => Message::Sync,
            tag::TERMINATE => Message::Terminate,
            tag => return Err(FrameError::UnknownTag { tag }),
        };
        reader.end()?;
        Ok(message)
    }
}
