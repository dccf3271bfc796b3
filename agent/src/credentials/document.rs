//! The YAML document with a role, its password and the names of databases.
//!
//! It never repeats a piece of the document in an error: any piece may be the password.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Error, Lease};
use crate::secret::Secret;

/// What a credentials file says.
///
/// ```yaml
/// role: app
/// password: "…"             # or password_file: a path, from this file's folder where it is relative
/// databases: {shop: shop_v2}  # asked for: real; optional
/// ```
#[derive(Debug)]
pub struct Document {
    role: String,
    password: Option<Secret>,
    password_file: Option<PathBuf>,
    databases: BTreeMap<String, String>,
}

/// The document as written. It has no `Debug`: the password is still in clear.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    role: String,
    #[serde(default)]
    password: Option<String>,
    #[serde(default)]
    password_file: Option<PathBuf>,
    #[serde(default)]
    databases: BTreeMap<String, String>,
}

/// What is wrong with a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// Not UTF-8.
    Encoding,
    /// Not YAML, an unknown key, or a value of another kind.
    Shape,
    /// The role or a database is empty or holds a NUL.
    Role,
    /// Two passwords.
    TwoPasswords,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Problem::Encoding => "the text is not UTF-8",
            Problem::Shape => {
                "a YAML mapping is expected, with `role` and optionally `password` or `password_file`, and \
                 `databases` (a mapping of names to names); quote a password that holds special characters"
            }
            Problem::Role => "`role` and the names in `databases` must not be empty or hold a zero byte",
            Problem::TwoPasswords => "give `password` or `password_file`, not both",
        })
    }
}

impl Document {
    /// Reads the document's text; `path` is where it stands.
    pub fn parse(text: &Secret, path: &Path) -> Result<Self, Error> {
        let refuse = |problem, line: Option<(u64, u64)>| Error::Document {
            place: match line {
                Some((line, column)) => format!("{}:{line}:{column}", path.display()),
                None => path.display().to_string(),
            },
            problem,
        };
        let text = text.expose_str().ok_or_else(|| refuse(Problem::Encoding, None))?;
        let written: Written = serde_saphyr::from_str(text).map_err(|error| {
            // Only the place is taken over: message and snippet may show the password.
            let location = error.location().map(|at| (at.line(), at.column()));
            refuse(Problem::Shape, location)
        })?;
        let password = written.password.map(Secret::new);
        if password.is_some() && written.password_file.is_some() {
            return Err(refuse(Problem::TwoPasswords, None));
        }
        let bad = |name: &str| name.is_empty() || name.contains('\0');
        if bad(&written.role) || written.databases.iter().any(|(asked, real)| bad(asked) || bad(real)) {
            return Err(refuse(Problem::Role, None));
        }
        Ok(Document {
            role: written.role,
            password,
            // The folder of the document, so that the two can be moved together.
            password_file: written
                .password_file
                .map(|file| path.parent().map_or_else(|| file.clone(), |p| p.join(&file))),
            databases: written.databases,
        })
    }

    /// What one login to `database` needs.
    pub fn lease(mut self, database: &str) -> Result<Lease, Error> {
        let password = match self.password_file {
            Some(path) => Some(Secret::read(&path)?),
            None => self.password,
        };
        let database = self.databases.remove(database).unwrap_or_else(|| database.to_owned());
        Ok(Lease { role: self.role, password, database })
    }
}
