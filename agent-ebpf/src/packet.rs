//! The headers of a packet, as far as a verdict needs them.
//!
//! Read from the network header on, so that programs of both kinds (cgroup, tc) read alike.

use core::{hint::black_box, mem::MaybeUninit};

use agent_ebpf::{AF_INET, AF_INET6, Destination};
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

/// What [`read_into`] gives, for what [`Packet`] has.
const TCP: u32 = 0;
const UNCLEAR: u32 = 1;
const OTHER: u32 = 2;

/// What a packet is at a glance.
pub(crate) enum Glance {
    /// TCP, to this port (host byte order); whether anything follows its header.
    Tcp { port: u16, carries: bool },
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
    let (begin, end, protocol, length) = unsafe {
        ((*skb).data as usize, (*skb).data_end as usize, u16::from_be((*skb).protocol as u16), (*skb).len)
    };
    // The shortest headers of IPv4 and TCP; IPv6's alone have as many bytes.
    if begin + 40 > end {
        return Glance::Other;
    }
    let byte = |at: usize| {
        // SAFETY: the verifier proves that it lies before `end`, by the comparisons here.
        unsafe { *((begin + at) as *const u8) }
    };
    let tcp = |at: usize| Glance::Tcp {
        port: u16::from_be_bytes([byte(at + 2), byte(at + 3)]),
        carries: length > at as u32 + (u32::from(byte(at + 12) >> 4) << 2),
    };
    let next = match protocol {
        // Without options; of the flags and the offset only "don't fragment" may be set.
        ETH_P_IP if byte(0) == 0x45 && byte(6) & 0x3f == 0 && byte(7) == 0 => byte(9),
        ETH_P_IPV6 => byte(6),
        _ => return Glance::Other,
    };
    match next {
        IPPROTO_UDP => Glance::Udp,
        IPPROTO_TCP if protocol == ETH_P_IP => tcp(20),
        IPPROTO_TCP if begin + 60 <= end => tcp(40),
        _ => Glance::Other,
    }
}

/// Reads the headers.
#[inline(always)]
pub(crate) fn read(skb: *mut __sk_buff) -> Packet {
    let mut segment = MaybeUninit::uninit();
    match read_into(skb, &mut segment) {
        // SAFETY: it was written, as the result says.
        TCP => Packet::Tcp(unsafe { segment.assume_init() }),
        UNCLEAR => Packet::Unclear,
        _ => Packet::Other,
    }
}

/// A function of its own to the kernel too, so that its variables are not on the caller's stack: gives one of [`TCP`],
/// [`UNCLEAR`] and [`OTHER`], and writes to `into` for the first alone.
#[inline(never)]
fn read_into(skb: *mut __sk_buff, into: &mut MaybeUninit<Segment>) -> u32 {
    let headers = match find(skb) {
        Ok(headers) => headers,
        Err(other) => return other,
    };
    let Some(tcp) = load::<20>(skb, headers.tcp) else { return UNCLEAR };
    let [mut source, mut address] = [[0; 16]; 2];
    let family = if headers.is_v4 {
        let Some(both) = load::<8>(skb, headers.ip + 12) else { return UNCLEAR };
        source[..4].copy_from_slice(&both[..4]);
        address[..4].copy_from_slice(&both[4..]);
        AF_INET
    } else {
        let Some(both) = load::<32>(skb, headers.ip + 8) else { return UNCLEAR };
        source.copy_from_slice(&both[..16]);
        address.copy_from_slice(&both[16..]);
        AF_INET6
    };
    into.write(Segment {
        source,
        source_port: u16::from_be_bytes([tcp[0], tcp[1]]),
        destination: Destination { port: [tcp[2], tcp[3]], family: family.to_be_bytes(), address },
        sequence: u32::from_be_bytes([tcp[4], tcp[5], tcp[6], tcp[7]]),
        flags: tcp[13],
        payload: headers.tcp + (u32::from(tcp[12] >> 4) << 2),
        end: headers.end,
    });
    TCP
}

