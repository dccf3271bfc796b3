//! Connections to servers that are what they should be, and to servers that are not.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use der::{Reader, SliceReader};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer, KeyIdMethod,
    KeyPair, RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tokio::net::TcpStream;

use super::*;
use crate::proxy::{BackendStream, secure};

/// An authority with its certificate in a file.
struct Authority {
    folder: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key.
struct Identity {
    certificate: CertificateDer<'static>,
    key: KeyPair,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        Self::named("ours")
    }

    fn named(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (mut params, key) = (CertificateParams::default(), KeyPair::generate().unwrap());
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let authority = Authority { folder, issuer: Issuer::new(params, key), pem: certificate.pem() };
        authority.lay("ca", &authority.pem, 0o644);
        authority
    }

    fn lay(&self, name: &str, content: &str, mode: u32) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn gives(&self, name: &str) -> Identity {
        self.gives_with(name, |_| {})
    }

    fn gives_with(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity { certificate: certificate.der().clone(), pem: certificate.pem(), key }
    }

    /// A list of certificates that were taken back.
    fn revokes(&self, serials: &[u64]) -> PathBuf {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: date_time_ymd(2099, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        self.lay("crl", &list.signed_by(&self.issuer).unwrap().pem().unwrap(), 0o644)
    }

    /// A section of the configuration, in which FOLDER is this authority's.
    fn config(&self, text: &str) -> Config {
        let text = text.replace("FOLDER", &self.folder.path().display().to_string());
        serde_saphyr::from_str(&text).unwrap()
    }
}

impl Identity {
    fn server(&self) -> ServerConfig {
        self.speak(ServerConfig::builder_with_provider(provider()), None)
    }

    /// With a key that need not be the certificate's.
    fn unchecked(&self) -> ServerConfig {
        let key = provider().key_provider.load_private_key(self.key_der()).unwrap();
        let key = rustls::sign::CertifiedKey::new(vec![self.certificate.clone()], key);
        let builder = ServerConfig::builder_with_provider(provider());
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        builder.with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(key)))
    }

    fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }

    fn speak(
        &self,
        builder: rustls::ConfigBuilder<ServerConfig, rustls::WantsVersions>,
        clients: Option<Arc<dyn rustls::server::danger::ClientCertVerifier>>,
    ) -> ServerConfig {
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(verifier) => builder.with_client_cert_verifier(verifier),
        };
        let key = PrivatePkcs8KeyDer::from(self.key.serialize_der());
        builder.with_single_cert(vec![self.certificate.clone()], key.into()).unwrap()
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// What a server has seen of one client: its ALPN, and the certificates it showed.
type Met = (Option<Vec<u8>>, usize);

/// A server that answers the first packet with these bytes, if any, and then speaks TLS.
fn server(answers: &'static [&'static [u8]], config: ServerConfig) -> (SocketAddr, Receiver<Met>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let (met, seen) = channel();
    let config = Arc::new(config);
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        client.set_nodelay(true).unwrap();
        if !answers.is_empty() {
            client.read_exact(&mut [0; 8]).unwrap();
        }
        for (at, answer) in answers.iter().enumerate() {
            if at > 0 {
                // A segment of its own, which the client meets in the handshake.
                std::thread::sleep(Duration::from_millis(50));
            }
            client.write_all(answer).unwrap();
        }
        let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), client);
        // Whoever hangs up in the handshake has seen enough.
        if stream.write_all(b"R").and_then(|()| stream.flush()).is_err() {
            return;
        }
        let alpn = stream.conn.alpn_protocol().map(<[u8]>::to_vec);
        let shown = stream.conn.peer_certificates().map_or(0, <[_]>::len);
        let _ = met.send((alpn, shown));
        let _ = stream.read(&mut [0; 1]);
    });
    (at, seen)
}

/// What comes of a connection, and its stream.
fn connect(at: SocketAddr, config: &Config) -> Result<&'static str, String> {
    let tls = Tls::new(config).map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = TcpStream::connect(at).await.unwrap();
        let secured = tokio::time::timeout(Duration::from_secs(20), secure(stream, &tls)).await.unwrap();
        match secured.map_err(|error| error.to_string())? {
            BackendStream::Plain(_) => Ok("clear"),
            BackendStream::Tls(mut stream) => {
                // With TLS 1.3 a server looks at the client's certificate after the client has done its part.
                let read = tokio::io::AsyncReadExt::read_u8(&mut stream).await;
                read.map(|_| "tls").map_err(|error| error.to_string())
            }
        }
    })
}

