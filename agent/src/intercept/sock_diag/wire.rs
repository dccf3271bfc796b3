//! Requests and answers as the kernel lays them out: include/uapi/linux/inet_diag.h.
//!
//! Addresses and ports go in network byte order, everything else in the machine's own.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6},
};

use netlink_packet_core::NlasIterator;

use super::socket::{Family, Socket, State, States};

/// The message that asks for sockets, and the one that tells of them.
pub(super) const SOCK_DIAG_BY_FAMILY: u16 = 20;
/// The message that ends a socket.
pub(super) const SOCK_DESTROY: u16 = 21;

/// Bytes of `struct inet_diag_req_v2`.
const REQUEST: usize = 56;

const AF_INET: u8 = libc::AF_INET as u8;
const AF_INET6: u8 = libc::AF_INET6 as u8;
const IPPROTO_TCP: u8 = libc::IPPROTO_TCP as u8;

// Attributes of an answer.
const INET_DIAG_SKV6ONLY: u16 = 11;
const INET_DIAG_CGROUP_ID: u16 = 21;

/// The cookie that the kernel takes for "whatever the cookie".
const INET_DIAG_NOCOOKIE: u64 = u64::MAX;

/// What names one socket.
pub(super) struct Id {
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    /// 0 if it is bound to none. A link-local address brings its own.
    pub(super) interface: u32,
    pub(super) cookie: u64,
}

/// Asks for the sockets of a family in these states; a local or remote port of 0 is any.
pub(super) fn list(family: Family, states: States, ports: [u16; 2]) -> Vec<u8> {
    let family = match family {
        Family::V4 => AF_INET,
        Family::V6 => AF_INET6,
    };
    request(family, states.bits(), ports, [[0; 16]; 2], 0, INET_DIAG_NOCOOKIE)
}

/// Names one socket, in whatever state.
///
/// # Errors
///
/// `NotFound` if there can be no such socket: addresses of two families, or a cookie that would be any.
pub(super) fn exact(id: &Id) -> io::Result<Vec<u8>> {
    let (local, remote) = (canonical(id.local), canonical(id.remote));
    // One that is bound to an IPv4-mapped address is found by the IPv4 address, too.
    let family = match (local, remote) {
        (SocketAddr::V4(_), SocketAddr::V4(_)) => AF_INET,
        (SocketAddr::V6(_), SocketAddr::V6(_)) => AF_INET6,
        _ => return Err(io::ErrorKind::NotFound.into()),
    };
    if id.cookie == INET_DIAG_NOCOOKIE {
        return Err(io::ErrorKind::NotFound.into());
    }
    let interface = [id.interface, scope(local), scope(remote)].into_iter().find(|index| *index != 0);
    let ports = [local.port(), remote.port()];
    let addresses = [octets(local.ip()), octets(remote.ip())];
    Ok(request(family, u32::MAX, ports, addresses, interface.unwrap_or(0), id.cookie))
}

fn request(
    family: u8,
    states: u32,
    ports: [u16; 2],
    addresses: [[u8; 16]; 2],
    interface: u32,
    cookie: u64,
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(REQUEST);
    // No extensions: addresses, owner and cgroup come without being asked for.
    bytes.extend([family, IPPROTO_TCP, 0, 0]);
    bytes.extend(states.to_ne_bytes());
    ports.iter().for_each(|port| bytes.extend(port.to_be_bytes()));
    addresses.iter().for_each(|address| bytes.extend(address));
    bytes.extend(interface.to_ne_bytes());
    // Two words, the lower one first on every machine.
    bytes.extend((cookie as u32).to_ne_bytes());
    bytes.extend(((cookie >> 32) as u32).to_ne_bytes());
    bytes
}

/// Reads `struct inet_diag_msg` and the attributes after it.
///
/// # Errors
///
/// `InvalidData`: it is too short, or of a family or state that we did not ask for.
pub(super) fn socket(mut body: &[u8]) -> io::Result<Socket> {
    let body = &mut body;
    let [family, state, _timer, _retransmissions] = take(body)?;
    let family = match family {
        AF_INET => Family::V4,
        AF_INET6 => Family::V6,
        other => return Err(invalid(format!("a socket of family {other}"))),
    };
    let state = State::from_number(state).ok_or_else(|| invalid(format!("a socket in state {state}")))?;
    let (local_port, remote_port) = (take_port(body)?, take_port(body)?);
    let (local, remote) = (take_address(body, family)?, take_address(body, family)?);
    let interface = take_u32(body)?;
    let cookie = u64::from(take_u32(body)?) | u64::from(take_u32(body)?) << 32;
    let (_expires, _receive_queue, _send_queue) = (take_u32(body)?, take_u32(body)?, take_u32(body)?);
    let (uid, inode) = (take_u32(body)?, take_u32(body)?);

    let (mut v6_only, mut cgroup_id) = (false, None);
    for attribute in NlasIterator::new(*body) {
        let attribute = attribute.map_err(|error| invalid(error.to_string()))?;
        match attribute.kind() {
            INET_DIAG_SKV6ONLY => v6_only = attribute.value().first().is_some_and(|only| *only != 0),
            INET_DIAG_CGROUP_ID => {
                cgroup_id = attribute.value().try_into().ok().map(u64::from_ne_bytes).filter(|id| *id != 0);
            }
            _ => {}
        }
    }
    Ok(Socket {
        family,
        local: address(local, local_port, interface),
        remote: address(remote, remote_port, interface),
        state,
        uid,
        inode: inode.into(),
        cookie,
        cgroup_id,
        interface,
        v6_only,
    })
}

