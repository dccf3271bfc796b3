//! The maps, as `agent_ebpf::maps` describes them, and the counting.

use agent_ebpf::{
    Counter, Destination, EVENTS_BYTES, Event, EventKind, MAX_DESTINATIONS, MAX_NAMESPACES, MAX_OPENERS,
    MAX_TUPLES, Namespace, Opener, Origin, PORT_WORDS, Settings, Stream, Tuple,
};
use aya_ebpf::{
    bindings::{BPF_RB_AVAIL_DATA, bpf_sock},
    btf_maps::{Array, HashMap, LpmTrie, PerCpuArray, RingBuf, lpm_trie::Key},
    helpers::generated::{bpf_ktime_get_ns, bpf_ringbuf_query},
    macros::btf_map,
};

use crate::sk_storage::{INHERITED, PLAIN, SkStorage};

#[btf_map]
pub(crate) static SETTINGS: Array<Settings, 1> = Array::new();

#[btf_map]
static DESTINATIONS: LpmTrie<Destination, u32, MAX_DESTINATIONS> = LpmTrie::new();

#[btf_map]
static PORTS: Array<u64, PORT_WORDS> = Array::new();

/// Not an LRU: a namespace without its entry would be refused.
#[btf_map]
pub(crate) static NAMESPACES: HashMap<u64, Namespace, MAX_NAMESPACES> = HashMap::new();

/// Inherited by accepted sockets, so that `sock_ops` knows a connection that our listener took.
#[btf_map]
pub(crate) static OWN: SkStorage<u32, INHERITED> = SkStorage::new();

#[btf_map]
pub(crate) static STREAMS: SkStorage<Stream, PLAIN> = SkStorage::new();

/// Neither a hash nor socket storage: both cost more than all else that is done about such a connection. A place is asked
/// for soon after it was filled; what was lost meanwhile is the name in a report.
#[btf_map]
static OPENERS: Array<Opener, MAX_OPENERS> = Array::new();

/// Not an LRU: evicting an entry would take a live connection's record away.
#[btf_map]
pub(crate) static TUPLES: HashMap<Tuple, Origin, MAX_TUPLES> = HashMap::new();

#[btf_map]
pub(crate) static ACCEPTED: SkStorage<Origin, PLAIN> = SkStorage::new();

#[btf_map]
static COUNTERS: PerCpuArray<u64, { agent_ebpf::COUNTERS }> = PerCpuArray::new();

/// When this CPU last told of a packet that is no socket's.
#[btf_map]
static LAST_TOLD: PerCpuArray<u64, 1> = PerCpuArray::new();

#[btf_map]
static EVENTS: RingBuf<Event, EVENTS_BYTES> = RingBuf::new();

/// Whether any destination of this port (host byte order) is protected: one load, where the trie is a walk.
#[inline(always)]
pub(crate) fn is_protected_port(port: u16) -> bool {
    PORTS.get(u32::from(port / 64)).is_some_and(|word| word >> (port % 64) & 1 == 1)
}

/// Whether a destination is protected.
#[inline(always)]
pub(crate) fn is_protected(destination: Destination) -> bool {
    is_protected_port(u16::from_be_bytes(destination.port))
        && DESTINATIONS.get(&Key::new(Destination::FULL_PREFIX, destination)).is_some()
}

/// Remembers who opened a connection to what is not protected.
#[inline(always)]
pub(crate) fn remember_opener(origin: &Origin) {
    if let Some(place) = OPENERS.get_ptr_mut(Opener::place(origin.socket_cookie)) {
        // SAFETY: a place of the map; who else stores there is told by the words themselves.
        unsafe { place.write(Opener::new(origin)) };
    }
}

/// Writes down who opened the connection of the socket with this cookie; whether that is remembered.
#[inline(always)]
pub(crate) fn write_opener(socket_cookie: u64, origin: &mut Origin) -> bool {
    OPENERS.get(Opener::place(socket_cookie)).is_some_and(|opener| opener.read(socket_cookie, origin))
}

/// Adds one to a counter of this CPU.
#[inline(always)]
pub(crate) fn count(counter: Counter) {
    if let Some(slot) = COUNTERS.get_ptr_mut(counter as u32) {
        // SAFETY: the pointer is this CPU's slot, valid while the program runs; programs of one CPU
        // that interrupt each other may lose a count, which a counter bears.
        unsafe { *slot += 1 };
    }
}

/// Whether this socket has told of this kind before; from now on it has. Without memory for it, it has not.
///
/// # Safety
///
/// `sk` is the socket of the running program's context, checked against null.
#[inline(always)]
pub(crate) unsafe fn has_told(sk: *mut bpf_sock, kind: EventKind) -> bool {
    let bit = 1 << (kind as u32);
    // SAFETY: as the caller promises; zero is a value of all of Stream's fields.
    let Some(stream) = (unsafe { STREAMS.get_or_zero(sk).as_mut() }) else { return false };
    let told = stream.told & bit != 0;
    stream.told |= bit;
    told
}

/// Whether something was told of lately that is no socket's: whoever makes such packets makes many.
#[inline(always)]
pub(crate) fn has_told_lately() -> bool {
    const LATELY_NS: u64 = 10_000_000;
    let Some(last) = LAST_TOLD.get_ptr_mut(0) else { return true };
    // SAFETY: a helper without arguments.
    let now = unsafe { bpf_ktime_get_ns() };
    // SAFETY: this CPU's slot, valid while the program runs.
    unsafe {
        let lately = now.wrapping_sub(*last) < LATELY_NS;
        if !lately {
            *last = now;
        }
        lately
    }
}

/// Tells the daemon. What finds no room is counted: the daemon then knows that something is missing.
///
/// The event is filled in its place in the ring, since a program's stack has but 512 bytes.
#[inline(always)]
pub(crate) fn tell(kind: EventKind, fill: impl FnOnce(&mut Event)) {
    // Whoever can make many of the others leaves room for what somebody waits for.
    let waits = matches!(kind, EventKind::Namespace | EventKind::Held);
    // SAFETY: the helper takes the map, which the loader puts in the place of this static.
    let used = unsafe { bpf_ringbuf_query((&raw const EVENTS).cast_mut().cast(), BPF_RB_AVAIL_DATA.into()) };
    if !waits && used > EVENTS_BYTES as u64 / 2 {
        count(Counter::EventsLost);
        return;
    }
    let Some(mut entry) = EVENTS.reserve(0) else {
        count(Counter::EventsLost);
        return;
    };
    let event = entry.as_mut_ptr();
    // SAFETY: the entry has room for an event, all of whose fields may be zero; it is written before it is read.
    unsafe {
        event.write_bytes(0, 1);
        (*event).kind = kind as u32;
        fill(&mut *event);
    }
    entry.submit(0);
}
