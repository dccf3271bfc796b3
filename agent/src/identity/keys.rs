//! The public keys that tokens are verified by: a JSON Web Key Set (RFC 7517) in a file.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::Value;

use crate::trusted;

/// No set is longer than this many bytes.
const LIMIT: u64 = 1 << 20;

/// Why there is no set.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read, or others than root could make keys of their own.
    #[error(transparent)]
    File(#[from] trusted::Error),
    /// It holds something else.
    #[error("{path} is no JSON Web Key Set: {source}", path = .path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// A set. Other members may stand in it, and other kinds of keys, which are passed over.
#[derive(Debug)]
pub(super) struct KeySet(Vec<Key>);

#[derive(Debug, Deserialize)]
struct Members {
    keys: Vec<Value>,
}

#[derive(Debug, Deserialize)]
struct Key {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let content = trusted::read(path, LIMIT)?;
        let members: Members =
            serde_json::from_slice(&content).map_err(|source| Error::Form { path: path.into(), source })?;
        Ok(KeySet(members.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect()))
    }

    /// The keys that a signature of that kind and by that name may be verified by; without a name any of the kind.
    pub(super) fn meant<'a>(&'a self, algorithm: &Algorithm, name: Option<&str>) -> Vec<VerifyingKey<'a>> {
        let meant = |key: &&Key| name.is_none_or(|name| key.kid.as_deref() == Some(name));
        self.0.iter().filter(meant).filter_map(|key| algorithm.key(key)).collect()
    }
}

/// How a token is signed, by a private key alone: a shared secret would let whoever verifies it make it.
pub(super) struct Algorithm {
    name: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Rsa(&'static signature::RsaParameters),
    /// The curve, and the bytes of a coordinate on it.
    Ecdsa(&'static str, usize, &'static signature::EcdsaVerificationAlgorithm),
}

/// A key, and how it verifies.
pub(super) enum VerifyingKey<'a> {
    Rsa(RsaPublicKeyComponents<Vec<u8>>, &'a signature::RsaParameters),
    Ecdsa(UnparsedPublicKey<Vec<u8>>),
}

impl Algorithm {
    /// By its name in a token's header (RFC 7518, 3.1).
    pub(super) fn of(name: &str) -> Option<Self> {
        let (name, kind) = match name {
            "RS256" => ("RS256", Kind::Rsa(&signature::RSA_PKCS1_2048_8192_SHA256)),
            "RS384" => ("RS384", Kind::Rsa(&signature::RSA_PKCS1_2048_8192_SHA384)),
            "RS512" => ("RS512", Kind::Rsa(&signature::RSA_PKCS1_2048_8192_SHA512)),
            "ES256" => ("ES256", Kind::Ecdsa("P-256", 32, &signature::ECDSA_P256_SHA256_FIXED)),
            "ES384" => ("ES384", Kind::Ecdsa("P-384", 48, &signature::ECDSA_P384_SHA384_FIXED)),
            _ => return None,
        };
        Some(Algorithm { name, kind })
    }

    /// The key, where it is for signatures of this kind.
    fn key(&self, key: &Key) -> Option<VerifyingKey<'static>> {
        let other = |told: &Option<String>, name: &str| told.as_deref().is_some_and(|told| told != name);
        if other(&key.usage, "sig") || other(&key.alg, self.name) {
            return None;
        }
        let part = |part: &Option<String>| decoded(part.as_deref()?);
        match self.kind {
            Kind::Rsa(parameters) if key.kty == "RSA" => {
                let key = RsaPublicKeyComponents { n: part(&key.n)?, e: part(&key.e)? };
                Some(VerifyingKey::Rsa(key, parameters))
            }
            Kind::Ecdsa(curve, size, algorithm) if key.kty == "EC" && key.crv.as_deref() == Some(curve) => {
                let (x, y) = (part(&key.x)?, part(&key.y)?);
                // An uncompressed point (SEC 1, 2.3.3).
                let point = [vec![4], x, y].concat();
                let whole = point.len() == 1 + 2 * size;
                whole.then(|| VerifyingKey::Ecdsa(UnparsedPublicKey::new(algorithm, point)))
            }
            _ => None,
        }
    }
}

impl VerifyingKey<'_> {
    /// Whether it made this signature.
    pub(super) fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        match self {
            VerifyingKey::Rsa(key, parameters) => key.verify(parameters, signed, signature).is_ok(),
            VerifyingKey::Ecdsa(key) => key.verify(signed, signature).is_ok(),
        }
    }
}

/// What a part of a token or of a key holds (RFC 7515, 2).
pub(super) fn decoded(part: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(part).ok()
}
