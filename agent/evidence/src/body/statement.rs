//! Bodies of a statement's life: its text and values, the decision, the wait for a reviewer.
//!
//! A statement is named by its record's sequence in the session, wherever a later record speaks of it.

mod action;
mod hold;
mod result;

pub use hold::{Hold, HoldEnd, HoldOutcome};
pub use result::{ResultChunk, ResultCut, StatementEnd, Stream};

use std::borrow::Cow;

use minicbor::Decoder;
use minicbor::data::Type;
use policy::Action;

use super::list::List;
use super::read_texts;
use crate::cbor::{self, DecodeError};
use crate::id::Digest;

/// The message that brought a statement, in the protocol's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Query: the simple protocol, with one or several statements.
    Simple,
    /// Parse: a prepared statement's text.
    Parse,
    /// Bind: a portal's values.
    Bind,
    /// Execute: a portal is run.
    Execute,
    /// FunctionCall.
    FunctionCall,
}

impl Protocol {
    const ALL: [Protocol; 5] =
        [Protocol::Simple, Protocol::Parse, Protocol::Bind, Protocol::Execute, Protocol::FunctionCall];

    /// The name for people and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Protocol::Simple => "simple",
            Protocol::Parse => "parse",
            Protocol::Bind => "bind",
            Protocol::Execute => "execute",
            Protocol::FunctionCall => "function-call",
        }
    }
}

/// A statement, before it leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement<'a> {
    /// The message that brought it.
    pub protocol: Protocol,
    /// The text of a Query or a Parse, with what must not be recorded already replaced; empty for the others.
    pub text: Cow<'a, [u8]>,
    /// Name of the prepared statement (Parse, Bind).
    pub name: Cow<'a, [u8]>,
    /// Name of the portal (Bind, Execute).
    pub portal: Cow<'a, [u8]>,
    /// The statement that this one rests on: a Bind's Parse, an Execute's Bind.
    pub of: Option<u64>,
    /// Bound values (Bind) or arguments (FunctionCall), masked where they must be.
    pub parameters: List<'a, Parameter<'a>>,
    /// The row limit of an Execute; 0 is none.
    pub max_rows: u32,
    /// OID of the function of a FunctionCall; 0 for the others.
    pub function: u32,
    /// Keyed digest of the text as the workload sent it, where the recorded one differs.
    pub original: Option<Digest>,
    /// The decision, where it was made before this record; else a record of its own follows.
    pub decision: Option<Decision<'a>>,
}

/// A bound value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter<'a> {
    /// The bytes; `None` is NULL.
    pub value: Option<Cow<'a, [u8]>>,
    /// PostgreSQL's format code: 0 text, 1 binary. A masked value is text whatever it was.
    pub format: u16,
}

impl<'a> Statement<'a> {
    /// A statement of nothing but its protocol, to be filled in with `..`.
    pub const fn new(protocol: Protocol) -> Self {
        Statement {
            protocol,
            text: Cow::Borrowed(&[]),
            name: Cow::Borrowed(&[]),
            portal: Cow::Borrowed(&[]),
            of: None,
            parameters: List::Lent(&[]),
            max_rows: 0,
            function: 0,
            original: None,
            decision: None,
        }
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        cbor::map(out, |fields| {
            fields.uint(0, self.protocol as u8);
            fields.lenient_unless_empty(1, &self.text);
            fields.lenient_unless_empty(2, &self.name);
            fields.lenient_unless_empty(3, &self.portal);
            if let Some(of) = self.of {
                fields.uint(4, of);
            }
            fields.list_unless_empty(5, &self.parameters, |out, parameter| match &parameter.value {
                Some(value) => cbor::bytes(out, value),
                None => cbor::null(out),
            });
            if self.parameters.iter().any(|parameter| parameter.format != 0) {
                fields.with(6, |out| {
                    cbor::list(out, &self.parameters, |out, parameter| {
                        cbor::uint(out, parameter.format.into())
                    });
                });
            }
            fields.uint_unless_zero(7, self.max_rows);
            fields.uint_unless_zero(8, self.function);
            fields.maybe_digest(9, self.original.as_ref());
            if let Some(decision) = &self.decision {
                fields.with(10, |out| decision.encode(out));
            }
        });
    }

    pub(super) fn decode(d: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        let mut protocol = None;
        let mut statement = Statement::new(Protocol::Simple);
        let (mut parameters, mut formats) = (Vec::new(), Vec::new());
        cbor::fields(d, |key, d| {
            match key {
                0 => {
                    let known = Protocol::ALL.get(usize::from(d.u8()?));
                    protocol = Some(*known.ok_or(DecodeError::Value("protocol"))?);
                }
                1 => statement.text = cbor::read_lenient(d)?,
                2 => statement.name = cbor::read_lenient(d)?,
                3 => statement.portal = cbor::read_lenient(d)?,
                4 => statement.of = Some(d.u64()?),
                5 => {
                    parameters = cbor::read_list(d, |d| {
                        let value = match d.datatype()? {
                            Type::Null => d.null().map(|()| None)?,
                            _ => Some(cbor::read_bytes(d)?),
                        };
                        Ok(Parameter { value, format: 0 })
                    })?;
                }
                6 => formats = cbor::read_list(d, |d| Ok(d.u16()?))?,
                7 => statement.max_rows = d.u32()?,
                8 => statement.function = d.u32()?,
                9 => statement.original = Some(cbor::read_digest(d, "original")?),
                10 => statement.decision = Some(Decision::decode(d)?),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        statement.protocol = protocol.ok_or(DecodeError::Missing("protocol"))?;
        for (parameter, format) in parameters.iter_mut().zip(formats) {
            parameter.format = format;
        }
        statement.parameters = parameters.into();
        Ok(statement)
    }
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ruling {
    /// It may run.
    Allow,
    /// It waits for a reviewer.
    Hold,
    /// It may not run.
    Deny,
}

impl Ruling {
    const ALL: [Ruling; 3] = [Ruling::Allow, Ruling::Hold, Ruling::Deny];

    /// The name for people and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Ruling::Allow => "allow",
            Ruling::Hold => "hold",
            Ruling::Deny => "deny",
        }
    }

    fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Self::ALL.get(usize::from(d.u8()?)).copied().ok_or(DecodeError::Value("ruling"))
    }
}

/// A decision on a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision<'a> {
    /// What was decided.
    pub ruling: Ruling,
    /// The rule that decided.
    pub rule: Cow<'a, str>,
    /// The single actions and what was found on each.
    pub findings: List<'a, Finding<'a>>,
    /// Every relation that the statement named, for people who search by it.
    pub relations: List<'a, Cow<'a, str>>,
    /// Digest of the policy, where it is not the session start's any more.
    pub policy: Option<Digest>,
    /// What would have been decided if what is only observed counted, where that is something else.
    pub would: Option<Would<'a>>,
}

