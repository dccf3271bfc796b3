//! What both bind programs do: nobody but the daemon takes a listener's port.
//!
//! The guard lets no redirected connection reach another's listener; these programs keep one from being there, so
//! that the daemon finds its port free when it comes back.

use agent_ebpf::{Counter, Destination, EventKind, Namespace};
use aya_ebpf::{EbpfContext as _, helpers::generated::bpf_get_netns_cookie, programs::SockAddrContext};

use crate::{
    ALLOW, REFUSE, SOCK_STREAM,
    maps::{NAMESPACES, OWN, SETTINGS, count, has_told, tell},
    redirect::socket,
    who,
};

/// Judges a bind() to an address that takes in the loopback address.
#[inline(always)]
pub(crate) fn judge(ctx: &SockAddrContext, address: Destination) -> i32 {
    let port = u16::from_be_bytes(address.port);
    // SAFETY: a field of the kernel's context.
    if port == 0 || unsafe { (*ctx.sock_addr).type_ } != SOCK_STREAM {
        return ALLOW;
    }
    // SAFETY: bind programs may call this with their own context.
    let cookie = unsafe { bpf_get_netns_cookie(ctx.as_ptr()) };
    // SAFETY: nobody writes to an entry in place but the daemon, a whole entry at a time.
    let ports = match unsafe { NAMESPACES.get(cookie) } {
        Some(Namespace { served: 1, port4, port6 }) => (*port4, *port6),
        _ => match SETTINGS.get(0) {
            Some(settings) => (settings.port4, settings.port6),
            None => return ALLOW,
        },
    };
    // SAFETY: this context's socket.
    if (port != ports.0 && port != ports.1) || !unsafe { OWN.get(socket(ctx)) }.is_null() {
        return ALLOW;
    }
    count(Counter::BindRefused);
    // SAFETY: this context's socket.
    if unsafe { has_told(socket(ctx), EventKind::BindRefused) } {
        return REFUSE;
    }
    tell(EventKind::BindRefused, |event| who::write(ctx, &address, &mut event.origin));
    REFUSE
}
