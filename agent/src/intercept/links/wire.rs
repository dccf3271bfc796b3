//! Interfaces as the kernel tells of them: include/uapi/linux/rtnetlink.h and if_link.h.

#![forbid(unsafe_code)]

use std::io;

use netlink_packet_core::{NlaBuffer, NlasIterator};

use super::{Described, Kind, Link};

/// The message that asks for interfaces.
pub(super) const RTM_GETLINK: u16 = 18;

/// Bytes of `struct ifinfomsg`.
const HEADER: usize = 16;

/// The body that asks for all: a header of zeros, and the attribute that leaves out the counters.
pub(super) const LIST: [u8; HEADER + 8] = {
    let (mut body, mut n) = ([0; HEADER + 8], 0);
    let length = 8_u16.to_ne_bytes();
    let kind = IFLA_EXT_MASK.to_ne_bytes();
    let value = RTEXT_FILTER_SKIP_STATS.to_ne_bytes();
    let attribute = [length[0], length[1], kind[0], kind[1], value[0], value[1], value[2], value[3]];
    while n < attribute.len() {
        body[HEADER + n] = attribute[n];
        n += 1;
    }
    body
};

// Attributes of an interface.
const IFLA_IFNAME: u16 = 3;
const IFLA_LINKINFO: u16 = 18;
const IFLA_EXT_MASK: u16 = 29;
// Attributes within IFLA_LINKINFO.
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
// An attribute within IFLA_INFO_DATA of a tun, and its values.
const IFLA_TUN_TYPE: u16 = 3;
const IFF_TUN: u8 = 1;
const IFF_TAP: u8 = 2;

const RTEXT_FILTER_SKIP_STATS: u32 = 1 << 3;

/// Reads `struct ifinfomsg` and the attributes after it; none if it is no interface where packets of others
/// enter.
///
/// # Errors
///
/// `InvalidData`: it is cut short, lacks its name, or is a tun of a kind that we do not know.
pub(super) fn link(body: &[u8]) -> io::Result<Option<Link>> {
    let (header, attributes) =
        body.split_first_chunk::<HEADER>().ok_or_else(|| invalid("an interface cut short"))?;
    let [.., a, b, c, d, _, _, _, _, _, _, _, _] = *header;
    let index = u32::from_ne_bytes([a, b, c, d]);

    let (mut name, mut kind) = (None, None);
    for attribute in NlasIterator::new(attributes) {
        let attribute = attribute.map_err(|error| invalid(error.to_string()))?;
        match attribute.kind() {
            IFLA_IFNAME => name = Some(text(&attribute)),
            IFLA_LINKINFO => kind = kind_of(attribute.value())?,
            _ => {}
        }
    }
    let Some(kind) = kind else { return Ok(None) };
    let name = name.ok_or_else(|| invalid("an interface without a name"))?;
    Ok(Some(Link { name, index, kind }))
}

/// Reads the same; none if the interface is of no kind.
///
/// # Errors
///
/// `InvalidData`: it is cut short.
pub(super) fn described(body: &[u8]) -> io::Result<Option<Described>> {
    let (header, attributes) =
        body.split_first_chunk::<HEADER>().ok_or_else(|| invalid("an interface cut short"))?;
    let [.., a, b, c, d, _, _, _, _, _, _, _, _] = *header;
    let mut link =
        Described { name: String::new(), index: u32::from_ne_bytes([a, b, c, d]), kind: String::new() };
    for attribute in NlasIterator::new(attributes) {
        let attribute = attribute.map_err(|error| invalid(error.to_string()))?;
        match attribute.kind() {
            IFLA_IFNAME => link.name = text(&attribute),
            IFLA_LINKINFO => {
                let mut inner = NlasIterator::new(attribute.value()).flatten();
                link.kind =
                    inner.find(|inner| inner.kind() == IFLA_INFO_KIND).as_ref().map(text).unwrap_or_default();
            }
            _ => {}
        }
    }
    Ok((!link.kind.is_empty()).then_some(link))
}

/// Reads `IFLA_LINKINFO`.
fn kind_of(information: &[u8]) -> io::Result<Option<Kind>> {
    let (mut kind, mut data) = (String::new(), Vec::new());
    for attribute in NlasIterator::new(information) {
        let attribute = attribute.map_err(|error| invalid(error.to_string()))?;
        match attribute.kind() {
            IFLA_INFO_KIND => kind = text(&attribute),
            IFLA_INFO_DATA => data = attribute.value().to_vec(),
            _ => {}
        }
    }
    match kind.as_str() {
        "veth" => Ok(Some(Kind::Veth)),
        "tun" => tun(&data).map(Some),
        _ => Ok(None),
    }
}

