//! What the start record says of the host.

use std::fs;

use evidence::Digest;

/// What the start record says of the host and of what holds on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostInfo {
    /// The host's name.
    pub host: String,
    /// `/etc/machine-id`.
    pub machine: Option<String>,
    /// The kernel's release.
    pub kernel: String,
    /// Digest of the policy documents.
    pub policy: Digest,
    /// Digest of the configuration.
    pub config: Digest,
}

impl HostInfo {
    /// Asks the host. What it does not tell stays empty: the record must not fail for a name.
    pub fn of_this_host(policy: Digest, config: Digest) -> Self {
        let read = |path| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
        HostInfo {
            host: read("/proc/sys/kernel/hostname").unwrap_or_default(),
            machine: read("/etc/machine-id").filter(|id| !id.is_empty()),
            kernel: read("/proc/sys/kernel/osrelease").unwrap_or_default(),
            policy,
            config,
        }
    }
}
