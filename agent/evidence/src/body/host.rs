//! Bodies of the host's own lane: the daemon's start, its signs of life, its stop, and what concerns no session.

use std::borrow::Cow;
use std::net::SocketAddr;

use minicbor::Decoder;
use policy::Principal;

use super::{principal, read_texts};
use crate::cbor::{self, DecodeError};
use crate::id::{BootId, Digest};
use crate::sign::PublicKey;

/// The daemon began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostStart<'a> {
    /// Portreeve's version.
    pub version: Cow<'a, str>,
    /// The host's name.
    pub host: Cow<'a, str>,
    /// The host's machine id (`/etc/machine-id`), where it has one.
    pub machine: Option<Cow<'a, str>>,
    /// The kernel's release, as uname gives it.
    pub kernel: Cow<'a, str>,
    /// What this boot's signatures verify with.
    pub public_key: PublicKey,
    /// Digest of the policy documents that hold.
    pub policy: Digest,
    /// Digest of the configuration.
    pub config: Digest,
    /// Workers' lanes, which are numbered from 1 to this.
    pub lanes: u32,
    /// The boot before this one, as far as its record was found here.
    pub previous: Option<Previous>,
}

/// Where the boot before left off: so that a boot's whole record cannot go missing unseen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Previous {
    /// Its id.
    pub boot: BootId,
    /// The last record of its host lane.
    pub sequence: u64,
    /// SHA-256 of that record's header.
    pub digest: Digest,
}

