//! Who is taken for the server.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{
    CryptoProvider, verify_tls12_signature, verify_tls13_signature, verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

use super::certificate;

/// Looks at a server's certificate as `sslmode` says.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) provider: Arc<CryptoProvider>,
    pub(super) trust: Trust,
}

/// Which certificates will do, as long as the server has their key.
#[derive(Debug)]
pub(super) enum Trust {
    /// `require`: any.
    Anyone,
    /// `verify-ca` and `verify-full`: those of an authority.
    Authorities {
        /// Everything is checked by it.
        webpki: Arc<WebPkiServerVerifier>,
        /// Certificates that are trusted themselves: a server's may be one of them, and is no authority's then, whatever
        /// it says of itself. OpenSSL makes self-signed ones that do.
        themselves: Vec<CertificateDer<'static>>,
        /// `verify-ca`: whatever name it is for.
        any_name: bool,
    },
}

impl Verifier {
    fn trusts(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<(), Error> {
        let Trust::Authorities { webpki, themselves, any_name } = &self.trust else { return Ok(()) };
        if themselves.contains(end_entity) {
            valid(end_entity, now)?;
            return match any_name {
                true => Ok(()),
                false => verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name),
            };
        }
        match webpki.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Ok(_) => Ok(()),
            // The last thing to be looked at: whoever fails by it has passed everything else.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if *any_name => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn valid(end_entity: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let parts = certificate::read(end_entity).map_err(|_| CertificateError::BadEncoding)?;
    let [not_before, not_after] = [parts.not_before, parts.not_after].map(UnixTime::since_unix_epoch);
    if now < not_before {
        return Err(CertificateError::NotValidYetContext { time: now, not_before }.into());
    }
    if now > not_after {
        return Err(CertificateError::ExpiredContext { time: now, not_after }.into());
    }
    Ok(())
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.trusts(end_entity, intermediates, server_name, ocsp_response, now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms).or_else(|error| {
            // The TLS library does not read certificates of version 1, as OpenSSL makes them where nothing else is
            // said. All that counts here is that the server has the key, and that can be checked by the key alone.
            let Ok(parts) = certificate::read(cert) else { return Err(error) };
            let key = SubjectPublicKeyInfoDer::from(parts.key);
            verify_tls13_signature_with_raw_key(message, &key, dss, algorithms)
        })
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
