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
    process::{exists, output, run, say},
};

/// Debian suites that carry rust-src in versions newer than a stable release.
const SUITES: [&str; 1] = ["trixie-backports"];
/// What Debian's archive is signed with; part of every Debian.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

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

/// Fetches Debian's package from the archive that this machine's apt uses, and unpacks it. Neither
/// needs root: apt gets folders of its own.
fn from_debian(release: &str, folder: &Path) -> Result<()> {
    for program in ["apt-get", "apt-cache", "dpkg"] {
        if !exists(program) {
            bail!("this machine has no {program}");
        }
    }
    let archive = archive()?;
    let scratch = tempfile::tempdir_in(folder.parent().unwrap_or(folder))?;
    for suite in SUITES {
        say(&format!("looking for rust-src {release} in Debian's {suite}"));
        let list = scratch.path().join("sources.list");
        fs::write(&list, format!("deb [signed-by={KEYRING}] {archive} {suite} main\n"))?;
        let apt = |program: &str| {
            let option = |name: &str, value: &Path| format!("{name}={}", value.display());
            let mut command = Command::new(program);
            command.current_dir(scratch.path()).args([
                "-o",
                &option("Dir::Etc::sourcelist", &list),
                "-o",
                "Dir::Etc::sourceparts=/dev/null",
                "-o",
                &option("Dir::State::lists", &scratch.path().join("lists")),
                "-o",
                &option("Dir::Cache", &scratch.path().join("cache")),
                // As root, apt would drop to a user who may not write here.
                "-o",
                "APT::Sandbox::User=root",
            ]);
            command
        };
        fs::create_dir_all(scratch.path().join("lists/partial"))?;
        fs::create_dir_all(scratch.path().join("cache/archives/partial"))?;
        output(apt("apt-get").arg("update"))?;
        // Lines like `rust-src | 1.95.0+dfsg1-2~bpo13+1 | ARCHIVE SUITE/main amd64 Packages`.
        let versions = output(apt("apt-cache").args(["madison", "rust-src"]))?;
        let version =
            versions.lines().filter_map(|line| line.split('|').nth(1)).map(str::trim).find(|version| {
                version.strip_prefix(release).is_some_and(|rest| rest.starts_with(['+', '-']))
            });
        let Some(version) = version else { continue };
        say(&format!("fetching rust-src {version}"));
        output(apt("apt-get").args(["download", &format!("rust-src={version}")]))?;
        return unpack(release, scratch.path(), folder);
    }
    bail!("none of {SUITES:?} has rust-src {release}")
}

fn unpack(release: &str, scratch: &Path, folder: &Path) -> Result<()> {
    let packages = fs::read_dir(scratch)?.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let package = packages
        .into_iter()
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("apt-get download left no package")?;
    let unpacked = scratch.join("unpacked");
    run(Command::new("dpkg").arg("-x").arg(&package).arg(&unpacked))?;
    // The package has the compiler's sources too, which are many times larger.
    let library = unpacked.join(format!("usr/src/rustc-{release}/library"));
    if !is_complete(&library) {
        bail!("the package does not have the sources where they are expected ({})", library.display());
    }
    fs::rename(library, folder.join("library"))?;
    Ok(())
}

/// The archive's address, out of this machine's own apt settings.
fn archive() -> Result<String> {
    let targets = output(Command::new("apt-get").args([
        "indextargets",
        "--format",
        "$(REPO_URI) $(RELEASE)",
        "Created-By: Packages",
    ]))?;
    // The suite that a stable Debian begins with; `bookworm-security` lies elsewhere.
    let plain = targets.lines().filter_map(|line| line.split_once(' ')).find(|(_, suite)| {
        !suite.contains("security") && !suite.contains("-updates") && !suite.contains("-backports")
    });
    Ok(plain.context("apt knows no Debian archive (is this Debian?)")?.0.to_owned())
}
