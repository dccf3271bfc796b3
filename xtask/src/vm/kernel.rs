//! The kernel that the machine boots: one of Debian's for clouds, fetched once, or a file of the user's.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    cache::Cache,
    debian::Apt,
    process::{find, output, say},
};

/// Debian's suites with kernels, asked in this order for a version that the machine's own apt settings do not name.
const SUITES: [&str; 5] = ["bookworm", "bookworm-backports", "trixie", "trixie-backports", "sid"];

/// How a package with a kernel is named, before its version.
const IMAGE: &str = "linux-image-";

/// A kernel and its modules.
pub(super) struct Kernel {
    /// As the user named it, fit for a file's name.
    pub(super) name: String,
    pub(super) image: PathBuf,
    /// Its folder `lib/modules/VERSION`; none if everything is built in.
    pub(super) modules: Option<PathBuf>,
}

impl Kernel {
    /// The kernel that `wanted` means: a file, or a version like `6.1`.
    ///
    /// # Errors
    ///
    /// It is neither, or cannot be fetched.
    pub(super) fn find(wanted: &str, modules: Option<&Path>, cache: &Cache) -> Result<Self> {
        let path = Path::new(wanted);
        if path.is_file() {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            return Ok(Self { name, image: path.to_owned(), modules: modules.map(Path::to_owned) });
        }
        if !is_version(wanted) {
            bail!("`{wanted}` is neither a kernel's file nor a version like 6.1");
        }
        if modules.is_some() {
            bail!("--modules belongs to a kernel's file; Debian's {wanted} has its own");
        }
        let folder = cache.fill(&format!("kernel-{wanted}-x86_64"), |folder| {
            fetch(wanted, folder).with_context(|| format!("Debian's cloud kernel {wanted} cannot be had"))
        })?;
        let modules = only_entry(&folder.join("lib/modules"))?;
        let version = modules.file_name().unwrap_or_default().to_string_lossy().into_owned();
        say(&format!("the kernel is Debian's {version} (remove {} to fetch a newer one)", folder.display()));
        Ok(Self { name: wanted.to_owned(), image: folder.join("vmlinuz"), modules: Some(modules) })
    }
}

fn is_version(wanted: &str) -> bool {
    wanted.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Puts `vmlinuz` and `lib/modules/VERSION` into the folder.
fn fetch(wanted: &str, folder: &Path) -> Result<()> {
    let mut tried = Vec::new();
    for suite in std::iter::once(None).chain(SUITES.map(Some)) {
        let named = suite.unwrap_or("suites of this machine");
        say(&format!("looking for a kernel {wanted} in Debian's {named}"));
        let apt = match suite {
            None => Apt::of_machine(folder),
            Some(suite) => Apt::of_suite(suite, folder),
        };
        let package = apt.and_then(|apt| {
            let names = apt.names(&format!("^{IMAGE}{}", wanted.replace('.', "[.]")))?;
            Ok((newest(wanted, &names).map(str::to_owned), apt))
        });
        match package {
            Ok((Some(package), apt)) => {
                say(&format!("fetching {package}"));
                return fetch_from(&apt, &package, folder);
            }
            Ok((None, _)) => tried.push(format!("{named}: no such kernel")),
            Err(error) => tried.push(format!("{named}: {error:#}")),
        }
    }
    bail!("none of these has it:\n  {}", tried.join("\n  "))
}

/// Of packages like `linux-image-6.1.0-50-cloud-amd64` the newest of the wanted version, signed, with the kernel in it:
/// `linux-image-6.12-cloud-amd64` only names another.
fn newest<'a>(wanted: &str, names: &'a [String]) -> Option<&'a str> {
    let kernels = names.iter().filter_map(|name| {
        let version = name.strip_prefix(IMAGE)?.strip_suffix("-cloud-amd64")?;
        let rest = version.strip_prefix(wanted)?;
        let numbers =
            rest.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse::<u64>().ok());
        rest.starts_with('.').then(|| (numbers.collect::<Vec<_>>(), name.as_str()))
    });
    kernels.max().map(|(_, name)| name)
}

fn fetch_from(apt: &Apt, package: &str, folder: &Path) -> Result<()> {
    let version = package.strip_prefix(IMAGE).unwrap_or(package);
    let mut packages = vec![package.to_owned()];
    // Since 7.3 what that package held lies in these.
    for part in ["base", "binary", "modules"].map(|part| format!("linux-{part}-{version}")) {
        if !apt.versions(&part)?.is_empty() {
            packages.push(part);
        }
    }
    let unpacked = apt.fetch(&packages.iter().map(String::as_str).collect::<Vec<_>>())?;
    let first = |places: [String; 2]| {
        places.map(|place| unpacked.path().join(place)).into_iter().find(|path| path.exists())
    };
    let modules = ["lib/modules", "usr/lib/modules"].map(|place| format!("{place}/{version}"));
    let modules = first(modules).context("the packages have no modules")?;
    fs::create_dir_all(folder.join("lib/modules"))?;
    let image = [format!("boot/vmlinuz-{version}"), format!("usr/lib/modules/{version}/vmlinuz")];
    fs::rename(first(image).context("the packages have no kernel")?, folder.join("vmlinuz"))?;
    fs::rename(modules, folder.join("lib/modules").join(version))?;
    // Debian makes the index where the package is installed.
    let depmod = find("depmod").context("there is no depmod")?;
    output(Command::new(depmod).arg("-b").arg(folder).arg(version))?;
    Ok(())
}

fn only_entry(folder: &Path) -> Result<PathBuf> {
    let entry = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?.next();
    Ok(entry.with_context(|| format!("{} is empty", folder.display()))??.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(wanted: &str, names: &[&str], expect: Option<&str>) {
        let names: Vec<String> = names.iter().map(|name| format!("linux-image-{name}")).collect();
        let expect = expect.map(|name| format!("linux-image-{name}"));
        assert_eq!(newest(wanted, &names), expect.as_deref());
    }

    #[test]
    fn the_newest_kernel_of_the_version_is_taken() {
        check(
            "6.1",
            &[
                "6.1.0-9-cloud-amd64",
                "6.1.0-50-cloud-amd64",
                "6.1.0-50-cloud-amd64-unsigned",
                "6.1.0-51-amd64",
            ],
            Some("6.1.0-50-cloud-amd64"),
        );
        check(
            "6.12",
            &["6.12-cloud-amd64", "6.12.99+deb12-cloud-amd64", "6.12.111+deb12-cloud-amd64"],
            Some("6.12.111+deb12-cloud-amd64"),
        );
        check("6.12", &["6.12-cloud-amd64", "6.12.99+deb12-cloud-amd64-dbg"], None);
        check("6.1", &["6.12.99+deb12-cloud-amd64"], None);
        check("6", &["6.1.0-9-cloud-amd64", "6.12.3+deb13-cloud-amd64"], Some("6.12.3+deb13-cloud-amd64"));
    }

    #[test]
    fn a_version_is_numbers_and_dots() {
        assert!(["6", "6.1", "6.12.38"].into_iter().all(is_version));
        assert!(!["", "6.", ".6", "v6.1", "6.1-rc1", "boot/vmlinuz"].into_iter().any(is_version));
    }
}