fn take<const N: usize>(bytes: &mut &[u8]) -> io::Result<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk().ok_or_else(|| invalid("a socket cut short"))?;
    *bytes = rest;
    Ok(*first)
}

fn take_u32(bytes: &mut &[u8]) -> io::Result<u32> {
    take(bytes).map(u32::from_ne_bytes)
}

fn take_port(bytes: &mut &[u8]) -> io::Result<u16> {
    take(bytes).map(u16::from_be_bytes)
}

fn take_address(bytes: &mut &[u8], family: Family) -> io::Result<IpAddr> {
    let octets: [u8; 16] = take(bytes)?;
    let [a, b, c, d, ..] = octets;
    Ok(match family {
        Family::V4 => Ipv4Addr::new(a, b, c, d).into(),
        Family::V6 => Ipv6Addr::from(octets).to_canonical(),
    })
}

/// As std's own calls show it: a link-local address is one on a link.
fn address(ip: IpAddr, port: u16, interface: u32) -> SocketAddr {
    match ip {
        IpAddr::V6(v6) if v6.is_unicast_link_local() => SocketAddrV6::new(v6, port, 0, interface).into(),
        ip => SocketAddr::new(ip, port),
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(v4) => SocketAddr::new(v4.into(), address.port()),
        IpAddr::V6(_) => address,
    }
}

fn scope(address: SocketAddr) -> u32 {
    match address {
        SocketAddr::V6(v6) => v6.scope_id(),
        SocketAddr::V4(_) => 0,
    }
}

fn octets(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
        IpAddr::V6(v6) => v6.octets(),
    }
}

fn invalid(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the kernel tells of {}", what.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `struct inet_diag_msg` of a socket with IPv4 addresses.
    fn message(family: u8, state: u8) -> Vec<u8> {
        let id = Id {
            local: SocketAddr::from(([10, 0, 0, 1], 40000)),
            remote: SocketAddr::from(([10, 0, 0, 2], 5432)),
            interface: 3,
            cookie: 0x1_0000_0002,
        };
        // It begins like a request, whose fifth to eighth bytes are the states.
        let request = exact(&id).unwrap();
        let mut bytes = [&[family, state, 0, 0], &request[8..]].concat();
        [0, 0, 0, 1000, 4711].into_iter().for_each(|word: u32| bytes.extend(word.to_ne_bytes()));
        bytes
    }

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(4 + value.len()).unwrap();
        let mut bytes = [&length.to_ne_bytes(), &kind.to_ne_bytes(), value].concat();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn a_request_is_as_long_as_the_kernel_wants_it() {
        assert_eq!(list(Family::V4, States::CONNECTED, [0, 0]).len(), REQUEST);
        assert_eq!(message(AF_INET, 1).len(), 72);
    }

    #[test]
    fn a_socket_is_read_with_its_attributes() {
        let mut bytes = message(AF_INET, State::CloseWait as u8);
        // A kernel without cgroups says nothing of them, one of tomorrow something new.
        bytes.extend(attribute(99, &[1; 5]));
        let mut expect = Socket {
            family: Family::V4,
            local: SocketAddr::from(([10, 0, 0, 1], 40000)),
            remote: SocketAddr::from(([10, 0, 0, 2], 5432)),
            state: State::CloseWait,
            uid: 1000,
            inode: 4711,
            cookie: 0x1_0000_0002,
            cgroup_id: None,
            interface: 3,
            v6_only: false,
        };
        assert_eq!(socket(&bytes).unwrap(), expect);
        bytes.extend(attribute(INET_DIAG_CGROUP_ID, &77_u64.to_ne_bytes()));
        expect.cgroup_id = Some(77);
        assert_eq!(socket(&bytes).unwrap(), expect);
        bytes.extend(attribute(INET_DIAG_SKV6ONLY, &[1]));
        expect.v6_only = true;
        assert_eq!(socket(&bytes).unwrap(), expect);
    }

    #[test]
    fn what_is_no_socket_is_refused() {
        #[track_caller]
        fn refused(bytes: &[u8], expect: &str) {
            let error = socket(bytes).unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        }
        for length in 0..72 {
            refused(&message(AF_INET, 1)[..length], "cut short");
        }
        refused(&message(1, 1), "family 1");
        refused(&message(AF_INET6, 0), "state 0");
        refused(&message(AF_INET6, 12), "state 12");
        refused(&[message(AF_INET, 1), vec![40, 0, 3, 0]].concat(), "NLA");
    }
}
