//! Who opened a connection to what is not protected.

use crate::{COMM_LEN, MAX_OPENERS, Origin};

/// An [`Origin`] without its destination.
const WORDS: usize = 10 + COMM_LEN / 4;

/// A place in [`maps::OPENERS`](crate::maps::OPENERS). Sockets whose cookies differ by a multiple of its length share one,
/// and the last to connect has it.
///
/// Connections to what is not protected are nearly all there are: remembering one is but these stores, without an
/// allocation and without a lock. Two CPUs may store to one place at once. So each word has in its upper half which
/// socket it is of, and what is not of one socket in all its words is nobody's.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opener([u64; WORDS]);

impl Opener {
    /// The place of the socket with this cookie.
    #[inline(always)]
    pub const fn place(socket_cookie: u64) -> u32 {
        (socket_cookie % MAX_OPENERS as u64) as u32
    }

    /// What stands there once a process has connected.
    #[inline(always)]
    pub const fn new(origin: &Origin) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = origin.comm;
        let words = [
            origin.tgid,
            origin.tid,
            origin.uid,
            origin.gid,
            origin.cgroup_id as u32,
            (origin.cgroup_id >> 32) as u32,
            origin.netns_cookie as u32,
            (origin.netns_cookie >> 32) as u32,
            origin.ktime_ns as u32,
            (origin.ktime_ns >> 32) as u32,
            u32::from_ne_bytes([a, b, c, d]),
            u32::from_ne_bytes([e, f, g, h]),
            u32::from_ne_bytes([i, j, k, l]),
            u32::from_ne_bytes([m, n, o, p]),
        ];
        let mut opener = Self([0; WORDS]);
        let mut at = 0;
        while at < WORDS {
            opener.0[at] = tag(origin.socket_cookie) | words[at] as u64;
            at += 1;
        }
        opener
    }

    /// Writes down who opened the socket with this cookie, and leaves the destination as it is; false, and nothing of it,
    /// if the place is another's by now.
    ///
    /// In its place, because a program's stack has but 512 bytes.
    #[inline(always)]
    pub fn read(&self, socket_cookie: u64, origin: &mut Origin) -> bool {
        let mut strange = 0;
        for tagged in &self.0 {
            strange |= (tagged ^ tag(socket_cookie)) >> 32;
        }
        let word = |at: usize| self.0[at] as u32;
        // Nobody has pid 0: where nothing was stored yet, all is zero.
        if strange != 0 || word(0) == 0 {
            return false;
        }
        let wide = |at: usize| u64::from(word(at)) | u64::from(word(at + 1)) << 32;
        origin.tgid = word(0);
        origin.tid = word(1);
        origin.uid = word(2);
        origin.gid = word(3);
        origin.cgroup_id = wide(4);
        origin.netns_cookie = wide(6);
        origin.socket_cookie = socket_cookie;
        origin.ktime_ns = wide(8);
        for (at, bytes) in origin.comm.chunks_exact_mut(4).enumerate() {
            bytes.copy_from_slice(&word(10 + at).to_ne_bytes());
        }
        true
    }
}

/// Tells sockets apart that share a place, in the upper half of a word.
#[inline(always)]
const fn tag(socket_cookie: u64) -> u64 {
    (socket_cookie / MAX_OPENERS as u64) << 32
}

const _: () = {
    assert!(size_of::<Opener>() == 112);
    // The remainder and the quotient are a mask and a shift.
    assert!(MAX_OPENERS.is_power_of_two());
};

#[cfg(test)]
mod tests {
    use super::*;

    fn read(opener: &Opener, socket_cookie: u64) -> Option<Origin> {
        let mut origin = Origin::default();
        opener.read(socket_cookie, &mut origin).then_some(origin)
    }

    fn origin(socket_cookie: u64) -> Origin {
        Origin {
            tgid: 4_000_001,
            tid: 4_000_002,
            uid: u32::MAX,
            gid: 20_001,
            cgroup_id: 0x1234_5678_9abc_def0,
            netns_cookie: u64::MAX - 1,
            socket_cookie,
            ktime_ns: 0xfedc_ba98_7654_3210,
            comm: *b"a-name-of-15-by\0",
            ..Origin::default()
        }
    }

    #[test]
    fn who_opened_a_socket_is_read_as_it_was_stored() {
        for cookie in [1, MAX_OPENERS as u64 - 1, MAX_OPENERS as u64, u64::from(u32::MAX) + 7] {
            let origin = origin(cookie);
            assert_eq!(read(&Opener::new(&origin), cookie), Some(origin), "{cookie}");
        }
    }

    #[test]
    fn a_place_is_not_read_for_a_socket_that_had_it_before() {
        let (first, last) = (5, 5 + MAX_OPENERS as u64);
        assert_eq!(Opener::place(first), Opener::place(last));
        assert_eq!(read(&Opener::new(&origin(last)), first), None);
    }

    #[test]
    fn what_two_left_together_is_nobodys() {
        let (one, two) = (Opener::new(&origin(7)), Opener::new(&origin(7 + MAX_OPENERS as u64)));
        for at in 0..WORDS {
            let mut torn = one;
            torn.0[at] = two.0[at];
            assert_eq!((read(&torn, 7), read(&torn, 7 + MAX_OPENERS as u64)), (None, None), "{at}");
        }
    }

    #[test]
    fn nobody_stands_in_a_place_that_was_never_used() {
        assert_eq!(read(&Opener([0; WORDS]), 1), None);
    }
}
