//! The same question, answered over the whole stream at once, as PostgreSQL's and OpenSSL's sources read it. It
//! shares nothing with the matcher.

use agent_ebpf::opening::Verdict;

use crate::stream::{
    CANCEL_REQUEST, DIRECT_TLS, GSSENC_REQUEST, MORE, OTHER, SSL_REQUEST, STARTUP_30, STARTUP_32,
};

/// What a server would make of a start-up packet, or its beginning (`ProcessStartupPacket`).
pub(crate) fn startup(stream: &[u8]) -> Verdict {
    let Some((head, rest)) = stream.split_at_checked(8) else { return MORE };
    let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap());
    let (length, code) = (number(&head[..4]), number(&head[4..]));
    if !(8..=0xffff).contains(&length) {
        return OTHER;
    }
    let accepted = match (code, code >> 16) {
        (80877102, _) => return CANCEL_REQUEST,
        (80877103, _) => return SSL_REQUEST,
        (80877104, _) => return GSSENC_REQUEST,
        (0x30000, _) => STARTUP_30,
        (_, 3) => STARTUP_32,
        _ => return OTHER,
    };
    // One byte follows the last value, and the shortest value is one byte.
    if (length as usize) < 8 + b"user\0a\0\0".len() {
        return OTHER;
    }
    let body = &rest[..rest.len().min(length as usize - 8)];
    let mut user = false;
    let mut strings = body.split(|byte| *byte == 0);
    // The last piece has no zero after it: it is not a string yet.
    let mut complete = strings.clone().count() - 1;
    let mut ended = body.len() == length as usize - 8;
    while complete >= 1 {
        let name = strings.next().unwrap();
        if name.is_empty() || !name[0].is_ascii_alphabetic() && !name.contains(&b'.') {
            ended = true;
            break;
        }
        if complete == 1 {
            break;
        }
        let value = strings.next().unwrap();
        user |= name == b"user" && !value.is_empty();
        complete -= 2;
    }
    match (user, ended) {
        (true, _) => accepted,
        (false, true) => OTHER,
        (false, false) => MORE,
    }
}

/// The names in the ALPN list of the hellos in these records, none if something in them is not as it should be.
pub(crate) fn offers_postgresql(mut records: &[u8]) -> Option<bool> {
    let mut message = Vec::new();
    while let Some((header, rest)) = records.split_at_checked(5) {
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        let (body, rest) = rest.split_at_checked(length)?;
        if header[..2] != [22, 3] || length > 1 << 14 {
            return None;
        }
        message.extend_from_slice(body);
        records = rest;
    }
    let mut reader = Reader(&message);
    if reader.number(1)? != 1 || reader.number(3)? != reader.0.len() || reader.0.len() > 131_396 {
        return None;
    }
    reader.take(34)?;
    if reader.block(1)?.len() > 32 {
        return None;
    }
    reader.block(2)?;
    reader.block(1)?;
    let mut extensions = Reader(reader.block(2)?);
    if !reader.0.is_empty() {
        return None;
    }
    while !extensions.0.is_empty() {
        let of_type = extensions.number(2)?;
        let mut body = Reader(extensions.block(2)?);
        if of_type != 16 {
            continue;
        }
        let mut names = Reader(body.block(2)?);
        while !names.0.is_empty() {
            let name = names.block(1)?;
            if name == b"postgresql" {
                return Some(true);
            }
            if name.is_empty() {
                return None;
            }
        }
        return body.0.is_empty().then_some(false);
    }
    Some(false)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self, length: usize) -> Option<usize> {
        Some(self.take(length)?.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    fn block(&mut self, length: usize) -> Option<&'a [u8]> {
        let length = self.number(length)?;
        self.take(length)
    }
}

/// That the reference is no better than it should be: the matcher and it agree on every client's bytes.
#[test]
fn the_reference_knows_the_clients_too() {
    for capture in crate::captures::CAPTURES {
        let bytes = capture.bytes();
        let verdict = match bytes[0] {
            22 if offers_postgresql(&bytes) == Some(true) => DIRECT_TLS,
            // With the flights that follow, only the matcher.
            22 => continue,
            _ => startup(&bytes),
        };
        let expect = if bytes.len() < 8 && capture.expect == OTHER { MORE } else { capture.expect };
        assert_eq!(verdict, expect, "{}", capture.name);
    }
}
