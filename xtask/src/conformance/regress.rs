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
    postgres::{Installed, Major},
    process::{run, say},
};

/// Makes everything the suite needs, and gives the words that name it; for Debian's server, if for no other.
///
/// # Errors
///
/// The sources cannot be fetched, or the functions cannot be built.
pub(super) fn prepare(cache: &Cache, server: Option<&Major>) -> Result<Vec<OsString>> {
    let files = files(cache, server)?;
    let library = match server {
        None => library(cache, &Installed::find()?, &files)?,
        Some(server) => library_of_major(cache, server, &files)?,
    };
    Ok(words("regress", &[("--files", &files), ("--library", &library)]))
}

/// The same for some of the tests, without what has to be built.
///
/// # Errors
///
/// The sources cannot be fetched.
pub(super) fn prepare_quick(cache: &Cache, server: Option<&Major>) -> Result<Vec<OsString>> {
    Ok(words("quick", &[("--files", &files(cache, server)?)]))
}

/// The folder `src/test/regress` of the server's major; or where Debian does not have that, of Debian's own: what tests
/// ask of another major fails both ways alike.
///
/// # Errors
///
/// It cannot be fetched.
pub(super) fn files(cache: &Cache, server: Option<&Major>) -> Result<PathBuf> {
    if let Some(server) = server
        && let Some(suite) = server.sources()
    {
        return files_of_major(cache, server, suite);
    }
    let Installed { major, version } = Installed::find()?;
    cache.fill(&format!("postgresql-{version}-regress"), |folder| {
        say(&format!("fetching PostgreSQL's regression tests ({version})"));
        let package = format!("postgresql-{major}");
        let apt = Apt::of_sources(folder)?;
        let sources = of_version(&package, &version, |wanted| apt.source(wanted, &["*/src/test/regress"]))?;
        move_regress(&sources, folder)
    })
}

/// The same of a release that a suite of Debian's has: hardly the server's own, and both ways run the same.
fn files_of_major(cache: &Cache, server: &Major, suite: &str) -> Result<PathBuf> {
    files_of_suite(cache, &server.number().to_string(), suite)
}

/// The same of the newest release of a major in a suite of Debian's.
///
/// # Errors
///
/// It cannot be fetched.
pub(super) fn files_of_suite(cache: &Cache, major: &str, suite: &str) -> Result<PathBuf> {
    let package = format!("postgresql-{major}");
    cache.fill(&format!("{package}-{suite}-regress"), |folder| {
        say(&format!("fetching the regression tests of {package} in Debian's {suite}"));
        let sources = Apt::of_suite(suite, folder)?.source(&package, &["*/src/test/regress"])?;
        move_regress(&sources, folder)
    })
}

fn move_regress(sources: &TempDir, folder: &Path) -> Result<()> {
    move_entries(&only_entry(sources.path())?.join("src/test/regress"), folder)
}

/// A folder with `regress.so`, built from one file.
fn library(cache: &Cache, server: &Installed, files: &Path) -> Result<PathBuf> {
    let Installed { major, version } = server;
    cache.fill(&format!("postgresql-{version}-regress-library"), |folder| {
        let package = format!("postgresql-server-dev-{major}");
        let apt = Apt::of_machine(folder)?;
        let headers = of_version(&package, version, |wanted| apt.fetch(&[wanted]))?;
        compile(files, &headers.path().join(format!("usr/include/postgresql/{major}/server")), folder)
    })
}

/// The same for a server of another major. It is without, where the file is of yet another one and does not compile.
fn library_of_major(cache: &Cache, server: &Major, files: &Path) -> Result<PathBuf> {
    cache.fill(&format!("postgresql-{}-regress-library", server.version()), |folder| {
        match compile(files, &server.headers(), folder) {
            Err(error) if server.sources().is_none() => {
                say(&format!("the functions in C of the tests are left out: {error:#}"));
                Ok(())
            }
            compiled => compiled,
        }
    })
}

fn compile(files: &Path, headers: &Path, folder: &Path) -> Result<()> {
    say("building the functions in C of PostgreSQL's regression tests");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O2", "-w", "-I"]).arg(headers);
    compiler.arg("-o").arg(folder.join("regress.so")).arg(files.join("regress.c"));
    run(&mut compiler).context("needs Debian's gcc and libc6-dev")
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
