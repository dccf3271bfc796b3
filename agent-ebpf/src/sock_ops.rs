//! `sockops`: carries a connection's record from the job's socket to the socket that the daemon accepts.
//!
//! At the client's SYN the record goes under the connection's addresses into `TUPLES`; when our
//! listener's side is established it moves from there into the accepted socket's own storage, before
//! accept() can return it; a client that closes first takes its entry away. Sockets that other listeners accept
//! from a protected port are marked as passed: who connects to them chose it.

use core::ptr;

use agent_ebpf::{Counter, Destination, EventKind, Stream, StreamState, Tuple};
use aya_ebpf::{
    EbpfContext as _,
    bindings::{
        BPF_ANY, BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB, BPF_SOCK_OPS_STATE_CB, BPF_SOCK_OPS_STATE_CB_FLAG,
        BPF_SOCK_OPS_TCP_CONNECT_CB, BPF_SOCK_OPS_TIMEOUT_INIT, BPF_TCP_CLOSE, bpf_sock,
    },
    helpers::generated::bpf_get_netns_cookie,
    macros::sock_ops,
    programs::SockOpsContext,
};
use aya_log_ebpf::error;

use crate::{
    connect6::{MAPPED, bytes, is_mapped},
    maps::{ACCEPTED, OWN, SETTINGS, STREAMS, TUPLES, count, is_protected, is_protected_port, tell},
};

/// `AF_INET` as `bpf_sock_ops.family` has it.
const AF_INET: u32 = agent_ebpf::AF_INET as u32;

/// The program. Its result matters to no callback; what TIMEOUT_INIT asks for stands in the context's reply.
#[sock_ops]
pub(crate) fn sock_ops(ctx: SockOpsContext) -> u32 {
    match ctx.op() {
        BPF_SOCK_OPS_TIMEOUT_INIT => timeout(&ctx),
        BPF_SOCK_OPS_TCP_CONNECT_CB => connecting(&ctx),
        BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB => accepted(&ctx),
        BPF_SOCK_OPS_STATE_CB if ctx.arg(1) == BPF_TCP_CLOSE => closed(&ctx),
        _ => {}
    }
    1
}

/// How long a SYN waits for its answer before it is sent again.
#[inline(always)]
fn timeout(ctx: &SockOpsContext) {
    if redirected(socket(ctx)).is_some()
        && let Some(settings) = SETTINGS.get(0)
    {
        ctx.set_reply(settings.syn_timeout);
    }
}

/// What is remembered of a redirected client.
#[inline(always)]
fn redirected<'a>(sk: *mut bpf_sock) -> Option<&'a Stream> {
    if sk.is_null() {
        return None;
    }
    // SAFETY: the context's socket, not null; a value that is not null lives while we run.
    unsafe { STREAMS.get(sk).as_ref() }.filter(|stream| stream.redirected == 1)
}

/// The client's ports are chosen and its SYN is not out yet.
#[inline(always)]
fn connecting(ctx: &SockOpsContext) {
    let Some(Stream { origin, .. }) = redirected(socket(ctx)) else { return };
    let tuple = tuple(ctx);
    // sockops cannot refuse the connection; without its entry it is accepted without a record, and
    // the daemon closes it.
    if TUPLES.insert(tuple, origin, BPF_ANY.into()).is_err() {
        count(Counter::TuplesFull);
        tell(EventKind::TuplesFull, |event| event.origin = *origin);
        error!(ctx, "connection of process {} has no room for its record", origin.tgid);
        return;
    }
    // A failure leaves an entry that nobody deletes, until the same addresses come again.
    let _ = ctx.set_cb_flags((ctx.cb_flags() | BPF_SOCK_OPS_STATE_CB_FLAG) as i32);
}

