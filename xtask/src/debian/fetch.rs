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
    /// Its own list; none for what the machine's own settings name.
    sources: Option<PathBuf>,
}

impl Apt {
    /// Knows what this machine's own settings name, as it is now. The folder lies beside `beside`, so that what is
    /// fetched can be moved there.
    ///
    /// # Errors
    ///
    /// This is no Debian, or the archive cannot be reached.
    pub(crate) fn of_machine(beside: &Path) -> Result<Self> {
        Self::new(beside, None)
    }

    /// Knows the source packages of what this machine's own settings name, whether or not they name sources too.
    ///
    /// # Errors
    ///
    /// As [`of_machine`](Self::of_machine).
    pub(crate) fn of_sources(beside: &Path) -> Result<Self> {
        // Whose an archive is, its index says: other people's archives may have no sources.
        let machine = Self::of_machine(beside)?;
        let format = "$(ORIGIN) $(REPO_URI) $(RELEASE) $(COMPONENT)";
        let told = output(machine.command("apt-get").args([
            "indextargets",
            "--format",
            format,
            "Created-By: Packages",
        ]))?;
        let lines = told.lines().filter_map(|line| line.strip_prefix("Debian "));
        let list: String = lines.map(|line| format!("deb-src [signed-by={KEYRING}] {line}\n")).collect();
        Self::new(beside, Some(list))
    }

    /// Knows one suite of the archive that this machine uses, whether or not its settings name that suite: its packages
    /// and its sources.
    ///
    /// # Errors
    ///
    /// As [`of_machine`](Self::of_machine); or the archive has no such suite.
    pub(crate) fn of_suite(suite: &str, beside: &Path) -> Result<Self> {
        let archive = archive()?;
        let line = |kind: &str| format!("{kind} [signed-by={KEYRING}] {archive} {suite} main\n");
        Self::new(beside, Some(line("deb") + &line("deb-src")))
    }

    fn new(beside: &Path, sources: Option<String>) -> Result<Self> {
        for program in ["apt-get", "apt-cache", "dpkg"] {
            if !exists(program) {
                bail!("this machine has no {program}");
            }
        }
        let scratch = tempfile::tempdir_in(beside.parent().unwrap_or(beside))?;
        for folder in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(scratch.path().join(folder))?;
        }
        let mut apt = Self { scratch, sources: None };
        if let Some(sources) = sources {
            let list = apt.scratch.path().join("sources.list");
            fs::write(&list, sources)?;
            apt.sources = Some(list);
        }
        output(apt.command("apt-get").arg("update"))?;
        Ok(apt)
    }

    fn command(&self, program: &str) -> Command {
        let option = |name: &str, value: &Path| format!("{name}={}", value.display());
        let mut command = Command::new(program);
        if let Some(sources) = &self.sources {
            command.args(["-o", &option("Dir::Etc::sourcelist", sources)]);
            command.args(["-o", "Dir::Etc::sourceparts=/dev/null"]);
        }
        command.current_dir(self.scratch.path()).args([
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

    /// The packages whose names match the (POSIX extended) pattern.
    ///
    /// # Errors
    ///
    /// apt fails.
    pub(crate) fn names(&self, pattern: &str) -> Result<Vec<String>> {
        // Lines like `linux-image-6.1.0-50-cloud-amd64 - Linux 6.1 for x86-64 cloud (signed)`.
        let lines = output(self.command("apt-cache").args(["search", "--names-only", pattern]))?;
        Ok(lines.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
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

    /// Fetches a source package, `PACKAGE` or `PACKAGE=VERSION`, and unpacks of what its authors released the folders
    /// whose names match one of the patterns of `tar`, into one folder beside ours. Debian's own changes are left out.
    ///
    /// # Errors
    ///
    /// There is none of that name, or it cannot be fetched.
    pub(crate) fn source(&self, wanted: &str, patterns: &[&str]) -> Result<TempDir> {
        let unpacked = tempfile::tempdir_in(self.scratch.path().parent().unwrap_or(self.scratch.path()))?;
        output(self.command("apt-get").args(["source", "--download-only", "--only-source", wanted]))?;
        for entry in fs::read_dir(self.scratch.path())? {
            let file = entry?.path();
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            if name.contains(".orig") && !name.ends_with(".asc") {
                let mut tar = Command::new("tar");
                tar.arg("-xf")
                    .arg(&file)
                    .arg("-C")
                    .arg(unpacked.path())
                    .args(["--no-same-owner", "--wildcards"]);
                run(tar.args(patterns))?;
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
