//! Who makes the system call that a program runs for.

use agent_ebpf::{Destination, Origin};
use aya_ebpf::{
    EbpfContext,
    helpers::{
        bpf_get_current_comm, bpf_get_current_pid_tgid, bpf_get_current_uid_gid,
        generated::{
            bpf_get_current_cgroup_id, bpf_get_netns_cookie, bpf_get_socket_cookie, bpf_ktime_get_ns,
        },
    },
};

/// Writes down the running process, as somebody who wants to reach `destination`. For programs that run in a
/// system call on a socket: connect, bind, sock_create.
///
/// In its place, because a program's stack has but 512 bytes.
#[inline(always)]
pub(crate) fn write(ctx: &impl EbpfContext, destination: &Destination, origin: &mut Origin) {
    let pid_tgid = bpf_get_current_pid_tgid();
    let uid_gid = bpf_get_current_uid_gid();
    origin.address = destination.address;
    origin.port = u16::from_be_bytes(destination.port);
    origin.family = u16::from_be_bytes(destination.family);
    origin.tgid = (pid_tgid >> 32) as u32;
    origin.tid = pid_tgid as u32;
    origin.uid = uid_gid as u32;
    origin.gid = (uid_gid >> 32) as u32;
    origin.device = 0;
    // SAFETY: all four helpers are offered to these programs; the two with an argument get the program's own
    // context.
    unsafe {
        origin.cgroup_id = bpf_get_current_cgroup_id();
        origin.netns_cookie = bpf_get_netns_cookie(ctx.as_ptr());
        origin.socket_cookie = bpf_get_socket_cookie(ctx.as_ptr());
        origin.ktime_ns = bpf_ktime_get_ns();
    }
    origin.comm = bpf_get_current_comm().unwrap_or_default();
}
