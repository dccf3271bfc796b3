//! `cgroup/bind4`: bind() of an IPv4 socket.

use agent_ebpf::Destination;
use aya_ebpf::{macros::cgroup_sock_addr, programs::SockAddrContext};

use crate::{ALLOW, bind::judge};

/// Refuses a listener's port on 0.0.0.0 and on 127.0.0.0/8.
#[cgroup_sock_addr(bind4)]
pub(crate) fn bind4(ctx: SockAddrContext) -> i32 {
    // SAFETY: fields of the kernel's context, which bind4 may read.
    let (address, port) = unsafe { ((*ctx.sock_addr).user_ip4, (*ctx.sock_addr).user_port) };
    let address = address.to_ne_bytes();
    if address != [0; 4] && address[0] != 127 {
        return ALLOW;
    }
    judge(&ctx, Destination::v4(address, u16::from_be(port as u16)))
}
