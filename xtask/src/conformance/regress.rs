//! PostgreSQL's own regression suite: its files out of Debian's source package, and the functions in C that some of
//! its tests call.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use super::words;
use crate::{
    cache::Cache,
    debian::Apt,
    postgres,
    process::{run, say},
};

/// Makes everything the suite needs, and gives the words that name it.
///
/// # Errors
///
/// The sources cannot be fetched, or the functions cannot be built.
pub(super) fn prepare(cache: &Cache) -> Result<Vec<OsString>> {
    let server = postgres::Installed::find()?;
    let files = files(cache, &server)?;
    let library = library(cache, &server, &files)?;
    Ok(words("regress", &[("--files", &files), ("--library", &library)]))
}

/// The same for some of the tests, without what has to be built.
///
/// # Errors
///
/// The sources cannot be fetched.
pub(super) fn prepare_quick(cache: &Cache) -> Result<Vec<OsString>> {
    let files = files(cache, &postgres::Installed::find()?)?;
    Ok(words("quick", &[("--files", &files)]))
}

/// The folder `src/test/regress` of the server's version.
///
/// # Errors
///
/// It cannot be fetched.
fn files(cache: &Cache, server: &postgres::Installed) -> Result<PathBuf> {
    let postgres::Installed { major, version } = server;
    cache.fill(&format!("postgresql-{version}-regress"), |folder| {
        say(&format!("fetching PostgreSQL's regression tests ({version})"));
        let package = format!("postgresql-{major}");
        let apt = Apt::of_sources(folder)?;
        let sources = of_version(&package, version, |wanted| apt.source(wanted, &["*/src/test/regress"]))?;
        let release = only_entry(sources.path())?;
        move_entries(&release.join("src/test/regress"), folder)
    })
}

/// A folder with `regress.so`, built from one file.
fn library(cache: &Cache, server: &postgres::Installed, files: &Path) -> Result<PathBuf> {
    let postgres::Installed { major, version } = server;
    cache.fill(&format!("postgresql-{version}-regress-library"), |folder| {
        say("building the functions in C of PostgreSQL's regression tests");
        let package = format!("postgresql-server-dev-{major}");
        let apt = Apt::of_machine(folder)?;
        let headers = of_version(&package, version, |wanted| apt.fetch(&[wanted]))?;
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O2", "-w", "-I"]);
        compiler.arg(headers.path().join(format!("usr/include/postgresql/{major}/server")));
        compiler.arg("-o").arg(folder.join("regress.so")).arg(files.join("regress.c"));
        run(&mut compiler).context("needs Debian's gcc and libc6-dev")
    })
}

/// Fetches the version of the server, or where the archive has left it behind the newest: both ways run the same.
fn of_version(package: &str, version: &str, fetch: impl Fn(&str) -> Result<TempDir>) -> Result<TempDir> {
    fetch(&format!("{package}={version}")).or_else(|error| {
        say(&format!("taking the newest {package}: {error:#}"));
        fetch(package)
    })
}

fn move_entries(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::rename(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

fn only_entry(folder: &Path) -> Result<PathBuf> {
    let entry = fs::read_dir(folder)?.next().context("nothing was unpacked")?;
    Ok(entry?.path())
}
