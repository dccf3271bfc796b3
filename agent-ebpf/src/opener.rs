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

    /// Writes down who opened the socket with this cookie, and leaves the destination as it is; false, and zero in all that
    /// is not the destination, if the place is another's by now.
    ///
    /// In its place and word by word, because a program's stack has but 512 bytes.
    #[inline(always)]
    pub fn read(&self, socket_cookie: u64, origin: &mut Origin) -> bool {
        let mut strange = 0;
        let mut word = |at: usize| {
            let tagged = self.0[at];
            strange |= (tagged ^ tag(socket_cookie)) >> 32;
            tagged as u32
        };
        origin.tgid = word(0);
        origin.tid = word(1);
        origin.uid = word(2);
        origin.gid = word(3);
        origin.cgroup_id = u64::from(word(4)) | u64::from(word(5)) << 32;
        origin.netns_cookie = u64::from(word(6)) | u64::from(word(7)) << 32;
        origin.ktime_ns = u64::from(word(8)) | u64::from(word(9)) << 32;
        for (at, bytes) in origin.comm.chunks_exact_mut(4).enumerate() {
            bytes.copy_from_slice(&word(10 + at).to_ne_bytes());
        }
        origin.socket_cookie = socket_cookie;
        // Nobody has pid 0: where nothing was stored yet, all is zero.
        let found = strange == 0 && origin.tgid != 0;
        if !found {
            let Origin { address, port, family, device, .. } = *origin;
            *origin = Origin { address, port, family, device, ..Origin::default() };
        }
        found
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
