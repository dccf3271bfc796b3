//! bpf-linker, built against the LLVM that the compiler itself ships: no LLVM needs to be installed,
//! and the two cannot disagree on the bitcode.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::Compiler;
use crate::{
    cache::Cache,
    process::{cargo, run, say},
};

const VERSION: &str = "0.13.0";

/// The program's path.
///
/// # Errors
///
/// The compiler ships no LLVM library, or the build failed; with the cure.
pub(super) fn ensure(compiler: &Compiler, cache: &Cache) -> Result<PathBuf> {
    let name = format!("bpf-linker-{VERSION}-{}", compiler.key());
    let folder = cache.fill(&name, |folder| {
        say(&format!("building bpf-linker {VERSION} (once for this compiler; one to two minutes)"));
        build(compiler, cache, folder).with_context(|| {
            format!(
                "bpf-linker {VERSION} cannot be built\n\
                 cure: it needs cargo's registry (or a mirror that cargo is configured for) and a C \
                 compiler; a cache folder filled elsewhere with the same compiler works too (PORTREEVE_CACHE)"
            )
        })
    })?;
    Ok(folder.join("bin/bpf-linker"))
}

/// What the linker needs in `LD_LIBRARY_PATH` when it is built and when it runs.
pub(super) fn library_path(compiler: &Compiler) -> PathBuf {
    compiler.sysroot.join("lib")
}

fn build(compiler: &Compiler, cache: &Cache, folder: &Path) -> Result<()> {
    // A prefix as an installed LLVM would have it, with the one library in it.
    let prefix = folder.join("llvm");
    fs::create_dir_all(prefix.join("lib"))?;
    symlink(llvm(compiler)?, prefix.join("lib/libLLVM.so"))?;
    run(cargo()
        .args(["install", "bpf-linker", "--version", VERSION, "--locked", "--no-default-features"])
        .args(["--features", &format!("llvm-{}", compiler.llvm_major)])
        .arg("--root")
        .arg(folder)
        .arg("--target-dir")
        .arg(cache.path("build/bpf-linker"))
        .env("LLVM_PREFIX", &prefix)
        .env("LD_LIBRARY_PATH", library_path(compiler))
        // Not in the checkout, whose settings are not the linker's.
        .current_dir(folder))?;
    // Half a gigabyte that nobody needs again.
    fs::remove_dir_all(cache.path("build/bpf-linker"))?;
    Ok(())
}

/// The compiler's own LLVM, `libLLVM.so.22.1-rust-1.95.0-stable` and the like.
fn llvm(compiler: &Compiler) -> Result<PathBuf> {
    let folder = library_path(compiler);
    let wanted = format!("libLLVM.so.{}", compiler.llvm_major);
    let mut entries = fs::read_dir(&folder)?.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    entries
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&wanted)))
        .with_context(|| {
            format!(
                "{} has no {wanted}…: this compiler was not built by the Rust project; \
                 install rustup's stable and use that",
                folder.display()
            )
        })
}