#[track_caller]
fn check(
    answers: &'static [&'static [u8]],
    identity: &Identity,
    config: &Config,
    expect: Result<&str, &str>,
) {
    let (at, _seen) = server(answers, identity.server());
    match (connect(at, config), expect) {
        (Err(told), Err(expect)) => assert!(told.contains(expect), "{told}"),
        (came, expect) => assert_eq!(came, expect.map_err(str::to_owned), "{config:?}"),
    }
}

const YES: &[&[u8]] = &[b"S"];
const NO: &[&[u8]] = &[b"N"];

#[test]
fn the_modes_are_those_of_libpq() {
    let (authority, other) = (Authority::new(), Authority::named("theirs"));
    let (good, forged) = (authority.gives("db.example"), other.gives("db.example"));
    let config = |text| authority.config(text);
    let (prefer, require) = (config("{mode: prefer}"), config("{mode: require}"));
    let ca = config("{mode: verify-ca, ca_file: FOLDER/ca}");
    let full = config("{mode: verify-full, ca_file: FOLDER/ca, server_name: db.example}");
    check(NO, &good, &prefer, Ok("clear"));
    for strict in [&require, &ca, &full] {
        check(NO, &good, strict, Err("does not speak TLS"));
    }
    for all in [&prefer, &require, &ca, &full] {
        check(YES, &good, all, Ok("tls"));
    }
    // Somebody else's certificate is only seen by those who look.
    for blind in [&prefer, &require] {
        check(YES, &forged, blind, Ok("tls"));
    }
    for looking in [&ca, &full] {
        check(YES, &forged, looking, Err("`ca_file` has no authority that has given it"));
        // Of an authority that only calls itself the same.
        check(YES, &Authority::new().gives("db.example"), looking, Err("BadSignature"));
    }
}

#[test]
fn another_name_is_forgiven_by_verify_ca_and_nothing_else_is() {
    let (authority, other) = (Authority::new(), Authority::named("theirs"));
    let ca = authority.config("{mode: verify-ca, ca_file: FOLDER/ca}");
    let full = authority.config("{mode: verify-full, ca_file: FOLDER/ca, server_name: db.example}");
    let elsewhere = authority.gives("elsewhere.example");
    check(YES, &elsewhere, &ca, Ok("tls"));
    check(YES, &elsewhere, &full, Err("`server_name` says which name it must have"));
    let expired = |name| authority.gives_with(name, |params| params.not_after = date_time_ymd(2001, 1, 1));
    let early = |name| authority.gives_with(name, |params| params.not_before = date_time_ymd(2999, 1, 1));
    for name in ["db.example", "elsewhere.example"] {
        check(YES, &expired(name), &ca, Err("expired"));
        check(YES, &expired(name), &full, Err("expired"));
        check(YES, &early(name), &ca, Err("not valid yet"));
        check(YES, &other.gives(name), &ca, Err("UnknownIssuer"));
    }
    // The address that the job connected to, where nothing is said.
    let address = authority.config("{mode: verify-full, ca_file: FOLDER/ca}");
    check(YES, &authority.gives("127.0.0.1"), &address, Ok("tls"));
    check(YES, &authority.gives("127.0.0.2"), &address, Err("not valid for name"));
}

