//! What the daemon says about itself, and how.

use serde::Deserialize;

/// The `log` section.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Lines for people, or JSON objects for programs.
    pub format: Format,
    /// Which events are told, as `tracing`'s directives: `info`, `portreeve::proxy=debug`, ….
    pub filter: String,
}

/// How a line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Config { format: Format::Text, filter: "info".to_owned() }
    }
}
