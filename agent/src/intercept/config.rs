//! What the interception lets a person choose.

#![forbid(unsafe_code)]

use std::path::PathBuf;

use agent_ebpf::ContentMode;
use serde::Deserialize;

/// The `intercept` section of the daemon's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The cgroup (a directory of a cgroup2 mount) whose processes are intercepted. By default the root of
    /// the hierarchy, wherever it is mounted. Any other leaves the processes outside it unguarded.
    pub cgroup: Option<PathBuf>,
    /// Where programs and maps outlive the daemon: a directory of its own on a BPF file system.
    pub pin_directory: PathBuf,
    /// The port on 127.0.0.1 and `::1` that connections are redirected to. 0 lets the kernel choose.
    pub port: u16,
    /// What is done about PostgreSQL on ports that are not protected.
    pub content: Content,
    /// What is done about connections to protected destinations that are older than their protection.
    pub existing: Existing,
}

/// What is done about connections that were there before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Existing {
    /// They are recorded, and ended.
    #[default]
    End,
    /// They are recorded, and go on.
    Report,
}

/// What is done about connections to unprotected ports that begin like PostgreSQL.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// Nobody looks.
    Off,
    /// They are recorded, and pass.
    #[default]
    Report,
    /// They are recorded, and ended.
    Refuse,
    /// They are recorded and pass, and where they go is protected from the next connection on.
    Adopt,
}

impl Content {
    pub(super) fn in_kernel(self) -> ContentMode {
        match self {
            Self::Off => ContentMode::Off,
            Self::Report | Self::Adopt => ContentMode::Report,
            Self::Refuse => ContentMode::Refuse,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cgroup: None,
            pin_directory: PathBuf::from("/sys/fs/bpf/portreeve"),
            port: 15001,
            content: Content::default(),
            existing: Existing::default(),
        }
    }
}
