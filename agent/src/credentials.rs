//! What the daemon logs in to a backend with: the role, its password, and the real name of the database.
//!
//! Each resource has one source. It is read at every lease, so that a rotated password holds from the next
//! connection on, without a restart. This module never knows who asks: the same lease is given to every
//! workload that reached the resource, and what the workload itself sent is not looked at.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;

use serde::Deserialize;

use crate::secret::{self, Secret};

mod document;
mod environment;
mod file;

pub use document::Document;
pub use environment::Environment;
pub use file::File;

/// Where the credentials of one resource lie, as written in the daemon's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Config {
    /// A file with a [`Document`], readable by the daemon alone.
    File(PathBuf),
    /// The name of a systemd credential with a [`Document`]: a file in the folder that systemd names in
    /// `CREDENTIALS_DIRECTORY` (`LoadCredential=`, `LoadCredentialEncrypted=`; systemd.exec(5)).
    Systemd(String),
    /// The role as written here, its password in an environment variable of the daemon.
    Environment(EnvironmentConfig),
}

/// [`Config::Environment`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentConfig {
    /// The role to log in as.
    pub role: String,
    /// The name of the variable that holds the password; absent where the server asks for none.
    #[serde(default)]
    pub password_variable: Option<String>,
    /// The real name of a database by the name that a job asks for. Names not listed stay as they are.
    #[serde(default)]
    pub databases: BTreeMap<String, String>,
}

/// What one login needs.
#[derive(Debug)]
pub struct Lease {
    /// The role to log in as.
    pub role: String,
    /// Its password, if the server asks for one.
    pub password: Option<Secret>,
    /// The real name of the database that was asked for.
    pub database: String,
}

/// The answer of a source. Boxed, because a source is chosen by configuration at run time, and a future,
/// because a secret manager answers over the network; those of this crate answer at once.
pub type Leasing<'a> = Pin<Box<dyn Future<Output = Result<Lease, Error>> + Send + 'a>>;

/// A place that credentials come from.
pub trait Source: fmt::Debug + Send + Sync {
    /// A lease for one login to `database`, as the job named it.
    fn lease<'a>(&'a self, database: &'a str) -> Leasing<'a>;
}

/// The credential sources of all resources, by the resource's name.
#[derive(Debug, Default)]
pub struct Credentials {
    sources: BTreeMap<String, Box<dyn Source>>,
}

impl Credentials {
    /// The sources as configured. Nothing is read yet; [`Self::lease`] at start-up finds what is missing.
    /// Fails where a systemd credential is named and systemd gave none.
    pub fn new<'a>(configs: impl IntoIterator<Item = (&'a str, &'a Config)>) -> Result<Self, Error> {
        let mut sources = BTreeMap::new();
        for (resource, config) in configs {
            let source: Box<dyn Source> = match config {
                Config::File(path) => Box::new(File::new(path)),
                Config::Systemd(name) => Box::new(File::systemd(name)?),
                Config::Environment(config) => Box::new(Environment::new(config)),
            };
            sources.insert(resource.to_owned(), source);
        }
        Ok(Credentials { sources })
    }

    /// Adds or replaces the source of one resource.
    pub fn insert(&mut self, resource: &str, source: Box<dyn Source>) {
        self.sources.insert(resource.to_owned(), source);
    }

    /// A lease for one login to `database` of `resource`, read now.
    pub async fn lease(&self, resource: &str, database: &str) -> Result<Lease, Error> {
        match self.sources.get(resource) {
            Some(source) => source.lease(database).await,
            None => Err(Error::NoSource { resource: resource.to_owned() }),
        }
    }
}

/// Why there is no lease. No variant carries a secret or a piece of a document that holds one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The resource has no credential source.
    #[error("resource {resource:?} has no credentials; add `credentials:` to it in the configuration")]
    NoSource {
        /// The resource's name.
        resource: String,
    },
    /// A file could not be taken for a secret.
    #[error(transparent)]
    Secret(#[from] secret::Error),
    /// A document does not say what it must.
    #[error("the credentials in {place} are not valid: {problem}")]
    Document {
        /// The file, with line and column where they are known.
        place: String,
        /// What is wrong.
        problem: document::Problem,
    },
    /// A variable is not in the daemon's environment.
    #[error("the environment variable {name} for a password is not set; set it for the daemon")]
    Unset {
        /// The variable's name.
        name: String,
    },
    /// A systemd credential is asked for, but systemd gave none.
    #[error(
        "no systemd credentials: CREDENTIALS_DIRECTORY is not set; add LoadCredential={name}:/path to the unit"
    )]
    NotUnderSystemd {
        /// The credential's name.
        name: String,
    },
    /// The name of a systemd credential cannot be one.
    #[error("{name:?} is not the name of a systemd credential; use letters, digits, `-`, `_`, `.`")]
    Name {
        /// The name as written.
        name: String,
    },
}

#[cfg(test)]
mod tests;
