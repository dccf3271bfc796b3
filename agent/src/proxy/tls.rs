//! TLS towards the server, in the terms of libpq: the one place where it is made ready.

mod certificate;
mod config;
mod verifier;

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pgwire::startup::ALPN;
use rustls::client::{VerifierBuilderError, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore};

use crate::catalog::Way;
use crate::secret::{self, Secret};

pub use config::{
    Authorities, Certificates, ClientCertificate, Config, Mistake, Mode, Negotiation, Written, WrittenMode,
};
use verifier::{Trust, Verifier};

#[cfg(test)]
mod tests;

/// How to speak to a server, ready for use.
#[derive(Clone, Default)]
pub struct Tls(Option<Ready>);

#[derive(Clone)]
struct Ready {
    config: Arc<ClientConfig>,
    name: Option<ServerName<'static>>,
    /// Where either way may be taken.
    optional: Option<Optional>,
    negotiation: Negotiation,
}

/// Of a server that may be spoken to in clear text or not, as libpq's `allow` and `prefer` have it.
#[derive(Clone, Copy)]
struct Optional {
    /// It is spoken to in clear text.
    clear: bool,
    way: Way,
}

/// What one connection needs to be encrypted.
pub(super) struct Handshake {
    pub(super) connector: tokio_rustls::TlsConnector,
    pub(super) name: ServerName<'static>,
    /// Whether a server that has no TLS is spoken to in clear text.
    pub(super) optional: bool,
    pub(super) negotiation: Negotiation,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Tls(on)" } else { "Tls(off)" })
    }
}

/// Why a TLS configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read, or holds no certificate.
    #[error("no certificate authority can be read from {}: {what}; `ca_file` names a file of PEM certificates", .path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The machine has no trust store.
    #[error(
        "`ca_file: system`: no certificate authority is in the machine's trust store{what}; install Debian's \
         `ca-certificates`, or name a file"
    )]
    System {
        /// What went wrong, where anything did.
        what: String,
    },
    /// The list of certificates that were taken back cannot be read.
    #[error("no list of revoked certificates can be read from {}: {what}; `crl_file` names a file of PEM CRLs", .path.display())]
    Revoked {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Our own certificate cannot be read.
    #[error("no certificate can be read from {}: {what}; `cert_file` names a file of PEM certificates", .path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The file with our own key cannot be had, or others can have it.
    #[error("`key_file`: {0}")]
    KeyFile(#[from] secret::Error),
    /// There is no key in it that can be used.
    #[error(
        "no key can be read from {}; `key_file` names a file with a private key in PEM, without a passphrase: \
         openssl pkey -in OLD -out NEW", .path.display()
    )]
    Key {
        /// The file.
        path: PathBuf,
    },
    /// The key is not the certificate's.
    #[error(
        "the key in {} cannot be used with the certificate in {}: {source}",
        .client.key_file.display(), .client.cert_file.display()
    )]
    Pair {
        /// Their files.
        client: Box<ClientCertificate>,
        /// What the TLS library says.
        source: Box<rustls::Error>,
    },
    /// Not a DNS name or an IP address.
    #[error("`server_name: {name}` is neither a DNS name nor an IP address")]
    Name {
        /// What was written.
        name: String,
    },
    /// The TLS library refuses its own defaults.
    #[error("TLS cannot be set up: {0}")]
    Library(#[from] rustls::Error),
}

impl Tls {
    /// Reads what the configuration names.
    ///
    /// # Errors
    ///
    /// Something that it names cannot be had or used.
    pub fn new(config: &Config) -> Result<Self, Error> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?
            .dangerous();
        let trust = match &config.mode {
            Mode::Disable => return Ok(Tls(None)),
            Mode::Allow | Mode::Prefer | Mode::Require => Trust::Anyone,
            Mode::VerifyCa(authorities) => trust(authorities, &provider, true)?,
            Mode::VerifyFull(authorities) => trust(authorities, &provider, false)?,
        };
        let builder = builder.with_custom_certificate_verifier(Arc::new(Verifier { provider, trust }));
        let mut ready = match &config.client {
            None => builder.with_no_client_auth(),
            Some(client) => {
                let (certificates, key) = identity(client)?;
                builder.with_client_auth_cert(certificates, key).map_err(|source| Error::Pair {
                    client: Box::new(client.clone()),
                    source: Box::new(source),
                })?
            }
        };
        // Always, as libpq does from PostgreSQL 17 on: no server of another protocol can be taken for this one.
        ready.alpn_protocols = vec![ALPN.to_vec()];
        let name = config
            .server_name
            .as_ref()
            .map(|name| ServerName::try_from(name.clone()).map_err(|_| Error::Name { name: name.clone() }));
        Ok(Tls(Some(Ready {
            config: Arc::new(ready),
            name: name.transpose()?,
            optional: config
                .mode
                .is_optional()
                .then_some(Optional { clear: config.mode == Mode::Allow, way: Way::First }),
            negotiation: config.negotiation,
        })))
    }

    /// Whether servers are asked for TLS at all.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// The same for a server that is spoken to in the other way; none where there is only one, or this is the other.
    pub(super) fn other_way(&self) -> Option<Self> {
        let Ready { optional: Some(Optional { clear, way: Way::First }), .. } = self.0.as_ref()? else {
            return None;
        };
        let other = Optional { clear: !clear, way: Way::Other };
        Some(Tls(Some(Ready { optional: Some(other), ..self.0.clone()? })))
    }

    /// The same by that way, where there is such a one.
    pub(super) fn by(&self, way: Way) -> Self {
        match way {
            Way::First => self.clone(),
            Way::Other => self.other_way().unwrap_or_else(|| self.clone()),
        }
    }

    /// Whether the connection is to be encrypted, and how; `server` is where it goes.
    pub(super) fn handshake(&self, server: IpAddr) -> Option<Handshake> {
        let Ready { config, name, optional, negotiation } = self.0.as_ref()?;
        if optional.is_some_and(|optional| optional.clear) {
            return None;
        }
        Some(Handshake {
            connector: Arc::clone(config).into(),
            name: name.clone().unwrap_or_else(|| ServerName::IpAddress(server.into())),
            optional: optional.is_some(),
            negotiation: *negotiation,
        })
    }
}

