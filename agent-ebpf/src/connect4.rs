//! `cgroup/connect4`: connect() of an IPv4 socket.

use agent_ebpf::Destination;
use aya_ebpf::{macros::cgroup_sock_addr, programs::SockAddrContext};

use crate::{
    ALLOW, REFUSE,
    redirect::{Outcome, decide, socket},
};

/// 127.0.0.1 in network byte order.
pub(crate) const LOOPBACK: u32 = 0x7f00_0001_u32.to_be();

/// Redirects a protected destination to 127.0.0.1.
#[cgroup_sock_addr(connect4)]
pub(crate) fn connect4(ctx: SockAddrContext) -> i32 {
    let sock_addr = ctx.sock_addr;
    // SAFETY: fields of the kernel's context, which connect4 may read.
    let (address, port) = unsafe { ((*sock_addr).user_ip4, (*sock_addr).user_port) };
    let address = effective(&ctx, address);
    let port = u16::from_be(port as u16);
    match decide(&ctx, Destination::v4(address.to_ne_bytes(), port)) {
        Outcome::Leave => ALLOW,
        Outcome::Refuse => REFUSE,
        Outcome::To(port) => {
            // SAFETY: fields of the kernel's context, which connect4 may write.
            unsafe {
                (*sock_addr).user_ip4 = LOOPBACK;
                (*sock_addr).user_port = u32::from(port.to_be());
            }
            ALLOW
        }
    }
}

/// Where a connect() to `address` (network byte order) will go: for 0.0.0.0 the kernel takes the address
/// that the socket is bound to, or 127.0.0.1 (`ip_route_output_key_hash_rcu`), but only after this hook.
#[inline(always)]
pub(crate) fn effective(ctx: &SockAddrContext, address: u32) -> u32 {
    if address != 0 {
        return address;
    }
    // SAFETY: the context's socket; the kernel lets connect programs read its bound address.
    let bound = unsafe { (*socket(ctx)).src_ip4 };
    if bound == 0 { LOOPBACK } else { bound }
}
