//! What a job's CI system says of it, and signs: the claims of an OpenID Connect token (RFC 7519, keys as RFC 7517).
//!
//! CI systems put such a token into an environment variable of the job, whose processes inherit it, so that nothing of
//! the job has to change. It is a bearer's: whoever has it in his environment is taken for the job that it was made for,
//! until it expires. Of a token that does not hold there are no claims at all. A token is a secret: it is not kept, and
//! no message has any of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Whose tokens are taken.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenConfig {
    /// Who makes them: `iss`, as `https://gitlab.example.com`.
    pub issuer: String,
    /// For whom they are made: `aud`. One that is made for another service is not taken.
    pub audience: String,
    /// The issuer's public keys, a JSON Web Key Set. It is read for each token, so that it may be replaced at any time.
    pub keys_file: PathBuf,
    /// The environment variable that a job has its token in.
    #[serde(default = "variable")]
    pub variable: String,
}

fn variable() -> String {
    "PORTREEVE_ID_TOKEN".to_owned()
}

/// Claims are few and short; a process may have anything in its environment.
const MOST_CLAIMS: usize = 64;
const LONGEST_CLAIM: usize = 1024;
const LONGEST_TOKEN: usize = 16 * 1024;

/// The seconds by which clocks may differ.
const LEEWAY: i64 = 30;

/// Why a token is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Rejected {
    #[error("it is no signed token")]
    Form,
    #[error("it is of an issuer that `identity.tokens` does not name")]
    Issuer,
    #[error("it is made for another audience")]
    Audience,
    #[error("it is signed in a way that is not taken; RS256, RS384, RS512, ES256 and ES384 are")]
    Algorithm,
    #[error("{0} cannot be read as a JSON Web Key Set")]
    Keys(String),
    #[error("{0} has no key that it is signed by")]
    Key(String),
    #[error("its signature is wrong")]
    Signature,
    #[error("it has expired, or says not when it does")]
    Expired,
    #[error("it is not valid yet")]
    Early,
}

/// The tokens that are taken.
#[derive(Debug, Default)]
pub(super) struct Tokens(Vec<TokenConfig>);

impl Tokens {
    pub(super) const fn new(config: Vec<TokenConfig>) -> Self {
        Tokens(config)
    }

    /// Whether there is nothing to look for.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The claims of a process with that environment (`/proc/PID/environ`) at that second; none without a token, or with
    /// one that does not hold, which is logged.
    pub(super) fn claims(&self, pid: u32, environment: &[u8], now: i64) -> BTreeMap<String, String> {
        let mut seen = Vec::new();
        for config in &self.0 {
            let variable = config.variable.as_str();
            if seen.contains(&variable) {
                continue;
            }
            seen.push(variable);
            let Some(token) = value(environment, variable) else { continue };
            match self.verified(variable, token, now) {
                Ok(claims) => return claims,
                Err(rejected) => {
                    tracing::warn!(pid, variable, "a job's token is not taken: {rejected}");
                }
            }
        }
        BTreeMap::new()
    }

    fn verified(&self, variable: &str, token: &[u8], now: i64) -> Result<BTreeMap<String, String>, Rejected> {
        let token = Token::read(token)?;
        let text = |name: &str| token.claims.get(name).and_then(Value::as_str);
        let of = |config: &&TokenConfig| config.variable == variable && text("iss") == Some(&config.issuer);
        // One issuer may make tokens for more than one audience.
        let configs: Vec<&TokenConfig> = self.0.iter().filter(of).collect();
        if configs.is_empty() {
            return Err(Rejected::Issuer);
        }
        let for_us = |config: &&&TokenConfig| match token.claims.get("aud") {
            Some(Value::String(audience)) => *audience == config.audience,
            Some(Value::Array(all)) => all.iter().any(|one| one.as_str() == Some(&config.audience)),
            _ => false,
        };
        let config = configs.iter().find(for_us).ok_or(Rejected::Audience)?;
        token.verify(&config.keys_file)?;
        // NumericDate may have a fraction; what is no number is no date.
        let time = |name: &str| token.claims.get(name).map(|time| time.as_f64().unwrap_or(f64::NAN));
        let (now, leeway) = (now as f64, LEEWAY as f64);
        if !time("exp").is_some_and(|end| end + leeway > now) {
            return Err(Rejected::Expired);
        }
        if !time("nbf").is_none_or(|begin| begin - leeway <= now) {
            return Err(Rejected::Early);
        }
        Ok(told(&token.claims))
    }
}

