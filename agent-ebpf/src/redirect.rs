//! What both connect programs do once they know the effective destination.
//!
//! It decides by the maps alone. What cannot be remembered is refused: a redirected connection without
//! its record would reach a daemon that cannot tell whose it is.

use agent_ebpf::{
    AF_INET, Counter, Destination, EventKind, Namespace, OWN_UPSTREAM, Origin, Settings, Stream, StreamState,
};
use aya_ebpf::{
    EbpfContext as _, bindings::bpf_sock, helpers::generated::bpf_setsockopt, programs::SockAddrContext,
};

use crate::{
    SOCK_STREAM,
    maps::{NAMESPACES, OWN, SETTINGS, STREAMS, count, is_protected, remember_opener, tell},
    who,
};

/// socket(7).
const SOL_SOCKET: i32 = 1;
const SO_BINDTODEVICE: i32 = 25;
/// tcp(7).
const IPPROTO_TCP: i32 = 6;
const TCP_SYNCNT: i32 = 7;

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
    // SAFETY: the context is the kernel's and its `sk` is set for connect, getpeername and bind.
    unsafe { (*ctx.sock_addr).__bindgen_anon_1.sk }
}

/// Judges a connect() to `destination`, and remembers on the socket what it is to become.
#[inline(always)]
pub(crate) fn decide(ctx: &SockAddrContext, destination: Destination) -> Outcome {
    // SAFETY: a field of the kernel's context.
    if unsafe { (*ctx.sock_addr).type_ } != SOCK_STREAM {
        return Outcome::Leave;
    }
    let sk = socket(ctx);
    if !is_protected(destination) {
        pass_by(ctx, sk, &destination);
        return Outcome::Leave;
    }
    // SAFETY: `sk` is this context's socket; zero is a value of all of Stream's fields.
    let Some(stream) = (unsafe { STREAMS.get_or_zero(sk).as_mut() }) else {
        count(Counter::RefusedNoStorage);
        tell(EventKind::NoStorage, |event| who::write(ctx, &destination, &mut event.origin));
        return Outcome::Refuse;
    };
    begin(stream);
    who::write(ctx, &destination, &mut stream.origin);
    // SAFETY: `sk` is this context's socket.
    if unsafe { OWN.get(sk).as_ref() } == Some(&OWN_UPSTREAM) {
        count(Counter::OwnPassed);
        return Outcome::Leave;
    }
    let Some(settings) = SETTINGS.get(0) else { return Outcome::Refuse };
    // SAFETY: nobody writes to an entry in place but the daemon, a whole entry at a time.
    let (port4, port6) = match unsafe { NAMESPACES.get(stream.origin.netns_cookie) } {
        Some(Namespace { served: 1, port4, port6 }) => (*port4, *port6),
        // The SYN waits until the daemon has made a listener there.
        _ => {
            tell(EventKind::Namespace, |event| event.origin = stream.origin);
            (settings.port4, settings.port6)
        }
    };
    let port = if destination.family == AF_INET.to_be_bytes() { port4 } else { port6 };
    if port == 0 {
        count(Counter::RefusedNoListener);
        return Outcome::Refuse;
    }
    stream.origin.device = lift_device(ctx, sk);
    stream.redirected = 1;
    be_patient(ctx, settings);
    count(Counter::Redirected);
    Outcome::To(port)
}

/// Remembers who connects to what is not protected, should its packets turn out to be something else. Most do not, so
/// that nothing is allocated here.
#[inline(always)]
fn pass_by(ctx: &SockAddrContext, sk: *mut bpf_sock, destination: &Destination) {
    // SAFETY: `sk` is this context's socket.
    if let Some(stream) = unsafe { STREAMS.get(sk).as_mut() } {
        begin(stream);
        who::write(ctx, destination, &mut stream.origin);
        return;
    }
    let mut origin = Origin::default();
    who::write(ctx, destination, &mut origin);
    remember_opener(&origin);
}

/// In the place of what an earlier connect() left: the socket may have been redirected then, and its record would make
/// getpeername lie.
#[inline(always)]
fn begin(stream: &mut Stream) {
    stream.state = StreamState::Connecting as u32;
    stream.redirected = 0;
    stream.told = 0;
}

/// A socket that is bound to another interface would look for the listener there. The daemon binds its own
/// socket to the same one. Gives the interface's index, or 0.
#[inline(always)]
fn lift_device(ctx: &SockAddrContext, sk: *mut bpf_sock) -> u32 {
    // SAFETY: the context's socket; the kernel lets connect programs read this field.
    let device = unsafe { (*sk).bound_dev_if };
    if device != 0 {
        let mut none = 0_u32;
        // SAFETY: the helper reads the given bytes, an empty name; a kernel that refuses leaves it bound, and
        // the connection cannot be made.
        unsafe {
            bpf_setsockopt(ctx.as_ptr(), SOL_SOCKET, SO_BINDTODEVICE, (&raw mut none).cast(), 4);
        }
    }
    device
}

/// Lets connect() go on as long as the daemon may take to come back.
#[inline(always)]
fn be_patient(ctx: &SockAddrContext, settings: &Settings) {
    let mut retries = settings.syn_retries;
    // SAFETY: the helper reads the given four bytes. A kernel that refuses waits for as long as it is used to.
    unsafe {
        bpf_setsockopt(ctx.as_ptr(), IPPROTO_TCP, TCP_SYNCNT, (&raw mut retries).cast(), 4);
    }
}
