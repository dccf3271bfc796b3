//! `tcx/ingress` of virtual interfaces: the same guard for packets that are not of a socket of this machine's own
//! making, such as a container's packet sockets and a virtual machine's own stack.

use agent_ebpf::{Counter, EventKind};
use aya_ebpf::{
    EbpfContext as _,
    bindings::{__sk_buff, TC_ACT_SHOT, bpf_sock, tcx_action_base::TCX_NEXT},
    helpers::generated::bpf_sk_fullsock,
    macros::classifier,
    programs::TcContext,
};

use crate::{
    IPPROTO_TCP, SOCK_STREAM,
    maps::{OWN, count, has_told, has_told_lately, is_protected, tell},
    packet::{Packet, Segment, read},
};

/// Drops a SYN to a protected destination that is not of the daemon's own sockets. Without it there is no connection
/// for what follows but the daemon's own, into which nobody is to put data of theirs: what carries some has to be of a
/// TCP socket, which sends for its own connection alone.
#[classifier]
pub(crate) fn link(ctx: TcContext) -> i32 {
    let skb = ctx.as_ptr().cast::<__sk_buff>();
    let segment = match read(skb) {
        Packet::Tcp(segment) => segment,
        Packet::Other => return TCX_NEXT,
        Packet::Unclear => {
            count(Counter::LinkDropped);
            return TC_ACT_SHOT;
        }
    };
    let sk = socket(skb);
    let goes_on = !segment.opens() && (!segment.carries() || is_tcp(sk));
    if goes_on || !is_protected(segment.destination) {
        return TCX_NEXT;
    }
    if sk.is_null() {
        count(Counter::LinkDropped);
        if !has_told_lately() {
            report(skb, &segment);
        }
        return TC_ACT_SHOT;
    }
    // SAFETY: a full socket, not null.
    if !unsafe { OWN.get(sk) }.is_null() {
        return TCX_NEXT;
    }
    count(Counter::LinkDropped);
    // SAFETY: a full socket, not null.
    if !unsafe { has_told(sk, EventKind::LinkDropped) } {
        report(skb, &segment);
    }
    TC_ACT_SHOT
}

/// The socket that sent it: the kernel keeps a packet's socket on its way through a veth pair. Null for a packet of
/// none, such as a virtual machine's.
#[inline(always)]
fn socket(skb: *mut __sk_buff) -> *mut bpf_sock {
    // SAFETY: a field of the kernel's context; checked against null.
    let sk = unsafe { (*skb).__bindgen_anon_2.sk };
    if sk.is_null() {
        return sk;
    }
    // SAFETY: a socket of the context, not null.
    unsafe { bpf_sk_fullsock(sk) }
}

/// Whether it is a socket of TCP: a packet socket's packets have a socket too.
#[inline(always)]
fn is_tcp(sk: *mut bpf_sock) -> bool {
    // SAFETY: fields of a full socket, once it is not null.
    !sk.is_null() && unsafe { (*sk).type_ == SOCK_STREAM && (*sk).protocol == IPPROTO_TCP }
}

#[inline(always)]
fn report(skb: *mut __sk_buff, segment: &Segment) {
    tell(EventKind::LinkDropped, |event| {
        event.origin.address = segment.destination.address;
        event.origin.port = u16::from_be_bytes(segment.destination.port);
        event.origin.family = u16::from_be_bytes(segment.destination.family);
        event.source = segment.source;
        event.source_port = segment.source_port;
        // SAFETY: a field of the kernel's context.
        event.detail = unsafe { (*skb).ifindex };
    });
}
