//! Where the built kernel side lies, and under which name: shared as text by `xtask`, which builds it,
//! and by the agent's build script, which embeds it.
//!
//! The name is a digest of everything that the object is made from, so that a stale object is never
//! found. It knows nothing of how the object is made.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

/// Raised when the way of building changes (flags, linker) without a change of the sources.
const RECIPE: &str = "1";

/// The cache folder that clones share: `PORTREEVE_CACHE`, else `portreeve` under `XDG_CACHE_HOME` or
/// `~/.cache`; none without any of these variables.
pub(crate) fn cache_dir() -> Option<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("PORTREEVE_CACHE")
        .or_else(|| absolute("XDG_CACHE_HOME").map(|path| path.join("portreeve")))
        .or_else(|| absolute("HOME").map(|path| path.join(".cache/portreeve")))
}

/// The folder of a checkout where its own object is put. Not below `CARGO_TARGET_DIR`, so that every
/// build of this checkout finds it.
pub(crate) fn checkout_dir(workspace: &Path) -> PathBuf {
    workspace.join("target/ebpf")
}

/// The object's file name for the sources as they are now, and the files that it was derived from.
///
/// # Errors
///
/// A source that cannot be read.
pub(crate) fn object_name(workspace: &Path, arch: &str) -> io::Result<(String, Vec<PathBuf>)> {
    let package = workspace.join("agent-ebpf");
    let mut files = vec![package.join("Cargo.toml")];
    sources(&package.join("src"), &mut files)?;
    files.sort();

    let mut digest = Digest::new();
    digest.add(RECIPE.as_bytes());
    for file in &files {
        let name = file.strip_prefix(&package).unwrap_or(file);
        digest.add(name.to_string_lossy().as_bytes());
        digest.add(&fs::read(file)?);
    }
    // Of the lock file only the packages of the programs count, or every dependency of the agent
    // would rebuild them.
    let lock = workspace.join("Cargo.lock");
    for package in fs::read_to_string(&lock)?.split("[[package]]") {
        if package.trim_start().starts_with("name = \"aya-") {
            digest.add(package.as_bytes());
        }
    }
    files.push(lock);
    Ok((format!("portreeve-ebpf-{arch}-{:032x}.o", digest.0), files))
}

fn sources(folder: &Path, into: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sources(&path, into)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
    Ok(())
}

/// FNV-1a of 128 bits: it tells versions of our own files apart, nobody attacks it, and a build script
/// needs no dependency for it.
struct Digest(u128);

impl Digest {
    const fn new() -> Self {
        Self(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }

    /// Adds one field; its length goes first, so that fields cannot run into one another.
    fn add(&mut self, bytes: &[u8]) {
        for byte in (bytes.len() as u64).to_le_bytes().iter().chain(bytes) {
            self.0 = (self.0 ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
    }
}
