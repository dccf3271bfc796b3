//! `cgroup/getpeername4`: a redirected IPv4 socket sees the destination that it asked for.

use aya_ebpf::{macros::cgroup_sock_addr, programs::SockAddrContext};

use crate::{ALLOW, maps::STREAMS, redirect::socket};

/// Answers with the original destination.
#[cgroup_sock_addr(getpeername4)]
pub(crate) fn getpeername4(ctx: SockAddrContext) -> i32 {
    // SAFETY: `socket` gives this context's socket; a value that is not null lives while we run.
    let Some(stream) = (unsafe { STREAMS.get(socket(&ctx)).as_ref() }) else { return ALLOW };
    if stream.redirected == 0 {
        return ALLOW;
    }
    let origin = &stream.origin;
    let [a, b, c, d, ..] = origin.address;
    // SAFETY: fields of the kernel's context, which getpeername4 may write.
    unsafe {
        (*ctx.sock_addr).user_ip4 = u32::from_ne_bytes([a, b, c, d]);
        (*ctx.sock_addr).user_port = u32::from(origin.port.to_be());
    }
    ALLOW
}
