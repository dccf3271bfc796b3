//! The matcher of the content guard: do the first bytes of a TCP stream begin a conversation with PostgreSQL?
//!
//! An [`Opening`] lies in the storage of a socket that is neither protected nor ours, and is shown what the
//! client sends, packet by packet, until it knows. It takes what PostgreSQL's own start-up code would go on
//! with (`ProcessSSLStartup` and `ProcessStartupPacket` in `backend_startup.c`), no less, and as little more
//! as can be: other protocols are to pass without harm, and one that begins with a length begins much alike.
//! What it recognises stands beside [`Kind`], how in `startup` and `client_hello`.
//!
//! It never knows who sends, where to, or what follows from its verdict; and it sees no packet, only a
//! [`Payload`]. The same code runs in the kernel and in tests on the host, which shapes it: no recursion, no
//! index that data decides, one loop with a small constant bound, and all that is known between two bytes in
//! the state, whose fields the kernel's verifier does not follow one by one.
//!
//! Bytes arrive in any split. Of the message that it reads, the state collects one window of at most eight
//! bytes at a time, names the next one by what it read, and passes over what lies between: a ClientHello of two
//! kilobytes costs about thirty short reads, wherever packets and TLS records cut it.
//!
//! What speaks PostgreSQL's protocol is PostgreSQL here: poolers, and databases that took its protocol over. What
//! is carried inside another protocol (a tunnel, SOCKS, a PROXY header) is not seen.

mod client_hello;
mod startup;
mod verdict;

use core::hint::black_box;

pub use verdict::{Kind, Reason, Verdict};

/// The largest number of reads that one packet is worth. No ClientHello of today's clients takes more than 40.
pub const STEPS: u32 = 64;

/// The payload of one TCP segment.
pub trait Payload {
    /// `count` bytes, one to eight, from `offset` on, as one number: the first in the highest place. None if the
    /// payload does not reach so far, or cannot be read.
    fn number(&self, offset: u32, count: u32) -> Option<u64>;
}

/// What is known of a stream that is not yet decided, and then its verdict.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The bytes that the present phase collects, the latest in the lowest place.
    window: u64,
    /// The same for a TLS record's header, which may come in the middle of a window.
    header: u64,
    /// The place in the stream of the next byte to look at; the first byte has place 0.
    at: u32,
    /// Bytes of the message that lie before the window and are not looked at.
    skip: u32,
    /// Bytes of the message after the window.
    left: u32,
    /// Bytes left in the TLS record; [`NO_RECORDS`] where there is none, 0 when a header comes next.
    record: u32,
    /// Bytes left in the list of ALPN names.
    block: u16,
    /// One of `phase`.
    phase: u8,
    /// Bytes that the window still lacks.
    missing: u8,
    /// Bytes that a record's header still lacks.
    header_missing: u8,
    /// Of `flag`.
    flags: u8,
    /// The verdict that will be given if the steps do not suffice, as [`Verdict::code`] has it.
    otherwise: u8,
    /// The verdict, as [`Verdict::code`] has it.
    verdict: u8,
}

/// What the window is to hold, and so what is done with it.
mod phase {
    /// The first byte of the stream.
    pub(super) const FIRST: u8 = 0;
    /// A start-up packet's length and code.
    pub(super) const HEAD: u8 = 1;
    /// Eight bytes from where a parameter's name begins.
    pub(super) const NAME: u8 = 2;
    /// Eight more bytes of a longer name.
    pub(super) const NAME_GOES_ON: u8 = 3;
    /// Eight bytes of a parameter's value.
    pub(super) const VALUE: u8 = 4;
    /// A handshake message's type and length.
    pub(super) const HELLO: u8 = 5;
    /// The length of the session id.
    pub(super) const SESSION_ID: u8 = 6;
    /// The length of the cipher suites.
    pub(super) const CIPHER_SUITES: u8 = 7;
    /// The length of the compression methods.
    pub(super) const COMPRESSION: u8 = 8;
    /// The length of all extensions.
    pub(super) const EXTENSIONS: u8 = 9;
    /// An extension's type and length.
    pub(super) const EXTENSION: u8 = 10;
    /// The length of the list of ALPN names.
    pub(super) const ALPN_LIST: u8 = 11;
    /// The length of an ALPN name.
    pub(super) const ALPN_NAME: u8 = 12;
    /// The first eight bytes of an ALPN name of ten.
    pub(super) const ALPN_FIRST: u8 = 13;
    /// Its last two.
    pub(super) const ALPN_LAST: u8 = 14;
}

/// What is remembered beside the phase.
mod flag {
    /// The parameter's name so far is one that PostgreSQL could take.
    pub(super) const PLAUSIBLE: u8 = 1;
    /// One ClientHello was read already, and had not the name.
    pub(super) const SECOND_HELLO: u8 = 2;
}

/// [`Opening::record`] of a stream that is not TLS. No start-up packet reaches its end.
const NO_RECORDS: u32 = u32::MAX;

// It lies in a map, so it has no padding.
const _: () = assert!(size_of::<Opening>() == 40 && align_of::<Opening>() == 8);

