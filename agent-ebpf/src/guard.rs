//! `cgroup_skb/egress`: no packet to a protected destination leaves but from our own sockets.
//!
//! It sees packets after the firewall of their network namespace has rewritten them, so that what connect() was
//! told does not matter here. A packet to a port that nothing protected has costs a look at that port and at the
//! socket, and until the first bytes of its connection have gone, one at its payload. A socket that sends to a
//! protected port is judged until its connection is open, and its SYN each time that it is sent; what was judged is in
//! its own storage.

use agent_ebpf::{
    AF_INET, ContentMode, Counter, EventKind, OWN_LISTENER, Stream, StreamState,
    opening::{Opening, Reason, Verdict},
};
use aya_ebpf::{
    EbpfContext as _,
    bindings::{__sk_buff, bpf_sock, bpf_sock_tuple},
    helpers::generated::{
        bpf_get_socket_cookie, bpf_get_socket_uid, bpf_sk_fullsock, bpf_sk_release, bpf_skb_cgroup_id,
        bpf_skc_lookup_tcp, bpf_tcp_sock,
    },
    macros::cgroup_skb,
    programs::SkBuffContext,
};

use crate::{
    ALLOW, IPPROTO_TCP, REFUSE, SOCK_RAW, SOCK_STREAM, content,
    maps::{OWN, SETTINGS, STREAMS, count, is_protected, is_protected_port, tell, write_opener},
    packet::{Glance, Packet, Segment, forget, glance, read},
};

/// `TCP_SYN_SENT`: what it sends opens a connection.
const TCP_SYN_SENT: u32 = 2;
/// `TCP_LISTEN`: what it sends are answers.
const TCP_LISTEN: u32 = 10;

/// Judges a packet that a socket of this machine sends.
#[cgroup_skb(egress)]
pub(crate) fn guard(ctx: SkBuffContext) -> i32 {
    let skb = ctx.as_ptr().cast::<__sk_buff>();
    // SAFETY: a field of the kernel's context; checked against null.
    let sk = unsafe { (*skb).__bindgen_anon_2.sk };
    if sk.is_null() {
        return ALLOW;
    }
    // Nearly all packets end here, whatever socket sends them.
    match glance(skb) {
        Glance::Udp => return ALLOW,
        Glance::Tcp { port, carries } if !is_protected_port(port) && !concerns(sk, carries) => return ALLOW,
        Glance::Tcp { .. } | Glance::Other => {}
    }
    // SAFETY: a socket of the context, not null.
    let sk = unsafe { bpf_sk_fullsock(sk) };
    if sk.is_null() {
        return ALLOW;
    }
    // SAFETY: fields of a full socket.
    let is_raw = match unsafe { ((*sk).type_, (*sk).protocol) } {
        (SOCK_STREAM, IPPROTO_TCP) => false,
        (SOCK_RAW, _) => true,
        _ => return ALLOW,
    };
    // SAFETY: a full socket, not null.
    let stream = unsafe { STREAMS.get(sk) };
    if !is_raw && passes(sk, stream) {
        return ALLOW;
    }
    match read(skb) {
        Packet::Tcp(segment) if is_raw => judge_raw(skb, stream, &segment),
        Packet::Tcp(segment) => judge(skb, sk, stream, &segment),
        Packet::Other => ALLOW,
        // A socket of its own accord sends nothing of the kind; options set by hand make it, or a process itself.
        Packet::Unclear => {
            count(if is_raw { Counter::RawDropped } else { Counter::GuardDropped });
            REFUSE
        }
    }
}

/// Whether a packet to an unprotected port has to be looked at all the same: of a connection that is to go to the
/// listener, or whose first bytes are followed, or may be in it.
#[inline(always)]
fn concerns(sk: *mut bpf_sock, carries: bool) -> bool {
    // SAFETY: a socket of the context, not null; its value, if it has one, lives while we run.
    match unsafe { STREAMS.get(sk).as_ref() } {
        Some(stream) => stream.state != StreamState::Passed as u32,
        None => {
            carries && content_mode() != ContentMode::Off as u32 && is_stream(sk) && first_byte(sk).is_some()
        }
    }
}

/// Whether it is a stream socket. A raw one of TCP's number has that protocol as well, and nothing else of it.
#[inline(always)]
fn is_stream(sk: *mut bpf_sock) -> bool {
    // SAFETY: a socket of the context, not null; what the helper gives is a full socket or null.
    unsafe { bpf_sk_fullsock(sk).as_ref() }.is_some_and(|sk| sk.type_ == SOCK_STREAM)
}

