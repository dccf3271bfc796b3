//! The boot's key: made at start, kept in memory alone, so that a chain recomputed later does not verify.
//!
//! The private half has no `Debug` and no way out.

use std::fmt;

use ring::rand::SecureRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::header::Header;
use crate::id::{BootId, Digest, SessionId};

/// Length of an Ed25519 signature (RFC 8032, section 5.1.6).
pub const SIGNATURE_LEN: usize = 64;

/// Keeps a signature of ours from being one of anything else.
const DOMAIN: &[u8] = b"portreeve evidence 1\0";

/// The public half of a boot's key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey(pub [u8; 32]);

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Digest(self.0).fmt(f)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The randomness that a key is made of could not be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no randomness to make the evidence key of")]
pub struct NoKey;

/// The private half.
pub struct Signer(Ed25519KeyPair);

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer(public {})", self.public_key())
    }
}

impl Signer {
    /// A key of fresh randomness.
    pub fn generate(random: &dyn SecureRandom) -> Result<Self, NoKey> {
        let mut seed = [0; 32];
        random.fill(&mut seed).map_err(|_| NoKey)?;
        Self::from_seed(seed)
    }

    /// The key that a seed gives; for tests that need the same bytes each time.
    pub fn from_seed(mut seed: [u8; 32]) -> Result<Self, NoKey> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| NoKey);
        seed.fill(0);
        std::hint::black_box(&seed);
        pair.map(Signer)
    }

    /// The public half, for the start record and the central store.
    pub fn public_key(&self) -> PublicKey {
        let mut key = PublicKey([0; 32]);
        key.0.copy_from_slice(self.0.public_key().as_ref());
        key
    }

    pub(crate) fn sign(&self, place: &Place, payload: &[u8]) -> [u8; SIGNATURE_LEN] {
        let mut signature = [0; SIGNATURE_LEN];
        signature.copy_from_slice(self.0.sign(&place.message(payload)).as_ref());
        signature
    }
}

/// What is signed besides the body: all of the header that exists before the signature does.
pub(crate) struct Place {
    pub(crate) boot: BootId,
    pub(crate) lane: u32,
    pub(crate) sequence: u64,
    pub(crate) session: Option<(SessionId, u64)>,
    pub(crate) kind: u32,
    pub(crate) wall_us: u64,
    pub(crate) mono_ns: u64,
    pub(crate) predecessor: Digest,
}

impl Place {
    pub(crate) fn of(header: &Header) -> Self {
        Place {
            boot: header.boot,
            lane: header.lane,
            sequence: header.sequence,
            session: header.session,
            kind: header.kind.code(),
            wall_us: header.times.wall_us,
            mono_ns: header.times.mono_ns,
            predecessor: header.predecessor,
        }
    }

    /// Fields of fixed length only, so that no two places give one message.
    fn message(&self, payload: &[u8]) -> Vec<u8> {
        let mut message = Vec::with_capacity(192);
        message.extend_from_slice(DOMAIN);
        message.extend_from_slice(&self.boot.0);
        message.extend_from_slice(&self.lane.to_be_bytes());
        message.extend_from_slice(&self.sequence.to_be_bytes());
        let (session, in_session) = self.session.unwrap_or((SessionId([0; 16]), 0));
        message.push(self.session.is_some().into());
        message.extend_from_slice(&session.0);
        message.extend_from_slice(&in_session.to_be_bytes());
        message.extend_from_slice(&self.kind.to_be_bytes());
        message.extend_from_slice(&self.wall_us.to_be_bytes());
        message.extend_from_slice(&self.mono_ns.to_be_bytes());
        message.extend_from_slice(&self.predecessor.0);
        message.extend_from_slice(&Digest::of(payload).0);
        message
    }
}

/// Whether `signature` is the key's on this payload in this place.
pub(crate) fn holds(key: &PublicKey, place: &Place, payload: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, key.0).verify(&place.message(payload), signature).is_ok()
}
