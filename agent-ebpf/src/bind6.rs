//! `cgroup/bind6`: bind() of an IPv6 socket, also to an IPv4-mapped address.

use agent_ebpf::Destination;
use aya_ebpf::{macros::cgroup_sock_addr, programs::SockAddrContext};

use crate::{
    ALLOW,
    bind::judge,
    connect6::{ONE, bytes, is_mapped, words},
};

/// Refuses a listener's port on `::`, `::1` and their IPv4-mapped likes.
#[cgroup_sock_addr(bind6)]
pub(crate) fn bind6(ctx: SockAddrContext) -> i32 {
    let address = words(&ctx);
    // SAFETY: a field of the kernel's context, which bind6 may read.
    let port = u16::from_be(unsafe { (*ctx.sock_addr).user_port } as u16);
    let local = if is_mapped(&address) {
        address[3] == 0 || address[3].to_ne_bytes()[0] == 127
    } else {
        address == [0; 4] || address == [0, 0, 0, ONE]
    };
    if local { judge(&ctx, Destination::v6(bytes(&address), port)) } else { ALLOW }
}
