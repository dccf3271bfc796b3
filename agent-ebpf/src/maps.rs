//! The maps, as `agent_ebpf::maps` describes them, and the counting.

use agent_ebpf::{Counter, Destination, MAX_DESTINATIONS, MAX_TUPLES, Origin, Settings, Tuple};
use aya_ebpf::{
    btf_maps::{Array, HashMap, LpmTrie, PerCpuArray},
    macros::btf_map,
};

use crate::sk_storage::{INHERITED, PLAIN, SkStorage};

#[btf_map]
pub(crate) static SETTINGS: Array<Settings, 1> = Array::new();

#[btf_map]
pub(crate) static DESTINATIONS: LpmTrie<Destination, u32, MAX_DESTINATIONS> = LpmTrie::new();

/// Inherited by accepted sockets, so that `sock_ops` knows a connection that our listener took.
#[btf_map]
pub(crate) static OWN: SkStorage<u32, INHERITED> = SkStorage::new();

#[btf_map]
pub(crate) static ORIGINS: SkStorage<Origin, PLAIN> = SkStorage::new();

/// Not an LRU: evicting an entry would take a live connection's record away.
#[btf_map]
pub(crate) static TUPLES: HashMap<Tuple, Origin, MAX_TUPLES> = HashMap::new();

#[btf_map]
pub(crate) static ACCEPTED: SkStorage<Origin, PLAIN> = SkStorage::new();

#[btf_map]
static COUNTERS: PerCpuArray<u64, { agent_ebpf::COUNTERS }> = PerCpuArray::new();

/// Adds one to a counter of this CPU.
#[inline(always)]
pub(crate) fn count(counter: Counter) {
    if let Some(slot) = COUNTERS.get_ptr_mut(counter as u32) {
        // SAFETY: the pointer is this CPU's slot, valid while the program runs; programs of one CPU
        // that interrupt each other may lose a count, which a counter bears.
        unsafe { *slot += 1 };
    }
}
