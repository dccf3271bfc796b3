//! Credentials in the daemon's environment: the role is configured, the password is a variable's value.
//!
//! The weakest of the sources: a variable cannot be rotated without a restart, nor overwritten after use.

use std::os::unix::ffi::OsStringExt;

use super::{EnvironmentConfig, Error, Lease, Leasing, Source};
use crate::secret::Secret;

/// A role whose password stands in an environment variable, read at each lease.
#[derive(Debug)]
pub struct Environment {
    config: EnvironmentConfig,
}

impl Environment {
    /// As configured.
    pub fn new(config: &EnvironmentConfig) -> Self {
        Environment { config: config.clone() }
    }
}

impl Source for Environment {
    fn lease<'a>(&'a self, database: &'a str) -> Leasing<'a> {
        Box::pin(async move {
            let password = match &self.config.password_variable {
                None => None,
                Some(name) => match std::env::var_os(name) {
                    Some(value) => Some(Secret::new(value.into_vec())),
                    None => return Err(Error::Unset { name: name.clone() }),
                },
            };
            let real = self.config.databases.get(database).map_or(database, String::as_str);
            Ok(Lease { role: self.config.role.clone(), password, database: real.to_owned() })
        })
    }
}