/// Reads `IFLA_INFO_DATA` of a tun.
fn tun(data: &[u8]) -> io::Result<Kind> {
    for attribute in NlasIterator::new(data) {
        let attribute = attribute.map_err(|error| invalid(error.to_string()))?;
        match (attribute.kind(), attribute.value()) {
            (IFLA_TUN_TYPE, [IFF_TUN]) => return Ok(Kind::Tun),
            (IFLA_TUN_TYPE, [IFF_TAP]) => return Ok(Kind::Tap),
            _ => {}
        }
    }
    Err(invalid("a tun that is neither tun nor tap"))
}

/// A string as attributes hold it, with a NUL at its end.
fn text(attribute: &NlaBuffer<&[u8]>) -> String {
    let bytes = attribute.value();
    String::from_utf8_lossy(bytes.strip_suffix(&[0]).unwrap_or(bytes)).into_owned()
}

fn invalid(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the kernel tells of {}", what.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(4 + value.len()).unwrap();
        let mut bytes = [&length.to_ne_bytes(), &kind.to_ne_bytes(), value].concat();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    /// Interface 7 with these attributes.
    fn read(attributes: &[Vec<u8>]) -> io::Result<Option<Link>> {
        let mut body = vec![0; HEADER];
        body[4..8].copy_from_slice(&7_i32.to_ne_bytes());
        body.extend(attributes.concat());
        link(&body)
    }

    fn named(kind: &str) -> [Vec<u8>; 2] {
        let kind = attribute(IFLA_INFO_KIND, &[kind.as_bytes(), &[0]].concat());
        [attribute(IFLA_IFNAME, b"eth0\0"), attribute(IFLA_LINKINFO, &kind)]
    }

    #[track_caller]
    fn refused(attributes: &[Vec<u8>], expect: &str) {
        let error = read(attributes).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    }

    #[test]
    fn an_interface_is_known_by_its_kind() {
        let veth = Link { name: "eth0".to_owned(), index: 7, kind: Kind::Veth };
        assert_eq!(read(&named("veth")).unwrap(), Some(veth));
        assert_eq!(read(&named("dummy")).unwrap(), None);
        assert_eq!(read(&named("vet")).unwrap(), None);
        // A device of the machine has no kind.
        assert_eq!(read(&[attribute(IFLA_IFNAME, b"eth0\0")]).unwrap(), None);
        assert_eq!(read(&[]).unwrap(), None);
    }

    #[test]
    fn an_interface_of_any_kind_is_told_with_it_and_hardware_is_not() {
        let read = |attributes: &[Vec<u8>]| {
            let mut body = vec![0; HEADER];
            body[4..8].copy_from_slice(&7_i32.to_ne_bytes());
            body.extend(attributes.concat());
            described(&body).unwrap().map(|link| (link.name, link.index, link.kind))
        };
        let expect = ("eth0".to_owned(), 7, "macvlan".to_owned());
        assert_eq!(read(&named("macvlan")), Some(expect));
        assert_eq!(read(&[attribute(IFLA_IFNAME, b"eth0\0")]), None);
        assert!(described(&[0; HEADER - 1]).is_err());
    }

    #[test]
    fn a_tun_is_one_of_two_kinds_wherever_that_is_said() {
        let kind = attribute(IFLA_INFO_KIND, b"tun\0");
        let others = [attribute(1, &[0; 4]), attribute(4, &[IFF_TUN])].concat();
        for (number, expect) in [(IFF_TUN, Kind::Tun), (IFF_TAP, Kind::Tap)] {
            let data = [others.clone(), attribute(IFLA_TUN_TYPE, &[number])].concat();
            let data = attribute(IFLA_INFO_DATA, &data);
            for information in [[kind.clone(), data.clone()], [data, kind.clone()]] {
                let information = attribute(IFLA_LINKINFO, &information.concat());
                let link = read(&[attribute(IFLA_IFNAME, b"t\0"), information]).unwrap();
                assert_eq!(link.map(|link| link.kind), Some(expect));
            }
        }
        refused(&named("tun"), "neither tun nor tap");
    }

    #[test]
    fn what_is_no_interface_is_refused() {
        let [_, veth] = named("veth");
        refused(&[veth], "without a name");
        refused(&[vec![40, 0, 3, 0]], "NLA");
        assert!(link(&[0; HEADER - 1]).unwrap_err().to_string().contains("cut short"));
    }
}
