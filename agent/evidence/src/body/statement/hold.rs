//! Bodies of a statement's wait for a reviewer, and of its end.

use std::borrow::Cow;

use minicbor::Decoder;

use crate::cbor::{self, DecodeError};
use crate::id::Digest;

/// A statement waits for a reviewer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold<'a> {
    /// The statement's sequence in the session.
    pub statement: u64,
    /// The request's id, as the client's notice and the reviewer see it.
    pub request: Cow<'a, str>,
    /// What a verdict binds to: text, values, session and policy.
    pub binding: Digest,
    /// When it is denied if nobody answers: microseconds since the Unix epoch.
    pub expires_us: u64,
}

impl<'a> Hold<'a> {
    pub(in crate::body) fn encode(&self, out: &mut Vec<u8>) {
        cbor::map(out, |fields| {
            fields.uint(0, self.statement);
            fields.text(1, &self.request);
            fields.bytes(2, &self.binding.0);
            fields.uint(3, self.expires_us);
        });
    }

    pub(in crate::body) fn decode(d: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        let (mut statement, mut request, mut binding, mut expires_us) = (None, None, None, 0);
        cbor::fields(d, |key, d| {
            match key {
                0 => statement = Some(d.u64()?),
                1 => request = Some(cbor::read_text(d)?),
                2 => binding = Some(cbor::read_digest(d, "binding")?),
                3 => expires_us = d.u64()?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(Hold {
            statement: statement.ok_or(DecodeError::Missing("statement"))?,
            request: request.ok_or(DecodeError::Missing("request"))?,
            binding: binding.ok_or(DecodeError::Missing("binding"))?,
            expires_us,
        })
    }
}

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HoldOutcome {
    /// A reviewer let it run.
    Approved,
    /// A reviewer refused it.
    Denied,
    /// Nobody answered in time; it counts as denied.
    Expired,
    /// The client cancelled it.
    Cancelled,
    /// The client went away.
    Disconnected,
}

impl HoldOutcome {
    const ALL: [HoldOutcome; 5] = [
        HoldOutcome::Approved,
        HoldOutcome::Denied,
        HoldOutcome::Expired,
        HoldOutcome::Cancelled,
        HoldOutcome::Disconnected,
    ];

    /// The name for people and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            HoldOutcome::Approved => "approved",
            HoldOutcome::Denied => "denied",
            HoldOutcome::Expired => "expired",
            HoldOutcome::Cancelled => "cancelled",
            HoldOutcome::Disconnected => "disconnected",
        }
    }
}

/// The wait is over. When, the header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldEnd<'a> {
    /// The statement's sequence in the session.
    pub statement: u64,
    /// The request's id.
    pub request: Cow<'a, str>,
    /// How it ended.
    pub outcome: HoldOutcome,
    /// Who answered; empty where nobody did.
    pub reviewer: Cow<'a, str>,
    /// The reviewer's reason.
    pub reason: Cow<'a, str>,
}

impl<'a> HoldEnd<'a> {
    pub(in crate::body) fn encode(&self, out: &mut Vec<u8>) {
        cbor::map(out, |fields| {
            fields.uint(0, self.statement);
            fields.text(1, &self.request);
            fields.uint(2, self.outcome as u8);
            fields.text_unless_empty(3, &self.reviewer);
            fields.text_unless_empty(4, &self.reason);
        });
    }

    pub(in crate::body) fn decode(d: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        let (mut statement, mut request, mut outcome) = (None, None, None);
        let (mut reviewer, mut reason) = (Cow::default(), Cow::default());
        cbor::fields(d, |key, d| {
            match key {
                0 => statement = Some(d.u64()?),
                1 => request = Some(cbor::read_text(d)?),
                2 => {
                    let known = HoldOutcome::ALL.get(usize::from(d.u8()?));
                    outcome = Some(*known.ok_or(DecodeError::Value("outcome"))?);
                }
                3 => reviewer = cbor::read_text(d)?,
                4 => reason = cbor::read_text(d)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(HoldEnd {
            statement: statement.ok_or(DecodeError::Missing("statement"))?,
            request: request.ok_or(DecodeError::Missing("request"))?,
            outcome: outcome.ok_or(DecodeError::Missing("outcome"))?,
            reviewer,
            reason,
        })
    }
}
