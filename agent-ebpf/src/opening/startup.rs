//! Start-up packets in clear text: the requests with a code of their own, and the StartupMessage.
//!
//! A length and a version alone are not enough: a Kafka client's first request, for metadata, begins exactly as
//! protocol 3.0 does. What no other protocol has is what no PostgreSQL goes without: a parameter named `user`
//! with a value. Parameters come in any order, so the names before it are walked, each of them one that a
//! server would take. What stands after it, and whether the packet ends as it should, is not looked at: it comes
//! too late for a verdict at the first packet, and the server has its own exceptions there (a last byte that
//! is not zero passes).
//!
//! Protocol 2.0, which servers took until version 13, is not recognised: its fixed fields may hold anything, so
//! that no rule tells it from other protocols (Kafka's ListOffsets is one) without letting it be evaded.

use super::{Kind, Opening, Verdict, flag, phase};

/// The codes in the place of the version, of major version 1234 (`pqcomm.h`).
const CANCEL_REQUEST: u32 = 80_877_102;
const SSL_REQUEST: u32 = 80_877_103;
const GSSENC_REQUEST: u32 = 80_877_104;

/// The longest packet. PostgreSQL takes 10,004 bytes; poolers in its place take more.
const MAX_LENGTH: u32 = 0xffff;
/// The length field and the code.
const HEAD_LENGTH: u32 = 8;
/// The shortest `user` with its value and the packet's last byte, and the width of a window.
const USER_LENGTH: u32 = 8;

impl Opening {
    #[inline(always)]
    pub(super) fn head_follows(&mut self) -> Verdict {
        // The first byte stays in the window.
        self.phase = phase::HEAD;
        self.missing = HEAD_LENGTH as u8 - 1;
        Verdict::More
    }

    #[inline(always)]
    pub(super) fn startup(&mut self) -> Verdict {
        if self.phase == phase::HEAD { self.head() } else { self.parameters() }
    }

    #[inline(always)]
    fn head(&mut self) -> Verdict {
        let length = (self.window >> 32) as u32;
        let code = self.window as u32;
        if !(HEAD_LENGTH..=MAX_LENGTH).contains(&length) {
            return Verdict::Other;
        }
        let kind = match code {
            SSL_REQUEST => return Verdict::Postgres(Kind::SslRequest),
            GSSENC_REQUEST => return Verdict::Postgres(Kind::GssEncRequest),
            CANCEL_REQUEST => return Verdict::Postgres(Kind::CancelRequest),
            0x0003_0000 => Kind::Startup30,
            0x0003_0001..=0x0003_ffff => Kind::Startup32,
            _ => return Verdict::Other,
        };
        // From here on all that a server asks for has been there, so that is what it is if it is not refuted.
        self.otherwise = Verdict::Postgres(kind).code();
        self.left = length.wrapping_sub(HEAD_LENGTH);
        self.expect(phase::NAME, 0, USER_LENGTH as u8)
    }

    /// Names and values, each ended by a zero. The window holds eight bytes at every turn; those that were read
    /// of it make room for as many new ones. A packet with fewer than eight left has no `user` in them.
    #[inline(always)]
    fn parameters(&mut self) -> Verdict {
        let window = self.window;
        let zeros = places_of(window, 0);
        let dots = places_of(window, b'.');
        // Bytes before the first zero; 8 if there is none.
        let length = zeros.leading_zeros() / 8;
        if self.phase == phase::NAME {
            let first = (window >> 56) as u8;
            if window >> 24 == u64::from_be_bytes(*b"\0\0\0user\0") {
                if window >> 16 & 0xff != 0 {
                    return Verdict::from_code(self.otherwise);
                }
                // The server goes by the last `user`, so another may come after one that is empty.
                return self.slide(phase::NAME, 6);
            }
            let letter = first.is_ascii_alphabetic();
            self.flags = if letter { self.flags | flag::PLAUSIBLE } else { self.flags & !flag::PLAUSIBLE };
        }
        if self.phase != phase::VALUE {
            // Names of PostgreSQL's own parameters begin with a letter. All others, `_pq_.` among them, have a
            // dot, and until version 13 could hold anything beside it. An empty name has neither; it ends the
            // parameters.
            if dots > zeros {
                self.flags |= flag::PLAUSIBLE;
            }
            if length < 8 && self.flags & flag::PLAUSIBLE == 0 {
                return Verdict::Other;
            }
        }
        let next = match (self.phase, length) {
            (phase::VALUE, 8) => phase::VALUE,
            (phase::VALUE, _) => phase::NAME,
            (_, 8) => phase::NAME_GOES_ON,
            _ => phase::VALUE,
        };
        self.slide(next, if length < 8 { length + 1 } else { 8 })
    }

    /// Takes `count` bytes out of the window, for as many of those that follow.
    #[inline(always)]
    fn slide(&mut self, phase: u8, count: u32) -> Verdict {
        self.expect(phase, 0, count as u8)
    }
}

/// The highest bit of every byte of `window` that is `byte`.
#[inline(always)]
const fn places_of(window: u64, byte: u8) -> u64 {
    const LOW: u64 = u64::from_ne_bytes([0x7f; 8]);
    let window = window ^ u64::from_ne_bytes([byte; 8]);
    !(((window & LOW) + LOW) | window | LOW)
}
