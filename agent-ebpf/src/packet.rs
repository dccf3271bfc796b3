//! The headers of a packet, as far as a verdict needs them.
//!
//! Read from the network header on, so that programs of both kinds (cgroup, tc) read alike.

use agent_ebpf::Destination;
use aya_ebpf::{
    bindings::{__sk_buff, bpf_hdr_start_off::BPF_HDR_START_NET},
    helpers::generated::bpf_skb_load_bytes_relative,
};

const ETH_P_IP: u16 = 0x0800;
const ETH_P_IPV6: u16 = 0x86dd;
/// The tags of virtual networks, of customers and of providers.
const ETH_P_8021Q: u16 = 0x8100;
const ETH_P_8021AD: u16 = 0x88a8;
/// So many tags are looked behind. A receiver takes off as many as there are of those that name no network.
const MOST_TAGS: usize = 4;

const IPPROTO_TCP: u8 = 6;
const IPPROTO_UDP: u8 = 17;
/// Extension headers of IPv6 (RFC 8200), and the authentication header, which IPv4 may have as well.
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;
/// As many of them are walked; the kernel itself sends four at most.
const MOST_EXTENSIONS: usize = 6;

const FIN_SYN_RST_ACK: u8 = 0x17;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;
const URG: u8 = 0x20;

/// What a packet is at a glance.
pub(crate) enum Glance {
    /// TCP, to this port (host byte order).
    Tcp { port: u16 },
    /// UDP.
    Udp,
    /// Neither, or one with options, extension headers or in fragments: [`read`] tells.
    Other,
}

/// What a packet is.
pub(crate) enum Packet {
    /// TCP.
    Tcp(Segment),
    /// TCP, but its header is not whole, or others before it may lead elsewhere.
    Unclear,
    /// Something else, or the rest of a fragmented packet.
    Other,
}

/// A TCP packet.
pub(crate) struct Segment {
    /// For IPv4 its four bytes, then zeros.
    pub(crate) source: [u8; 16],
    /// Host byte order.
    pub(crate) source_port: u16,
    pub(crate) destination: Destination,
    /// Host byte order.
    pub(crate) sequence: u32,
    flags: u8,
    /// Where the payload begins, counted from the network header.
    pub(crate) payload: u32,
    /// Where it ends, as the header says: what follows is padding. Not behind its beginning in a packet that is too large
    /// for the header to say so.
    end: u32,
}

impl Segment {
    /// Whether it opens a connection.
    #[inline(always)]
    pub(crate) fn opens(&self) -> bool {
        self.flags & (SYN | ACK) == SYN
    }

    /// Whether it has a payload. One that is too large for its header to say so has.
    #[inline(always)]
    pub(crate) fn carries(&self) -> bool {
        self.end != self.payload
    }

    /// Whether it is an answer that the kernel itself sends without a socket: bare RST or ACK, in a packet of `length`
    /// bytes.
    #[inline(always)]
    pub(crate) fn is_bare_answer(&self, length: u32) -> bool {
        self.flags & FIN_SYN_RST_ACK & !(ACK | RST) == 0 && length <= self.payload
    }

    /// Whether it is the bare end of a connection, in a packet of `length` bytes.
    #[inline(always)]
    pub(crate) fn is_bare_reset(&self, length: u32) -> bool {
        self.flags & RST != 0 && self.is_bare_answer(length)
    }

    /// Whether it has urgent data.
    #[inline(always)]
    pub(crate) fn is_urgent(&self) -> bool {
        self.flags & URG != 0
    }
}

/// Looks at a packet that begins with its network header, as they do in cgroup programs. No helper is called.
#[inline(always)]
pub(crate) fn glance(skb: *mut __sk_buff) -> Glance {
    // SAFETY: fields of the kernel's context.
    let (begin, end, protocol) =
        unsafe { ((*skb).data as usize, (*skb).data_end as usize, u16::from_be((*skb).protocol as u16)) };
    // The shortest headers of IPv4 and TCP; IPv6's alone have as many bytes.
    if begin + 40 > end {
        return Glance::Other;
    }
    let byte = |at: usize| {
        // SAFETY: the verifier proves that it lies before `end`, by the comparisons here.
        unsafe { *((begin + at) as *const u8) }
    };
    let port = |at: usize| Glance::Tcp { port: u16::from_be_bytes([byte(at), byte(at + 1)]) };
    let next = match protocol {
        // Without options; of the flags and the offset only "don't fragment" may be set.
        ETH_P_IP if byte(0) == 0x45 && byte(6) & 0x3f == 0 && byte(7) == 0 => byte(9),
        ETH_P_IPV6 => byte(6),
        _ => return Glance::Other,
    };
    match next {
        IPPROTO_UDP => Glance::Udp,
        IPPROTO_TCP if protocol == ETH_P_IP => port(22),
        IPPROTO_TCP if begin + 60 <= end => port(42),
        _ => Glance::Other,
    }
}

