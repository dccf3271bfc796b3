//! The daemon's configuration: what was written, and what it means.
//!
//! Each part has its own section and its own type; here they are put together, read from a file, and turned into
//! values that need no further check. Nothing downstream meets a path that was not read.

#![forbid(unsafe_code)]

mod log;
mod policies;
mod resources;
mod store;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use evidence::Digest;
use serde::Deserialize;

use crate::{approvals, authority, catalog, identity, intercept, names, proxy, recorder};

pub use log::{Config as LogConfig, Format as LogFormat};
pub(crate) use policies::CASES;
pub use policies::{Error as PoliciesError, File as PolicyFile, in_folder, read as read_policies};
pub use resources::{Config as ResourceConfig, Error as ResourcesError, credentials, describe};
pub use store::{Config as StoreConfig, rules as store_rules, tls as store_tls};

/// The file as it was written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Policy documents, and folders of them.
    pub policies: Vec<PathBuf>,
    /// Documents, and folders of them, that no other can make milder. Where any are named, none of the others can say
    /// that it is one.
    #[serde(default)]
    pub base_policies: Vec<PathBuf>,
    /// How to reach and log in to each resource, by its name in the policy.
    pub resources: BTreeMap<String, ResourceConfig>,
    /// Who vouches for the servers to clients that ask for TLS.
    #[serde(default)]
    pub authority: authority::Config,
    /// How connections are taken.
    #[serde(default)]
    pub intercept: intercept::Config,
    /// How jobs are told apart beside what the kernel says.
    #[serde(default)]
    pub identity: identity::Config,
    /// How host names are followed.
    #[serde(default)]
    pub names: names::Config,
    /// Where the record goes.
    #[serde(default)]
    pub evidence: recorder::Config,
    /// The central store that the record is shipped to; without one, the record stays where it is.
    pub store: Option<StoreConfig>,
    /// Who decides on held statements, and how long they wait.
    #[serde(default)]
    pub approvals: approvals::Config,
    /// How databases' catalogs are kept up to date.
    #[serde(default)]
    pub catalog: catalog::Config,
    /// Limits of sessions.
    #[serde(default)]
    pub sessions: proxy::Config,
    /// What the daemon says about itself.
    #[serde(default)]
    pub log: LogConfig,
    /// How long running sessions, and then the records that wait for the store, are given when the daemon stops, in
    /// seconds (default 25).
    #[serde(default = "drain_seconds")]
    pub drain_seconds: u64,
}

const fn drain_seconds() -> u64 {
    25
}

/// A configuration, and what of its file goes into the record.
#[derive(Debug)]
pub struct Read {
    /// The configuration.
    pub config: Config,
    /// SHA-256 of the file.
    pub digest: Digest,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file does not say what it should.
    #[error("{}:{line}:{column}: {message}", path.display())]
    Written {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: u64,
        /// From 1.
        column: u64,
        /// What is wrong there, and the cure.
        message: String,
    },
}

