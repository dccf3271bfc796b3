//! What the interception lets a person choose.

#![forbid(unsafe_code)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;
use std::path::PathBuf;

use agent_ebpf::ContentMode;
use serde::Deserialize;

use super::{Destination, Network};

/// The `intercept` section of the daemon's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The cgroup (a directory of a cgroup2 mount) whose processes are intercepted. By default the root of
    /// the hierarchy, wherever it is mounted. Any other leaves the processes outside it unguarded; the daemon itself
    /// may be inside or outside.
    pub cgroup: Option<PathBuf>,
    /// Where programs and maps outlive the daemon: a directory of its own on a BPF file system.
    pub pin_directory: PathBuf,
    /// The port on 127.0.0.1 and `::1` that connections are redirected to. 0 lets the kernel choose.
    pub port: u16,
    /// What is done about PostgreSQL on ports that are not protected.
    pub content: Content,
    /// What is done about connections to protected destinations that are older than their protection.
    pub existing: Existing,
    /// Ports that are protected on every address, whether or not a resource names it (default 5432).
    pub ports: Vec<NonZeroU16>,
    /// What becomes of a connection to one of `ports` on an address that no resource names.
    pub unmatched: Unmatched,
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

/// What becomes of a connection that was taken and that no resource names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unmatched {
    /// It is refused, in PostgreSQL's own words.
    #[default]
    Refuse,
    /// It goes to where it was going, and nobody looks at what is said.
    Pass,
}

/// PostgreSQL's own; it is no zero, or this does not compile.
const POSTGRESQL: NonZeroU16 = NonZeroU16::new(5432).unwrap();

impl Default for Config {
    fn default() -> Self {
        Self {
            cgroup: None,
            pin_directory: PathBuf::from("/sys/fs/bpf/portreeve"),
            port: 15001,
            content: Content::default(),
            existing: Existing::default(),
            ports: vec![POSTGRESQL],
            unmatched: Unmatched::default(),
        }
    }
}

impl Config {
    /// `ports`, of every address there is.
    pub fn everywhere(&self) -> Vec<Destination> {
        let any = [IpAddr::from(Ipv4Addr::UNSPECIFIED), IpAddr::from(Ipv6Addr::UNSPECIFIED)];
        // No bit of these is set: both are networks of length zero.
        let networks = any.into_iter().filter_map(|address| Network::new(address, 0).ok());
        let of = |network| self.ports.iter().map(move |port| Destination { network, port: port.get() });
        networks.flat_map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_protected_on_every_address_of_both_families() {
        let ports = [5432, 6432].map(|port| NonZeroU16::new(port).unwrap());
        let config = Config { ports: ports.to_vec(), ..Config::default() };
        let found: Vec<String> =
            config.everywhere().iter().map(|d| format!("{} {}", d.network, d.port)).collect();
        assert_eq!(found, ["0.0.0.0/0 5432", "0.0.0.0/0 6432", "::/0 5432", "::/0 6432"]);
        assert!(Config { ports: Vec::new(), ..Config::default() }.everywhere().is_empty());
    }
}
