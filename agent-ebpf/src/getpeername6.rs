//! `cgroup/getpeername6`: a redirected IPv6 socket sees the destination that it asked for.

use core::ptr;

use agent_ebpf::AF_INET;
use aya_ebpf::{macros::cgroup_sock_addr, programs::SockAddrContext};

use crate::{ALLOW, connect6::MAPPED, maps::STREAMS, redirect::socket};

/// Answers with the original destination, IPv4 as IPv4-mapped.
#[cgroup_sock_addr(getpeername6)]
pub(crate) fn getpeername6(ctx: SockAddrContext) -> i32 {
    // SAFETY: `socket` gives this context's socket; a value that is not null lives while we run.
    let Some(stream) = (unsafe { STREAMS.get(socket(&ctx)).as_ref() }) else { return ALLOW };
    if stream.redirected == 0 {
        return ALLOW;
    }
    let origin = &stream.origin;
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = origin.address;
    let first = u32::from_ne_bytes([a, b, c, d]);
    let words = if origin.family == AF_INET {
        [0, 0, MAPPED, first]
    } else {
        let third = u32::from_ne_bytes([i, j, k, l]);
        [first, u32::from_ne_bytes([e, f, g, h]), third, u32::from_ne_bytes([m, n, o, p])]
    };
    let sock_addr = ctx.sock_addr;
    // SAFETY: fields of the kernel's context, which getpeername6 may write; see connect6 for why so.
    unsafe {
        ptr::write_volatile(&raw mut (*sock_addr).user_ip6[0], words[0]);
        ptr::write_volatile(&raw mut (*sock_addr).user_ip6[1], words[1]);
        ptr::write_volatile(&raw mut (*sock_addr).user_ip6[2], words[2]);
        ptr::write_volatile(&raw mut (*sock_addr).user_ip6[3], words[3]);
        (*sock_addr).user_port = u32::from(origin.port.to_be());
    }
    ALLOW
}