/// The claims as rules ask for them: what is one text, number or truth value.
fn told(claims: &Map<String, Value>) -> BTreeMap<String, String> {
    let told = claims.iter().filter_map(|(name, value)| {
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        };
        let fits = |text: &str| text.len() <= LONGEST_CLAIM && !text.chars().any(char::is_control);
        (fits(name) && fits(&value)).then(|| (name.clone(), value))
    });
    told.take(MOST_CLAIMS).collect()
}

/// The value of a variable.
fn value<'a>(environment: &'a [u8], variable: &str) -> Option<&'a [u8]> {
    let of = |entry: &'a [u8]| entry.strip_prefix(variable.as_bytes())?.strip_prefix(b"=");
    environment.split(|byte| *byte == 0).find_map(of)
}

/// A token in its parts, of which nothing is believed yet.
struct Token<'a> {
    signed: &'a [u8],
    signature: Vec<u8>,
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl<'a> Token<'a> {
    fn read(token: &'a [u8]) -> Result<Self, Rejected> {
        let text = std::str::from_utf8(token).map_err(|_| Rejected::Form)?.trim();
        let (signed, signature) = text.rsplit_once('.').ok_or(Rejected::Form)?;
        let (header, claims) = signed.split_once('.').ok_or(Rejected::Form)?;
        if text.len() > LONGEST_TOKEN {
            return Err(Rejected::Form);
        }
        let object = |part: &str| serde_json::from_slice(&decoded(part)?).ok();
        Ok(Token {
            signed: signed.as_bytes(),
            signature: decoded(signature).ok_or(Rejected::Form)?,
            header: object(header).ok_or(Rejected::Form)?,
            claims: object(claims).ok_or(Rejected::Form)?,
        })
    }

    fn verify(&self, keys_file: &Path) -> Result<(), Rejected> {
        let text = |name: &str| self.header.get(name).and_then(Value::as_str);
        // What one must understand to take a token (`crit`), we do not.
        let algorithm = text("alg").and_then(Algorithm::of).filter(|_| !self.header.contains_key("crit"));
        let algorithm = algorithm.ok_or(Rejected::Algorithm)?;
        let file = || keys_file.display().to_string();
        let set: Option<KeySet> =
            std::fs::read(keys_file).ok().and_then(|set| serde_json::from_slice(&set).ok());
        let set = set.ok_or_else(|| Rejected::Keys(file()))?;
        // Without a name any key of the kind may be meant.
        let meant = |key: &&Key| text("kid").is_none_or(|name| key.kid.as_deref() == Some(name));
        let mut keys = set.keys.iter().filter(meant).filter(|key| algorithm.is_for(key)).peekable();
        if keys.peek().is_none() {
            return Err(Rejected::Key(file()));
        }
        match keys.any(|key| algorithm.verifies(key, self.signed, &self.signature).is_some()) {
            true => Ok(()),
            false => Err(Rejected::Signature),
        }
    }
}

fn decoded(part: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(part).ok()
}

/// A JSON Web Key Set. Other members and other kinds of keys may stand in it.
#[derive(Debug, Deserialize)]
struct KeySet {
    keys: Vec<Key>,
}

#[derive(Debug, Deserialize)]
struct Key {
    kty: String,
    kid: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// How a token is signed, by a private key alone: a shared secret would let whoever verifies it make it.
enum Algorithm {
    Rsa(&'static signature::RsaParameters),
    Ecdsa(&'static str, &'static signature::EcdsaVerificationAlgorithm),
}

impl Algorithm {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Algorithm::Rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
            "RS384" => Algorithm::Rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
            "RS512" => Algorithm::Rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
            "ES256" => Algorithm::Ecdsa("P-256", &signature::ECDSA_P256_SHA256_FIXED),
            "ES384" => Algorithm::Ecdsa("P-384", &signature::ECDSA_P384_SHA384_FIXED),
            _ => return None,
        })
    }

    fn is_for(&self, key: &Key) -> bool {
        match self {
            Algorithm::Rsa(_) => key.kty == "RSA",
            Algorithm::Ecdsa(curve, _) => key.kty == "EC" && key.crv.as_deref() == Some(*curve),
        }
    }

    fn verifies(&self, key: &Key, signed: &[u8], signature: &[u8]) -> Option<()> {
        let part = |part: &Option<String>| decoded(part.as_deref()?);
        match self {
            Algorithm::Rsa(parameters) => {
                let key = RsaPublicKeyComponents { n: part(&key.n)?, e: part(&key.e)? };
                key.verify(parameters, signed, signature).ok()
            }
            Algorithm::Ecdsa(_, algorithm) => {
                // An uncompressed point (SEC 1, 2.3.3).
                let point = [vec![4], part(&key.x)?, part(&key.y)?].concat();
                UnparsedPublicKey::new(*algorithm, point).verify(signed, signature).ok()
            }
        }
    }
}

#[cfg(test)]
mod tests;
