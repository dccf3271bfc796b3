//! Bodies of a session's two ends.

use std::borrow::Cow;
use std::net::SocketAddr;

use minicbor::Decoder;
use policy::Principal;

use super::host::Tip;
use super::principal;
use crate::cbor::{self, DecodeError};
use crate::id::Digest;

/// A workload's connection was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionStart<'a> {
    /// Who connected.
    pub principal: Cow<'a, Principal>,
    /// The workload's own address, where the kernel told it.
    pub source: Option<SocketAddr>,
    /// Where the workload meant to connect to.
    pub destination: SocketAddr,
    /// The protected database server's name.
    pub resource: Cow<'a, str>,
    /// The database that the backend was asked for.
    pub database: Cow<'a, str>,
    /// The role that the backend sees.
    pub role: Cow<'a, str>,
    /// Digest of the policy documents that hold.
    pub policy: Digest,
    /// `user` of the workload's start-up packet: what it claimed to be.
    pub startup_user: Cow<'a, [u8]>,
    /// `database` of the start-up packet.
    pub startup_database: Cow<'a, [u8]>,
    /// `application_name` of the start-up packet.
    pub application_name: Cow<'a, [u8]>,
}

impl<'a> SessionStart<'a> {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        cbor::map(out, |fields| {
            fields.with(0, |out| principal::encode(&self.principal, out));
            if let Some(source) = self.source {
                fields.text(1, &source.to_string());
            }
            fields.text(2, &self.destination.to_string());
            fields.text(3, &self.resource);
            fields.text(4, &self.database);
            fields.text(5, &self.role);
            fields.bytes(6, &self.policy.0);
            fields.lenient_unless_empty(7, &self.startup_user);
            fields.lenient_unless_empty(8, &self.startup_database);
            fields.lenient_unless_empty(9, &self.application_name);
        });
    }

    pub(super) fn decode(d: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        let (mut who, mut source, mut destination) = (None, None, None);
        let (mut resource, mut database, mut role, mut policy) = (None, None, None, None);
        let (mut startup_user, mut startup_database) = (Cow::default(), Cow::default());
        let mut application_name = Cow::default();
        cbor::fields(d, |key, d| {
            match key {
                0 => who = Some(principal::decode(d)?),
                1 => source = Some(cbor::read_address(d, "source")?),
                2 => destination = Some(cbor::read_address(d, "destination")?),
                3 => resource = Some(cbor::read_text(d)?),
                4 => database = Some(cbor::read_text(d)?),
                5 => role = Some(cbor::read_text(d)?),
                6 => policy = Some(cbor::read_digest(d, "policy")?),
                7 => startup_user = cbor::read_lenient(d)?,
                8 => startup_database = cbor::read_lenient(d)?,
                9 => application_name = cbor::read_lenient(d)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(SessionStart {
            principal: Cow::Owned(who.ok_or(DecodeError::Missing("principal"))?),
            source,
            destination: destination.ok_or(DecodeError::Missing("destination"))?,
            resource: resource.ok_or(DecodeError::Missing("resource"))?,
            database: database.ok_or(DecodeError::Missing("database"))?,
            role: role.ok_or(DecodeError::Missing("role"))?,
            policy: policy.ok_or(DecodeError::Missing("policy"))?,
            startup_user,
            startup_database,
            application_name,
        })
    }
}

/// The connection is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionEnd<'a> {
    /// Why, in a few words: `terminate`, `frontend closed`, a protocol error, ….
    pub reason: Cow<'a, str>,
    /// Statements that were recorded.
    pub statements: u64,
    /// Statements that were denied.
    pub denied: u64,
    /// Statements that were held.
    pub held: u64,
    /// The tips of all lanes that have records. The recorder fills them in; a session leaves them empty.
    pub tips: Vec<Tip>,
}

impl<'a> SessionEnd<'a> {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        cbor::map(out, |fields| {
            fields.with(0, |out| cbor::list(out, &self.tips, |out, tip| tip.encode(out)));
            fields.text(1, &self.reason);
            fields.uint(2, self.statements);
            fields.uint_unless_zero(3, self.denied);
            fields.uint_unless_zero(4, self.held);
        });
    }

    pub(super) fn decode(d: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        let (mut tips, mut reason) = (Vec::new(), Cow::default());
        let (mut statements, mut denied, mut held) = (0, 0, 0);
        cbor::fields(d, |key, d| {
            match key {
                0 => tips = cbor::read_list(d, Tip::decode)?,
                1 => reason = cbor::read_text(d)?,
                2 => statements = d.u64()?,
                3 => denied = d.u64()?,
                4 => held = d.u64()?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(SessionEnd { reason, statements, denied, held, tips })
    }
}
