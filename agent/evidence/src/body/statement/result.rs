//! Bodies of what came back (or was copied in), and of a statement's end.

use std::borrow::Cow;

use minicbor::Decoder;

use crate::cbor::{self, DecodeError};
use crate::id::Digest;

/// Whose frames a chunk holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    /// The backend's, as the workload got them.
    Backend,
    /// The workload's CopyData, as the backend got them.
    CopyIn,
    /// The message that brought the statement, where it was too long for the statement's own record.
    Message,
}

impl Stream {
    /// The name for people and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Stream::Backend => "backend",
            Stream::CopyIn => "copy-in",
            Stream::Message => "message",
        }
    }

    fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        match d.u8()? {
            0 => Ok(Stream::Backend),
            1 => Ok(Stream::CopyIn),
            2 => Ok(Stream::Message),
            _ => Err(DecodeError::Value("stream")),
        }
    }
}

/// Frames as they were delivered. A frame may span chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultChunk<'a> {
    /// The statement's sequence in the session.
    pub statement: u64,
    /// Whose frames these are.
    pub stream: Stream,
    /// At most [`ResultChunk::MAX`] bytes of the protocol's frames.
    pub frames: Cow<'a, [u8]>,
}

impl<'a> ResultChunk<'a> {
    /// The most bytes that a chunk holds.
    pub const MAX: usize = 64 << 10;

    pub(in crate::body) fn encode(&self, out: &mut Vec<u8>) {
        cbor::map(out, |fields| {
            fields.uint(0, self.statement);
            fields.uint_unless_zero(1, self.stream as u8);
            fields.bytes(2, &self.frames);
        });
    }

    pub(in crate::body) fn decode(d: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        let (mut statement, mut stream, mut frames) = (None, Stream::Backend, None);
        cbor::fields(d, |key, d| {
            match key {
                0 => statement = Some(d.u64()?),
                1 => stream = Stream::decode(d)?,
                2 => frames = Some(cbor::read_bytes(d)?),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(ResultChunk {
            statement: statement.ok_or(DecodeError::Missing("statement"))?,
            stream,
            frames: frames.ok_or(DecodeError::Missing("frames"))?,
        })
    }
}

/// More was delivered than is recorded: what is known of the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResultCut {
    /// The statement's sequence in the session.
    pub statement: u64,
    /// Whose frames were cut.
    pub stream: Stream,
    /// Bytes of frames that are recorded.
    pub recorded: u64,
    /// Rows of the whole, as far as it was delivered.
    pub rows: u64,
    /// Bytes of the whole.
    pub bytes: u64,
    /// SHA-256 of the bytes behind those that are recorded: whoever has the whole can still show that it is the one.
    /// [`Digest::NONE`] where it must not be guessed at.
    pub rest: Digest,
}

impl ResultCut {
    pub(in crate::body) fn encode(&self, out: &mut Vec<u8>) {
        cbor::map(out, |fields| {
            fields.uint(0, self.statement);
            fields.uint_unless_zero(1, self.stream as u8);
            fields.uint(2, self.recorded);
            fields.uint(3, self.rows);
            fields.uint(4, self.bytes);
            fields.bytes(6, &self.rest.0);
        });
    }

    pub(in crate::body) fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let (mut statement, mut stream, mut rest) = (None, Stream::Backend, None);
        let (mut recorded, mut rows, mut bytes) = (0, 0, 0);
        cbor::fields(d, |key, d| {
            match key {
                0 => statement = Some(d.u64()?),
                1 => stream = Stream::decode(d)?,
                2 => recorded = d.u64()?,
                3 => rows = d.u64()?,
                4 => bytes = d.u64()?,
                6 => rest = Some(cbor::read_digest(d, "rest")?),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(ResultCut {
            statement: statement.ok_or(DecodeError::Missing("statement"))?,
            stream,
            recorded,
            rows,
            bytes,
            rest: rest.ok_or(DecodeError::Missing("rest"))?,
        })
    }
}

/// A statement has ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatementEnd<'a> {
    /// The statement's sequence in the session.
    pub statement: u64,
    /// The command tags of its CommandComplete messages, joined by `; `; empty where there was none.
    pub tag: Cow<'a, [u8]>,
    /// Rows that were delivered.
    pub rows: u64,
    /// Bytes of frames that were delivered.
    pub bytes: u64,
    /// SQLSTATE of the error that it ended by; empty where there was none.
    pub sqlstate: Cow<'a, [u8]>,
    /// The error's message as the workload got it.
    pub message: Cow<'a, [u8]>,
    /// From the statement's arrival to its end, in microseconds.
    pub duration_us: u64,
    /// The last of the backend's frames, in place of a chunk of their own: a small result is one record less.
    pub frames: Cow<'a, [u8]>,
}

impl<'a> StatementEnd<'a> {
    pub(in crate::body) fn encode(&self, out: &mut Vec<u8>) {
        cbor::map(out, |fields| {
            fields.uint(0, self.statement);
            fields.lenient_unless_empty(1, &self.tag);
            fields.uint_unless_zero(2, self.rows);
            fields.uint_unless_zero(3, self.bytes);
            fields.lenient_unless_empty(4, &self.sqlstate);
            fields.lenient_unless_empty(5, &self.message);
            fields.uint(6, self.duration_us);
            if !self.frames.is_empty() {
                fields.bytes(8, &self.frames);
            }
        });
    }

    pub(in crate::body) fn decode(d: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        let mut statement = None;
        let mut end = StatementEnd::default();
        cbor::fields(d, |key, d| {
            match key {
                0 => statement = Some(d.u64()?),
                1 => end.tag = cbor::read_lenient(d)?,
                2 => end.rows = d.u64()?,
                3 => end.bytes = d.u64()?,
                4 => end.sqlstate = cbor::read_lenient(d)?,
                5 => end.message = cbor::read_lenient(d)?,
                6 => end.duration_us = d.u64()?,
                8 => end.frames = cbor::read_bytes(d)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        end.statement = statement.ok_or(DecodeError::Missing("statement"))?;
        Ok(end)
    }
}