impl Config {
    /// Reads a configuration file.
    ///
    /// # Errors
    ///
    /// The place in the file and the cure.
    pub fn read(path: &Path) -> Result<Read, Error> {
        let text =
            std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.into(), source })?;
        Ok(Read { config: Self::parse(&text, path)?, digest: Digest::of(text.as_bytes()) })
    }

    fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        serde_saphyr::from_str(text).map_err(|error| {
            let (line, column) = error.location().map_or((1, 1), |l| (l.line(), l.column()));
            let message = with_nearest(&first_line(&error.without_snippet().to_string()));
            Error::Written { path: path.into(), line, column, message }
        })
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// An unknown key gets the nearest known one, of those that the error names.
fn with_nearest(message: &str) -> String {
    let unknown = message.split('`').nth(1).filter(|_| message.starts_with("unknown"));
    let (Some(unknown), Some((_, known))) = (unknown, message.split_once("expected one of ")) else {
        return message.to_owned();
    };
    // The list ends with the message, or with the place in the file.
    let known = known.split_once(" at line ").map_or(known, |(list, _)| list);
    match policy::document::nearest(unknown, known.split(", ").map(|name| name.trim_matches('`'))) {
        Some(near) => format!("{message}; did you mean `{near}`?"),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use session::authentication::{ChannelBinding, Method, Rules};

    use super::*;
    use crate::intercept::Unmatched;

    #[track_caller]
    fn error(text: &str, expect: &str) {
        let error = Config::parse(text, Path::new("p.yaml")).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    }

    const LEAST: &str = "policies: [/etc/p]\nresources: {shop: {credentials: {file: /c}}}\n";

    #[test]
    fn the_least_configuration_has_a_default_for_everything_else() {
        let config = Config::parse(LEAST, Path::new("p.yaml")).unwrap();
        assert_eq!(config.drain_seconds, 25);
        assert_eq!(config.intercept.port, 15001);
        assert_eq!((config.intercept.ports[0].get(), config.intercept.unmatched), (5432, Unmatched::Refuse));
        assert_eq!(config.names.resolve_seconds.get(), 10);
        assert_eq!(config.resources["shop"].tls, proxy::TlsConfig::default());
    }

    #[test]
    fn whose_tokens_are_taken_is_read_as_the_readme_has_it() {
        let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
        let (_, block) = readme.split_once("# portreeve.yaml\nidentity:\n").unwrap();
        let block = block.split("```").next().unwrap();
        let config = Config::parse(&format!("{LEAST}identity:\n{block}"), Path::new("p.yaml")).unwrap();
        let [token] = &config.identity.tokens[..] else { panic!("{:?}", config.identity) };
        assert_eq!((&*token.audience, &*token.variable), ("portreeve", "PORTREEVE_ID_TOKEN"));
    }

    #[test]
    fn tokens_that_none_could_be_are_told() {
        for (token, expect) in [
            ("issuer: '', audience: a, keys_file: /k", "an empty text"),
            ("issuer: a, audience: '', keys_file: /k", "an empty text"),
            (
                "issuer: a, audience: a, keys_file: /k, variable: A=B",
                "\"A=B\" is no name of an environment variable",
            ),
            (
                "issuer: a, audience: a, keys_file: /k }, { issuer: a, audience: a, keys_file: /l",
                "stand here twice",
            ),
        ] {
            error(&format!("{LEAST}identity: {{ tokens: [{{ {token} }}] }}\n"), expect);
        }
    }

    #[test]
    fn a_mistake_is_told_with_its_place_and_the_nearest_key() {
        error(&format!("{LEAST}sesions: {{}}\n"), "p.yaml:3:1: ");
        error(&format!("{LEAST}sesions: {{}}\n"), "did you mean `sessions`?");
        error("policies: [/etc/p]\n", "resources");
        error(&format!("{LEAST}intercept: {{port: 70000}}\n"), "p.yaml:3:");
        error(&format!("{LEAST}intercept: {{ports: [0]}}\n"), "p.yaml:3:");
        error(&format!("{LEAST}intercept: {{unmatched: allow}}\n"), "refuse");
        error(&format!("{LEAST}base_policy: [/b]\n"), "did you mean `base_policies`?");
        error(&format!("{LEAST}names: {{resolve_seconds: 0}}\n"), "p.yaml:3:");
    }

    #[test]
    fn what_a_resource_asks_for_fits_together_or_is_told_with_its_place() {
        let one = |more: &str| {
            format!("policies: [/etc/p]\nresources:\n  shop: {{credentials: {{file: /c}}, {more}}}\n")
        };
        let read = |more: &str| {
            let config = Config::parse(&one(more), Path::new("p.yaml")).unwrap();
            config.resources["shop"].rules.clone()
        };
        assert_eq!(read(""), Rules::default());
        let verified = "tls: {mode: verify-ca, ca_file: /ca}";
        let rules = read(&format!(
            "{verified}, authentication: [scram-sha-256, md5, password, none], channel_binding: disable"
        ));
        let methods = vec![Method::ScramSha256, Method::Md5, Method::Password, Method::None];
        assert_eq!(rules, Rules { methods: Some(methods), channel_binding: ChannelBinding::Disable });
        let bound = read("tls: {mode: require}, channel_binding: require");
        assert_eq!(bound.channel_binding, ChannelBinding::Require);
        for (more, expect) in [
            ("authentication: []", "allows no login"),
            ("authentication: [password]", "`tls` of mode verify-ca or verify-full"),
            ("tls: {mode: require}, authentication: [password]", "`tls` of mode verify-ca or verify-full"),
            ("channel_binding: require", "needs `tls`"),
            ("tls: {mode: prefer}, channel_binding: require", "needs `tls`"),
            ("tls: {mode: require}, channel_binding: require, authentication: [md5]", "needs scram-sha-256"),
            ("authentication: [scram]", "scram-sha-256"),
            ("authentification: [md5]", "did you mean `authentication`?"),
            ("tls: {mode: verify-ca}", "needs `ca_file`"),
        ] {
            error(&one(more), "p.yaml:3:");
            error(&one(more), expect);
        }
    }

    #[test]
    fn the_store_is_named_without_its_password() {
        let config = Config::parse(
            &format!(
                "{LEAST}store: {{url: 'postgresql://ci@audit/store', password_file: /p, tls: {{mode: require}}}}"
            ),
            Path::new("p.yaml"),
        );
        let store = config.unwrap().store.unwrap();
        assert_eq!(store.url.to_string(), "database store at audit:5432 as ci");
        assert_eq!((store.tls.mode, store.interval_ms), (proxy::tls::Mode::Require, 200));
        error(&format!("{LEAST}store: {{url: 'postgresql://ci:secret@audit/store'}}"), "p.yaml:3:");
        error(&format!("{LEAST}store: {{url: 'postgresql://ci:secret@audit/store'}}"), "a file that has it");
        error(&format!("{LEAST}store: {{url: 'postgresql://ci@a', batch: 3}}"), "unknown field `batch`");
    }
}