impl<'a> HostStart<'a> {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        cbor::map(out, |fields| {
            fields.text(0, &self.version);
            fields.text(1, &self.host);
            fields.maybe_text(2, self.machine.as_deref());
            fields.text(3, &self.kernel);
            fields.bytes(4, &self.public_key.0);
            fields.bytes(5, &self.policy.0);
            fields.bytes(6, &self.config.0);
            fields.uint(7, self.lanes);
            if let Some(previous) = &self.previous {
                fields.bytes(8, &previous.boot.0);
                fields.uint(9, previous.sequence);
                fields.bytes(10, &previous.digest.0);
            }
        });
    }

    pub(super) fn decode(d: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        let (mut version, mut host, mut machine, mut kernel) = (None, None, None, None);
        let (mut public_key, mut policy, mut config, mut lanes) = (None, None, None, None);
        let (mut boot, mut sequence, mut digest) = (None, None, None);
        cbor::fields(d, |key, d| {
            match key {
                0 => version = Some(cbor::read_text(d)?),
                1 => host = Some(cbor::read_text(d)?),
                2 => machine = Some(cbor::read_text(d)?),
                3 => kernel = Some(cbor::read_text(d)?),
                4 => public_key = Some(PublicKey(cbor::read_array(d, "public key")?)),
                5 => policy = Some(cbor::read_digest(d, "policy")?),
                6 => config = Some(cbor::read_digest(d, "config")?),
                7 => lanes = Some(d.u32()?),
                8 => boot = Some(BootId(cbor::read_array(d, "previous boot")?)),
                9 => sequence = Some(d.u64()?),
                10 => digest = Some(cbor::read_digest(d, "previous digest")?),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(HostStart {
            version: version.ok_or(DecodeError::Missing("version"))?,
            host: host.ok_or(DecodeError::Missing("host"))?,
            machine,
            kernel: kernel.ok_or(DecodeError::Missing("kernel"))?,
            public_key: public_key.ok_or(DecodeError::Missing("public key"))?,
            policy: policy.ok_or(DecodeError::Missing("policy"))?,
            config: config.ok_or(DecodeError::Missing("config"))?,
            lanes: lanes.ok_or(DecodeError::Missing("lanes"))?,
            previous: match (boot, sequence, digest) {
                (Some(boot), Some(sequence), Some(digest)) => Some(Previous { boot, sequence, digest }),
                (None, None, None) => None,
                _ => return Err(DecodeError::Missing("previous")),
            },
        })
    }
}

/// The last record of a lane, as it was when the tip was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tip {
    /// The lane.
    pub lane: u32,
    /// The record's place in it.
    pub sequence: u64,
    /// SHA-256 of the record's header.
    pub digest: Digest,
}

impl Tip {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        cbor::map(out, |fields| {
            fields.uint(0, self.lane);
            fields.uint(1, self.sequence);
            fields.bytes(2, &self.digest.0);
        });
    }

    pub(super) fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let (mut lane, mut sequence, mut digest) = (None, None, None);
        cbor::fields(d, |key, d| {
            match key {
                0 => lane = Some(d.u32()?),
                1 => sequence = Some(d.u64()?),
                2 => digest = Some(cbor::read_digest(d, "tip")?),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(Tip {
            lane: lane.ok_or(DecodeError::Missing("tip's lane"))?,
            sequence: sequence.ok_or(DecodeError::Missing("tip's sequence"))?,
            digest: digest.ok_or(DecodeError::Missing("tip's digest"))?,
        })
    }
}

/// A sign of life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// The tips of all lanes that have records.
    pub tips: Vec<Tip>,
}

impl Beat {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        cbor::map(out, |fields| {
            fields.with(0, |out| cbor::list(out, &self.tips, |out, tip| tip.encode(out)));
        });
    }

    pub(super) fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let mut tips = Vec::new();
        cbor::fields(d, |key, d| {
            match key {
                0 => tips = cbor::read_list(d, Tip::decode)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(Beat { tips })
    }
}

/// The daemon ended in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostStop<'a> {
    /// The tips of all lanes that have records.
    pub tips: Vec<Tip>,
    /// Why it stopped, such as `SIGTERM`.
    pub reason: Cow<'a, str>,
}

impl<'a> HostStop<'a> {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        cbor::map(out, |fields| {
            fields.with(0, |out| cbor::list(out, &self.tips, |out, tip| tip.encode(out)));
            fields.text(1, &self.reason);
        });
    }

    pub(super) fn decode(d: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        let (mut tips, mut reason) = (Vec::new(), Cow::default());
        cbor::fields(d, |key, d| {
            match key {
                0 => tips = cbor::read_list(d, Tip::decode)?,
                1 => reason = cbor::read_text(d)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(HostStop { tips, reason })
    }
}

/// Other policy documents hold from here on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyReloaded<'a> {
    /// Digest of the documents.
    pub policy: Digest,
    /// Their names.
    pub documents: Vec<Cow<'a, str>>,
}

impl<'a> PolicyReloaded<'a> {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        cbor::map(out, |fields| {
            fields.bytes(0, &self.policy.0);
            fields.list_unless_empty(1, &self.documents, |out, name| cbor::text(out, name));
        });
    }

    pub(super) fn decode(d: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        let (mut policy, mut documents) = (None, Vec::new());
        cbor::fields(d, |key, d| {
            match key {
                0 => policy = Some(cbor::read_digest(d, "policy")?),
                1 => documents = read_texts(d)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(PolicyReloaded { policy: policy.ok_or(DecodeError::Missing("policy"))?, documents })
    }
}

/// Something happened that is not a session's own doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident<'a> {
    /// A short name in kebab-case, such as `unknown-connection`.
    pub kind: Cow<'a, str>,
    /// What is known of it, for people.
    pub detail: Cow<'a, str>,
    /// How often it happened since it was last recorded.
    pub count: u64,
    /// Whose doing it was, where that is known.
    pub principal: Option<Cow<'a, Principal>>,
    /// Where they meant to connect to, where it is about a connection.
    pub destination: Option<SocketAddr>,
}

impl<'a> Incident<'a> {
    /// What happened once, by nobody known and to no address; [`Incident::times`], [`Incident::by`] and
    /// [`Incident::towards`] say more.
    pub fn new(kind: impl Into<Cow<'a, str>>, detail: impl Into<Cow<'a, str>>) -> Self {
        Incident { kind: kind.into(), detail: detail.into(), count: 1, principal: None, destination: None }
    }

    /// How often it happened.
    pub fn times(self, count: u64) -> Self {
        Incident { count, ..self }
    }

    /// Whose doing it was.
    pub fn by(self, principal: &'a Principal) -> Self {
        Incident { principal: Some(Cow::Borrowed(principal)), ..self }
    }

    /// Where they meant to connect to.
    pub fn towards(self, destination: SocketAddr) -> Self {
        Incident { destination: Some(destination), ..self }
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        cbor::map(out, |fields| {
            fields.text(0, &self.kind);
            fields.text_unless_empty(1, &self.detail);
            fields.uint(2, self.count);
            if let Some(principal) = &self.principal {
                fields.with(3, |out| principal::encode(principal, out));
            }
            if let Some(destination) = self.destination {
                fields.text(4, &destination.to_string());
            }
        });
    }

    pub(super) fn decode(d: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        let (mut kind, mut detail, mut count) = (None, Cow::default(), 1);
        let (mut who, mut destination) = (None, None);
        cbor::fields(d, |key, d| {
            match key {
                0 => kind = Some(cbor::read_text(d)?),
                1 => detail = cbor::read_text(d)?,
                2 => count = d.u64()?,
                3 => who = Some(Cow::Owned(principal::decode(d)?)),
                4 => destination = Some(cbor::read_address(d, "destination")?),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(Incident {
            kind: kind.ok_or(DecodeError::Missing("kind"))?,
            detail,
            count,
            principal: who,
            destination,
        })
    }
}

/// Records of a lane were removed from this disk to make room, after they had been shipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reclaimed {
    /// The daemon's life that they belonged to.
    pub boot: BootId,
    /// The lane.
    pub lane: u32,
    /// The first record that is gone from here.
    pub from: u64,
    /// The first one after it that is still here, or would come next.
    pub before: u64,
}

impl Reclaimed {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        cbor::map(out, |fields| {
            fields.bytes(0, &self.boot.0);
            fields.uint(1, self.lane);
            fields.uint(2, self.from);
            fields.uint(3, self.before);
        });
    }

    pub(super) fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let (mut boot, mut lane, mut from, mut before) = (None, None, None, None);
        cbor::fields(d, |key, d| {
            match key {
                0 => boot = Some(BootId(cbor::read_array(d, "boot")?)),
                1 => lane = Some(d.u32()?),
                2 => from = Some(d.u64()?),
                3 => before = Some(d.u64()?),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(Reclaimed {
            boot: boot.ok_or(DecodeError::Missing("boot"))?,
            lane: lane.ok_or(DecodeError::Missing("lane"))?,
            from: from.ok_or(DecodeError::Missing("from"))?,
            before: before.ok_or(DecodeError::Missing("before"))?,
        })
    }
}
