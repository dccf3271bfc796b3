//! What the end-to-end world needs of Debian: PostgreSQL, and the programs that make networks and namespaces. And
//! servers of other majors, which Debian does not have beside its own.

mod major;

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result};

use crate::{
    debian::{self, Package},
    process::{exists, output},
};

pub(crate) use self::major::{Choice, MAJORS, Major};

const PACKAGES: [Package; 5] = [
    Package { name: "postgresql", is_there: has_postgres },
    Package { name: "iproute2", is_there: || exists("ip") },
    Package { name: "nftables", is_there: || exists("nft") },
    Package { name: "util-linux", is_there: || exists("setpriv") && exists("nsenter") && exists("unshare") },
    Package { name: "openssl", is_there: || exists("openssl") },
];

/// Finds the packages, or installs what is missing.
///
/// # Errors
///
/// Something is missing and cannot be installed; with the cure.
pub(crate) fn ensure() -> Result<()> {
    debian::ensure(&PACKAGES)
}

/// Finds pgbouncer, or installs it.
///
/// # Errors
///
/// As [`ensure`].
pub(crate) fn ensure_bouncer() -> Result<()> {
    debian::ensure(&[Package { name: "pgbouncer", is_there: || Path::new("/usr/sbin/pgbouncer").is_file() }])
}

/// The server that the world runs: the newest that is installed.
#[derive(Debug)]
pub(crate) struct Installed {
    /// Its major version.
    pub(crate) major: u32,
    /// The version of Debian's source package that it was built from.
    pub(crate) version: String,
}

impl Installed {
    /// Asks the machine.
    ///
    /// # Errors
    ///
    /// There is no server, or it is not Debian's.
    pub(crate) fn find() -> Result<Self> {
        let major = majors().into_iter().max().context("no PostgreSQL is installed")?;
        let mut query = Command::new("dpkg-query");
        query.args(["--show", "--showformat", "${source:Version}", &format!("postgresql-{major}")]);
        Ok(Self { major, version: output(&mut query)? })
    }
}

fn has_postgres() -> bool {
    exists("psql") && !majors().is_empty()
}

/// The major versions whose server is installed.
fn majors() -> Vec<u32> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let servers = versions.filter(|version| version.path().join("bin/postgres").is_file());
    servers.filter_map(|version| version.file_name().to_str()?.parse().ok()).collect()
}