#[test]
fn a_certificate_that_is_named_itself_is_trusted_whatever_it_says_of_itself() {
    // As `openssl req -x509` makes it, and PostgreSQL's manual recommends it: signed by itself, as an authority.
    let itself = |change: &dyn Fn(&mut CertificateParams)| {
        let mut params = CertificateParams::new(["db.example".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Identity { certificate: certificate.der().clone(), pem: certificate.pem(), key }
    };
    let authority = Authority::new();
    let config = |mode: &str, file: &str, name: &str| {
        authority.config(&format!("{{mode: {mode}, ca_file: FOLDER/{file}, server_name: {name}}}"))
    };
    let good = itself(&|_| {});
    authority.lay("itself", &good.pem, 0o644);
    for mode in ["verify-ca", "verify-full"] {
        check(YES, &good, &config(mode, "itself", "db.example"), Ok("tls"));
        check(YES, &good, &config(mode, "ca", "db.example"), Err("CaUsedAsEndEntity"));
        // Another one with the same names and another key.
        check(YES, &itself(&|_| {}), &config(mode, "itself", "db.example"), Err("TLS: "));
    }
    check(YES, &good, &config("verify-ca", "itself", "other.example"), Ok("tls"));
    check(YES, &good, &config("verify-full", "itself", "other.example"), Err("not valid for name"));
    for (identity, expect) in [
        (itself(&|params| params.not_after = date_time_ymd(2001, 1, 1)), "expired"),
        (itself(&|params| params.not_before = date_time_ymd(2999, 1, 1)), "not valid yet"),
    ] {
        authority.lay("old", &identity.pem, 0o644);
        check(YES, &identity, &config("verify-ca", "old", "db.example"), Err(expect));
    }
}

/// The same without its version and its extensions. Its signature is no longer right, which nobody sees who does not look.
fn of_version_1(certificate: &[u8]) -> CertificateDer<'static> {
    let wrapped = |content: Vec<u8>| {
        // DER has the shortest form of a length alone.
        let length = match u16::try_from(content.len()).unwrap().to_be_bytes() {
            [0, length] if length < 0x80 => vec![length],
            [0, length] => vec![0x81, length],
            [high, low] => vec![0x82, high, low],
        };
        [&[0x30][..], &length, &content].concat()
    };
    let fields = |reader: &mut SliceReader<'_>| {
        reader.sequence(|reader| {
            let mut fields = Vec::new();
            while !reader.is_finished() {
                fields.push(reader.tlv_bytes()?.to_vec());
            }
            Ok::<_, der::Error>(fields)
        })
    };
    let mut outer = fields(&mut SliceReader::new(certificate).unwrap()).unwrap();
    let mut inner = fields(&mut SliceReader::new(&outer[0]).unwrap()).unwrap();
    inner.retain(|field| !matches!(field[0], 0xa0 | 0xa3));
    outer[0] = wrapped(inner.concat());
    wrapped(outer.concat()).into()
}

#[test]
fn a_certificate_of_version_1_will_do_where_nobody_looks_at_it() {
    // As openssl x509 -req -CA … makes it where it is told of no extensions.
    let authority = Authority::new();
    let identity = authority.gives("db.example");
    let identity = Identity { certificate: of_version_1(&identity.certificate), ..identity };
    let told = |identity: &Identity, mode: &str| {
        let (at, _seen) = server(YES, identity.unchecked());
        connect(at, &authority.config(mode))
    };
    for mode in ["{mode: require}", "{mode: prefer}"] {
        assert_eq!(told(&identity, mode), Ok("tls"));
    }
    let looked_at = told(&identity, "{mode: verify-ca, ca_file: FOLDER/ca}").unwrap_err();
    assert!(looked_at.contains("is of version 1"), "{looked_at}");
    // It has to have the key all the same.
    let thief = Identity { key: KeyPair::generate().unwrap(), ..identity };
    let stolen = told(&thief, "{mode: require}").unwrap_err();
    assert!(stolen.contains("BadSignature"), "{stolen}");
}

#[test]
fn a_server_that_lies_or_cannot_is_told_from_one_that_will_not() {
    let authority = Authority::new();
    let good = authority.gives("db.example");
    let config = |text| authority.config(text);
    for mode in ["{mode: prefer}", "{mode: require}", "{mode: verify-ca, ca_file: FOLDER/ca}"] {
        let config = config(mode);
        check(&[b"E\0\0\0\x0bSFATAL\0\0"], &good, &config, Err("answers the question for TLS with an error"));
        check(&[b"HTTP/1.1 400"], &good, &config, Err("no PostgreSQL"));
        // An answer of the server's in clear text, for whoever reads on after the handshake (CVE-2021-23222).
        check(&[b"SR\0\0\0\x08\0\0\0\0"], &good, &config, Err("bytes in clear text behind"));
        check(&[b"S", b"R\0\0\0\x08\0\0\0\0"], &good, &config, Err("TLS: "));
        check(&[b"NR\0\0\0\x08\0\0\0\0"], &good, &config, Err("bytes in clear text behind"));
    }
}

#[test]
fn what_is_spoken_is_always_said_and_has_to_be_answered_where_nobody_asks_first() {
    let authority = Authority::new();
    let good = authority.gives("db.example");
    let speaking = |protocol: &[u8]| {
        let mut config = good.server();
        config.alpn_protocols = vec![protocol.to_vec()];
        config
    };
    let require = authority.config("{mode: require}");
    let direct = authority.config("{mode: require, negotiation: direct}");
    for (answers, config) in [(YES, &require), (&[][..], &direct)] {
        let (at, seen) = server(answers, speaking(ALPN));
        assert_eq!(connect(at, config), Ok("tls"));
        assert_eq!(seen.recv().unwrap().0.as_deref(), Some(&b"postgresql"[..]));
    }
    // A server that was asked need not know the word; one that was not asked might speak anything.
    check(YES, &good, &require, Ok("tls"));
    check(&[], &good, &direct, Err("must be of version 17 or later"));
    let (at, _seen) = server(YES, speaking(b"http/1.1"));
    assert!(connect(at, &require).unwrap_err().contains("TLS: "));
    // One that takes the beginning for a start-up packet of an impossible length, which older servers do.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    std::thread::spawn(move || drop(listener.accept().unwrap().0.read(&mut [0; 8])));
    let told = connect(at, &direct).unwrap_err();
    assert!(
        told.contains("closes the connection") && told.contains("must be of version 17 or later"),
        "{told}"
    );
}

