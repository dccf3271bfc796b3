//! What is protected, and changing it while connections are made.

#![forbid(unsafe_code)]

mod ports;

use std::{
    collections::HashSet,
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    num::ParseIntError,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
};

use agent_ebpf::{MAX_DESTINATIONS, maps};
use aya::maps::{
    Map, MapData,
    lpm_trie::{Key, LpmTrie},
};

use self::ports::Ports;
use super::{Error, abi::Value};

/// The addresses that begin with the same bits. An IPv4-mapped IPv6 network is the IPv4 network; `::/0`
/// does not hold IPv4 addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Network {
    address: IpAddr,
    length: u8,
}

/// Why a text or a pair is no [`Network`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Not an address before the slash.
    #[error(
        "`{0}` is no IP address; write it like 10.1.2.3, 10.1.0.0/16 or fd00::/8 (host names are not taken)"
    )]
    Address(String),
    /// Not a number after the slash.
    #[error("`{0}` is no prefix length: {1}")]
    Length(String, ParseIntError),
    /// More bits than an address has.
    #[error("a prefix of {length} bits is longer than the address {address}")]
    TooLong {
        /// The address.
        address: IpAddr,
        /// The length.
        length: u8,
    },
    /// Bits are set after the prefix.
    #[error("{address}/{length} has bits set after its prefix; did you mean {meant}?")]
    HostBits {
        /// The address.
        address: IpAddr,
        /// The length.
        length: u8,
        /// The network that it lies in.
        meant: Network,
    },
}

impl Network {
    /// The network of all addresses that share `length` bits with `address`.
    ///
    /// # Errors
    ///
    /// The length does not fit the address, or the address has bits set after it.
    pub fn new(address: IpAddr, length: u8) -> Result<Self, NetworkError> {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        if length > bits {
            return Err(NetworkError::TooLong { address, length });
        }
        let first = match address {
            IpAddr::V4(v4) => IpAddr::from((u32::from(v4) & high_bits(length, 32) as u32).to_be_bytes()),
            IpAddr::V6(v6) => IpAddr::from(Ipv6Addr::from(u128::from(v6) & high_bits(length, 128))),
        };
        let network = match (first, first.to_canonical()) {
            (IpAddr::V6(_), v4 @ IpAddr::V4(_)) if length >= 96 => Self { address: v4, length: length - 96 },
            _ => Self { address: first, length },
        };
        if first == address {
            Ok(network)
        } else {
            Err(NetworkError::HostBits { address, length, meant: network })
        }
    }

    /// Its first address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// How many bits its addresses share.
    pub fn length(&self) -> u8 {
        self.length
    }

    /// Its address, where it has but one.
    pub fn single(&self) -> Option<IpAddr> {
        let bits = if self.address.is_ipv4() { 32 } else { 128 };
        (self.length == bits).then_some(self.address)
    }

    /// Whether an address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                (u32::from(network) ^ u32::from(address)) & high_bits(self.length, 32) as u32 == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                (u128::from(network) ^ u128::from(address)) & high_bits(self.length, 128) == 0
            }
            _ => false,
        }
    }
}

/// The highest `length` bits of a number that is `width` bits wide.
fn high_bits(length: u8, width: u8) -> u128 {
    let all = if width == 128 { u128::MAX } else { (1 << width) - 1 };
    all & !all.checked_shr(length.into()).unwrap_or(0)
}

impl From<IpAddr> for Network {
    /// The one address.
    fn from(address: IpAddr) -> Self {
        let address = address.to_canonical();
        Self { address, length: if address.is_ipv4() { 32 } else { 128 } }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Address(address.to_owned()))?;
        match length {
            None => Ok(Self::from(address)),
            Some(length) => Self::new(
                address,
                length.parse().map_err(|error| NetworkError::Length(length.to_owned(), error))?,
            ),
        }
    }
}

impl TryFrom<String> for Network {
    type Error = NetworkError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

/// A port of a network's addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Destination {
    /// The addresses.
    pub network: Network,
    /// The port.
    pub port: u16,
}

impl Destination {
    fn key(&self) -> (u32, agent_ebpf::Destination) {
        let destination = match self.network.address {
            IpAddr::V4(address) => agent_ebpf::Destination::v4(address.octets(), self.port),
            IpAddr::V6(address) => agent_ebpf::Destination::v6(address.octets(), self.port),
        };
        (agent_ebpf::Destination::PREFIX_BASE + u32::from(self.network.length), destination)
    }
}

type Trie = LpmTrie<MapData, Value<agent_ebpf::Destination>, u32>;

/// The set of protected destinations. All clones are the same set, which outlives the daemon.
#[derive(Clone)]
pub struct Protected(Arc<Mutex<Inner>>);