/// Where the headers of a TCP packet begin, counted from the network header, which a tag may stand before.
struct Headers {
    is_v4: bool,
    ip: u32,
    tcp: u32,
    /// As [`Segment::end`].
    end: u32,
}

/// Where they are, or what [`read_into`] gives for a packet that has none.
#[inline(always)]
fn find(skb: *mut __sk_buff) -> Result<Headers, u32> {
    // SAFETY: a field of the kernel's context, which all programs on packets may read.
    let mut protocol = u16::from_be(unsafe { (*skb).protocol } as u16);
    let mut at = 0;
    for _ in 0..MOST_TAGS {
        if protocol != ETH_P_8021Q && protocol != ETH_P_8021AD {
            break;
        }
        let tag = load::<4>(skb, at).ok_or(OTHER)?;
        protocol = u16::from_be_bytes([tag[2], tag[3]]);
        at += 4;
    }
    match protocol {
        ETH_P_IP => find4(skb, at),
        ETH_P_IPV6 => find6(skb, at),
        ETH_P_8021Q | ETH_P_8021AD => Err(UNCLEAR),
        _ => Err(OTHER),
    }
}

#[inline(always)]
fn find4(skb: *mut __sk_buff, ip: u32) -> Result<Headers, u32> {
    let header = load::<20>(skb, ip).ok_or(OTHER)?;
    match header[9] {
        IPPROTO_TCP => {}
        AUTHENTICATION => return Err(UNCLEAR),
        _ => return Err(OTHER),
    }
    begins(u16::from_be_bytes([header[6] & 0x1f, header[7]]))?;
    Ok(Headers {
        is_v4: true,
        ip: forget(ip),
        tcp: forget(ip + (u32::from(header[0] & 0x0f) << 2)),
        end: forget(ip + u32::from(u16::from_be_bytes([header[2], header[3]]))),
    })
}

#[inline(always)]
fn find6(skb: *mut __sk_buff, ip: u32) -> Result<Headers, u32> {
    let header = load::<40>(skb, ip).ok_or(OTHER)?;
    let end = ip + u32::from(u16::from_be_bytes([header[4], header[5]])) + 40;
    let mut next = header[6];
    let mut at = forget(ip + 40);
    let mut detour = false;
    for _ in 0..MOST_EXTENSIONS {
        match next {
            HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS | AUTHENTICATION | FRAGMENT => {}
            _ => break,
        }
        let extension = load::<8>(skb, at).ok_or(UNCLEAR)?;
        // It may name another destination.
        detour |= next == ROUTING;
        if next == FRAGMENT {
            begins(u16::from_be_bytes([extension[2], extension[3]]) >> 3)?;
        }
        at = forget(
            at + match next {
                FRAGMENT => 8,
                AUTHENTICATION => (u32::from(extension[1]) + 2) << 2,
                _ => (u32::from(extension[1]) + 1) << 3,
            },
        );
        next = extension[0];
    }
    match next {
        IPPROTO_TCP if !detour => Ok(Headers { is_v4: false, ip: forget(ip), tcp: at, end: forget(end) }),
        IPPROTO_TCP | HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS | AUTHENTICATION | FRAGMENT => Err(UNCLEAR),
        _ => Err(OTHER),
    }
}

/// Whether a fragment that lies this far into its packet, in units of eight bytes, has the packet's beginning. Receivers
/// take no fragments that overlap, so that one behind the header of TCP changes nothing of what the first one says.
#[inline(always)]
fn begins(offset: u16) -> Result<(), u32> {
    match offset {
        0 => Ok(()),
        // In the middle of that header, which nobody splits without intent.
        1 => Err(UNCLEAR),
        _ => Err(OTHER),
    }
}

/// The same value, of which the verifier knows nothing: it does not follow it through a change of byte order. Where many
/// paths meet, each with a value of its own, it would look at all that comes after once for each.
#[inline(always)]
pub(crate) fn forget(value: u32) -> u32 {
    black_box(black_box(value).swap_bytes()).swap_bytes()
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
