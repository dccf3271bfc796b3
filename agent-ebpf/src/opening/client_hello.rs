//! TLS from the first byte: the ClientHello, and the ALPN names in it.
//!
//! PostgreSQL (17 and later) takes TLS in the place of a start-up packet only where both sides agreed on the
//! protocol `postgresql`, so a client must offer it. The hello is walked by its lengths (RFC 8446, 4.1.2, and
//! RFC 7301, 3.1), through as many records as it was cut into; no other record may come in between.
//!
//! A hello without the name does not end it: a server may ask for a second one, and take the names from there.
//! So the client's next flight is looked at too, up to its first record that is neither an alert nor a
//! ChangeCipherSpec. That ends every other TLS stream, which is left alone from there.

use super::{Kind, Opening, Verdict, flag, phase};

/// The record of a handshake message, as a stream's first byte.
pub(super) const HANDSHAKE: u64 = 22;
/// Records that may stand between two hellos.
const CHANGE_CIPHER_SPEC: u64 = 20;
const ALERT: u64 = 21;

/// Type, version and length.
const HEADER_LENGTH: u8 = 5;
/// The longest record in clear text.
const MAX_RECORD: u32 = 1 << 14;

/// Of handshake messages.
const CLIENT_HELLO: u64 = 1;
/// The longest that OpenSSL takes, and PostgreSQL knows no other library.
const MAX_HELLO: u32 = 131_396;
/// The version and the random bytes.
const VERSION_AND_RANDOM: u32 = 34;
const MAX_SESSION_ID: u32 = 32;
/// `application_layer_protocol_negotiation`.
const ALPN: u64 = 16;

impl Opening {
    /// The stream's first byte was a record's first.
    #[inline(always)]
    pub(super) fn hello_follows(&mut self) -> Verdict {
        self.header = HANDSHAKE;
        self.header_missing = HEADER_LENGTH - 1;
        self.record = 0;
        self.window = 0;
        self.phase = phase::HELLO;
        self.missing = 4;
        Verdict::More
    }

    /// A record's header is complete.
    #[inline(always)]
    pub(super) fn record_begins(&mut self) -> Verdict {
        let header = self.header;
        self.header = 0;
        self.header_missing = HEADER_LENGTH;
        let length = (header & 0xffff) as u32;
        if header >> 24 & 0xff != 3 || length > MAX_RECORD {
            return Verdict::Other;
        }
        // Nothing of the second hello was read, and the first is passed.
        let between_hellos = self.flags & flag::SECOND_HELLO != 0
            && self.phase == phase::HELLO
            && self.missing == 4
            && self.skip == 0;
        match header >> 32 {
            HANDSHAKE => self.record = length,
            CHANGE_CIPHER_SPEC | ALERT if between_hellos => self.at = self.at.wrapping_add(length),
            _ => return Verdict::Other,
        }
        Verdict::More
    }

    #[inline(always)]
    pub(super) fn client_hello(&mut self) -> Verdict {
        let window = self.window;
        self.window = 0;
        let number = window as u32;
        match self.phase {
            phase::HELLO => {
                self.left = number & 0x00ff_ffff;
                if window >> 24 != CLIENT_HELLO || self.left > MAX_HELLO {
                    return Verdict::Other;
                }
                self.expect(phase::SESSION_ID, VERSION_AND_RANDOM, 1)
            }
            phase::SESSION_ID if number > MAX_SESSION_ID => Verdict::Other,
            phase::SESSION_ID => self.expect(phase::CIPHER_SUITES, number, 2),
            phase::CIPHER_SUITES => self.expect(phase::COMPRESSION, number, 1),
            phase::COMPRESSION => self.expect(phase::EXTENSIONS, number, 2),
            phase::EXTENSIONS if number != self.left => Verdict::Other,
            phase::EXTENSIONS => self.expect(phase::EXTENSION, 0, 4),
            phase::EXTENSION => self.extension(window >> 16, window as u16),
            phase::ALPN_LIST => {
                let names = window as u16;
                if u32::from(names).wrapping_add(2) != u32::from(self.block) {
                    return Verdict::Other;
                }
                self.block = names;
                self.next_name(0)
            }
            phase::ALPN_NAME => self.name(window as u16),
            phase::ALPN_FIRST if window == u64::from_be_bytes(*b"postgres") => {
                self.expect(phase::ALPN_LAST, 0, 2)
            }
            phase::ALPN_FIRST => self.next_name(2),
            _ if window == u64::from_be_bytes(*b"\0\0\0\0\0\0ql") => Verdict::Postgres(Kind::DirectTls),
            _ => self.next_name(0),
        }
    }

    #[inline(always)]
    fn extension(&mut self, of_type: u64, length: u16) -> Verdict {
        if of_type == ALPN {
            self.block = length;
            return self.expect(phase::ALPN_LIST, 0, 2);
        }
        if self.left == u32::from(length) {
            return self.hello_ends();
        }
        self.expect(phase::EXTENSION, length.into(), 4)
    }

    /// The length of a name was read.
    #[inline(always)]
    fn name(&mut self, length: u16) -> Verdict {
        if length == 0 || length > self.block {
            return Verdict::Other;
        }
        self.block = self.block.wrapping_sub(length);
        if length == 10 {
            return self.expect(phase::ALPN_FIRST, 0, 8);
        }
        self.next_name(length.into())
    }

    /// The name ends after `rest` more bytes.
    #[inline(always)]
    fn next_name(&mut self, rest: u32) -> Verdict {
        if self.block == 0 {
            return self.hello_ends();
        }
        self.block = self.block.wrapping_sub(1);
        self.expect(phase::ALPN_NAME, rest, 1)
    }

    /// No name in this hello, which may be the first of two. A hello has one list of names at most.
    #[inline(always)]
    fn hello_ends(&mut self) -> Verdict {
        if self.flags & flag::SECOND_HELLO != 0 {
            return Verdict::Other;
        }
        self.flags |= flag::SECOND_HELLO;
        self.skip = self.left;
        self.missing = 4;
        self.phase = phase::HELLO;
        Verdict::More
    }
}
