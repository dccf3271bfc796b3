//! Where this machine's own authority lies: one file, with its key and its certificate.

use std::fs::{DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use tempfile::NamedTempFile;

use super::Error;
use crate::secret::{self, Secret};
use crate::trusted;

/// Both in one file, so that it is there as a whole or not at all.
const FILE: &str = "authority.pem";

/// Before any machine's first start: its clock may be set only after it.
const NOT_BEFORE: (i32, u8, u8) = (2020, 1, 1);
/// In years. Machines do not live so long.
const VALID_FOR: i32 = 10;

/// Where it lies.
pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

/// The authority in this folder; a new one where there is none.
pub(super) fn open_or_make(folder: &Path) -> Result<(PathBuf, Secret), Error> {
    let path = path(folder);
    match Secret::read(&path) {
        Err(secret::Error::File(trusted::Error::Read { source, .. }))
            if source.kind() == io::ErrorKind::NotFound => {}
        read => return Ok((path, read?)),
    }
    make(folder, &path)?;
    // Whoever else made one meanwhile was first, and is read.
    let made = Secret::read(&path)?;
    Ok((path, made))
}

fn make(folder: &Path, path: &Path) -> Result<(), Error> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Folder { path, source }
    };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(at(folder))?;
    let both = new_authority()?;
    // Nobody but its owner can read it, and it is there as a whole or not at all.
    let mut file = NamedTempFile::new_in(folder).map_err(at(folder))?;
    file.write_all(both.expose()).and_then(|()| file.as_file().sync_all()).map_err(at(path))?;
    match file.persist_noclobber(path) {
        Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => Err(at(path)(error.error)),
        // Whoever else made one meanwhile was first.
        Err(_) => Ok(()),
        // What the machine may trust from now on must be there after a power cut.
        Ok(_) => File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder)),
    }
}

/// Its key and its certificate, in PEM.
fn new_authority() -> Result<Secret, Error> {
    let key = KeyPair::generate()?;
    let year = i32::from(jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).year());
    let (from, month, day) = NOT_BEFORE;
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let mut params = CertificateParams::default();
    params.not_before = date_time_ymd(from, month, day);
    params.not_after = date_time_ymd(year.max(from) + VALID_FOR, month, day);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Portreeve");
    params.distinguished_name.push(DnType::CommonName, format!("Portreeve on {name}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = params.self_signed(&key)?;
    Ok(Secret::new(format!("{}{}", key.serialize_pem(), certificate.pem())))
}
