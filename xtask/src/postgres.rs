//! What the end-to-end world needs of Debian: PostgreSQL, and the programs that make networks and namespaces.

use std::{fs, path::Path};

use anyhow::Result;

use crate::{
    debian::{self, Package},
    process::exists,
};

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

fn has_postgres() -> bool {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    exists("psql") && versions.into_iter().any(|version| version.path().join("bin/postgres").is_file())
}
