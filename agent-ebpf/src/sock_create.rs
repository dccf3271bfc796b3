//! `cgroup/sock_create`: socket(), before it returns.
//!
//! The first stream socket in a network namespace tells the daemon of it, so that a listener is there when it
//! connects. A raw socket keeps who made it: it sends without a connect() that would tell.

use agent_ebpf::{Counter, Destination, EventKind, Namespace};
use aya_ebpf::{
    EbpfContext as _, bindings::BPF_NOEXIST, helpers::generated::bpf_get_netns_cookie, macros::cgroup_sock,
    programs::SockContext,
};

use crate::{
    ALLOW, SOCK_RAW, SOCK_STREAM,
    maps::{NAMESPACES, STREAMS, count, tell},
    who,
};

/// A namespace that the daemon has been told of.
const TOLD: Namespace = Namespace { served: 0, port4: 0, port6: 0 };
/// It has no destination yet.
const NOWHERE: Destination = Destination { port: [0; 2], family: [0; 2], address: [0; 16] };

/// Looks at a new socket; refuses none.
#[cgroup_sock(sock_create)]
pub(crate) fn sock_create(ctx: SockContext) -> i32 {
    // SAFETY: a field of the kernel's context.
    match unsafe { (*ctx.sock).type_ } {
        SOCK_STREAM => announce(&ctx),
        SOCK_RAW => {
            // Without memory for it, what it sends is judged all the same.
            // SAFETY: the context's socket; zero is a value of all of Stream's fields.
            if let Some(stream) = unsafe { STREAMS.get_or_zero(ctx.sock).as_mut() } {
                who::write(&ctx, &NOWHERE, &mut stream.origin);
            }
        }
        _ => {}
    }
    ALLOW
}

#[inline(always)]
fn announce(ctx: &SockContext) {
    // SAFETY: sock_create may call this with its own context.
    let cookie = unsafe { bpf_get_netns_cookie(ctx.as_ptr()) };
    // SAFETY: nobody writes to an entry in place but the daemon, a whole entry at a time.
    if unsafe { NAMESPACES.get(cookie) }.is_some() {
        return;
    }
    if NAMESPACES.insert(cookie, TOLD, BPF_NOEXIST.into()).is_err() {
        // Somebody else was faster, or there is no room: only the latter is worth a word.
        // SAFETY: as above.
        if unsafe { NAMESPACES.get(cookie) }.is_some() {
            return;
        }
        count(Counter::NamespacesFull);
    }
    tell(EventKind::Namespace, |event| who::write(ctx, &NOWHERE, &mut event.origin));
}
