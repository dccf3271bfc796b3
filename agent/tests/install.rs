//! The start-up script, run into a scratch root: what it lays down is complete, private where it must be, and
//! understood by the program that it is for.

#![expect(clippy::unwrap_used, reason = "helpers of tests are outside of what .clippy.toml exempts")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use portreeve::config::{Config, read_policies};

fn dist() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("dist")
}

fn install(root: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new("sh");
    command.arg(dist().join("install.sh")).arg("--root").arg(root).args(arguments);
    command.output().unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_scratch_root_gets_everything_and_an_upgrade_keeps_what_was_edited() {
    let root = tempfile::tempdir().unwrap();
    let at = |path: &str| root.path().join(path);
    let program = at("built");
    fs::write(&program, "old").unwrap();
    let binary = ["--binary", program.to_str().unwrap()];
    let done = install(root.path(), &binary);
    assert!(done.status.success(), "{done:?}");
    for (path, expect) in [
        ("usr/local/bin/portreeve", 0o755),
        ("etc/systemd/system/portreeve.service", 0o644),
        ("etc/portreeve/portreeve.yaml", 0o644),
        ("etc/portreeve/portreeve.yaml.example", 0o644),
        ("etc/portreeve/policies/first.yaml", 0o644),
        ("etc/portreeve/credentials", 0o700),
    ] {
        assert_eq!(mode(&at(path)), expect, "{path}");
    }

    fs::write(&program, "new").unwrap();
    fs::write(at("etc/portreeve/portreeve.yaml"), "edited").unwrap();
    fs::rename(at("etc/portreeve/policies/first.yaml"), at("etc/portreeve/policies/own.yaml")).unwrap();
    let again = install(root.path(), &binary);
    assert!(again.status.success(), "{again:?}");
    assert_eq!(fs::read_to_string(at("usr/local/bin/portreeve")).unwrap(), "new");
    assert_eq!(fs::read_to_string(at("etc/portreeve/portreeve.yaml")).unwrap(), "edited");
    assert!(!at("etc/portreeve/policies/first.yaml").exists());
}

#[test]
fn what_is_missing_is_named() {
    let root = tempfile::tempdir().unwrap();
    let nowhere = root.path().join("none");
    let cases: [(&[&str], &str); 3] = [
        (&["--binary", nowhere.to_str().unwrap()], "is not a file"),
        (&["--binary"], "needs a file"),
        (&["--what"], "unknown argument"),
    ];
    for (arguments, expect) in cases {
        let done = install(root.path(), arguments);
        let said = String::from_utf8(done.stderr).unwrap();
        assert!(!done.status.success() && said.contains(expect), "{arguments:?}: {said}");
    }
}

#[test]
fn the_unit_gives_the_daemon_the_time_and_the_room_that_it_takes() {
    let unit = fs::read_to_string(dist().join("portreeve.service")).unwrap();
    let setting =
        |name: &str| unit.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap();
    let number = |name: &str| setting(name).parse::<u64>().unwrap();
    // Sessions drain; before them the listeners, after them sessions that were cut off, records, and the socket.
    let config = Config::read(&dist().join("portreeve.yaml")).unwrap().config;
    assert!(number("TimeoutStopSec") > config.drain_seconds + 2 + 2 + 5 + 2);
    // All that is kept is handed over at once.
    assert!(number("LimitNOFILE") > 2 * number("FileDescriptorStoreMax"));
    let directories = ["/run/", "/var/lib/"].map(|parent| Path::new(parent).join(setting("StateDirectory")));
    assert!(config.approvals.socket.starts_with(&directories[0]), "{directories:?}");
    assert!(config.evidence.directory.starts_with(&directories[1]), "{directories:?}");
    assert!(config.names.file.starts_with(&directories[1]), "{directories:?}");
    // What would keep the daemon from seeing processes, or from entering their networks.
    for forbidden in ["ProtectProc", "ProcSubset", "ProtectKernelTunables", "PrivateNetwork", "PrivateUsers"]
    {
        assert!(!unit.lines().any(|line| line.starts_with(&format!("{forbidden}="))), "{forbidden}");
    }
    assert_eq!(setting("RestrictNamespaces"), "net");
    assert!(setting("SystemCallFilter").contains("pidfd_getfd"));
}

#[test]
fn systemd_understands_the_unit() {
    let folder = tempfile::tempdir().unwrap();
    let unit = fs::read_to_string(dist().join("portreeve.service")).unwrap();
    let unit = unit.replace("/usr/local/bin/portreeve", env!("CARGO_BIN_EXE_portreeve"));
    fs::write(folder.path().join("portreeve.service"), unit).unwrap();
    let verified =
        Command::new("systemd-analyze").arg("verify").arg(folder.path().join("portreeve.service")).output();
    let Ok(verified) = verified else {
        println!("NOT RUN: there is no systemd-analyze here");
        return;
    };
    // It has something to say of this machine's other units, too.
    let said = String::from_utf8(verified.stderr).unwrap();
    assert!(!said.contains("portreeve.service"), "{said}");
}

#[test]
fn the_example_and_the_first_policy_are_what_the_program_reads() {
    let config = Config::read(&dist().join("portreeve.yaml")).unwrap().config;
    assert!(config.resources.contains_key("shop"));
    let (policy, _) = read_policies(&[], &[dist().join("policy.yaml")]).unwrap();
    assert!(!policy.rules().is_empty());
}
