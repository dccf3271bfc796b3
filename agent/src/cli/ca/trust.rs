//! The certificates that a machine trusts, where its distribution keeps them.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Below it everything else lies.
pub(super) const ROOT: &str = "/";

/// Where a distribution has its administrator put certificates, and how they take effect.
struct Store {
    folder: &'static str,
    file: &'static str,
    command: &'static str,
    add: &'static [&'static str],
    remove: &'static [&'static str],
}

const STORES: [Store; 4] = [
    // Debian, Ubuntu, Alpine.
    Store {
        folder: "usr/local/share/ca-certificates",
        file: "portreeve.crt",
        command: "update-ca-certificates",
        add: &[],
        // Without it the link to a file that is gone stays.
        remove: &["--fresh"],
    },
    // Fedora, Red Hat, Amazon Linux.
    Store {
        folder: "etc/pki/ca-trust/source/anchors",
        file: "portreeve.pem",
        command: "update-ca-trust",
        add: &["extract"],
        remove: &["extract"],
    },
    // SUSE.
    Store {
        folder: "etc/pki/trust/anchors",
        file: "portreeve.pem",
        command: "update-ca-certificates",
        add: &[],
        remove: &[],
    },
    // Arch Linux.
    Store {
        folder: "etc/ca-certificates/trust-source/anchors",
        file: "portreeve.crt",
        command: "update-ca-trust",
        add: &[],
        remove: &[],
    },
];

/// All that a machine trusts, in one file, as far as distributions have one.
const BUNDLES: [&str; 3] =
    ["etc/ssl/certs/ca-certificates.crt", "etc/pki/tls/certs/ca-bundle.crt", "etc/ssl/ca-bundle.pem"];

/// Why the machine's trust could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// None of the known places is there.
    #[error(
        "this machine has no place for trusted certificates that Portreeve knows (none of {}); install the package \
         ca-certificates, or give jobs what `portreeve ca show` prints as sslrootcert",
        STORES.map(|store| format!("/{}", store.folder)).join(", ")
    )]
    Nowhere,
    /// The file cannot be written or removed.
    #[error("cannot change {}: {source}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It lies there, and does not take effect.
    #[error("{} is changed, but `{command}` failed, without which it has no effect: {what}", .path.display())]
    Command {
        /// The file.
        path: PathBuf,
        /// The distribution's command.
        command: &'static str,
        /// What it said.
        what: String,
    },
}

/// Has the machine trust a certificate, in the place of one that was put there before.
///
/// # Errors
///
/// See [`TrustError`].
pub(super) fn install(root: &Path, pem: &str) -> Result<PathBuf, TrustError> {
    let (store, path) = store(root).ok_or(TrustError::Nowhere)?;
    let wrong = |source| TrustError::Write { path: path.clone(), source };
    fs::write(&path, pem).map_err(wrong)?;
    // Every job has to read it, whatever the umask is.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).map_err(wrong)?;
    take_effect(root, store, store.add, &path)?;
    Ok(path)
}

/// Has the machine trust it no more. None if it did not.
///
/// # Errors
///
/// See [`TrustError`].
pub(super) fn remove(root: &Path) -> Result<Option<PathBuf>, TrustError> {
    let (store, path) = store(root).ok_or(TrustError::Nowhere)?;
    match fs::remove_file(&path) {
        Ok(()) => {
            take_effect(root, store, store.remove, &path)?;
            Ok(Some(path))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // An earlier removal may have come no further.
            take_effect(root, store, store.remove, &path)?;
            Ok(None)
        }
        Err(source) => Err(TrustError::Write { path, source }),
    }
}

/// Whether a machine trusts a certificate; none if it has no file that would say so.
pub(in crate::cli) fn trusts(root: &Path, pem: &str) -> Option<bool> {
    let wanted = body(pem);
    let bundles: Vec<String> =
        BUNDLES.iter().filter_map(|bundle| fs::read_to_string(root.join(bundle)).ok()).collect();
    (!bundles.is_empty()).then(|| bundles.iter().any(|bundle| body(bundle).contains(&wanted)))
}

