//! Self-signed certificates, by `openssl`.

use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::postgres::owner;
use crate::process::output;

/// Makes `cert.pem` for `db.example` with its key, and `other.pem` that has signed nothing, in a new folder; gives
/// the server's settings for the first.
///
/// # Errors
///
/// There is no `openssl`, or it fails.
pub fn make(folder: &Path) -> Result<Vec<String>> {
    fs::create_dir(folder)?;
    let (uid, gid) = owner()?;
    for name in ["cert", "other"] {
        let (key, certificate) = (folder.join(format!("{name}.key")), folder.join(format!("{name}.pem")));
        output(
            Command::new("openssl")
                .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
                .args(["-days", "2", "-subj", "/CN=db.example", "-addext", "subjectAltName=DNS:db.example"])
                .args(["-addext", "basicConstraints=critical,CA:FALSE"])
                .arg("-keyout")
                .arg(&key)
                .arg("-out")
                .arg(&certificate),
        )?;
        chown(&key, Some(uid), Some(gid))?;
    }
    let at = |name: &str| folder.join(name).display().to_string();
    Ok(vec![
        "ssl=on".to_owned(),
        format!("ssl_cert_file={}", at("cert.pem")),
        format!("ssl_key_file={}", at("cert.key")),
    ])
}
