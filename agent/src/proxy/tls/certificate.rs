//! What of a certificate (RFC 5280, section 4.1) the TLS library does not show, or not of every one.

use std::time::Duration;

use der::asn1::{AnyRef, ContextSpecific, GeneralizedTime, UtcTime};
use der::{Decode, Reader, SliceReader, Tag, TagNumber, Tagged};

/// Parts of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    /// From when on it is valid, since the Unix epoch.
    pub(super) not_before: Duration,
    /// Until when it is valid, since the Unix epoch.
    pub(super) not_after: Duration,
    /// The SubjectPublicKeyInfo, in DER.
    pub(super) key: &'a [u8],
}

/// Reads a certificate in DER, of any version.
///
/// # Errors
///
/// It is none.
pub(super) fn read(certificate: &[u8]) -> der::Result<Parts<'_>> {
    SliceReader::new(certificate)?.sequence(|reader| {
        let parts = reader.sequence(|reader| {
            // The version, which the first has none of; serial number, signature, issuer.
            ContextSpecific::<AnyRef<'_>>::decode_explicit(reader, TagNumber(0))?;
            for _ in 0..3 {
                AnyRef::decode(reader)?;
            }
            let (not_before, not_after) =
                reader.sequence(|reader| Ok::<_, der::Error>((time(reader)?, time(reader)?)))?;
            // The subject.
            AnyRef::decode(reader)?;
            let key = reader.tlv_bytes()?;
            while !reader.is_finished() {
                AnyRef::decode(reader)?;
            }
            Ok::<_, der::Error>(Parts { not_before, not_after, key })
        })?;
        AnyRef::decode(reader)?;
        AnyRef::decode(reader)?;
        Ok(parts)
    })
}

fn time(reader: &mut SliceReader<'_>) -> der::Result<Duration> {
    let time = AnyRef::decode(reader)?;
    Ok(match time.tag() {
        Tag::UtcTime => time.decode_as::<UtcTime>()?.to_unix_duration(),
        _ => time.decode_as::<GeneralizedTime>()?.to_unix_duration(),
    })
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, PublicKeyData, date_time_ymd};

    use super::*;

    #[test]
    fn validity_and_key_are_those_that_it_was_made_with() {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["db.example".to_owned()]).unwrap();
        // One before 2050, which is written in the old way, and one behind it.
        (params.not_before, params.not_after) = (date_time_ymd(2024, 1, 1), date_time_ymd(2060, 1, 1));
        let certificate = params.self_signed(&key).unwrap();
        let parts = read(certificate.der()).unwrap();
        assert_eq!(parts.not_before, Duration::from_secs(1_704_067_200));
        assert_eq!(parts.not_after, Duration::from_secs(2_840_140_800));
        assert_eq!(parts.key, key.subject_public_key_info());
        for length in [0, 1, 20, certificate.der().len() - 1] {
            assert!(read(&certificate.der()[..length]).is_err(), "{length}");
        }
    }
}
