//! `cargo xtask build-ebpf`: the kernel side, from sources to the object that the agent embeds.
//!
//! The object is kept under a digest of its sources, in the cache folder for later clones and in
//! `target/ebpf` for this one. If it is there, nothing is built and no toolchain is looked for.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::{
    cache::Cache,
    process::{self, say, workspace},
    toolchain::{RustSrc, Toolchain},
};

#[path = "../../agent-ebpf/object.rs"]
pub(crate) mod object;

/// Its arguments.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where the standard library's sources may come from
    #[arg(long, value_enum, default_value_t)]
    rust_src: RustSrc,
    /// Build even if the object is there
    #[arg(long)]
    force: bool,
    /// Lint the programs for their own target instead
    #[arg(long)]
    lint: bool,
}

/// The command.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.lint {
        return lint(args.rust_src);
    }
    let object = if args.force { build(args.rust_src)? } else { ensure(args.rust_src)? };
    say(&format!("the kernel side is {}", object.display()));
    Ok(())
}

/// The object for the sources as they are now, built if it is not there. After it, a plain
/// `cargo build` embeds it.
///
/// # Errors
///
/// The toolchain cannot be had, or the build fails.
pub(crate) fn ensure(from: RustSrc) -> Result<PathBuf> {
    let (name, _) = object::object_name(&workspace(), std::env::consts::ARCH)?;
    let here = object::checkout_dir(&workspace()).join(&name);
    if here.is_file() {
        return Ok(here);
    }
    let cached = Cache::open()?.path("ebpf").join(&name);
    if cached.is_file() {
        put(&cached, &here)?;
        return Ok(here);
    }
    build(from)
}

/// Clippy over the programs, for the BPF target, with warnings denied.
///
/// # Errors
///
/// The toolchain cannot be had, or there is something to say about the programs.
pub(crate) fn lint(from: RustSrc) -> Result<()> {
    let cache = Cache::open()?;
    let toolchain = Toolchain::ensure(&cache, from)?;
    run_cargo(&toolchain, "clippy", &["--", "-D", "warnings"])
}

fn build(from: RustSrc) -> Result<PathBuf> {
    let (name, _) = object::object_name(&workspace(), std::env::consts::ARCH)?;
    let cache = Cache::open()?;
    let toolchain = Toolchain::ensure(&cache, from)?;
    say("building the kernel side (under a minute the first time)");
    run_cargo(&toolchain, "build", &[])?;
    let built = target_dir().join("bpfel-unknown-none/release/portreeve-ebpf");
    let cached = cache.path("ebpf").join(&name);
    put(&built, &cached)?;
    let here = object::checkout_dir(&workspace()).join(&name);
    put(&cached, &here)?;
    drop_others(&here)?;
    Ok(here)
}

/// A checkout needs one object; those of its earlier sources stay in the cache.
fn drop_others(here: &Path) -> Result<()> {
    for entry in fs::read_dir(object::checkout_dir(&workspace()))? {
        let path = entry?.path();
        if path != here && path.extension().is_some_and(|extension| extension == "o") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Where it is built. Not shared with other checkouts: cargo would take the program that another one has built last
/// for this one's, where nothing of this one's sources is newer.
fn target_dir() -> PathBuf {
    workspace().join("target/ebpf-build")
}

fn run_cargo(toolchain: &Toolchain, subcommand: &str, rest: &[&str]) -> Result<()> {
    process::run(
        toolchain
            .cargo(subcommand)?
            .args(["--package", "agent-ebpf", "--bin", "portreeve-ebpf", "--features", "programs"])
            .arg("--target-dir")
            .arg(target_dir())
            .args(rest)
            .current_dir(workspace()),
    )
}

/// Copies whole or not at all, so that a build beside us never embeds half an object.
fn put(from: &Path, to: &Path) -> Result<()> {
    let folder = to.parent().context("an object lies in a folder")?;
    fs::create_dir_all(folder)?;
    let scratch = tempfile::NamedTempFile::new_in(folder)?;
    fs::copy(from, scratch.path()).with_context(|| format!("cannot copy {}", from.display()))?;
    scratch.persist(to)?;
    Ok(())
}
