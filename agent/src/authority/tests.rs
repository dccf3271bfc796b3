//! Authorities: this machine's own, and an operator's.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::*;

fn own(folder: &Path) -> Config {
    Config { directory: folder.join("deep/authority"), ..Config::default() }
}

fn names(asked: &str) -> Names {
    Names { asked: Some(asked.to_owned()), known: Vec::new(), address: [10, 0, 0, 5].into() }
}

#[test]
fn an_authority_is_made_once_and_nobody_else_reads_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let config = own(folder.path());
    let first = Authority::open(&config).unwrap().fingerprint();
    assert_eq!(Authority::open(&config).unwrap().fingerprint(), first);
    let files: Vec<PathBuf> =
        fs::read_dir(&config.directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files, [config.directory.join("authority.pem")]);
    assert_eq!(fs::metadata(&files[0]).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(fs::metadata(&config.directory).unwrap().permissions().mode() & 0o7777, 0o700);
}

#[test]
fn of_many_that_make_one_at_once_all_get_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let config = own(folder.path());
    let mut made: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..8).map(|_| scope.spawn(|| Authority::open(&config).unwrap().fingerprint())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    made.dedup();
    assert_eq!(made.len(), 1, "{made:?}");
}

#[test]
fn an_authority_that_is_damaged_or_open_to_others_is_not_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let config = own(folder.path());
    Authority::open(&config).unwrap();
    let file = config.directory.join("authority.pem");
    let whole = fs::read(&file).unwrap();

    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let said = Authority::open(&config).unwrap_err().to_string();
    assert!(said.contains("authority.pem") && said.contains("640"), "{said}");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();

    for (bytes, expect) in [(&b""[..], "no certificate"), (&whole[..whole.len() / 2], "certificate")] {
        fs::write(&file, bytes).unwrap();
        let said = Authority::open(&config).unwrap_err().to_string();
        assert!(said.contains(expect) && said.contains("authority.pem"), "{said}");
        assert_eq!(fs::read(&file).unwrap(), bytes);
    }
}

#[test]
fn an_identity_is_kept_and_as_many_as_jobs_like_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::open(&own(folder.path())).unwrap();
    let first = authority.identity(&names("a.example")).unwrap();
    assert!(Arc::ptr_eq(&first, &authority.identity(&names("a.example")).unwrap()));
    assert!(!Arc::ptr_eq(&first, &authority.identity(&names("b.example")).unwrap()));
    for number in 0..2 * MOST_KEPT {
        authority.identity(&names(&format!("{number}.example"))).unwrap();
    }
    let kept = authority.kept().asked.len();
    assert!(kept <= MOST_KEPT, "{kept}");
    // Whoever asks for nothing else than is known keeps what it has.
    let known =
        Names { asked: Some("db.example".to_owned()), known: vec!["db.example".to_owned()], ..names("") };
    let first = authority.identity(&known).unwrap();
    for number in 0..=MOST_KEPT {
        authority.identity(&names(&format!("again-{number}.example"))).unwrap();
    }
    assert!(Arc::ptr_eq(&first, &authority.identity(&known).unwrap()));
}

