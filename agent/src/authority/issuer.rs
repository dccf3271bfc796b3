//! Who signs: a certificate of an authority, and its private key.

use std::path::Path;

use rcgen::{KeyPair, PublicKeyData as _, SignatureAlgorithm};
use ring::digest;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use x509_parser::certificate::{Validity, X509Certificate};
use x509_parser::prelude::FromDer as _;

use super::{Config, Error, files};
use crate::secret::Secret;

/// An authority that can sign.
pub(super) struct Issuer {
    signing: rcgen::Issuer<'static, KeyPair>,
    /// What goes behind an identity's own certificate: nothing, where clients trust the issuer itself.
    chain: Vec<CertificateDer<'static>>,
    certificate: CertificateDer<'static>,
    /// The certificate that clients have to trust, in PEM; none if the operator's file leaves it out.
    anchor: Option<String>,
    described: String,
    validity: Validity,
}

impl Issuer {
    pub(super) fn open(config: &Config) -> Result<Self, Error> {
        match (&config.certificate_file, &config.key_file) {
            (Some(certificate), Some(key)) => {
                let read = |source| Error::Read { path: certificate.clone(), source };
                let pem = std::fs::read(certificate).map_err(read)?;
                let key = Secret::read(key).map(|secret| (key.as_path(), secret))?;
                Issuer::new((certificate, &pem), (key.0, key.1.expose()), true)
            }
            (None, None) => {
                let (path, both) = files::open_or_make(&config.directory)?;
                Issuer::new((&path, both.expose()), (&path, both.expose()), false)
            }
            (Some(_), None) => Err(Error::Half { named: "certificate_file", missing: "key_file" }),
            (None, Some(_)) => Err(Error::Half { named: "key_file", missing: "certificate_file" }),
        }
    }

    /// Reads both, and sees to it that they belong together and that clients will take what they sign.
    fn new(
        (path, pem): (&Path, &[u8]),
        (key_path, key): (&Path, &[u8]),
        chained: bool,
    ) -> Result<Self, Error> {
        let unfit = |path: &Path, what: String| Error::Unfit { path: path.into(), what };
        let mut chain = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            chain.push(certificate.map_err(|error| unfit(path, format!("no certificate in PEM: {error}")))?);
        }
        let none = || unfit(path, "there is no certificate in it; it must have one in PEM".to_owned());
        let certificate = chain.first().cloned().ok_or_else(none)?;
        let key = PrivatePkcs8KeyDer::from_pem_slice(key).ok().and_then(|key| KeyPair::try_from(&key).ok());
        let key = key.ok_or_else(|| {
            let cure =
                "a private key in PKCS #8 and PEM is needed (`openssl pkcs8 -topk8 -nocrypt` makes one)";
            unfit(key_path, cure.to_owned())
        })?;
        if !can_be_bound_to(key.algorithm()) {
            let cure = "clients cannot bind a login to what a key of this kind signs; use ECDSA (P-256, P-384) or RSA";
            return Err(unfit(key_path, cure.to_owned()));
        }
        let (_, read) = X509Certificate::from_der(&certificate)
            .map_err(|error| unfit(path, format!("its first certificate cannot be read: {error}")))?;
        if !read.is_ca() {
            let what = "its first certificate is not an authority's (basicConstraints has no CA:TRUE)";
            return Err(unfit(path, what.to_owned()));
        }
        if read.key_usage().ok().flatten().is_some_and(|usage| !usage.value.key_cert_sign()) {
            let what = "its first certificate may not sign others (keyUsage has no keyCertSign)";
            return Err(unfit(path, what.to_owned()));
        }
        if read.public_key().raw != key.subject_public_key_info() {
            let what =
                format!("its first certificate is not the one of the private key in {}", key_path.display());
            return Err(unfit(path, what));
        }
        let described = format!("{}, valid until {}", read.subject(), read.validity().not_after);
        let validity = read.validity().clone();
        let signing = rcgen::Issuer::from_ca_cert_der(&certificate, key)?;
        let links: Vec<X509Certificate<'_>> = chain
            .iter()
            .map(|link| X509Certificate::from_der(link).map(|(_, link)| link))
            .collect::<Result<_, _>>()
            .map_err(|error| unfit(path, format!("one of its certificates cannot be read: {error}")))?;
        for pair in links.windows(2) {
            if let [below, above] = pair
                && below.verify_signature(Some(above.public_key())).is_err()
            {
                let (below, above) = (below.subject(), above.subject());
                return Err(unfit(
                    path,
                    format!("{below} is not signed by the certificate behind it, {above}"),
                ));
            }
        }
        // OpenSSL believes no chain that does not end in one that has signed itself.
        let has_anchor = links.last().is_some_and(|last| last.verify_signature(None).is_ok());
        let anchor = sections(pem).pop().filter(|_| has_anchor);
        if !chained {
            chain.clear();
        }
        Ok(Issuer { signing, chain, certificate, anchor, described, validity })
    }

    pub(super) fn signing(&self) -> &rcgen::Issuer<'static, KeyPair> {
        &self.signing
    }

    pub(super) fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    pub(super) fn anchor(&self) -> Option<&str> {
        self.anchor.as_deref()
    }

    pub(super) fn described(&self) -> &str {
        &self.described
    }

    pub(super) fn validity(&self) -> &Validity {
        &self.validity
    }

    pub(super) fn out_of_time(&self) -> Option<String> {
        let Validity { not_before, not_after } = &self.validity;
        (!self.validity.is_valid()).then(|| {
            format!("its certificate is valid from {not_before} to {not_after}, and this machine's clock is not there")
        })
    }

    pub(super) fn fingerprint(&self) -> String {
        let digest = digest::digest(&digest::SHA256, &self.certificate);
        digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
    }
}

/// Whether a login can be bound to the certificates that such a key signs (`tls-server-end-point`, RFC 5929).
fn can_be_bound_to(algorithm: &SignatureAlgorithm) -> bool {
    [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_RSA_SHA256]
        .contains(&algorithm)
}

/// The certificates of a PEM file as they are written there, without what stands between them.
fn sections(pem: &[u8]) -> Vec<String> {
    const END: &str = "-----END CERTIFICATE-----";
    let text = String::from_utf8_lossy(pem);
    let sections = text.split_inclusive(END).filter(|section| section.ends_with(END));
    sections
        .filter_map(|section| {
            Some(format!("{}\n", section.get(section.rfind("-----BEGIN CERTIFICATE-----")?..)?))
        })
        .collect()
}