/// A listener's new connection is established and not yet given to accept().
#[inline(always)]
fn accepted(ctx: &SockOpsContext) {
    let sk = socket(ctx);
    if sk.is_null() {
        return;
    }
    // Without memory for it its answers are dropped.
    if is_protected_port(remote_port(ctx))
        && is_protected(peer(&tuple(ctx)))
        // SAFETY: this context's socket, not null; zero is a value of all of Stream's fields.
        && let Some(stream) = unsafe { STREAMS.get_or_zero(sk).as_mut() }
    {
        stream.state = StreamState::Passed as u32;
    }
    // Inherited from our listener; every other listener of the machine ends here.
    // SAFETY: this context's socket, not null.
    if unsafe { OWN.get(sk) }.is_null() {
        return;
    }
    let here = tuple(ctx);
    let tuple = Tuple {
        local: here.remote,
        remote: here.local,
        local_port: here.remote_port,
        remote_port: here.local_port,
        ..here
    };
    // SAFETY: nobody writes to an entry in place, and this connection has the only claim to it.
    let Some(origin) = (unsafe { TUPLES.get(tuple) }) else {
        count(Counter::AcceptedUnknown);
        return;
    };
    // SAFETY: this context's socket, not null; Origin has no padding.
    if unsafe { ACCEPTED.set(sk, origin) } {
        count(Counter::Accepted);
    } else {
        count(Counter::AcceptedNoStorage);
        error!(ctx, "accepted connection of process {} cannot have its record", origin.tgid);
    }
    let _ = TUPLES.remove(tuple);
}

/// A redirected client is gone; its entry exists still if nobody accepted it.
#[inline(always)]
fn closed(ctx: &SockOpsContext) {
    let _ = TUPLES.remove(tuple(ctx));
}

/// The connection, named from this socket's side.
#[inline(always)]
fn tuple(ctx: &SockOpsContext) -> Tuple {
    let ops = ctx.ops;
    let family = ctx.family();
    let mut local = [0, 0, MAPPED, 0];
    let mut remote = [0, 0, MAPPED, 0];
    // An IPv6 socket with an IPv4-mapped peer is IPv4 on the other side, so both are keyed alike.
    let mut is_v4 = family == AF_INET;
    if !is_v4 {
        // SAFETY: fields of the kernel's context, read word by word as the verifier demands.
        unsafe {
            remote = [
                ptr::read_volatile(&raw const (*ops).remote_ip6[0]),
                ptr::read_volatile(&raw const (*ops).remote_ip6[1]),
                ptr::read_volatile(&raw const (*ops).remote_ip6[2]),
                ptr::read_volatile(&raw const (*ops).remote_ip6[3]),
            ];
            local = [
                ptr::read_volatile(&raw const (*ops).local_ip6[0]),
                ptr::read_volatile(&raw const (*ops).local_ip6[1]),
                ptr::read_volatile(&raw const (*ops).local_ip6[2]),
                ptr::read_volatile(&raw const (*ops).local_ip6[3]),
            ];
        }
        is_v4 = is_mapped(&remote);
    }
    if is_v4 {
        local = [0, 0, MAPPED, ctx.local_ip4()];
        remote = [0, 0, MAPPED, ctx.remote_ip4()];
    }
    Tuple {
        // SAFETY: sockops programs may call this with their own context (Linux 5.15).
        netns_cookie: unsafe { bpf_get_netns_cookie(ctx.as_ptr()) },
        local,
        remote,
        local_port: ctx.local_port() as u16,
        remote_port: remote_port(ctx),
        reserved: 0,
    }
}

/// Host byte order.
#[inline(always)]
fn remote_port(ctx: &SockOpsContext) -> u16 {
    // The kernel's one field in network byte order, and in the upper half of a little endian word.
    u32::from_be(ctx.remote_port()) as u16
}

/// The connection's other end.
#[inline(always)]
fn peer(tuple: &Tuple) -> Destination {
    if is_mapped(&tuple.remote) {
        Destination::v4(tuple.remote[3].to_ne_bytes(), tuple.remote_port)
    } else {
        Destination::v6(bytes(&tuple.remote), tuple.remote_port)
    }
}

#[inline(always)]
fn socket(ctx: &SockOpsContext) -> *mut bpf_sock {
    // SAFETY: a field of the kernel's context; null when there is no full socket.
    unsafe { (*ctx.ops).__bindgen_anon_2.sk }
}
