//! A session's records as what they tell of each other: which text an Execute runs, with which values.

use std::collections::BTreeMap;

use evidence::{Parameter, Protocol, Statement};

/// The statements of a session so far, by their sequence in it.
#[derive(Debug, Default)]
pub(super) struct Statements {
    known: BTreeMap<u64, Known>,
}

#[derive(Debug)]
struct Known {
    protocol: Protocol,
    text: Vec<u8>,
    of: Option<u64>,
    parameters: Vec<Value>,
}

/// A bound value, owned.
#[derive(Debug, Clone)]
pub(super) struct Value {
    pub(super) bytes: Option<Vec<u8>>,
    pub(super) format: u16,
}

impl Value {
    fn of(parameter: &Parameter<'_>) -> Self {
        Value { bytes: parameter.value.as_ref().map(|value| value.to_vec()), format: parameter.format }
    }
}

impl Statements {
    pub(super) fn add(&mut self, sequence: u64, statement: &Statement<'_>) {
        self.known.insert(
            sequence,
            Known {
                protocol: statement.protocol,
                text: statement.text.to_vec(),
                of: statement.of,
                parameters: statement.parameters.iter().map(Value::of).collect(),
            },
        );
    }

    /// The text that a statement runs: its own, or that of what it rests on.
    pub(super) fn text(&self, sequence: u64) -> &[u8] {
        self.line(sequence)
            .map(|known| known.text.as_slice())
            .find(|text| !text.is_empty())
            .unwrap_or_default()
    }

    /// The values that a statement runs with.
    pub(super) fn parameters(&self, sequence: u64) -> &[Value] {
        self.line(sequence)
            .map(|known| known.parameters.as_slice())
            .find(|parameters| !parameters.is_empty())
            .unwrap_or_default()
    }

    /// What a statement rests on.
    pub(super) fn rests_on(&self, sequence: u64) -> Option<u64> {
        self.known.get(&sequence)?.of
    }

    pub(super) fn protocol(&self, sequence: u64) -> Option<Protocol> {
        Some(self.known.get(&sequence)?.protocol)
    }

    /// The statement, its Bind, its Parse. No longer than that, whatever the records say.
    fn line(&self, sequence: u64) -> impl Iterator<Item = &Known> {
        let next = |known: &&Known| known.of.and_then(|of| self.known.get(&of));
        std::iter::successors(self.known.get(&sequence), next).take(3)
    }
}
