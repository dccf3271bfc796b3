//! Suites of Python drivers: the tests out of what their authors publish as source, the driver and pytest as packages.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use super::words;
use crate::{
    cache::Cache,
    pip::{self, PYTHON, pip},
    process::{output, run, say},
};

/// What runs the tests.
const PYTEST: [&str; 3] = ["pytest==8.4.2", "pytest-reportlog==1.0.0", "pytest-timeout==2.4.0"];

/// A driver, of a version whose tests are known to run.
pub(super) struct Driver {
    /// Its name at PyPI, which is the suite's.
    name: &'static str,
    version: &'static str,
    /// What is taken of its sources: patterns of `tar`.
    tests: &'static [&'static str],
    /// What its tests import.
    packages: &'static [&'static str],
}

pub(super) const ASYNCPG: Driver =
    Driver { name: "asyncpg", version: "0.32.0", tests: &["*/tests"], packages: &["asyncpg==0.32.0"] };

pub(super) const PG8000: Driver = Driver {
    name: "pg8000",
    version: "1.31.6",
    tests: &["*/test"],
    packages: &["pg8000==1.31.6", "pytest-mock==3.15.1", "pytest-benchmark==5.2.3", "pytz"],
};

pub(super) const PSYCOPG2: Driver = Driver {
    name: "psycopg2",
    version: "2.9.13",
    tests: &["*/tests"],
    packages: &["psycopg2-binary==2.9.13"],
};

/// Its tests are a part of it, and so the whole of it is run as it lies in its sources, without its module in C.
pub(super) const PY_POSTGRESQL: Driver =
    Driver { name: "py-postgresql", version: "1.3.1", tests: &["*/postgresql"], packages: &[] };

pub(super) const SQLALCHEMY: Driver = Driver {
    name: "sqlalchemy",
    version: "2.1.9",
    tests: &["*/test", "*/lib", "*/setup.cfg"],
    packages: &["sqlalchemy[asyncio]==2.1.9", "psycopg[binary]==3.3.9", "asyncpg==0.32.0"],
};

/// Makes everything the driver's suite needs, and gives the words that name it.
///
/// # Errors
///
/// The packages cannot be fetched.
pub(super) fn prepare(cache: &Cache, driver: &Driver) -> Result<Vec<OsString>> {
    pip::ensure()?;
    let Driver { name, version, .. } = driver;
    // Compiled modules are for one version of Python.
    let python =
        output(Command::new(PYTHON).args(["-c", "import sys; print('%d.%d' % sys.version_info[:2])"]))?;
    let files = cache.fill(&format!("{name}-{version}-python{}", python.trim_end()), |folder| {
        say(&format!("fetching {name} {version} and its tests"));
        fetch(driver, folder).with_context(|| format!("{name} {version} cannot be had"))
    })?;
    Ok(words(name, &[("--files", &files)]))
}

/// Puts `packages` and `tests` into the folder.
fn fetch(driver: &Driver, folder: &Path) -> Result<()> {
    let mut install = pip(&["install", "--quiet", "--target"]);
    run(install.arg(folder.join("packages")).args(PYTEST).args(driver.packages))?;
    let scratch = tempfile::tempdir_in(folder)?;
    let source = format!("{}=={}", driver.name, driver.version);
    let mut download = pip(&["download", "--quiet", "--no-deps", "--no-binary", driver.name, "--dest"]);
    run(download.arg(scratch.path()).arg(source))?;
    let archive = only_entry(scratch.path())?;
    let tests = folder.join("tests");
    fs::create_dir(&tests)?;
    let mut tar = Command::new("tar");
    tar.arg("-xf").arg(archive).arg("-C").arg(tests);
    tar.args(["--no-same-owner", "--strip-components=1", "--wildcards"]);
    run(tar.args(driver.tests))
}

fn only_entry(folder: &Path) -> Result<PathBuf> {
    let entry = fs::read_dir(folder)?.next().context("nothing was fetched")?;
    Ok(entry?.path())
}