/// The sequence number before that of the first byte that goes out, as long as none has been acknowledged and none has
/// come in: who is connected to a PostgreSQL server speaks first. None for all others, the server's side among them.
#[inline(always)]
fn first_byte(sk: *mut bpf_sock) -> Option<u32> {
    // SAFETY: a stream socket, not null; the helper gives null for one that is not TCP's.
    let tcp = unsafe { bpf_tcp_sock(sk).as_ref() }?;
    // Of what this side has sent the SYN is acknowledged first; who was connected to has had its own before.
    // SAFETY: a field of a TCP socket.
    let opening = unsafe { (*sk).state } == TCP_SYN_SENT && tcp.bytes_acked == 0 || tcp.bytes_acked == 1;
    (opening && tcp.bytes_received == 0).then(|| tcp.snd_una.wrapping_sub(tcp.bytes_acked as u32))
}

/// [`Settings::content`](agent_ebpf::Settings).
#[inline(always)]
fn content_mode() -> u32 {
    SETTINGS.get(0).map_or(ContentMode::Off as u32, |settings| settings.content)
}

/// Whether a connection is to go to the listener.
#[inline(always)]
fn is_redirected(stream: *mut Stream) -> bool {
    // SAFETY: null, or the socket's value, which lives while we run.
    unsafe { stream.as_ref() }.is_some_and(|stream| stream.redirected == 1)
}

/// Whether a TCP socket's packets pass unread: they did before, or it is one of ours.
#[inline(always)]
fn passes(sk: *mut bpf_sock, stream: *mut Stream) -> bool {
    // SAFETY: null, or the socket's value, which lives while we run.
    if unsafe { stream.as_ref() }.is_some_and(|stream| stream.state == StreamState::Passed as u32) {
        return true;
    }
    // SAFETY: a full socket, not null.
    let is_own = !unsafe { OWN.get(sk) }.is_null();
    if is_own {
        pass(sk, stream);
    }
    is_own
}

/// A packet of a TCP socket that goes to a protected port, or concerns us, or is not told at a glance.
#[inline(always)]
fn judge(skb: *mut __sk_buff, sk: *mut bpf_sock, stream: *mut Stream, segment: &Segment) -> i32 {
    // The other side may know that a connection was ended.
    // SAFETY: a field of the kernel's context.
    if segment.is_bare_reset(unsafe { (*skb).len }) {
        return ALLOW;
    }
    if is_redirected(stream) {
        // SAFETY: not null, since it says so.
        let followed = unsafe { &mut *stream };
        if segment.opens() && is_our_listener(skb, segment) {
            // Not passed for good: sent again, a firewall may lead it elsewhere.
            followed.state = StreamState::Opening as u32;
            return ALLOW;
        }
        // Who answers a SYN that went out is our listener.
        if !segment.opens() && followed.state == StreamState::Opening as u32 {
            return pass(sk, stream);
        }
        count(Counter::Held);
        report(skb, stream, EventKind::Held, segment, 0);
        return REFUSE;
    }
    // SAFETY: a field of a full socket.
    if unsafe { (*sk).state } == TCP_LISTEN {
        return ALLOW;
    }
    if is_protected(segment.destination) {
        count(Counter::GuardDropped);
        let stream = if stream.is_null() { remember(skb, sk) } else { stream };
        report(skb, stream, EventKind::GuardDropped, segment, 0);
        return REFUSE;
    }
    let mode = content_mode();
    let refuses = mode == ContentMode::Refuse as u32;
    let (stream, verdict) = if stream.is_null() {
        begin(skb, sk, segment, mode)
    } else {
        (stream, go_on(sk, stream, segment, mode))
    };
    match verdict {
        Some(verdict) => verdict,
        None => look_inside(skb, sk, stream, segment, refuses),
    }
}

/// The packet of a connection of which nothing is remembered yet; without a verdict its first bytes are to be looked at.
#[inline(always)]
fn begin(skb: *mut __sk_buff, sk: *mut bpf_sock, segment: &Segment, mode: u32) -> (*mut Stream, Option<i32>) {
    let nothing = core::ptr::null_mut();
    let is_off = mode == ContentMode::Off as u32;
    // SAFETY: a field of the kernel's context.
    let is_empty = unsafe { (*skb).len } <= segment.payload;
    if segment.opens() && (is_off || is_empty) {
        // Nothing is remembered of it: sent again, a firewall may lead it elsewhere.
        return (nothing, Some(ALLOW));
    }
    let first = match first_byte(sk) {
        Some(first) if !is_off => first,
        _ => return (nothing, Some(pass(sk, nothing))),
    };
    if is_empty {
        return (nothing, Some(ALLOW));
    }
    let stream = remember(skb, sk);
    // SAFETY: null, or the socket's value, which lives while we run.
    let Some(followed) = (unsafe { stream.as_mut() }) else {
        return (nothing, Some(begins_unseen(skb, segment, mode)));
    };
    followed.initial_sequence = first;
    followed.opening = Opening::new();
    followed.state = StreamState::Opening as u32;
    (stream, None)
}

