//! Certificates, by `openssl`: self-signed ones of servers, and those of clients by an authority.

use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::postgres::owner;
use crate::process::output;
use crate::world::ROLE;

/// Makes `cert.pem` for `db.example` with its key, and `other.pem` that has signed nothing, in a new folder; and
/// `client.pem` for the daemon's role, by the authority `ca.pem`. Gives the server's settings for the first and the last.
///
/// # Errors
///
/// There is no `openssl`, or it fails.
pub fn make(folder: &Path) -> Result<Vec<String>> {
    fs::create_dir(folder)?;
    for name in ["cert", "other"] {
        let (key, certificate) = (folder.join(format!("{name}.key")), folder.join(format!("{name}.pem")));
        server(&key, &certificate, &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])?;
    }
    client(folder)?;
    let at = |name: &str| folder.join(name).display().to_string();
    // Of all clients, those who show a certificate of this authority; nobody has to show one.
    Ok(vec![
        "ssl=on".to_owned(),
        format!("ssl_cert_file={}", at("cert.pem")),
        format!("ssl_key_file={}", at("cert.key")),
        format!("ssl_ca_file={}", at("ca.pem")),
    ])
}

/// Makes another `cert.pem` with its key, which are the server's once it has read its settings again; `with` are options
/// of `openssl req` for key and signature.
///
/// # Errors
///
/// As [`make`].
pub fn replace(folder: &Path, with: &[&str]) -> Result<()> {
    server(&folder.join("cert.key"), &folder.join("cert.pem"), with)
}

fn server(key: &Path, certificate: &Path, with: &[&str]) -> Result<()> {
    let (uid, gid) = owner()?;
    output(
        Command::new("openssl")
            .args(["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=db.example"])
            .args(["-addext", "subjectAltName=DNS:db.example"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .args(with)
            .arg("-keyout")
            .arg(key)
            .arg("-out")
            .arg(certificate),
    )?;
    Ok(chown(key, Some(uid), Some(gid))?)
}

/// An authority, and its certificate for the daemon's role, whose key is root's.
fn client(folder: &Path) -> Result<()> {
    let at = |name: &str| folder.join(name);
    let made = |subject: &str, name: &str| {
        let mut command = Command::new("openssl");
        command
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
            .args(["-days", "2", "-subj", subject, "-keyout"])
            .arg(at(&format!("{name}.key")))
            .arg("-out")
            .arg(at(&format!("{name}.pem")));
        command
    };
    output(&mut made("/CN=authority", "ca"))?;
    let mut command = made(&format!("/CN={ROLE}"), "client");
    command.args(["-addext", "basicConstraints=critical,CA:FALSE", "-CA"]);
    output(command.arg(at("ca.pem")).arg("-CAkey").arg(at("ca.key")))?;
    Ok(())
}