/// A PEM text without its line ends, which each tool sets as it likes.
fn body(pem: &str) -> String {
    pem.split_whitespace().collect()
}

fn store(root: &Path) -> Option<(&'static Store, PathBuf)> {
    let store = STORES
        .iter()
        .find(|store| root.join(store.folder).is_dir() && program(root, store.command).is_some())?;
    Some((store, root.join(store.folder).join(store.file)))
}

fn program(root: &Path, name: &str) -> Option<PathBuf> {
    ["usr/sbin", "usr/bin", "sbin", "bin"]
        .iter()
        .map(|folder| root.join(folder).join(name))
        .find(|path| path.is_file())
}

fn take_effect(root: &Path, store: &Store, arguments: &[&str], path: &Path) -> Result<(), TrustError> {
    let failed = |what: String| TrustError::Command { path: path.to_owned(), command: store.command, what };
    let program = program(root, store.command).ok_or_else(|| failed("it is gone".to_owned()))?;
    let output = Command::new(program).args(arguments).output().map_err(|error| failed(error.to_string()))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine whose command writes down how it was called.
    fn machine(folder: &str, command: &str, exit: u8) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join(folder)).unwrap();
        fs::create_dir_all(root.path().join("usr/sbin")).unwrap();
        let program = root.path().join("usr/sbin").join(command);
        let script = format!(
            "#!/bin/sh\necho \"called $*\" >> {}/calls\necho no >&2\nexit {exit}\n",
            root.path().display()
        );
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        root
    }

    #[test]
    fn a_certificate_is_put_where_the_distribution_has_it_and_taken_away() {
        for store in &STORES {
            let root = machine(store.folder, store.command, 0);
            let file = install(root.path(), "one").unwrap();
            assert_eq!(install(root.path(), "two").unwrap(), file);
            assert_eq!(file, root.path().join(store.folder).join(store.file));
            assert_eq!(fs::read_to_string(&file).unwrap(), "two");
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644);
            assert_eq!(remove(root.path()).unwrap(), Some(file.clone()));
            assert_eq!(remove(root.path()).unwrap(), None);
            assert!(!file.exists());
            let calls = fs::read_to_string(root.path().join("calls")).unwrap();
            let (add, gone) = (store.add.join(" "), store.remove.join(" "));
            assert_eq!(calls, format!("called {add}\ncalled {add}\ncalled {gone}\ncalled {gone}\n"));
        }
    }

    #[test]
    fn a_machine_without_a_place_or_a_command_that_fails_is_told_with_the_cure() {
        let root = tempfile::tempdir().unwrap();
        let said = install(root.path(), "one").unwrap_err().to_string();
        assert!(
            said.contains("portreeve ca show") && said.contains("/usr/local/share/ca-certificates"),
            "{said}"
        );
        let root = machine(STORES[0].folder, STORES[0].command, 1);
        let said = install(root.path(), "one").unwrap_err().to_string();
        assert!(said.contains("has no effect: no"), "{said}");
    }

    #[test]
    fn what_a_machine_trusts_is_known_however_its_lines_are_broken() {
        let root = tempfile::tempdir().unwrap();
        let pem = "-----BEGIN CERTIFICATE-----\nQUJD\nREVG\n-----END CERTIFICATE-----\n";
        assert_eq!(trusts(root.path(), pem), None);
        let bundle = root.path().join(BUNDLES[0]);
        fs::create_dir_all(bundle.parent().unwrap()).unwrap();
        fs::write(&bundle, "-----BEGIN CERTIFICATE-----\r\nWFla\r\n-----END CERTIFICATE-----\r\n").unwrap();
        assert_eq!(trusts(root.path(), pem), Some(false));
        fs::write(&bundle, format!("# other\n{}", pem.replace("QUJD\nREVG", "QUJDREVG"))).unwrap();
        assert_eq!(trusts(root.path(), pem), Some(true));
    }
}
