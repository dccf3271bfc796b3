//! What both connect programs do once they know the effective destination.
//!
//! It decides by the maps alone. What cannot be remembered is refused: a redirected connection without
//! its record would reach a daemon that cannot tell whose it is.

use agent_ebpf::{AF_INET, Counter, Destination, Origin, Settings};
use aya_ebpf::{
    EbpfContext as _,
    bindings::bpf_sock,
    btf_maps::lpm_trie::Key,
    helpers::{
        bpf_get_current_comm, bpf_get_current_pid_tgid, bpf_get_current_uid_gid,
        generated::{
            bpf_get_current_cgroup_id, bpf_get_netns_cookie, bpf_get_socket_cookie, bpf_ktime_get_ns,
        },
    },
    programs::SockAddrContext,
};
use aya_log_ebpf::error;

use crate::maps::{DESTINATIONS, ORIGINS, OWN, SETTINGS, count};

/// `SOCK_STREAM`: TCP, and what rides on it (MPTCP, SMC).
const SOCK_STREAM: u32 = 1;

/// What connect() is to do.
pub(crate) enum Outcome {
    /// Go where it wanted to.
    Leave,
    /// Fail with `EPERM`.
    Refuse,
    /// Go to this port (host byte order) of the loopback address of its family.
    To(u16),
}

/// The socket that the program runs for.
#[inline(always)]
pub(crate) fn socket(ctx: &SockAddrContext) -> *mut bpf_sock {
    // SAFETY: the context is the kernel's and its `sk` is set for connect and getpeername.
    unsafe { (*ctx.sock_addr).__bindgen_anon_1.sk }
}

/// Judges a connect() to `destination`, and remembers it on the socket if it is redirected.
#[inline(always)]
pub(crate) fn decide(ctx: &SockAddrContext, destination: Destination) -> Outcome {
    // SAFETY: a field of the kernel's context.
    if unsafe { (*ctx.sock_addr).type_ } != SOCK_STREAM {
        return Outcome::Leave;
    }
    let sk = socket(ctx);
    if DESTINATIONS.get(&Key::new(Destination::FULL_PREFIX, destination)).is_none() {
        // A socket may connect again elsewhere (after a refusal, or AF_UNSPEC). Its old record would
        // make getpeername lie and would follow it to another listener.
        // SAFETY: `sk` is this context's socket.
        unsafe { ORIGINS.delete(sk) };
        return Outcome::Leave;
    }
    // SAFETY: `sk` is this context's socket.
    if !unsafe { OWN.get(sk) }.is_null() {
        count(Counter::OwnPassed);
        return Outcome::Leave;
    }
    let port = match SETTINGS.get(0) {
        Some(Settings { port4, .. }) if destination.family == AF_INET.to_be_bytes() => *port4,
        Some(Settings { port6, .. }) => *port6,
        None => 0,
    };
    if port == 0 {
        count(Counter::RefusedNoListener);
        return Outcome::Refuse;
    }
    let origin = origin(ctx, &destination);
    // SAFETY: `sk` is this context's socket; Origin has no padding (asserted beside it).
    if !unsafe { ORIGINS.set(sk, &origin) } {
        count(Counter::RefusedNoStorage);
        error!(ctx, "connect of process {} refused: no socket storage for its record", origin.tgid);
        return Outcome::Refuse;
    }
    count(Counter::Redirected);
    Outcome::To(port)
}

#[inline(always)]
fn origin(ctx: &SockAddrContext, destination: &Destination) -> Origin {
    let pid_tgid = bpf_get_current_pid_tgid();
    let uid_gid = bpf_get_current_uid_gid();
    // SAFETY: all four helpers are offered to connect programs; the two with an argument get the
    // program's own context.
    let (cgroup_id, netns_cookie, socket_cookie, ktime_ns) = unsafe {
        (
            bpf_get_current_cgroup_id(),
            bpf_get_netns_cookie(ctx.as_ptr()),
            bpf_get_socket_cookie(ctx.as_ptr()),
            bpf_ktime_get_ns(),
        )
    };
    Origin {
        address: destination.address,
        port: u16::from_be_bytes(destination.port),
        family: u16::from_be_bytes(destination.family),
        tgid: (pid_tgid >> 32) as u32,
        tid: pid_tgid as u32,
        uid: uid_gid as u32,
        gid: (uid_gid >> 32) as u32,
        reserved: 0,
        cgroup_id,
        netns_cookie,
        socket_cookie,
        ktime_ns,
        comm: bpf_get_current_comm().unwrap_or_default(),
    }
}