/// The packet of a connection that is remembered, likewise.
#[inline(always)]
fn go_on(sk: *mut bpf_sock, stream: *mut Stream, segment: &Segment, mode: u32) -> Option<i32> {
    // SAFETY: not null: the caller has looked at it.
    let followed = unsafe { &mut *stream };
    if followed.state == StreamState::Refused as u32 {
        count(Counter::OpeningDropped);
        return Some(REFUSE);
    }
    if segment.opens() {
        // Not passed for good, whoever looks: sent again, a firewall may lead it elsewhere.
        followed.initial_sequence = segment.sequence;
        followed.opening = Opening::new();
        followed.state = StreamState::Opening as u32;
        return (mode == ContentMode::Off as u32).then_some(ALLOW);
    }
    let looks = followed.state == StreamState::Opening as u32 && mode != ContentMode::Off as u32;
    (!looks).then(|| pass(sk, stream))
}

/// The first bytes of a stream that cannot be followed, for want of memory: the process may have used up what its socket
/// is allowed.
#[inline(always)]
fn begins_unseen(skb: *mut __sk_buff, segment: &Segment, mode: u32) -> i32 {
    count(Counter::OpeningLost);
    if mode != ContentMode::Refuse as u32 {
        return ALLOW;
    }
    count(Counter::OpeningDropped);
    let unseen = Verdict::Unclear(Reason::Unreadable).code();
    report(skb, core::ptr::null_mut(), EventKind::OpeningFound, segment, unseen.into());
    REFUSE
}

/// A packet of a stream whose first bytes are looked at.
#[inline(always)]
fn look_inside(
    skb: *mut __sk_buff,
    sk: *mut bpf_sock,
    stream: *mut Stream,
    segment: &Segment,
    refuses: bool,
) -> i32 {
    // SAFETY: a field of the kernel's context.
    let length = unsafe { (*skb).len }.saturating_sub(segment.payload);
    if length == 0 {
        return ALLOW;
    }
    if segment.is_urgent() {
        // What is urgent is read beside the stream, or in it, as the reader likes: its bytes cannot be followed.
        count(Counter::OpeningLost);
        if refuses {
            count(Counter::OpeningDropped);
            return REFUSE;
        }
        return pass(sk, stream);
    }
    // SAFETY: not null: the caller has looked at it.
    let followed = unsafe { &mut *stream };
    // What goes with the SYN comes after it.
    let first = followed.initial_sequence.wrapping_add(u32::from(!segment.opens()));
    // SAFETY: the socket's value; its packets are sent under its lock.
    let code = unsafe {
        content::examine(
            skb,
            &raw mut followed.opening,
            forget(segment.payload),
            forget(length),
            forget(segment.sequence.wrapping_sub(first)),
        )
    };
    let verdict = Verdict::from_code(code);
    match verdict {
        Verdict::More => return ALLOW,
        Verdict::Other => return pass(sk, stream),
        Verdict::Postgres(_) => {
            count(Counter::OpeningFound);
            report(skb, stream, EventKind::OpeningFound, segment, u32::from(verdict.code()));
        }
        // Its SYN was seen, so what comes first is its beginning: one that is missing was put aside by hand.
        Verdict::Unclear(_) => {
            count(Counter::OpeningLost);
            if refuses {
                report(skb, stream, EventKind::OpeningFound, segment, u32::from(verdict.code()));
            }
        }
    }
    if !refuses {
        return pass(sk, stream);
    }
    followed.state = StreamState::Refused as u32;
    count(Counter::OpeningDropped);
    REFUSE
}

/// From here on the socket's packets pass. Without memory for that they are judged one by one.
#[inline(always)]
fn pass(sk: *mut bpf_sock, stream: *mut Stream) -> i32 {
    // SAFETY: a full socket, not null; zero is a value of all of Stream's fields.
    let stream = if stream.is_null() { unsafe { STREAMS.get_or_zero(sk) } } else { stream };
    // SAFETY: null, or the socket's value, which lives while we run.
    if let Some(stream) = unsafe { stream.as_mut() } {
        stream.state = StreamState::Passed as u32;
    }
    ALLOW
}