/// Runs `openssl` in a folder.
#[track_caller]
fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl").current_dir(folder).args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// An operator's files: an authority of each kind, one that is none, one whose time is over, and one below another.
fn operators(folder: &Path) {
    let ec = "-newkey ec -pkeyopt ec_paramgen_curve";
    for (name, key, more) in [
        ("p256", format!("{ec}:P-256"), "-days 2"),
        ("p384", format!("{ec}:P-384"), "-days 2"),
        ("rsa", "-newkey rsa:2048".to_owned(), "-days 2"),
        ("ed25519", "-newkey ed25519".to_owned(), "-days 2"),
        ("leaf", format!("{ec}:P-256"), "-days 2 -addext basicConstraints=critical,CA:FALSE"),
        ("mute", format!("{ec}:P-256"), "-days 2 -addext keyUsage=critical,digitalSignature"),
    ] {
        openssl(
            folder,
            &format!("req -x509 -nodes {key} {more} -subj /CN={name} -keyout {name}.key -out {name}.pem"),
        );
    }
    openssl(folder, "req -nodes -newkey rsa:2048 -subj /CN=old -keyout old.key -out old.csr");
    openssl(
        folder,
        "x509 -req -in old.csr -CA p256.pem -CAkey p256.key -CAcreateserial -days -1 -extfile ca.cnf -out old.pem",
    );
    openssl(folder, &format!("req -nodes {ec}:P-256 -subj /CN=below -keyout below.key -out below.csr"));
    openssl(
        folder,
        "x509 -req -in below.csr -CA p256.pem -CAkey p256.key -CAcreateserial -days 2 -extfile ca.cnf -out below.pem",
    );
    let chain =
        [fs::read(folder.join("below.pem")).unwrap(), fs::read(folder.join("p256.pem")).unwrap()].concat();
    fs::write(folder.join("chain.pem"), chain).unwrap();
    let mixed =
        [fs::read(folder.join("below.pem")).unwrap(), fs::read(folder.join("p384.pem")).unwrap()].concat();
    fs::write(folder.join("mixed.pem"), mixed).unwrap();
}

#[test]
fn an_operators_authority_vouches_if_it_can() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("ca.cnf"), "basicConstraints=critical,CA:TRUE\n").unwrap();
    operators(folder.path());
    let at = |name: &str| Some(folder.path().join(name));
    let config = |certificate: &str, key: &str| Config {
        directory: folder.path().join("never"),
        certificate_file: at(certificate),
        key_file: at(key),
    };
    for (certificate, key, digest, anchored) in [
        ("p256.pem", "p256.key", 32, true),
        ("p384.pem", "p384.key", 48, true),
        ("rsa.pem", "rsa.key", 32, true),
        ("below.pem", "below.key", 32, false),
        ("chain.pem", "below.key", 32, true),
    ] {
        let authority = Authority::open(&config(certificate, key)).unwrap();
        let identity = authority.identity(&names("db.example")).unwrap();
        assert_eq!(identity.end_point().len(), digest, "{certificate}");
        let anchor = authority.anchor().map(|pem| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap());
        assert_eq!(anchor.is_some(), anchored, "{certificate}");
    }
    let anchor = Authority::open(&config("chain.pem", "below.key")).unwrap();
    assert_eq!(
        anchor.anchor().unwrap().trim(),
        fs::read_to_string(folder.path().join("p256.pem")).unwrap().trim()
    );

    for (certificate, key, expect) in [
        ("p256.pem", "p384.key", "not the one of the private key"),
        ("leaf.pem", "leaf.key", "CA:TRUE"),
        ("mute.pem", "mute.key", "keyCertSign"),
        ("mixed.pem", "below.key", "is not signed by the certificate behind it"),
        ("ed25519.pem", "ed25519.key", "use ECDSA"),
        ("p256.key", "p256.key", "there is no certificate"),
        ("p256.pem", "p256.pem", "PKCS #8"),
        ("absent.pem", "p256.key", "absent.pem"),
        ("p256.pem", "absent.key", "absent.key"),
    ] {
        // openssl writes keys for their owner alone; the certificates stand in for a key that others can read.
        fs::set_permissions(folder.path().join("p256.pem"), fs::Permissions::from_mode(0o600)).unwrap();
        let said = Authority::open(&config(certificate, key)).unwrap_err().to_string();
        assert!(said.contains(expect), "{certificate} with {key}: {said}");
    }
    // One whose time is over must not keep those out who look at no certificate.
    let old = Authority::open(&config("old.pem", "old.key")).unwrap();
    assert!(old.out_of_time().unwrap().contains("clock"));
    old.identity(&names("db.example")).unwrap();
    assert_eq!(Authority::open(&config("p256.pem", "p256.key")).unwrap().out_of_time(), None);

    let half = Config { key_file: None, ..config("p256.pem", "") };
    assert!(Authority::open(&half).unwrap_err().to_string().contains("without a `key_file`"));
    assert!(!folder.path().join("never").exists());
}