#[test]
fn a_certificate_that_was_taken_back_is_refused() {
    let authority = Authority::new();
    let with = |serial: u64| {
        authority.gives_with("db.example", |params| params.serial_number = Some(SerialNumber::from(serial)))
    };
    authority.revokes(&[7]);
    for mode in ["verify-ca", "verify-full"] {
        let text =
            format!("{{mode: {mode}, ca_file: FOLDER/ca, crl_file: FOLDER/crl, server_name: db.example}}");
        let config = authority.config(&text);
        check(YES, &with(8), &config, Ok("tls"));
        check(YES, &with(7), &config, Err("Revoked"));
    }
    // A list of somebody else's says nothing about this authority's.
    let other = Authority::named("theirs");
    let list = other.revokes(&[7]).display().to_string();
    let config = authority.config(&format!("{{mode: verify-ca, ca_file: FOLDER/ca, crl_file: {list}}}"));
    check(YES, &with(8), &config, Err("`crl_file` must have a list of each authority"));
}

#[test]
fn a_server_that_asks_who_we_are_is_shown_our_certificate() {
    let (authority, other) = (Authority::new(), Authority::named("theirs"));
    let good = authority.gives("db.example");
    let clients = || {
        let roots = Arc::new(roots_of(&authority.folder.path().join("ca")).unwrap().0);
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider()).build().unwrap();
        good.speak(ServerConfig::builder_with_provider(provider()), Some(verifier))
    };
    let lay = |identity: &Identity, mode| {
        authority.lay("client", &identity.pem, 0o644);
        authority.lay("client.key", &identity.key.serialize_pem(), mode);
    };
    let with = authority.config("{mode: require, cert_file: FOLDER/client, key_file: FOLDER/client.key}");
    lay(&authority.gives("portreeve"), 0o600);
    let (at, seen) = server(YES, clients());
    assert_eq!(connect(at, &with), Ok("tls"));
    assert_eq!(seen.recv().unwrap().1, 1);
    // Without one, or with somebody else's.
    let (at, _seen) = server(YES, clients());
    assert!(connect(at, &authority.config("{mode: require}")).unwrap_err().contains("CertificateRequired"));
    lay(&other.gives("portreeve"), 0o600);
    let (at, _seen) = server(YES, clients());
    assert!(connect(at, &with).is_err());
    // A key that others can read is nobody's.
    lay(&authority.gives("portreeve"), 0o640);
    let told = Tls::new(&with).unwrap_err().to_string();
    assert!(told.contains("`key_file`") && told.contains("chmod 600"), "{told}");
}

#[test]
fn files_that_cannot_be_used_are_named_with_the_cure() {
    let authority = Authority::new();
    let one = authority.gives("portreeve");
    authority.lay("empty", "", 0o600);
    authority.lay("client", &one.pem, 0o600);
    authority.lay("client.key", &one.key.serialize_pem(), 0o600);
    authority.lay("other.key", &KeyPair::generate().unwrap().serialize_pem(), 0o600);
    for (text, expect) in [
        ("{mode: verify-ca, ca_file: FOLDER/none}", "/none"),
        ("{mode: verify-ca, ca_file: FOLDER/empty}", "there is none in it"),
        ("{mode: verify-ca, ca_file: FOLDER/ca, crl_file: FOLDER/ca}", "`crl_file` names"),
        ("{mode: verify-full, ca_file: FOLDER/ca, server_name: 'a b'}", "neither a DNS name"),
        ("{mode: require, cert_file: FOLDER/empty, key_file: FOLDER/client.key}", "`cert_file` names"),
        ("{mode: require, cert_file: FOLDER/client, key_file: FOLDER/none}", "`key_file`"),
        ("{mode: require, cert_file: FOLDER/client, key_file: FOLDER/empty}", "without a passphrase"),
        ("{mode: require, cert_file: FOLDER/client, key_file: FOLDER/other.key}", "cannot be used with"),
    ] {
        let told = Tls::new(&authority.config(text)).unwrap_err().to_string();
        assert!(told.contains(expect), "{text}: {told}");
        assert!(!told.contains("PRIVATE"), "{told}");
    }
}