struct Inner {
    trie: Trie,
    ports: Ports,
    /// What the last [`Protected::set`] was given.
    destinations: Vec<Destination>,
}

impl Protected {
    pub(super) fn new(destinations: Map, ports: Map) -> Result<Self, Error> {
        let trie = destinations.try_into().map_err(wrong)?;
        let ports = Ports::new(ports)?;
        Ok(Self(Arc::new(Mutex::new(Inner { trie, ports, destinations: Vec::new() }))))
    }

    /// Protects these destinations and no others, for connections that are opened from now on.
    ///
    /// What is protected before and after is so at every moment between: the new ones are added before the
    /// old ones go.
    ///
    /// # Errors
    ///
    /// Old and new ones together do not fit, or the kernel refused a change. More than before may be
    /// protected then, never less.
    pub fn set(&self, destinations: &[Destination]) -> Result<(), Error> {
        // A panic of another holder leaves nothing half done here: the kernel's map is the state.
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Inner { trie, ports, destinations: current } = &mut *inner;
        let wanted: HashSet<_> = destinations.iter().map(Destination::key).collect();
        let mut present = HashSet::new();
        for key in trie.keys() {
            let key = key.map_err(wrong)?;
            present.insert((key.prefix_len(), key.data().0));
        }
        let together = present.union(&wanted).count();
        if together > MAX_DESTINATIONS {
            return Err(Error::TooManyDestinations { wanted: together });
        }
        ports.add(wanted.iter().map(|(_, destination)| destination))?;
        for (length, destination) in wanted.difference(&present) {
            trie.insert(&Key::new(*length, Value(*destination)), 1, 0).map_err(wrong)?;
        }
        for (length, destination) in present.difference(&wanted) {
            trie.remove(&Key::new(*length, Value(*destination))).map_err(wrong)?;
        }
        ports.keep(wanted.iter().map(|(_, destination)| destination))?;
        *current = destinations.to_vec();
        Ok(())
    }

    /// Whether a destination is protected.
    pub fn contains(&self, destination: SocketAddr) -> bool {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner
            .destinations
            .iter()
            .any(|d| d.port == destination.port() && d.network.contains(destination.ip()))
    }
}

fn wrong(source: aya::maps::MapError) -> Error {
    Error::Map { map: maps::DESTINATIONS, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &str) {
        let found = match text.parse::<Network>() {
            Ok(network) => network.to_string(),
            Err(error) => error.to_string(),
        };
        assert!(found.starts_with(expect), "{text}: {found}");
    }

    #[test]
    fn a_network_is_read_as_it_is_written() {
        check("10.1.2.3", "10.1.2.3/32");
        check("10.1.0.0/16", "10.1.0.0/16");
        check("0.0.0.0/0", "0.0.0.0/0");
        check("fd00::/8", "fd00::/8");
        check("::1", "::1/128");
        check("::/0", "::/0");
    }

    #[test]
    fn an_ipv4_mapped_network_is_the_ipv4_network() {
        check("::ffff:10.1.2.3", "10.1.2.3/32");
        check("::ffff:10.1.0.0/112", "10.1.0.0/16");
        check("::ffff:0:0/96", "0.0.0.0/0");
    }

    #[test]
    fn a_network_that_is_none_is_refused_with_the_cure() {
        check("db.example.com", "`db.example.com` is no IP address; write it like");
        check("", "`` is no IP address");
        check("10.1.2.3/x", "`x` is no prefix length");
        check("10.1.2.3/300", "`300` is no prefix length");
        check("10.0.0.0/33", "a prefix of 33 bits is longer");
        check("::/129", "a prefix of 129 bits is longer");
        check("10.1.2.3/16", "10.1.2.3/16 has bits set after its prefix; did you mean 10.1.0.0/16?");
        check("fd00::1/8", "fd00::1/8 has bits set after its prefix; did you mean fd00::/8?");
    }

    #[test]
    fn a_network_contains_what_begins_like_it() {
        let check = |network: &str, address: &str, expect: bool| {
            let network: Network = network.parse().unwrap();
            assert_eq!(network.contains(address.parse().unwrap()), expect, "{network} {address}");
        };
        check("10.1.0.0/16", "10.1.255.255", true);
        check("10.1.0.0/16", "10.2.0.0", false);
        check("10.1.0.0/16", "::ffff:10.1.2.3", true);
        check("0.0.0.0/0", "255.255.255.255", true);
        check("0.0.0.0/0", "fd00::1", false);
        check("::/0", "fd00::1", true);
        check("::/0", "10.1.2.3", false);
        check("fd00::1", "fd00::1", true);
        check("fd00::1", "fd00::2", false);
    }
}
