//! `cgroup/connect6`: connect() of an IPv6 socket, also to an IPv4-mapped address.

use core::ptr;

use agent_ebpf::Destination;
use aya_ebpf::{macros::cgroup_sock_addr, programs::SockAddrContext};

use crate::{
    ALLOW, REFUSE,
    connect4::{LOOPBACK, effective},
    redirect::{Outcome, decide, socket},
};

/// The third word of an IPv4-mapped address (`::ffff:0:0/96`), network byte order.
pub(crate) const MAPPED: u32 = 0xffff_u32.to_be();
/// The fourth word of `::1`, network byte order.
pub(crate) const ONE: u32 = 1_u32.to_be();

/// Redirects a protected destination to `::1`, or an IPv4-mapped one to `::ffff:127.0.0.1`.
#[cgroup_sock_addr(connect6)]
pub(crate) fn connect6(ctx: SockAddrContext) -> i32 {
    let sock_addr = ctx.sock_addr;
    // SAFETY: a field of the kernel's context, which connect6 may read.
    let port = u16::from_be(unsafe { (*sock_addr).user_port } as u16);
    let address = effective6(&ctx, words(&ctx));
    let mapped = is_mapped(&address);
    let destination = if mapped {
        Destination::v4(effective(&ctx, address[3]).to_ne_bytes(), port)
    } else {
        Destination::v6(bytes(&address), port)
    };
    match decide(&ctx, destination) {
        Outcome::Leave => ALLOW,
        Outcome::Refuse => REFUSE,
        Outcome::To(port) => {
            let to = if mapped { [0, 0, MAPPED, LOOPBACK] } else { [0, 0, 0, ONE] };
            // SAFETY: fields of the kernel's context, which connect6 may write. Word by word and
            // volatile, because the verifier refuses the wider stores that LLVM would make of it.
            unsafe {
                ptr::write_volatile(&raw mut (*sock_addr).user_ip6[0], to[0]);
                ptr::write_volatile(&raw mut (*sock_addr).user_ip6[1], to[1]);
                ptr::write_volatile(&raw mut (*sock_addr).user_ip6[2], to[2]);
                ptr::write_volatile(&raw mut (*sock_addr).user_ip6[3], to[3]);
                (*sock_addr).user_port = u32::from(port.to_be());
            }
            ALLOW
        }
    }
}

/// Whether an address is IPv4-mapped.
#[inline(always)]
pub(crate) fn is_mapped(address: &[u32; 4]) -> bool {
    address[0] == 0 && address[1] == 0 && address[2] == MAPPED
}

/// Where a connect() will go: for `::` the kernel takes the loopback address of the family that the
/// socket is bound to (`tcp_v6_connect`), but only after this hook.
#[inline(always)]
fn effective6(ctx: &SockAddrContext, address: [u32; 4]) -> [u32; 4] {
    if address != [0; 4] {
        return address;
    }
    let sk = socket(ctx);
    // SAFETY: the context's socket; the kernel lets connect programs read its bound address.
    let bound = unsafe {
        [
            ptr::read_volatile(&raw const (*sk).src_ip6[0]),
            ptr::read_volatile(&raw const (*sk).src_ip6[1]),
            ptr::read_volatile(&raw const (*sk).src_ip6[2]),
            0,
        ]
    };
    if is_mapped(&bound) { [0, 0, MAPPED, LOOPBACK] } else { [0, 0, 0, ONE] }
}

/// The address that connect() or bind() was given, network byte order.
#[inline(always)]
pub(crate) fn words(ctx: &SockAddrContext) -> [u32; 4] {
    let sock_addr = ctx.sock_addr;
    // SAFETY: fields of the kernel's context, which connect6 and bind6 may read, word by word.
    unsafe {
        [
            ptr::read_volatile(&raw const (*sock_addr).user_ip6[0]),
            ptr::read_volatile(&raw const (*sock_addr).user_ip6[1]),
            ptr::read_volatile(&raw const (*sock_addr).user_ip6[2]),
            ptr::read_volatile(&raw const (*sock_addr).user_ip6[3]),
        ]
    }
}

#[inline(always)]
pub(crate) fn bytes(words: &[u32; 4]) -> [u8; 16] {
    let [a, b, c, d] =
        [words[0].to_ne_bytes(), words[1].to_ne_bytes(), words[2].to_ne_bytes(), words[3].to_ne_bytes()];
    [a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3], c[0], c[1], c[2], c[3], d[0], d[1], d[2], d[3]]
}
