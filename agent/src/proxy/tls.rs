//! TLS towards the server, in the terms of libpq's `sslmode`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use serde::Deserialize;

/// How to speak to a server, as written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "mode", deny_unknown_fields)]
pub enum Config {
    /// In clear text.
    #[default]
    Disable,
    /// Encrypted, without a look at who the server is.
    Require,
    /// Encrypted, with a certificate that an authority in `ca_file` has given for the server's name.
    VerifyFull {
        /// Certificates of authorities, in PEM.
        ca_file: PathBuf,
        /// The name that the certificate must have. By default the address that the job connected to.
        #[serde(default)]
        server_name: Option<String>,
    },
}

/// How to speak to a server, ready for use.
#[derive(Clone, Default)]
pub struct Tls(Option<Ready>);

#[derive(Clone)]
struct Ready {
    config: Arc<ClientConfig>,
    name: Option<ServerName<'static>>,
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
    pub fn new(config: &Config) -> Result<Self, Error> {
        let provider = Arc::new(ring::default_provider());
        let builder = || {
            ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()
        };
        let (config, name) = match config {
            Config::Disable => return Ok(Tls(None)),
            Config::Require => {
                let verifier = Arc::new(Anyone(Arc::clone(&provider)));
                let config = builder()?.dangerous().with_custom_certificate_verifier(verifier);
                (config.with_no_client_auth(), None)
            }
            Config::VerifyFull { ca_file, server_name } => {
                let wrong = |what: String| Error::Authorities { path: ca_file.clone(), what };
                let mut roots = RootCertStore::empty();
                for certificate in CertificateDer::pem_file_iter(ca_file).map_err(|e| wrong(e.to_string()))? {
                    let certificate = certificate.map_err(|e| wrong(e.to_string()))?;
                    roots.add(certificate).map_err(|e| wrong(e.to_string()))?;
                }
                if roots.is_empty() {
                    return Err(wrong("there is no certificate in it".to_owned()));
                }
                let name = server_name.as_ref().map(|name| {
                    ServerName::try_from(name.clone()).map_err(|_| Error::Name { name: name.clone() })
                });
                (builder()?.with_root_certificates(roots).with_no_client_auth(), name.transpose()?)
            }
        };
        Ok(Tls(Some(Ready { config: Arc::new(config), name })))
    }

    /// Whether the connection is to be encrypted, and how; `server` is where it goes.
    pub(super) fn connector(
        &self,
        server: IpAddr,
    ) -> Option<(tokio_rustls::TlsConnector, ServerName<'static>)> {
        let ready = self.0.as_ref()?;
        let name = ready.name.clone().unwrap_or_else(|| ServerName::IpAddress(server.into()));
        Some((Arc::clone(&ready.config).into(), name))
    }
}

/// `sslmode=require`: any certificate will do, as long as the server has its key.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