/// Reads the headers.
#[inline(always)]
pub(crate) fn read(skb: *mut __sk_buff) -> Packet {
    // SAFETY: a field of the kernel's context, which all programs on packets may read.
    let mut protocol = u16::from_be(unsafe { (*skb).protocol } as u16);
    let mut at = 0;
    for _ in 0..MOST_TAGS {
        if protocol != ETH_P_8021Q && protocol != ETH_P_8021AD {
            break;
        }
        let Some(tag) = load::<4>(skb, at) else { return Packet::Other };
        protocol = u16::from_be_bytes([tag[2], tag[3]]);
        at += 4;
    }
    match protocol {
        ETH_P_IP => read4(skb, at),
        ETH_P_IPV6 => read6(skb, at),
        ETH_P_8021Q | ETH_P_8021AD => Packet::Unclear,
        _ => Packet::Other,
    }
}

/// What a fragment is that lies this far into its packet, in units of eight bytes; none if it is to be read on. Receivers
/// take no fragments that overlap, so that one behind the header of TCP changes nothing of what the first one says.
#[inline(always)]
fn fragment(offset: u16) -> Option<Packet> {
    match offset {
        0 => None,
        // In the middle of that header, which nobody splits without intent.
        1 => Some(Packet::Unclear),
        _ => Some(Packet::Other),
    }
}

#[inline(always)]
fn read4(skb: *mut __sk_buff, at: u32) -> Packet {
    let Some(ip) = load::<20>(skb, at) else { return Packet::Other };
    let end = at + u32::from(u16::from_be_bytes([ip[2], ip[3]]));
    let at = at + (u32::from(ip[0] & 0x0f) << 2);
    let protocol = ip[9];
    if protocol != IPPROTO_TCP {
        return if protocol == AUTHENTICATION { Packet::Unclear } else { Packet::Other };
    }
    if let Some(rest) = fragment(u16::from_be_bytes([ip[6] & 0x1f, ip[7]])) {
        return rest;
    }
    let Some(tcp) = load::<20>(skb, at) else { return Packet::Unclear };
    let [a, b, c, d] = [ip[12], ip[13], ip[14], ip[15]];
    let source = [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let destination = Destination::v4([ip[16], ip[17], ip[18], ip[19]], u16::from_be_bytes([tcp[2], tcp[3]]));
    Packet::Tcp(segment(source, destination, &tcp, at, end))
}

#[inline(always)]
fn read6(skb: *mut __sk_buff, at: u32) -> Packet {
    let Some(ip) = load::<40>(skb, at) else { return Packet::Other };
    let mut next = ip[6];
    let mut at = at + 40;
    let end = at + u32::from(u16::from_be_bytes([ip[4], ip[5]]));
    let mut detour = false;
    for _ in 0..MOST_EXTENSIONS {
        match next {
            HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS | AUTHENTICATION | FRAGMENT => {}
            _ => break,
        }
        let Some(header) = load::<8>(skb, at) else { return Packet::Unclear };
        // It may name another destination.
        detour |= next == ROUTING;
        if next == FRAGMENT
            && let Some(rest) = fragment(u16::from_be_bytes([header[2], header[3]]) >> 3)
        {
            return rest;
        }
        at += match next {
            FRAGMENT => 8,
            AUTHENTICATION => (u32::from(header[1]) + 2) << 2,
            _ => (u32::from(header[1]) + 1) << 3,
        };
        next = header[0];
    }
    match next {
        IPPROTO_TCP if !detour => {}
        IPPROTO_TCP | HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS | AUTHENTICATION | FRAGMENT => {
            return Packet::Unclear;
        }
        _ => return Packet::Other,
    }
    let Some(tcp) = load::<20>(skb, at) else { return Packet::Unclear };
    let mut source = [0; 16];
    source.copy_from_slice(&ip[8..24]);
    let mut address = [0; 16];
    address.copy_from_slice(&ip[24..40]);
    let port = u16::from_be_bytes([tcp[2], tcp[3]]);
    let destination = Destination::v6(address, port);
    Packet::Tcp(segment(source, destination, &tcp, at, end))
}

#[inline(always)]
fn segment(source: [u8; 16], destination: Destination, tcp: &[u8; 20], at: u32, end: u32) -> Segment {
    Segment {
        source,
        source_port: u16::from_be_bytes([tcp[0], tcp[1]]),
        destination,
        sequence: u32::from_be_bytes([tcp[4], tcp[5], tcp[6], tcp[7]]),
        flags: tcp[13],
        payload: at + (u32::from(tcp[12] >> 4) << 2),
        end,
    }
}

/// Bytes at an offset from the network header; none where the packet ends before.
#[inline(always)]
pub(crate) fn load<const N: usize>(skb: *mut __sk_buff, offset: u32) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    // SAFETY: the helper writes at most N bytes to `bytes`, and checks the offset against the packet.
    let result = unsafe {
        bpf_skb_load_bytes_relative(skb.cast(), offset, (&raw mut bytes).cast(), N as u32, BPF_HDR_START_NET)
    };
    (result == 0).then_some(bytes)
}
