//! A protected database server, by name and by where it is reached.
//!
//! How to log in to it, and over which TLS, is not the policy's business.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// The port of an address that names none.
pub const DEFAULT_PORT: u16 = 5432;

/// A protected database server.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// What rules and records call it.
    pub name: String,
    /// Where workloads reach it.
    pub addresses: Vec<Address>,
    /// The databases that may be asked for; empty for every database of the server.
    #[serde(default)]
    pub databases: Vec<String>,
    /// What is decided on it is recorded and not enforced; masks hold all the same.
    #[serde(default)]
    pub observed: bool,
}

impl Resource {
    /// Whether that database may be asked for.
    pub fn serves(&self, database: &str) -> bool {
        self.databases.is_empty() || self.databases.iter().any(|served| served == database)
    }
}

/// `10.0.0.5:5432`, `10.0.0.0/24:5432`, `[fd00::5]:5432`, `[fd00::/64]:5432`, `db.internal:5432`; the port may
/// be left out.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Address {
    /// One host, or a network of them.
    pub host: Host,
    /// TCP port.
    pub port: u16,
}

/// Where an address points.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// One IP address.
    Ip(IpAddr),
    /// Every IP address with that prefix of so many bits; the bits after it are zero.
    Net(IpAddr, u8),
    /// A name, to be resolved by whoever uses it.
    Name(String),
}

/// Why an address cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not a number from 1 to 65535 after the colon.
    #[error("its port is no number from 1 to 65535")]
    Port,
    /// Neither an IP address nor a name.
    #[error("its host is neither an IP address nor a name")]
    Host,
    /// A prefix that is too long, or bits set after it.
    #[error("its network has a prefix that is too long, or bits after the prefix")]
    Net,
    /// A bare IPv6 address, where the port could not be told from it.
    #[error("an IPv6 address stands in brackets")]
    Brackets,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, port) = rest.split_once(']').ok_or(AddressError::Brackets)?;
            let host = match host.split_once('/') {
                None => Host::Ip(IpAddr::V6(host.parse().map_err(|_| AddressError::Host)?)),
                Some((base, bits)) => {
                    net(IpAddr::V6(base.parse::<Ipv6Addr>().map_err(|_| AddressError::Host)?), bits)?
                }
            };
            match port.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if port.is_empty() => (host, None),
                None => return Err(AddressError::Port),
            }
        } else {
            let (host, port) = match text.split_once(':') {
                Some((_, port)) if port.contains(':') => return Err(AddressError::Brackets),
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            };
            (plain_host(host)?, port)
        };
        let port = match port {
            None => DEFAULT_PORT,
            Some(port) => match port.parse() {
                Ok(port) if port != 0 => port,
                _ => return Err(AddressError::Port),
            },
        };
        Ok(Address { host, port })
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

fn plain_host(host: &str) -> Result<Host, AddressError> {
    if let Some((base, bits)) = host.split_once('/') {
        return net(base.parse().map_err(|_| AddressError::Host)?, bits);
    }
    if let Ok(ip) = host.parse() {
        return Ok(Host::Ip(ip));
    }
    // A name of digits and dots alone would be a mistyped address, and resolvers read some of them as one.
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    };
    let is_name =
        host.len() <= 253 && host.split('.').all(label) && host.chars().any(|c| c.is_ascii_alphabetic());
    if is_name { Ok(Host::Name(host.to_ascii_lowercase())) } else { Err(AddressError::Host) }
}

fn net(base: IpAddr, bits: &str) -> Result<Host, AddressError> {
    let bits: u8 = bits.parse().map_err(|_| AddressError::Net)?;
    let tail_is_zero = match base {
        IpAddr::V4(ip) if bits <= 32 => ip.to_bits().checked_shl(bits.into()).unwrap_or(0) == 0,
        IpAddr::V6(ip) if bits <= 128 => ip.to_bits().checked_shl(bits.into()).unwrap_or(0) == 0,
        _ => false,
    };
    if tail_is_zero { Ok(Host::Net(base, bits)) } else { Err(AddressError::Net) }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]:{}", self.port),
            Host::Ip(ip) => write!(f, "{ip}:{}", self.port),
            Host::Net(IpAddr::V6(ip), bits) => write!(f, "[{ip}/{bits}]:{}", self.port),
            Host::Net(ip, bits) => write!(f, "{ip}/{bits}:{}", self.port),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_hosts_networks_and_names_with_a_port() {
        for (text, shown) in [
            ("10.0.0.5:5433", "10.0.0.5:5433"),
            ("10.0.0.5", "10.0.0.5:5432"),
            ("10.0.0.0/24:5432", "10.0.0.0/24:5432"),
            ("0.0.0.0/0", "0.0.0.0/0:5432"),
            ("[fd00::5]:5432", "[fd00::5]:5432"),
            ("[fd00::/64]", "[fd00::/64]:5432"),
            ("DB.internal:1", "db.internal:1"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (text, error) in [
            ("10.0.0.5:0", AddressError::Port),
            ("10.0.0.5:x", AddressError::Port),
            ("[fd00::5]5432", AddressError::Port),
            ("10.0.0.1/24", AddressError::Net),
            ("10.0.0.0/33", AddressError::Net),
            ("[fd00::1/64]", AddressError::Net),
            ("fd00::5", AddressError::Brackets),
            ("[fd00::5", AddressError::Brackets),
            ("10.0.0", AddressError::Host),
            ("10.0.0.256:5432", AddressError::Host),
            ("a b", AddressError::Host),
            ("", AddressError::Host),
        ] {
            assert_eq!(text.parse::<Address>(), Err(error), "{text}");
        }
    }
}
