//! How TLS is written in the configuration: in the terms of libpq, and only what fits together.

use std::path::PathBuf;

use serde::Deserialize;

/// How to speak to a server. [`Config::default`] is in clear text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Config {
    /// Whether TLS is spoken, and who is then taken for the server.
    pub mode: Mode,
    /// How TLS begins.
    pub negotiation: Negotiation,
    /// The name that the certificate must have where it is looked at, and that the server is told (SNI). By default
    /// the address that the job connected to, which is not told.
    pub server_name: Option<String>,
    /// What the server may know us by.
    pub client: Option<ClientCertificate>,
}

/// libpq's `sslmode`, with what it needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Mode {
    /// In clear text.
    #[default]
    Disable,
    /// In clear text where the server lets us in so, else encrypted, without a look at who it is.
    Allow,
    /// Encrypted where the server speaks TLS and lets us in so, without a look at who it is; else in clear text.
    Prefer,
    /// Encrypted, without a look at who the server is.
    Require,
    /// Encrypted, with a certificate that one of the authorities has given, for whatever name.
    VerifyCa(Authorities),
    /// Encrypted, with a certificate that one of the authorities has given for the server's name.
    VerifyFull(Authorities),
}

impl Mode {
    /// Whether it goes either way.
    pub const fn is_optional(&self) -> bool {
        matches!(self, Mode::Allow | Mode::Prefer)
    }
}

/// Who may vouch for a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorities {
    /// Where their certificates are.
    pub certificates: Certificates,
    /// Certificates that they have taken back, in PEM.
    pub crl_file: Option<PathBuf>,
}

/// Where certificates of authorities are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Certificates {
    /// In a file, in PEM.
    File(PathBuf),
    /// In the machine's own trust store.
    System,
}

/// libpq's `sslnegotiation`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Negotiation {
    /// The server is asked first whether it speaks TLS.
    #[default]
    Postgres,
    /// TLS from the first byte on, which servers speak from PostgreSQL 17 on.
    Direct,
}

/// A certificate of ours and the key that goes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate, and behind it those that lead to its authority, in PEM.
    pub cert_file: PathBuf,
    /// The certificate's key in PEM, in a file that nobody but its owner can read.
    pub key_file: PathBuf,
}

/// The section as it is written, which may say what does not fit together.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// libpq's `sslmode`.
    pub mode: WrittenMode,
    /// libpq's `sslnegotiation`.
    #[serde(default)]
    pub negotiation: Negotiation,
    /// libpq's `sslrootcert`: a file, or `system`.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// libpq's `sslcrl`.
    #[serde(default)]
    pub crl_file: Option<PathBuf>,
    /// [`Config::server_name`].
    #[serde(default)]
    pub server_name: Option<String>,
    /// libpq's `sslcert`.
    #[serde(default)]
    pub cert_file: Option<PathBuf>,
    /// libpq's `sslkey`.
    #[serde(default)]
    pub key_file: Option<PathBuf>,
}

/// All that libpq's `sslmode` can be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WrittenMode {
    /// [`Mode::Disable`].
    #[default]
    Disable,
    /// [`Mode::Allow`].
    Allow,
    /// [`Mode::Prefer`].
    Prefer,
    /// [`Mode::Require`].
    Require,
    /// [`Mode::VerifyCa`].
    VerifyCa,
    /// [`Mode::VerifyFull`].
    VerifyFull,
}

impl WrittenMode {
    const fn name(self) -> &'static str {
        match self {
            WrittenMode::Disable => "disable",
            WrittenMode::Allow => "allow",
            WrittenMode::Prefer => "prefer",
            WrittenMode::Require => "require",
            WrittenMode::VerifyCa => "verify-ca",
            WrittenMode::VerifyFull => "verify-full",
        }
    }
}

/// What does not fit together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// A certificate is to be checked, and nobody says against what.
    #[error(
        "`mode: {0}` needs `ca_file`: a file with the certificates of authorities in PEM, or `system` for the \
         machine's own trust store"
    )]
    NoAuthorities(&'static str),
    /// A key that does nothing in this mode.
    #[error("`{key}` does nothing with `mode: {mode}`; take it away, or write {cure}")]
    Idle {
        /// The key.
        key: &'static str,
        /// The mode.
        mode: &'static str,
        /// The modes in which it does something.
        cure: &'static str,
    },
    /// Everybody can have a certificate of a public authority.
    #[error(
        "`ca_file: system` needs `mode: verify-full`: everybody can have a certificate of a public authority for some \
         name"
    )]
    WeakSystem,
    /// Without a question there is no answer that TLS is not there.
    #[error("`negotiation: direct` needs `mode: require`, verify-ca or verify-full")]
    WeakDirect,
    /// Only half of what is needed.
    #[error("`{given}` needs `{missing}` beside it")]
    Half {
        /// The key that is there.
        given: &'static str,
        /// The one that is not.
        missing: &'static str,
    },
}

impl TryFrom<Written> for Config {
    type Error = Mistake;

