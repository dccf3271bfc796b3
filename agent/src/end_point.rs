//! What a proof of SCRAM is bound to: the digest of the server's certificate (`tls-server-end-point`, RFC 5929), on the
//! way to a server and on the way from a client alike.

#![forbid(unsafe_code)]

use der::asn1::{AnyRef, ContextSpecific, ObjectIdentifier};
use der::{Decode, Reader, SliceReader, TagNumber};
use ring::digest::{Algorithm, SHA256, SHA384, SHA512, digest};
use spki::AlgorithmIdentifierRef;

const RSASSA_PSS: &str = "1.2.840.113549.1.1.10";

/// The digest of a certificate in DER, by the hash that it was signed with. There is none where RFC 5929 says nothing
/// of its signature (Ed25519), or where its hash is one that nobody uses (SHA-224).
pub(crate) fn end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let hash = hash(certificate).ok().flatten()?;
    Some(digest(hash, certificate).as_ref().to_vec())
}

/// RFC 5280, section 4.1: the certificate, the algorithm that signed it, the signature.
fn hash(certificate: &[u8]) -> der::Result<Option<&'static Algorithm>> {
    SliceReader::new(certificate)?.sequence(|reader| {
        AnyRef::decode(reader)?;
        let signed = AlgorithmIdentifierRef::decode(reader)?;
        AnyRef::decode(reader)?;
        match signed.oid {
            oid if oid == ObjectIdentifier::new_unwrap(RSASSA_PSS) => hash_of_pss(signed.parameters),
            oid => Ok(hash_of_signature(&oid.to_string())),
        }
    })
}

/// MD5 and SHA-1 become SHA-256 (RFC 5929, section 4.1).
fn hash_of_signature(oid: &str) -> Option<&'static Algorithm> {
    match oid {
        // md5, sha1, sha256 with RSA; SHA-1 and SHA-256 with ECDSA and DSA.
        "1.2.840.113549.1.1.4" | "1.2.840.113549.1.1.5" | "1.2.840.113549.1.1.11" => Some(&SHA256),
        "1.2.840.10045.4.1" | "1.2.840.10045.4.3.2" => Some(&SHA256),
        "1.2.840.10040.4.3" | "2.16.840.1.101.3.4.3.2" => Some(&SHA256),
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" | "2.16.840.1.101.3.4.3.3" => Some(&SHA384),
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" | "2.16.840.1.101.3.4.3.4" => Some(&SHA512),
        _ => None,
    }
}

/// RFC 4055, section 3.1: the hash is the first parameter, and SHA-1 where it is left out.
fn hash_of_pss(parameters: Option<AnyRef<'_>>) -> der::Result<Option<&'static Algorithm>> {
    let Some(parameters) = parameters else { return Ok(Some(&SHA256)) };
    let mut reader = SliceReader::new(parameters.value())?;
    let hash = ContextSpecific::<AlgorithmIdentifierRef<'_>>::decode_explicit(&mut reader, TagNumber(0))?;
    Ok(match hash.map(|hash| hash.value.oid.to_string()).as_deref() {
        None | Some("1.3.14.3.2.26" | "2.16.840.1.101.3.4.2.1") => Some(&SHA256),
        Some("2.16.840.1.101.3.4.2.2") => Some(&SHA384),
        Some("2.16.840.1.101.3.4.2.3") => Some(&SHA512),
        Some(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    /// A certificate as far as it is looked at: empty, with this algorithm in hexadecimal, signed with nothing.
    fn signed_with(algorithm: &str) -> Vec<u8> {
        let algorithm = hex::decode(algorithm).unwrap();
        let body = [&[0x30, 0x00][..], &algorithm, &[0x03, 0x01, 0x00]].concat();
        [&[0x30, u8::try_from(body.len()).unwrap()][..], &body].concat()
    }

    #[test]
    fn the_hash_is_that_of_the_signature_but_for_those_that_are_broken() {
        for (algorithm, expect) in [
            // As OpenSSL writes them: -md5, -sha1, -sha224, -sha256, -sha384, -sha512 with an RSA key.
            ("300d06092a864886f70d0101040500", Some(&SHA256)),
            ("300d06092a864886f70d0101050500", Some(&SHA256)),
            ("300d06092a864886f70d01010e0500", None),
            ("300d06092a864886f70d01010b0500", Some(&SHA256)),
            ("300d06092a864886f70d01010c0500", Some(&SHA384)),
            ("300d06092a864886f70d01010d0500", Some(&SHA512)),
            // ecdsa-with-SHA1, SHA384; ed25519.
            ("300906072a8648ce3d0401", Some(&SHA256)),
            ("300a06082a8648ce3d040303", Some(&SHA384)),
            ("300506032b6570", None),
            // RSASSA-PSS: nothing said, nothing said of the hash, SHA-256, SHA-512.
            ("300b06092a864886f70d01010a", Some(&SHA256)),
            ("300d06092a864886f70d01010a3000", Some(&SHA256)),
            ("301e06092a864886f70d01010a3011a00f300d06096086480165030402010500", Some(&SHA256)),
            ("301e06092a864886f70d01010a3011a00f300d06096086480165030402030500", Some(&SHA512)),
        ] {
            let certificate = signed_with(algorithm);
            let expect = expect.map(|hash| digest(hash, &certificate).as_ref().to_vec());
            assert_eq!(end_point(&certificate), expect, "{algorithm}");
        }
    }

    #[test]
    fn whole_certificates_are_read_and_what_is_none_has_no_digest() {
        for (algorithm, hash) in
            [(&rcgen::PKCS_ECDSA_P256_SHA256, Some(&SHA256)), (&rcgen::PKCS_ECDSA_P384_SHA384, Some(&SHA384))]
        {
            let key = KeyPair::generate_for(algorithm).unwrap();
            let certificate = CertificateParams::default().self_signed(&key).unwrap();
            let expect = hash.map(|hash| digest(hash, certificate.der()).as_ref().to_vec());
            assert_eq!(end_point(certificate.der()), expect);
        }
        for nothing in [&b""[..], b"\x30\x80", b"\x30\x00", b"certificate"] {
            assert_eq!(end_point(nothing), None);
        }
    }
}