/// Begins to remember a socket that connected to what is not protected, or is older than the programs. Null where
/// there is no memory for it.
#[inline(always)]
fn remember(skb: *mut __sk_buff, sk: *mut bpf_sock) -> *mut Stream {
    // SAFETY: a full socket, not null; zero is a value of all of Stream's fields.
    let remembered = unsafe { STREAMS.get_or_zero(sk) };
    // SAFETY: a helper on the program's own context.
    let cookie = unsafe { bpf_get_socket_cookie(skb.cast()) };
    // SAFETY: null, or the socket's value, which lives while we run.
    if let Some(stream) = unsafe { remembered.as_mut() } {
        write_opener(cookie, &mut stream.origin);
    }
    remembered
}

/// A packet of a raw socket, whose headers are whatever the process wrote.
#[inline(always)]
fn judge_raw(skb: *mut __sk_buff, stream: *mut Stream, segment: &Segment) -> i32 {
    // The kernel's own answers (a RST where no socket is, the last ACK of a closed one) are sent by a raw socket
    // of the kernel's. They open nothing and carry nothing.
    // SAFETY: a field of the kernel's context.
    if segment.is_bare_answer(unsafe { (*skb).len }) || !is_protected(segment.destination) {
        return ALLOW;
    }
    count(Counter::RawDropped);
    report(skb, stream, EventKind::RawDropped, segment, 0);
    REFUSE
}

/// Whether a SYN goes to a listener of the daemon's. There may be none yet, or another process's, or the firewall
/// leads the SYN elsewhere.
#[inline(always)]
fn is_our_listener(skb: *mut __sk_buff, segment: &Segment) -> bool {
    // SAFETY: zero is a value of all its fields.
    let mut tuple: bpf_sock_tuple = unsafe { core::mem::zeroed() };
    let address = &segment.destination.address;
    let port = u16::from_ne_bytes(segment.destination.port);
    // Without the client's side: an old connection of the same ports must not be found.
    let length = if segment.destination.family == AF_INET.to_be_bytes() {
        tuple.__bindgen_anon_1.ipv4.daddr = word(address, 0);
        tuple.__bindgen_anon_1.ipv4.dport = port;
        12
    } else {
        tuple.__bindgen_anon_1.ipv6.daddr =
            [word(address, 0), word(address, 4), word(address, 8), word(address, 12)];
        tuple.__bindgen_anon_1.ipv6.dport = port;
        36
    };
    // SAFETY: the helper reads `length` bytes of the tuple, which has as many; what it gives is released below.
    let found = unsafe { bpf_skc_lookup_tcp(skb.cast(), &raw mut tuple, length, u64::MAX, 0) };
    if found.is_null() {
        return false;
    }
    // SAFETY: a socket that was found and is not released yet; null, or a value of that socket.
    let ours = unsafe { OWN.get(found).as_ref() } == Some(&OWN_LISTENER);
    // SAFETY: found above, and released once.
    unsafe { bpf_sk_release(found.cast()) };
    ours
}

#[inline(always)]
fn word(bytes: &[u8; 16], at: usize) -> u32 {
    u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Tells the daemon of a dropped packet: of a SYN that waits each time, since that asks for something; of anything
/// else once for each socket.
#[inline(always)]
fn report(skb: *mut __sk_buff, stream: *mut Stream, kind: EventKind, segment: &Segment, detail: u32) {
    let bit = 1 << (kind as u32);
    let waits = matches!(kind, EventKind::Held);
    // SAFETY: null, or the socket's value, which lives while we run.
    let stream = unsafe { stream.as_mut() };
    let again = stream.as_ref().is_some_and(|stream| stream.told & bit != 0);
    if again && !waits {
        return;
    }
    tell(kind, |event| {
        if let Some(stream) = stream {
            stream.told |= bit;
            event.origin = stream.origin;
        }
        let origin = &mut event.origin;
        if origin.socket_cookie == 0 {
            // SAFETY: a helper on the program's own context.
            let cookie = unsafe { bpf_get_socket_cookie(skb.cast()) };
            // There was no memory for its stream, or it is older than the programs.
            if !write_opener(cookie, origin) {
                origin.socket_cookie = cookie;
                // SAFETY: likewise.
                unsafe {
                    origin.uid = bpf_get_socket_uid(skb);
                    origin.cgroup_id = bpf_skb_cgroup_id(skb);
                }
            }
        }
        if !waits {
            origin.address = segment.destination.address;
            origin.port = u16::from_be_bytes(segment.destination.port);
            origin.family = u16::from_be_bytes(segment.destination.family);
        }
        event.detail = detail;
        event.source = segment.source;
        event.source_port = segment.source_port;
        event.again = u16::from(again);
    });
}