impl Default for Opening {
    fn default() -> Self {
        Self::new()
    }
}

impl Opening {
    /// A stream of which nothing was seen.
    #[inline(always)]
    pub const fn new() -> Self {
        Self {
            window: 0,
            header: 0,
            at: 0,
            skip: 0,
            left: 0,
            record: NO_RECORDS,
            block: 0,
            phase: phase::FIRST,
            missing: 1,
            header_missing: 0,
            flags: 0,
            otherwise: Verdict::Unclear(Reason::Steps).code(),
            verdict: Verdict::More.code(),
        }
    }

    /// What was said last. All but [`Verdict::More`] is final.
    #[inline(always)]
    pub fn verdict(&self) -> Verdict {
        Verdict::from_code(self.verdict)
    }

    /// Looks at a packet: `length` bytes of the stream from place `offset` on, to be read from `payload`.
    ///
    /// Packets come in the order in which they were sent; one that is sent again, in whole or in part, changes
    /// nothing, and so does an empty one. The bytes that a SYN carries have the places from 0 on; what is sent
    /// again of them has the same. The caller sees to it that no packet carries urgent data: a receiver takes
    /// such a byte out of the stream, and what it then reads is not what is read here.
    #[inline(always)]
    pub fn packet(&mut self, payload: &impl Payload, offset: u32, length: u32) -> Verdict {
        if length != 0 && self.verdict == Verdict::More.code() {
            self.verdict = self.look(payload, offset, length).code();
        }
        black_box(&*self).verdict()
    }

    #[inline(always)]
    fn look(&mut self, payload: &impl Payload, offset: u32, length: u32) -> Verdict {
        // A stream never comes to 4 GiB undecided.
        let Some(end) = offset.checked_add(length) else { return Verdict::Unclear(Reason::Gap) };
        for _ in 0..STEPS {
            // Kept in registers from one turn to the next, the state would be followed value by value by the
            // verifier, through more paths than it bears.
            if let Some(verdict) = black_box(&mut *self).step(payload, offset, end) {
                return verdict;
            }
        }
        if self.at >= end { Verdict::More } else { Verdict::from_code(self.otherwise) }
    }

    #[inline(always)]
    fn step(&mut self, payload: &impl Payload, offset: u32, end: u32) -> Option<Verdict> {
        let at = self.at;
        if at >= end {
            return Some(Verdict::More);
        }
        if at < offset {
            let reason = if at == 0 { Reason::MidStream } else { Reason::Gap };
            return Some(Verdict::Unclear(reason));
        }
        let in_header = self.record == 0;
        let missing =
            if in_header { u32::from(self.header_missing) } else { u32::from(self.missing).min(self.record) };
        let count = missing.min(end - at);
        let Some(bytes) = payload.number(at - offset, count) else {
            return Some(Verdict::Unclear(Reason::Unreadable));
        };
        self.at = at.wrapping_add(count);
        let verdict = if in_header {
            self.header = append(self.header, bytes, count);
            self.header_missing = self.header_missing.wrapping_sub(count as u8);
            if self.header_missing == 0 { self.record_begins() } else { Verdict::More }
        } else {
            self.window = append(self.window, bytes, count);
            self.record = self.record.wrapping_sub(count);
            self.missing = self.missing.wrapping_sub(count as u8);
            if self.missing == 0 { self.window_is_full() } else { Verdict::More }
        };
        if verdict != Verdict::More {
            return Some(verdict);
        }
        // Over what lies before the next window, as far as this record goes.
        let passed = self.skip.min(self.record);
        self.at = self.at.wrapping_add(passed);
        self.skip = self.skip.wrapping_sub(passed);
        self.record = self.record.wrapping_sub(passed);
        None
    }

    #[inline(always)]
    fn window_is_full(&mut self) -> Verdict {
        match self.phase {
            phase::FIRST => self.first_byte(),
            phase::HEAD..=phase::VALUE => self.startup(),
            _ => self.client_hello(),
        }
    }

    /// PostgreSQL looks at one byte to tell TLS from a start-up packet, whose length never has that byte first.
    #[inline(always)]
    fn first_byte(&mut self) -> Verdict {
        match self.window {
            0 => self.head_follows(),
            client_hello::HANDSHAKE => self.hello_follows(),
            _ => Verdict::Other,
        }
    }

    /// The next window is `want` bytes long and begins `skip` bytes from here, all within the message.
    #[inline(always)]
    fn expect(&mut self, phase: u8, skip: u32, want: u8) -> Verdict {
        let taken = skip.wrapping_add(u32::from(want));
        if self.left < taken {
            // The message ends before what every server asks of it.
            return Verdict::Other;
        }
        self.left = self.left.wrapping_sub(taken);
        self.skip = skip;
        self.missing = want;
        self.phase = phase;
        Verdict::More
    }
}

/// `count` bytes (at most eight) after those that are there; the oldest fall out.
#[inline(always)]
fn append(window: u64, bytes: u64, count: u32) -> u64 {
    // In two halves, for a shift by all 64 bits has no meaning.
    let half = (count * 4) & 63;
    window << half << half | bytes
}
