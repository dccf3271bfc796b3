//! What a client is shown: a certificate for the names that it may know a server by.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use pgwire::startup::ALPN;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, SanType,
    SerialNumber, date_time_ymd,
};
use ring::rand::{SecureRandom as _, SystemRandom};
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::server::NoServerSessionStorage;

use super::Error;
use super::issuer::Issuer;
use crate::end_point::end_point;

/// Of a subject's common name, as X.509 has it (`ub-common-name`).
const LONGEST_COMMON_NAME: usize = 64;

/// The names of a server, as a client may know it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Names {
    /// The one that the client asked for (SNI).
    pub asked: Option<String>,
    /// Host names that are known of the server.
    pub known: Vec<String>,
    /// Where the client connected to.
    pub address: IpAddr,
}

impl Names {
    /// What the client asked for is known of the server anyway, or it did not ask.
    pub(super) fn is_known(&self) -> bool {
        self.asked.as_ref().is_none_or(|asked| self.known.contains(asked))
    }
}

/// A certificate and its key, ready for use.
pub struct Identity {
    config: Arc<ServerConfig>,
    end_point: Vec<u8>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

impl Identity {
    pub(super) fn issue(
        issuer: &Issuer,
        key: &KeyPair,
        names: &Names,
        now: SystemTime,
    ) -> Result<Self, Error> {
        let mut params = params(names, now)?;
        params.not_after = params.not_after.min(issuer.validity().not_after.to_datetime());
        let certificate = params.signed_by(key, issuer.signing())?;
        let end_point = end_point(certificate.der()).ok_or(Error::Unbindable)?;
        let mut chain = vec![certificate.der().clone()];
        chain.extend_from_slice(issuer.chain());
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, PrivatePkcs8KeyDer::from(key.serialize_der()).into())?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        // As PostgreSQL has it: every connection begins anew.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Identity { config: Arc::new(config), end_point })
    }

    /// For the handshake.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// The hash of the certificate that a login can be bound to: `tls-server-end-point` of RFC 5929.
    pub fn end_point(&self) -> &[u8] {
        &self.end_point
    }
}

fn params(names: &Names, now: SystemTime) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::default();
    let mut dns: Vec<&String> = names.asked.iter().chain(&names.known).collect();
    dns.dedup();
    for name in &dns {
        params.subject_alt_names.push(SanType::DnsName(name.as_str().try_into()?));
    }
    params.subject_alt_names.push(SanType::IpAddress(names.address));
    let address = names.address.to_string();
    let common = dns.into_iter().find(|name| name.len() <= LONGEST_COMMON_NAME).unwrap_or(&address);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common.as_str());
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    // A day of another clock on the one side; on the other long enough for what holds a connection open.
    let today = jiff::Timestamp::try_from(now).unwrap_or_default().to_zoned(jiff::tz::TimeZone::UTC).date();
    let day =
        |date: jiff::civil::Date| date_time_ymd(date.year().into(), date.month() as u8, date.day() as u8);
    params.not_before = day(today.yesterday().unwrap_or(today));
    params.not_after = day(today.saturating_add(jiff::Span::new().days(60)));
    let mut serial = [0; 16];
    SystemRandom::new().fill(&mut serial).map_err(|_| Error::Random)?;
    // A positive number.
    serial[0] &= 0x7f;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    Ok(params)
}