/// What would have been decided if every rule counted that is only observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Would<'a> {
    /// The decision.
    pub ruling: Ruling,
    /// The rule that would have decided.
    pub rule: Cow<'a, str>,
}

impl<'a> Would<'a> {
    fn encode(&self, out: &mut Vec<u8>) {
        cbor::map(out, |fields| {
            fields.uint(0, self.ruling as u8);
            fields.text_unless_empty(1, &self.rule);
        });
    }

    fn decode(d: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        let (mut ruling, mut rule) = (None, Cow::default());
        cbor::fields(d, |key, d| {
            match key {
                0 => ruling = Some(Ruling::decode(d)?),
                1 => rule = cbor::read_text(d)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(Would { ruling: ruling.ok_or(DecodeError::Missing("ruling"))?, rule })
    }
}

/// What was found on one action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding<'a> {
    /// The action, as [`policy::Action`] prints it.
    pub action: Cow<'a, str>,
    /// The same in its parts; `None` in a record of a version that does not tell them, or has verbs that this one does not know.
    pub parts: Option<Cow<'a, Action>>,
    /// What was decided on it alone.
    pub ruling: Ruling,
    /// By which rule.
    pub rule: Cow<'a, str>,
    /// As [`Decision::would`], of this action alone.
    pub would: Option<Would<'a>>,
}

impl<'a> Decision<'a> {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        cbor::map(out, |fields| {
            fields.uint(0, self.ruling as u8);
            fields.text_unless_empty(1, &self.rule);
            fields.list_unless_empty(2, &self.findings, |out, finding| {
                cbor::map(out, |fields| {
                    fields.text(0, &finding.action);
                    fields.uint(1, finding.ruling as u8);
                    fields.text_unless_empty(2, &finding.rule);
                    if let Some(would) = &finding.would {
                        fields.with(3, |out| would.encode(out));
                    }
                    if let Some(parts) = &finding.parts {
                        fields.with(4, |out| action::encode(parts, out));
                    }
                });
            });
            fields.list_unless_empty(3, &self.relations, |out, name| cbor::text(out, name));
            fields.maybe_digest(4, self.policy.as_ref());
            if let Some(would) = &self.would {
                fields.with(5, |out| would.encode(out));
            }
        });
    }

    pub(super) fn decode(d: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        let (mut ruling, mut rule) = (None, Cow::default());
        let (mut findings, mut relations, mut policy, mut would) = (Vec::new(), Vec::new(), None, None);
        cbor::fields(d, |key, d| {
            match key {
                0 => ruling = Some(Ruling::decode(d)?),
                1 => rule = cbor::read_text(d)?,
                2 => findings = cbor::read_list(d, Finding::decode)?,
                3 => relations = read_texts(d)?,
                4 => policy = Some(cbor::read_digest(d, "policy")?),
                5 => would = Some(Would::decode(d)?),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        let ruling = ruling.ok_or(DecodeError::Missing("ruling"))?;
        Ok(Decision { ruling, rule, findings: findings.into(), relations: relations.into(), policy, would })
    }
}

impl<'a> Finding<'a> {
    fn decode(d: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        let (mut action, mut ruling, mut rule, mut would) = (None, None, Cow::default(), None);
        let mut parts = None;
        cbor::fields(d, |key, d| {
            match key {
                0 => action = Some(cbor::read_text(d)?),
                1 => ruling = Some(Ruling::decode(d)?),
                2 => rule = cbor::read_text(d)?,
                3 => would = Some(Would::decode(d)?),
                4 => parts = action::decode(d)?.map(Cow::Owned),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(Finding {
            action: action.ok_or(DecodeError::Missing("action"))?,
            parts,
            ruling: ruling.ok_or(DecodeError::Missing("ruling"))?,
            rule,
            would,
        })
    }
}

/// A decision on a statement that was recorded before, as when the policy has changed in between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged<'a> {
    /// The statement's sequence in the session.
    pub statement: u64,
    /// What was decided.
    pub decision: Decision<'a>,
}

impl<'a> Judged<'a> {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        cbor::map(out, |fields| {
            fields.uint(0, self.statement);
            fields.with(1, |out| self.decision.encode(out));
        });
    }

    pub(super) fn decode(d: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        let (mut statement, mut decision) = (None, None);
        cbor::fields(d, |key, d| {
            match key {
                0 => statement = Some(d.u64()?),
                1 => decision = Some(Decision::decode(d)?),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(Judged {
            statement: statement.ok_or(DecodeError::Missing("statement"))?,
            decision: decision.ok_or(DecodeError::Missing("decision"))?,
        })
    }
}
