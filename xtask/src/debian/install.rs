//! Installing what is missing on this machine.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::process::{exists, run, say};

/// A package, and how to see that it is there.
pub(crate) struct Package {
    /// Debian's name for it.
    pub(crate) name: &'static str,
    /// Whether what it is wanted for is there, however it came.
    pub(crate) is_there: fn() -> bool,
}

/// Finds the packages, or installs what is missing.
///
/// # Errors
///
/// Something is missing and cannot be installed; with the cure.
pub(crate) fn ensure(packages: &[Package]) -> Result<()> {
    let missing: Vec<&str> =
        packages.iter().filter(|package| !(package.is_there)()).map(|package| package.name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    let cure = format!("install it: apt-get install {list}");
    if !rustix::process::geteuid().is_root() {
        bail!("this machine lacks {list}, which only root may install\ncure: {cure}");
    }
    if !exists("apt-get") {
        bail!("this machine lacks {list} and has no apt-get\ncure: install what these Debian packages hold");
    }
    say(&format!("installing Debian's {list} (a minute)"));
    // No cluster of its own: the world makes throwaway ones. Nor does any service begin to run.
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").env("PG_CREATE_CLUSTER", "no").env("RUNLEVEL", "1");
        command
    };
    run(apt().args(["-qq", "update"])).context(cure.clone())?;
    run(apt().args(["-qq", "-y", "--no-install-recommends", "install"]).args(&missing)).context(cure)?;
    match packages.iter().find(|package| !(package.is_there)()) {
        None => Ok(()),
        Some(package) => bail!("{} was installed, and what it should hold is not there", package.name),
    }
}
