//! The programs of this machine that go into the virtual one, the tests' own among them, with the libraries that they
//! need.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::{
    build_ebpf,
    cache::Cache,
    debian::{Apt, Package},
    process::{cargo, exists, find, output, say, workspace},
    toolchain::RustSrc,
};

/// What `init.sh` and the tests start, and busybox does less well or not at all.
const PROGRAMS: [&str; 7] = ["bash", "ip", "kmod", "nft", "nsenter", "setpriv", "unshare"];

/// What has them, and the machine itself.
pub(super) const PACKAGES: [Package; 5] = [
    Package { name: "qemu-system-x86", is_there: || exists("qemu-system-x86_64") },
    Package { name: "kmod", is_there: || exists("kmod") && exists("depmod") },
    Package { name: "nftables", is_there: || exists("nft") },
    Package { name: "iproute2", is_there: || exists("ip") },
    Package { name: "util-linux", is_there: || exists("nsenter") && exists("setpriv") && exists("unshare") },
];

/// The program that holds the agent's own tests.
///
/// # Errors
///
/// It cannot be built.
pub(super) fn build_tests() -> Result<PathBuf> {
    build_ebpf::ensure(RustSrc::default())?;
    say("building the tests");
    let messages = output(
        cargo()
            .args([
                "test",
                "--no-run",
                "--package",
                "portreeve",
                "--lib",
                "--message-format=json-render-diagnostics",
            ])
            .current_dir(workspace()),
    )?;
    let mut programs = messages.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let path = message["executable"].as_str()?;
        (message["profile"]["test"] == true).then(|| PathBuf::from(path))
    });
    programs.next_back().context("cargo built no tests")
}

/// Files, by where they go.
pub(super) type Files = BTreeMap<String, PathBuf>;

/// The programs, the file that holds the tests, and all their libraries.
///
/// # Errors
///
/// One is missing here.
pub(super) fn find_all(tests: &Path, busybox: &Path) -> Result<Files> {
    let mut files = Files::from([
        ("/vm/tests".to_owned(), tests.to_owned()),
        ("/bin/busybox".to_owned(), busybox.to_owned()),
    ]);
    let mut dynamic = vec![tests.to_owned()];
    for program in PROGRAMS {
        let path = find(program).with_context(|| format!("this machine has no {program}"))?;
        files.insert(format!("/bin/{program}"), path.clone());
        dynamic.push(path);
    }
    for library in libraries(&output(Command::new("ldd").args(&dynamic))?)? {
        let name = library.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // The loader is where the programs say; it looks for the others in /lib, too.
        let place =
            if name.starts_with("ld-") { library.display().to_string() } else { format!("/lib/{name}") };
        files.insert(place, library);
    }
    Ok(files)
}

/// The files that ldd(1) names.
fn libraries(ldd: &str) -> Result<BTreeSet<PathBuf>> {
    let mut libraries = BTreeSet::new();
    for line in ldd.lines().filter(|line| line.starts_with('\t')) {
        // `name => /path (0x…)`, `/path (0x…)` for the loader, `name (0x…)` for what the kernel brings.
        let (name, path) = line.trim().split_once(" => ").unwrap_or((line.trim(), line.trim()));
        if path == "not found" {
            bail!("the library {name} is missing on this machine");
        }
        let path = path.split(" (").next().unwrap_or(path);
        if path.starts_with('/') {
            libraries.insert(PathBuf::from(path));
        }
    }
    Ok(libraries)
}

/// Debian's busybox that needs no library. It is fetched, because installing it would take another's place.
///
/// # Errors
///
/// It cannot be fetched.
pub(super) fn busybox(cache: &Cache) -> Result<PathBuf> {
    let folder = cache.fill("busybox-x86_64", |folder| {
        say("fetching busybox-static");
        let package = Apt::of_machine(folder)?.fetch(&["busybox-static"])?;
        let programs = ["bin/busybox", "usr/bin/busybox"].map(|path| package.path().join(path));
        let program = programs.iter().find(|path| path.is_file()).context("the package has no busybox")?;
        Ok(std::fs::rename(program, folder.join("busybox"))?)
    });
    Ok(folder.context("Debian's busybox-static cannot be had")?.join("busybox"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_read_from_what_ldd_says() {
        let ldd = "/bin/bash:\n\
            \tlinux-vdso.so.1 (0x00007ffd)\n\
            \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f1b)\n\
            \t/lib64/ld-linux-x86-64.so.2 (0x00007f1c)\n\
            /vm/tests:\n\
            \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f2b)\n\
            /bin/static:\n\
            \tstatically linked\n";
        let paths = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"];
        assert_eq!(libraries(ldd).unwrap(), paths.map(PathBuf::from).into());
        let error = libraries("\tlibnft.so.1 => not found\n").unwrap_err();
        assert!(error.to_string().contains("libnft.so.1"), "{error}");
    }
}
