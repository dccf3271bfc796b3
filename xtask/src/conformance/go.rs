//! The suite of pgx: its tests out of Debian's package of it, built by Debian's Go. Nothing is installed.

use std::{ffi::OsString, path::Path, process::Command};

use anyhow::{Context as _, Result};

use super::words;
use crate::{
    cache::Cache,
    debian::Apt,
    process::{run, say},
};

/// Go, of the version that Debian's packages are for.
const GO: &str = "1.19";

/// The driver, and what it and its tests are made of.
const PACKAGES: [&str; 21] = [
    "golang-1.19-go",
    "golang-1.19-src",
    "golang-github-cockroachdb-apd-dev",
    "golang-github-davecgh-go-spew-dev",
    "golang-github-gofrs-uuid-dev",
    "golang-github-jackc-chunkreader-v2-dev",
    "golang-github-jackc-pgconn-dev",
    "golang-github-jackc-pgio-dev",
    "golang-github-jackc-pgpassfile-dev",
    "golang-github-jackc-pgproto3-v2-dev",
    "golang-github-jackc-pgservicefile-dev",
    "golang-github-jackc-pgtype-dev",
    "golang-github-jackc-pgx-v4-dev",
    "golang-github-jackc-puddle-dev",
    "golang-github-pkg-errors-dev",
    "golang-github-pmezard-go-difflib-dev",
    "golang-github-shopspring-decimal-dev",
    "golang-github-stretchr-testify-dev",
    "golang-golang-x-crypto-dev",
    "golang-golang-x-text-dev",
    "golang-gopkg-yaml.v3-dev",
];

/// The packages of Go whose tests are run, and what the programs are called.
const TESTS: [(&str, &str); 2] =
    [("github.com/jackc/pgx/v4", "pgx"), ("github.com/jackc/pgx/v4/pgxpool", "pgxpool")];

/// Makes everything the suite needs, and gives the words that name it.
///
/// # Errors
///
/// The packages cannot be fetched, or do not build.
pub(super) fn prepare(cache: &Cache) -> Result<Vec<OsString>> {
    let files = cache.fill(&format!("pgx-v4-go{GO}"), |folder| {
        say("fetching Go and pgx, and building its tests");
        build(folder).context("the tests of pgx cannot be had")
    })?;
    Ok(words("pgx", &[("--files", &files)]))
}

fn build(folder: &Path) -> Result<()> {
    let unpacked = Apt::of_machine(folder)?.fetch(&PACKAGES)?;
    let at = |path: &str| unpacked.path().join(path);
    let root = at("root");
    // Debian lays Go in two folders, and joins them by links that are absolute.
    run(Command::new("cp").arg("-rL").arg(at(&format!("usr/share/go-{GO}"))).arg(&root))?;
    run(Command::new("cp").arg("-rn").arg(at(&format!("usr/lib/go-{GO}/bin"))).arg(&root))?;
    run(Command::new("cp").arg("-rn").arg(at(&format!("usr/lib/go-{GO}/pkg"))).arg(&root))?;
    for (package, program) in TESTS {
        let mut go = Command::new(root.join("bin/go"));
        go.args(["test", "-c", "-o"]).arg(folder.join(program)).arg(package);
        go.env("GOROOT", &root).env("GOPATH", at("usr/share/gocode")).env("GO111MODULE", "off");
        go.env("GOCACHE", at("cache")).env("GOFLAGS", "").env("CGO_ENABLED", "0");
        run(&mut go)?;
    }
    Ok(())
}
