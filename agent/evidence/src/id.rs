//! Names of things in the record: boots, sessions, digests.

use std::fmt;
use std::str::FromStr;

/// SHA-256.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// What the first record of a lane names as its predecessor.
    pub const NONE: Digest = Digest([0; 32]);

    /// SHA-256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::default();
        hasher.update(bytes);
        hasher.finish()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// SHA-256 over bytes that come in pieces, such as a result as it is delivered.
#[derive(Clone)]
pub struct Hasher(ring::digest::Context);

impl Default for Hasher {
    fn default() -> Self {
        Hasher(ring::digest::Context::new(&ring::digest::SHA256))
    }
}

impl Hasher {
    /// Takes the next bytes in.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all that was taken in.
    pub fn finish(self) -> Digest {
        let mut digest = Digest::default();
        digest.0.copy_from_slice(self.0.finish().as_ref());
        digest
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasher")
    }
}

/// One life of the daemon on a host: a UUIDv7, so that names sort by time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BootId(pub [u8; 16]);

/// One connection of a workload: a UUIDv7.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub [u8; 16]);

/// A text that is not a UUID in its usual form (RFC 9562, section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID: expected 32 hexadecimal digits, with or without hyphens")]
pub struct NotAnId;

fn display(id: &[u8; 16], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (index, byte) in id.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            f.write_str("-")?;
        }
        write!(f, "{byte:02x}")?;
    }
    Ok(())
}

fn parse(text: &str) -> Result<[u8; 16], NotAnId> {
    let mut id = [0; 16];
    let mut digits = text.bytes().filter(|&byte| byte != b'-');
    for byte in &mut id {
        for _ in 0..2 {
            let digit = digits.next().and_then(|digit| char::from(digit).to_digit(16)).ok_or(NotAnId)?;
            *byte = (*byte << 4) | digit as u8;
        }
    }
    if digits.next().is_some() { Err(NotAnId) } else { Ok(id) }
}

macro_rules! uuid_text {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                display(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                display(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                parse(text).map($name)
            }
        }
    };
}

uuid_text!(BootId);
uuid_text!(SessionId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_what_it_prints() {
        let id = SessionId(*b"\x01\x92\xab\x00\x11\x22\x7a\xbc\xde\xf0\x00\x01\x02\x03\x04\xff");
        assert_eq!(id.to_string(), "0192ab00-1122-7abc-def0-0001020304ff");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("0192ab00".parse::<BootId>(), Err(NotAnId));
        assert_eq!("0192ab00-1122-7abc-def0-0001020304ff00".parse::<BootId>(), Err(NotAnId));
    }

    #[test]
    fn a_digest_is_sha_256() {
        assert_eq!(
            Digest::of(b"abc").to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
