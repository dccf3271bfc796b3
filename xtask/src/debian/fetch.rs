//! Fetching packages without installing them. This needs no root: apt gets folders of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use crate::process::{exists, output, run};

/// What Debian's archive is signed with; part of every Debian.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// apt with lists and packages in a folder of its own, which goes with it.
pub(crate) struct Apt {
    scratch: TempDir,
    sources: PathBuf,
}

impl Apt {
    /// Knows one suite of the archive that this machine uses, whether or not its settings name that suite. The folder
    /// lies beside `beside`, so that what is fetched can be moved there.
    ///
    /// # Errors
    ///
    /// This is no Debian, or the archive cannot be reached or has no such suite.
    pub(crate) fn of_suite(suite: &str, beside: &Path) -> Result<Self> {
        for program in ["apt-get", "apt-cache", "dpkg"] {
            if !exists(program) {
                bail!("this machine has no {program}");
            }
        }
        let scratch = tempfile::tempdir_in(beside.parent().unwrap_or(beside))?;
        for folder in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(scratch.path().join(folder))?;
        }
        let list = scratch.path().join("sources.list");
        fs::write(&list, format!("deb [signed-by={KEYRING}] {} {suite} main\n", archive()?))?;
        let apt = Self { scratch, sources: list };
        output(apt.command("apt-get").arg("update"))?;
        Ok(apt)
    }

    fn command(&self, program: &str) -> Command {
        let option = |name: &str, value: &Path| format!("{name}={}", value.display());
        let mut command = Command::new(program);
        command.current_dir(self.scratch.path()).args([
            "-o",
            &option("Dir::Etc::sourcelist", &self.sources),
            "-o",
            "Dir::Etc::sourceparts=/dev/null",
            "-o",
            &option("Dir::State::lists", &self.scratch.path().join("lists")),
            "-o",
            &option("Dir::Cache", &self.scratch.path().join("cache")),
            // As root, apt would drop to a user who may not write here.
            "-o",
            "APT::Sandbox::User=root",
        ]);
        command
    }

    /// The versions of a package, the newest first.
    ///
    /// # Errors
    ///
    /// apt fails.
    pub(crate) fn versions(&self, package: &str) -> Result<Vec<String>> {
        // Lines like `rust-src | 1.95.0+dfsg1-2~bpo13+1 | ARCHIVE SUITE/main amd64 Packages`.
        let lines = output(self.command("apt-cache").args(["madison", package]))?;
        Ok(lines
            .lines()
            .filter_map(|line| line.split('|').nth(1))
            .map(|field| field.trim().to_owned())
            .collect())
    }

    /// Fetches packages, each `PACKAGE` or `PACKAGE=VERSION`, and unpacks them into one folder beside ours.
    ///
    /// # Errors
    ///
    /// There is none of that name, or it cannot be fetched.
    pub(crate) fn fetch(&self, packages: &[&str]) -> Result<TempDir> {
        let unpacked = tempfile::tempdir_in(self.scratch.path().parent().unwrap_or(self.scratch.path()))?;
        output(self.command("apt-get").arg("download").args(packages))?;
        for entry in fs::read_dir(self.scratch.path())? {
            let file = entry?.path();
            if file.extension().is_some_and(|extension| extension == "deb") {
                run(Command::new("dpkg").arg("-x").arg(&file).arg(unpacked.path()))?;
                fs::remove_file(file)?;
            }
        }
        Ok(unpacked)
    }
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
