//! What a job's CI system says of it, and signs: the claims of an OpenID Connect token (RFC 7519, keys as RFC 7517).
//!
//! CI systems put such a token into an environment variable of the job, whose processes inherit it, so that nothing of
//! the job has to change. It is a bearer's: whoever has it in his environment is taken for the job that it was made for,
//! until it expires. Of a token that does not hold there are no claims at all. A token is a secret: it is not kept, and
//! no message has any of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::keys::{Algorithm, Error as KeysError, KeySet, decoded};

/// Whose tokens are taken.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenConfig {
    /// Who makes them: `iss`, as `https://gitlab.example.com`.
    #[serde(deserialize_with = "text")]
    pub issuer: String,
    /// For whom they are made: `aud`. One that is made for another service, or for others as well, is not taken: they could
    /// show it here.
    #[serde(deserialize_with = "text")]
    pub audience: String,
    /// The issuer's public keys, a JSON Web Key Set, which nobody but root may change. It is read for each token, so that it
    /// may be replaced at any time.
    pub keys_file: PathBuf,
    /// The environment variable that a job has its token in.
    #[serde(default = "variable", deserialize_with = "name")]
    pub variable: String,
}

impl TokenConfig {
    /// Whether the issuer's keys can be had.
    ///
    /// # Errors
    ///
    /// Why no token of his is taken.
    pub fn keys(&self) -> Result<(), KeysError> {
        KeySet::read(&self.keys_file).map(drop)
    }
}

/// Reads whose tokens are taken, each kind of token once: its keys are those of one file.
pub(super) fn each_once<'de, D: Deserializer<'de>>(reader: D) -> Result<Vec<TokenConfig>, D::Error> {
    let all: Vec<TokenConfig> = Deserialize::deserialize(reader)?;
    let kind =
        |config: &TokenConfig| (config.issuer.clone(), config.audience.clone(), config.variable.clone());
    let mut kinds: Vec<_> = all.iter().map(kind).collect();
    kinds.sort();
    match kinds.windows(2).find(|pair| pair[0] == pair[1]) {
        None => Ok(all),
        Some(pair) => Err(D::Error::custom(format!(
            "tokens of {} for {} stand here twice; put all of its keys into one file",
            pair[0].0, pair[0].1
        ))),
    }
}

fn text<'de, D: Deserializer<'de>>(reader: D) -> Result<String, D::Error> {
    let text = String::deserialize(reader)?;
    match text.is_empty() {
        true => Err(D::Error::custom("an empty text; write it as tokens have it")),
        false => Ok(text),
    }
}

/// The name of an environment variable.
fn name<'de, D: Deserializer<'de>>(reader: D) -> Result<String, D::Error> {
    let name = String::deserialize(reader)?;
    match name.is_empty() || name.contains(['=', '\0']) {
        true => Err(D::Error::custom(format!("{name:?} is no name of an environment variable"))),
        false => Ok(name),
    }
}

fn variable() -> String {
    "PORTREEVE_ID_TOKEN".to_owned()
}

/// A process may have anything in its environment.
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
    #[error("it is made for another audience, or for others as well")]
    Audience,
    #[error(
        "it is of a type or signed in a way that is not taken; JWT by RS256, RS384, RS512, ES256 and ES384 are"
    )]
    Algorithm,
    #[error("{0}")]
    Keys(String),
    #[error("{0} has no fit key that it could be signed by")]
    Key(String),
    #[error("its signature is wrong")]
    Signature,
    #[error("it has expired, or says not when it does")]
    Expired,
    #[error("it is not valid yet")]
    Early,
    #[error("there are control characters in its claims")]
    Claim,
}

/// Claims, each with its values.
type Claims = BTreeMap<String, Vec<String>>;

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
    pub(super) fn claims(&self, pid: u32, environment: &[u8], now: i64) -> Claims {
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

    fn verified(&self, variable: &str, token: &[u8], now: i64) -> Result<Claims, Rejected> {
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
            Some(Value::Array(all)) => matches!(&all[..], [Value::String(one)] if *one == config.audience),
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
        told(&token.claims).ok_or(Rejected::Claim)
    }
}

/// The claims as rules ask for them: texts, numbers and truth values, alone or in lists. What is none of these stays without
/// a value, so that a rule that denies by it is about the job. None where a claim could not be shown as it is: to leave it
/// out would be to say that the token has none.
fn told(claims: &Map<String, Value>) -> Option<Claims> {
    let fits = |text: &str| !text.chars().any(char::is_control);
    let mut told = Claims::new();
    for (name, value) in claims {
        let values = match value {
            Value::Null => continue,
            Value::Array(values) if values.is_empty() => continue,
            Value::Array(values) => values.iter().map(one).collect::<Option<_>>().unwrap_or_default(),
            value => Vec::from_iter(one(value)),
        };
        if !fits(name) || !values.iter().all(|value| fits(value)) {
            return None;
        }
        told.insert(name.clone(), values);
    }
    Some(told)
}

fn one(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
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
        // What one must understand to take a token (`crit`), we do not; and one of another type is no token of who one is.
        let strange = self.header.contains_key("crit")
            || self
                .header
                .get("typ")
                .is_some_and(|typ| !typ.as_str().is_some_and(|t| t.eq_ignore_ascii_case("jwt")));
        let algorithm =
            text("alg").and_then(Algorithm::of).filter(|_| !strange).ok_or(Rejected::Algorithm)?;
        let set = KeySet::read(keys_file).map_err(|error| Rejected::Keys(error.to_string()))?;
        let keys = set.meant(&algorithm, text("kid"));
        if keys.is_empty() {
            return Err(Rejected::Key(keys_file.display().to_string()));
        }
        match keys.iter().any(|key| key.verifies(self.signed, &self.signature)) {
            true => Ok(()),
            false => Err(Rejected::Signature),
        }
    }
}

#[cfg(test)]
mod tests;
