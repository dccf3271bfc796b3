//! The session's own sequence of records, and the forms in which statements go into them.
//!
//! What must not be recorded is taken out here: passwords always, and literals and bound values where they may
//! meet a masked column. Each of those leaves a keyed digest, so that equal values can be told without being
//! known.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use evidence::{Body, Decision, Digest, Finding, Hasher, Parameter, Protocol, Ruling, SessionId, Statement};
use masking::HashKey;
use pgwire::{Formats, Values};
use smallvec::SmallVec;

use super::judging::Ruled;
use super::reading::Reading;
use crate::{Fault, Turn};

/// Where the session's records stand.
pub(crate) struct Ledger {
    id: SessionId,
    next: u64,
    pub(crate) statements: u64,
    pub(crate) denied: u64,
    pub(crate) held: u64,
}

impl Ledger {
    pub(crate) fn new(id: SessionId) -> Self {
        Ledger { id, next: 0, statements: 0, denied: 0, held: 0 }
    }

    pub(crate) fn id(&self) -> SessionId {
        self.id
    }

    /// Appends a record, and says which of the session it is.
    pub(crate) fn write(&mut self, turn: &mut Turn<'_>, body: &Body<'_>) -> Result<u64, Fault> {
        let sequence = self.next;
        turn.record((self.id, sequence), body)?;
        self.next += 1;
        Ok(sequence)
    }

    /// Appends a record of bytes that this turn has put before the client.
    pub(crate) fn write_delivered<'b>(
        &mut self,
        turn: &'b mut Turn<'_>,
        delivered: Range<usize>,
        body: impl FnOnce(&'b [u8]) -> Body<'b>,
    ) -> Result<(), Fault> {
        turn.record_delivered((self.id, self.next), delivered, body)?;
        self.next += 1;
        Ok(())
    }

    /// Appends a statement with its decision.
    pub(crate) fn statement<'a>(
        &mut self,
        turn: &mut Turn<'_>,
        mut statement: Statement<'a>,
        ruled: &'a Ruled,
    ) -> Result<u64, Fault> {
        self.statements += 1;
        match ruled.ruling() {
            Ruling::Allow => {}
            Ruling::Hold => self.held += 1,
            Ruling::Deny => self.denied += 1,
        }
        statement.decision = Some(decision(ruled, statement.protocol));
        self.write(turn, &Body::Statement(statement))
    }
}

/// An Execute rests on its Bind, whose record has the findings: they are not said again.
fn decision(ruled: &Ruled, protocol: Protocol) -> Decision<'_> {
    let told = ruled.told();
    let (findings, relations): (&[Finding<'_>], &[Cow<'_, str>]) = match protocol {
        Protocol::Execute => (&[], &[]),
        _ => (told.findings(), told.relations()),
    };
    Decision {
        ruling: ruled.ruling(),
        rule: Cow::Borrowed(ruled.rule()),
        findings: findings.into(),
        relations: relations.into(),
        policy: Some(Digest(*told.policy())),
        would: ruled.would(),
    }
}

/// A text in the form in which it may be recorded and shown to a reviewer.
pub(crate) struct Recordable<'a> {
    pub(crate) text: Cow<'a, [u8]>,
    /// Keyed digest of the text as it was sent, where the recorded one differs.
    pub(crate) original: Option<Digest>,
}

/// `veiled`: literals may meet a masked column.
pub(crate) fn recordable<'a>(
    text: &'a [u8],
    reading: &Reading,
    veiled: bool,
    key: &HashKey,
) -> Recordable<'a> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for (statement, place) in reading.statements().iter().zip(reading.places()) {
        ranges.extend(place.secrets.iter().cloned());
        if !veiled {
            continue;
        }
        if place.constants.is_empty() && statement.actions.iter().any(|a| a.verb == policy::Verb::Opaque) {
            // It may have literals that could not be found: nothing of it is shown.
            ranges.push(place.range.clone());
        }
        ranges.extend(place.constants.iter().cloned());
    }
    if ranges.is_empty() {
        return Recordable { text: Cow::Borrowed(text), original: None };
    }
    let ranges = merged(ranges);
    let text_of = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let shown = match std::str::from_utf8(text) {
        Ok(text) => masking::redact_literals(text, &ranges, key),
        // Positions of a text that is not UTF-8 would not be those of its readable form.
        Err(_) => masking::digest(key, text_of(text).as_bytes()),
    };
    Recordable {
        text: Cow::Owned(shown.into_bytes()),
        original: Some(Digest(masking::keyed_digest(key, text))),
    }
}

/// Sorted, and without overlaps.
fn merged(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|r| (r.start, r.end));
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start < last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

/// Bound values: few, as a rule, which then take no memory of their own.
pub(crate) type Parameters<'a> = SmallVec<[Parameter<'a>; 4]>;

/// Bound values in the form in which they may be recorded.
pub(crate) fn parameters<'a>(
    values: Values<'a>,
    formats: Formats<'a>,
    veiled: bool,
    key: &HashKey,
) -> Parameters<'a> {
    let one = |(index, value): (usize, Option<&'a [u8]>)| match value {
        Some(value) if veiled => {
            Parameter { value: Some(Cow::Owned(masking::digest(key, value).into_bytes())), format: 0 }
        }
        value => Parameter {
            value: value.map(Cow::Borrowed),
            format: formats.of(index).map_or(0, |format| format.0 as u16),
        },
    };
    values.enumerate().map(one).collect()
}

/// What a verdict binds to: the text and the values, each with its length, so that no two pairs agree.
pub(crate) fn binding(text: &[u8], bind: Option<&Bytes>) -> [u8; 32] {
    let mut hasher = Hasher::default();
    hasher.update(&(text.len() as u64).to_be_bytes());
    hasher.update(text);
    if let Some(bind) = bind {
        hasher.update(bind);
    }
    hasher.finish().0
}
