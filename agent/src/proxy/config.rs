//! The proxy's part of the configuration.

use serde::Deserialize;

/// Limits and sizes of sessions. Every key has a default.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Worker threads; 0 (the default) is one for each core.
    pub workers: u32,
    /// The longest Query or Parse, in bytes (default 60 MiB). A longer one is refused with 54000.
    pub message_bytes: usize,
    /// The longest Bind or FunctionCall that is read whole, in bytes (default 1 MiB). Longer ones pass in pieces: their
    /// values are recorded as results are, and a reviewer sees the beginning of them.
    pub bind_bytes: usize,
    /// The longest row that has to be masked, in bytes (default 64 MiB). Others pass in pieces.
    pub row_bytes: usize,
    /// How much of one statement's result is recorded, in bytes (default 64 MiB); then a record says what is cut.
    pub recorded_bytes: u64,
    /// How long connecting to a server may take, in seconds (default 10).
    pub connect_seconds: u64,
    /// How long a client may take to say who it is, in seconds (default 60, as `authentication_timeout`).
    pub startup_seconds: u64,
    /// How many bytes of texts each worker keeps the readings of (default 8 MiB).
    pub cache_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        let limits = session::Limits::default();
        Config {
            workers: 0,
            message_bytes: limits.message,
            bind_bytes: limits.bind,
            row_bytes: limits.row,
            recorded_bytes: limits.recorded,
            connect_seconds: 10,
            startup_seconds: 60,
            cache_bytes: 8 << 20,
        }
    }
}

impl Config {
    pub(super) fn limits(&self) -> session::Limits {
        session::Limits {
            message: self.message_bytes,
            bind: self.bind_bytes,
            row: self.row_bytes,
            recorded: self.recorded_bytes,
            ..session::Limits::default()
        }
    }
}
