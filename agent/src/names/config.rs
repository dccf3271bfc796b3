//! The part of the configuration that is about host names.

use std::num::NonZeroU64;
use std::path::PathBuf;

use serde::Deserialize;

/// The `names` section. Every key has a default.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How often each name is asked for, in seconds (default 10); sooner after a failure.
    pub resolve_seconds: NonZeroU64,
    /// How long an address that a name has left stays protected, in seconds (default 300), because others may still
    /// go there. With sessions to it, it stays for longer.
    pub keep_seconds: u64,
    /// Where it is written what the names stood for last.
    pub file: PathBuf,
}

/// See [`Config::resolve_seconds`]; it is no zero, or this does not compile.
const RESOLVE_SECONDS: NonZeroU64 = NonZeroU64::new(10).unwrap();

impl Default for Config {
    fn default() -> Self {
        Config {
            resolve_seconds: RESOLVE_SECONDS,
            keep_seconds: 300,
            file: PathBuf::from("/var/lib/portreeve/names.json"),
        }
    }
}
