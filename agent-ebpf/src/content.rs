//! What a stream on a port that is not protected begins with: the matcher of `agent_ebpf::opening` over the
//! packets of a `cgroup_skb` program.
//!
//! It reads the packet and the stream's state, and decides nothing about the packet.

use core::hint::black_box;

use agent_ebpf::opening::{Opening, Payload};
use aya_ebpf::{bindings::__sk_buff, helpers::generated::bpf_skb_load_bytes};

/// The payload of the context's packet.
struct Segment {
    skb: *mut __sk_buff,
    /// Where it begins, from the network header on.
    begin: u32,
}

impl Payload for Segment {
    #[inline(always)]
    fn number(&self, offset: u32, count: u32) -> Option<u64> {
        let mut bytes = [0; 8];
        // The verifier must see the bounds of the very value that is used as a length. Hidden from the
        // compiler, it stays one value: it would prove the comparison away, or compare another.
        let beyond_first = black_box(u64::from(count.wrapping_sub(1)));
        if beyond_first > 7 {
            return None;
        }
        // SAFETY: the skb is the running program's context, and the helper writes one to eight bytes or fails.
        let result = unsafe {
            bpf_skb_load_bytes(
                self.skb.cast(),
                self.begin.wrapping_add(offset),
                bytes.as_mut_ptr().cast(),
                beyond_first as u32 + 1,
            )
        };
        (result == 0).then(|| u64::from_be_bytes(bytes) >> (56 - 8 * beyond_first))
    }
}

/// Shows a TCP segment to the state of its stream: `length` bytes of payload, `begin` bytes after the network
/// header, which are the stream's bytes from `offset` on. Gives a [`Verdict`](agent_ebpf::opening::Verdict)'s code, since
/// a function of its own to the kernel too gives back a number; it is one so that its variables are not on the
/// caller's stack.
///
/// # Safety
///
/// `skb` is the running program's context. `state` is not null and points to the value of a map, which nobody else uses
/// while this runs: for the storage of a socket, because its packets are sent under its lock.
#[inline(never)]
pub(crate) unsafe fn examine(
    skb: *mut __sk_buff,
    state: *mut Opening,
    begin: u32,
    length: u32,
    offset: u32,
) -> u8 {
    // SAFETY: as the caller promises.
    let state = unsafe { &mut *state };
    state.packet(&Segment { skb, begin }, offset, length).code()
}