    fn try_from(written: Written) -> Result<Self, Mistake> {
        let Written { mode, negotiation, ca_file, crl_file, server_name, cert_file, key_file } = written;
        let name = mode.name();
        let idle = |key, cure| Mistake::Idle { key, mode: name, cure };
        let checks = matches!(mode, WrittenMode::VerifyCa | WrittenMode::VerifyFull);
        for (key, given) in [("ca_file", ca_file.is_some()), ("crl_file", crl_file.is_some())] {
            if given && !checks {
                return Err(idle(key, "verify-ca or verify-full"));
            }
        }
        let authorities = || {
            let certificates = match ca_file {
                None => return Err(Mistake::NoAuthorities(name)),
                Some(file) if file.as_os_str() == "system" => Certificates::System,
                Some(file) => Certificates::File(file),
            };
            Ok(Authorities { certificates, crl_file })
        };
        let mode = match mode {
            WrittenMode::Allow => Mode::Allow,
            WrittenMode::Disable => Mode::Disable,
            WrittenMode::Prefer => Mode::Prefer,
            WrittenMode::Require => Mode::Require,
            WrittenMode::VerifyCa => match authorities()? {
                Authorities { certificates: Certificates::System, .. } => return Err(Mistake::WeakSystem),
                authorities => Mode::VerifyCa(authorities),
            },
            WrittenMode::VerifyFull => Mode::VerifyFull(authorities()?),
        };
        let client = match (cert_file, key_file) {
            (None, None) => None,
            (Some(cert_file), Some(key_file)) => Some(ClientCertificate { cert_file, key_file }),
            (Some(_), None) => return Err(Mistake::Half { given: "cert_file", missing: "key_file" }),
            (None, Some(_)) => return Err(Mistake::Half { given: "key_file", missing: "cert_file" }),
        };
        if mode == Mode::Disable {
            for (key, given) in [("server_name", server_name.is_some()), ("cert_file", client.is_some())] {
                if given {
                    return Err(idle(key, "one that speaks TLS"));
                }
            }
        }
        if negotiation == Negotiation::Direct && (mode == Mode::Disable || mode.is_optional()) {
            return Err(Mistake::WeakDirect);
        }
        Ok(Config { mode, negotiation, server_name, client })
    }
}

impl Config {
    /// Whether nothing is said that TLS does not protect.
    pub fn is_encrypted(&self) -> bool {
        self.mode != Mode::Disable && !self.mode.is_optional()
    }

    /// Whether nobody but the server is spoken to.
    pub fn is_verified(&self) -> bool {
        matches!(self.mode, Mode::VerifyCa(_) | Mode::VerifyFull(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, String> {
        serde_saphyr::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn every_mode_is_read_with_what_it_needs() {
        let authorities = |certificates| Authorities { certificates, crl_file: None };
        let file = || Certificates::File("/ca".into());
        for (text, mode) in [
            ("{mode: disable}", Mode::Disable),
            ("{mode: allow}", Mode::Allow),
            ("{mode: prefer}", Mode::Prefer),
            ("{mode: require}", Mode::Require),
            ("{mode: verify-ca, ca_file: /ca}", Mode::VerifyCa(authorities(file()))),
            ("{mode: verify-full, ca_file: /ca}", Mode::VerifyFull(authorities(file()))),
            ("{mode: verify-full, ca_file: system}", Mode::VerifyFull(authorities(Certificates::System))),
        ] {
            assert_eq!(read(text), Ok(Config { mode, ..Config::default() }), "{text}");
        }
        let all = "{mode: verify-full, negotiation: direct, ca_file: /ca, crl_file: /crl, server_name: db, \
                   cert_file: /c, key_file: /k}";
        let client = ClientCertificate { cert_file: "/c".into(), key_file: "/k".into() };
        let expect = Config {
            mode: Mode::VerifyFull(Authorities { certificates: file(), crl_file: Some("/crl".into()) }),
            negotiation: Negotiation::Direct,
            server_name: Some("db".to_owned()),
            client: Some(client),
        };
        assert_eq!(read(all), Ok(expect));
    }

    #[test]
    fn what_does_not_fit_together_is_told_with_the_cure() {
        for (text, expect) in [
            ("{mode: allow, ca_file: /ca}", "`ca_file` does nothing with `mode: allow`"),
            ("{mode: allow, negotiation: direct}", "needs `mode: require`"),
            ("{mode: verify-ca}", "needs `ca_file`"),
            ("{mode: verify-full, crl_file: /crl}", "needs `ca_file`"),
            ("{mode: require, ca_file: /ca}", "`ca_file` does nothing with `mode: require`"),
            ("{mode: prefer, crl_file: /crl}", "write verify-ca or verify-full"),
            ("{mode: verify-ca, ca_file: system}", "needs `mode: verify-full`"),
            ("{mode: prefer, negotiation: direct}", "needs `mode: require`"),
            ("{mode: disable, negotiation: direct}", "needs `mode: require`"),
            ("{mode: require, cert_file: /c}", "`cert_file` needs `key_file`"),
            ("{mode: require, key_file: /k}", "`key_file` needs `cert_file`"),
            ("{mode: disable, cert_file: /c, key_file: /k}", "`cert_file` does nothing"),
            ("{mode: disable, server_name: db}", "`server_name` does nothing"),
            ("{mode: always}", "verify-full"),
            ("{mode: require, sslmode: require}", "sslmode"),
            ("{}", "mode"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(expect), "{text}: {error}");
        }
    }
}
