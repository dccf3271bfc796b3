//! Scripts of the protocol, step by step: what stories of attacks are made of.

use anyhow::Result;
use e2e::wire::{self, Wire};

/// What is sent at once, and how many ReadyForQuery it ends in.
pub(crate) struct Step {
    pub(crate) messages: Vec<u8>,
    pub(crate) ready: usize,
}

/// A Query, and its whole answer before anything else.
pub(crate) fn q(sql: &str) -> Step {
    Step { messages: wire::query(sql), ready: 1 }
}

/// Queries at once.
pub(crate) fn qs(texts: &[&str]) -> Step {
    Step { messages: texts.iter().flat_map(|sql| wire::query(sql)).collect(), ready: texts.len() }
}

/// Messages of the extended protocol up to a Sync.
pub(crate) fn batch(messages: &[Vec<u8>]) -> Step {
    Step { messages: [messages.concat(), wire::sync()].concat(), ready: 1 }
}

/// A Query of bytes that need not be text.
pub(crate) fn bytes(sql: &[u8]) -> Step {
    let length = u32::try_from(sql.len() + 5).unwrap_or(u32::MAX);
    Step { messages: [&b"Q"[..], &length.to_be_bytes(), sql, &[0]].concat(), ready: 1 }
}

/// A Bind of a prepared statement, and its Execute.
pub(crate) fn execute(statement: &str) -> Vec<u8> {
    [wire::bind("", statement, &[]), wire::execute("", 0)].concat()
}

/// Sends each step when the one before is answered, and tells every answer, a line for each message.
pub(crate) fn play(wire: &mut Wire, steps: &[Step]) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for step in steps {
        lines.extend(wire.talk(std::slice::from_ref(&step.messages), step.ready)?);
    }
    Ok(lines)
}