/// What can be done about a handshake that failed, where more can be said than the TLS library says; empty else.
pub(super) fn cure(error: &io::Error) -> &'static str {
    let error = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    let Some(rustls::Error::InvalidCertificate(certificate)) = error else { return "" };
    match certificate {
        CertificateError::UnknownIssuer => "; `ca_file` has no authority that has given it",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "; `server_name` says which name it must have, and `mode: verify-ca` takes any"
        }
        CertificateError::UnknownRevocationStatus => {
            "; `crl_file` must have a list of each authority between the server and `ca_file`"
        }
        // webpki has no name of its own for it.
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "; it is an authority's own: give the server one that says CA:FALSE, or name its very certificate in `ca_file`"
        }
        CertificateError::Other(other) if other.to_string().contains("UnsupportedCertVersion") => {
            "; it is of version 1: give the server one of version 3 (openssl x509 -req -extfile …), with a subjectAltName"
        }
        _ => "",
    }
}

fn trust(authorities: &Authorities, provider: &Arc<CryptoProvider>, any_name: bool) -> Result<Trust, Error> {
    let Authorities { certificates, crl_file } = authorities;
    let (roots, certificates) = match certificates {
        Certificates::File(path) => roots_of(path)?,
        Certificates::System => (system_roots()?, Vec::new()),
    };
    let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    let Some(path) = crl_file else {
        return Ok(Trust::Authorities {
            webpki: built(builder.build())?,
            themselves: certificates,
            any_name,
        });
    };
    let wrong = |what: String| Error::Revoked { path: path.clone(), what };
    let lists: Vec<_> = all(CertificateRevocationListDer::pem_file_iter(path)).map_err(wrong)?;
    let webpki = match builder.with_crls(lists).build() {
        Err(VerifierBuilderError::InvalidCrl(error)) => {
            return Err(wrong(rustls::Error::from(error).to_string()));
        }
        other => built(other)?,
    };
    // Each has to be looked up in the lists.
    Ok(Trust::Authorities { webpki, themselves: Vec::new(), any_name })
}

fn built(
    verifier: Result<Arc<WebPkiServerVerifier>, VerifierBuilderError>,
) -> Result<Arc<WebPkiServerVerifier>, Error> {
    // Nothing but what was written can be wrong with it, and that has been looked at.
    verifier.map_err(|error| Error::Library(rustls::Error::General(error.to_string())))
}

fn roots_of(path: &Path) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), Error> {
    let wrong = |what: String| Error::Authorities { path: path.to_owned(), what };
    let certificates = all(CertificateDer::pem_file_iter(path)).map_err(wrong)?;
    let mut roots = RootCertStore::empty();
    for certificate in &certificates {
        roots.add(certificate.clone()).map_err(|error| wrong(error.to_string()))?;
    }
    Ok((roots, certificates))
}

/// The same that other programs of the machine trust. One that cannot be read vouches for nobody; the others do.
fn system_roots() -> Result<RootCertStore, Error> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let what = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
        return Err(Error::System { what });
    }
    Ok(roots)
}

/// Our certificate with those that lead to its authority, and its key.
fn identity(
    client: &ClientCertificate,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Error> {
    let ClientCertificate { cert_file, key_file } = client;
    let certificates = all(CertificateDer::pem_file_iter(cert_file))
        .map_err(|what| Error::Certificate { path: cert_file.clone(), what })?;
    let pem = Secret::read(key_file)?;
    // What is wrong with it is not repeated: it could be a piece of the key.
    let key =
        PrivateKeyDer::from_pem_slice(pem.expose()).map_err(|_| Error::Key { path: key_file.clone() })?;
    Ok((certificates, key))
}

/// All there are in a file, of which there must be one.
fn all<T, E: std::fmt::Display>(
    items: Result<impl Iterator<Item = Result<T, E>>, pem::Error>,
) -> Result<Vec<T>, String> {
    let items: Vec<T> =
        items.map_err(|error| error.to_string())?.collect::<Result<_, _>>().map_err(|e| e.to_string())?;
    if items.is_empty() {
        return Err("there is none in it".to_owned());
    }
    Ok(items)
}
