//! The key of every digest here: with it a value can be told equal to another, without it nothing can be told.

use std::fmt;

use ring::hmac;

/// What a digest is made for. Digests of one purpose cannot be compared with those of another, so that a job
/// that is shown hashed cells learns nothing of what stands in the records.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    /// A cell shown as its hash.
    Cell,
    /// A value in a record.
    Record,
}

/// A key for HMAC-SHA-256. It is never shown.
#[derive(Clone)]
pub struct HashKey(hmac::Key);

impl HashKey {
    /// From 32 random bytes, which the caller wipes.
    pub fn new(bytes: &[u8; 32]) -> Self {
        HashKey(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// The value's digest.
    pub(crate) fn digest(&self, purpose: Purpose, value: &[u8]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(match purpose {
            Purpose::Cell => b"cell\0",
            Purpose::Record => b"record\0",
        });
        context.update(value);
        let tag = context.sign();
        let mut digest = [0; 32];
        digest.copy_from_slice(tag.as_ref());
        digest
    }

    /// The first `N` hexadecimal digits of the value's digest.
    pub(crate) fn hex<const N: usize>(&self, purpose: Purpose, value: &[u8]) -> [u8; N] {
        const { assert!(N <= 64, "SHA-256 has 64 digits") };
        let digest = self.digest(purpose, value);
        std::array::from_fn(|at| {
            let nibble = if at % 2 == 0 { digest[at / 2] >> 4 } else { digest[at / 2] & 0xf };
            b"0123456789abcdef"[usize::from(nibble)]
        })
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey(…)")
    }
}
