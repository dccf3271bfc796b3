//! The standard library's sources, in the compiler's own version.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::{Compiler, RustSrc};
use crate::{
    cache::Cache,
    debian::Apt,
    process::{exists, output, say},
};

/// Debian suites that carry rust-src in versions newer than a stable release.
const SUITES: [&str; 1] = ["trixie-backports"];

/// The folder `library` of the sources.
///
/// # Errors
///
/// Each way that was tried, why it failed, and the cure.
pub(super) fn ensure(compiler: &Compiler, cache: &Cache, from: RustSrc) -> Result<PathBuf> {
    let mut tried = Vec::new();
    if from == RustSrc::Any {
        let installed = compiler.sysroot.join("lib/rustlib/src/rust/library");
        if is_complete(&installed) {
            return Ok(installed);
        }
        match with_rustup(compiler) {
            Ok(()) if is_complete(&installed) => return Ok(installed),
            Ok(()) => tried.push("rustup: its sources are for another toolchain than this one".to_owned()),
            Err(error) => tried.push(format!("rustup: {error:#}")),
        }
    }
    let unpacked = cache
        .fill(&format!("rust-src-{}", compiler.release), |folder| from_debian(&compiler.release, folder));
    match unpacked {
        Ok(folder) => Ok(folder.join("library")),
        Err(error) => {
            tried.push(format!("Debian: {error:#}"));
            bail!(
                "the standard library's sources (rust-src {}) cannot be had:\n  {}\n\
                 cure: run `rustup component add rust-src` where rustup's server can be reached",
                compiler.release,
                tried.join("\n  ")
            )
        }
    }
}

fn is_complete(library: &Path) -> bool {
    library.join("Cargo.lock").is_file() && library.join("core/src/lib.rs").is_file()
}

fn with_rustup(compiler: &Compiler) -> Result<()> {
    if !exists("rustup") {
        bail!("not installed");
    }
    // rustup names a toolchain by its folder.
    let toolchain = compiler.sysroot.file_name().context("the sysroot has no name")?;
    say("adding rust-src with rustup");
    output(Command::new("rustup").args(["component", "add", "rust-src", "--toolchain"]).arg(toolchain))?;
    Ok(())
}

/// Fetches Debian's package from the archive that this machine's apt uses.
fn from_debian(release: &str, folder: &Path) -> Result<()> {
    for suite in SUITES {
        say(&format!("looking for rust-src {release} in Debian's {suite}"));
        let apt = Apt::of_suite(suite, folder)?;
        let version = apt
            .versions("rust-src")?
            .into_iter()
            .find(|version| version.strip_prefix(release).is_some_and(|rest| rest.starts_with(['+', '-'])));
        let Some(version) = version else { continue };
        say(&format!("fetching rust-src {version}"));
        // The package has the compiler's sources too, which are many times larger.
        let package = apt.fetch(&[&format!("rust-src={version}")])?;
        let library = package.path().join(format!("usr/src/rustc-{release}/library"));
        if !is_complete(&library) {
            bail!("the package does not have the sources where they are expected ({})", library.display());
        }
        fs::rename(library, folder.join("library"))?;
        return Ok(());
    }
    bail!("none of {SUITES:?} has rust-src {release}")
}
