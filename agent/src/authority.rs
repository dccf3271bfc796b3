//! The certificate authority of this machine: it vouches to jobs for the servers that the proxy stands before.
//!
//! A job that asks for TLS is shown a certificate for the name that it asked for, made on the way. Whether it believes
//! it is the job's own affair: `sslmode=require` takes any, and `verify-full` takes it where this authority's
//! certificate is among those that the job trusts. The authority is made at the first start, with a key that leaves
//! this machine in no way, or the operator's own is used.

#![forbid(unsafe_code)]

mod config;
mod error;
mod files;
mod identity;
mod issuer;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use rcgen::KeyPair;

pub use config::Config;
pub use error::Error;
pub use identity::{Identity, Names};

use issuer::Issuer;

/// How long an identity is shown. Its certificate is valid for longer, so that no clock of a client's matters.
const RENEWED_AFTER: Duration = Duration::from_secs(7 * 24 * 3600);

/// As many identities are kept of each kind.
const MOST_KEPT: usize = 256;

/// The authority, ready to vouch.
pub struct Authority {
    issuer: Issuer,
    /// The key of all identities, of this run alone.
    key: KeyPair,
    kept: Mutex<Cache>,
}

/// Identities that were shown lately. A job may ask for names without end: it takes the place of others that asked for
/// names, not of those for whom it is enough what is known of their servers.
#[derive(Default)]
struct Cache {
    known: HashMap<Names, Kept>,
    asked: HashMap<Names, Kept>,
}

struct Kept {
    since: SystemTime,
    identity: Arc<Identity>,
}

impl Cache {
    fn part(&mut self, names: &Names) -> &mut HashMap<Names, Kept> {
        if names.is_known() { &mut self.known } else { &mut self.asked }
    }

    fn fresh(&mut self, names: &Names, now: SystemTime) -> Option<Arc<Identity>> {
        let kept = self.part(names).get(names)?;
        // A clock that was set back makes an age unknown.
        let age = now.duration_since(kept.since).ok()?;
        (age < RENEWED_AFTER).then(|| Arc::clone(&kept.identity))
    }

    fn keep(&mut self, names: Names, kept: Kept) {
        let part = self.part(&names);
        if part.len() >= MOST_KEPT && !part.contains_key(&names) {
            let oldest = part.iter().min_by_key(|(_, kept)| kept.since).map(|(names, _)| names.clone());
            oldest.map(|names| part.remove(&names));
        }
        part.insert(names, kept);
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("certificate", &self.issuer.fingerprint()).finish_non_exhaustive()
    }
}

impl Authority {
    /// Opens what the configuration names: the operator's own authority, or this machine's, which is made where there
    /// is none.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, written or used, and the cure.
    pub fn open(config: &Config) -> Result<Self, Error> {
        let authority =
            Authority { issuer: Issuer::open(config)?, key: KeyPair::generate()?, kept: Mutex::default() };
        // What it cannot do is to be known now, not when a job comes.
        authority.identity(&Names {
            asked: None,
            known: Vec::new(),
            address: std::net::Ipv4Addr::LOCALHOST.into(),
        })?;
        Ok(authority)
    }

    /// Whether there is one already: [`open`](Self::open) makes this machine's own where it is not there.
    ///
    /// # Errors
    ///
    /// It may not be looked at.
    pub fn is_there(config: &Config) -> std::io::Result<bool> {
        let is_operators = config.certificate_file.is_some() || config.key_file.is_some();
        Ok(is_operators || files::path(&config.directory).try_exists()?)
    }

    /// Why clients that look at certificates refuse what it signs now: its own time is over, or has not come.
    pub fn out_of_time(&self) -> Option<String> {
        self.issuer.out_of_time()
    }

    /// The certificate that jobs have to trust, in PEM. None if the operator's own file leaves it out.
    pub fn anchor(&self) -> Option<&str> {
        self.issuer.anchor()
    }

    /// Whom it is of, and until when, for people.
    pub fn described(&self) -> &str {
        self.issuer.described()
    }

    /// SHA-256 of the certificate, in hex with colons, as `openssl x509 -fingerprint` has it.
    pub fn fingerprint(&self) -> String {
        self.issuer.fingerprint()
    }

    /// What a client is shown that connects to a server of these names.
    ///
    /// # Errors
    ///
    /// A name that no certificate can have.
    pub fn identity(&self, names: &Names) -> Result<Arc<Identity>, Error> {
        let now = SystemTime::now();
        if let Some(identity) = self.kept().fresh(names, now) {
            return Ok(identity);
        }
        // Others do not wait for a signature.
        let identity = Arc::new(Identity::issue(&self.issuer, &self.key, names, now)?);
        self.kept().keep(names.clone(), Kept { since: now, identity: Arc::clone(&identity) });
        Ok(identity)
    }

    fn kept(&self) -> MutexGuard<'_, Cache> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
