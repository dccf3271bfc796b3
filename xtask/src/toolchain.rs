//! What Rust needs to compile for the kernel: the standard library's sources and bpf-linker.
//!
//! What is missing is fetched or built into the cache folder. The installed toolchain is changed in one
//! way only, the one that rustup offers: `rustup component add rust-src`.

mod bpf_linker;
mod rust_src;

use std::{path::PathBuf, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::{
    cache::Cache,
    process::{cargo, output, rustc},
};

/// The compiler as it describes itself.
pub(crate) struct Compiler {
    /// The version, like `1.95.0`.
    release: String,
    /// The commit that it was built from; with `release` it names the compiler in the cache.
    commit: String,
    /// The LLVM that it ships, like `22`.
    llvm_major: u32,
    /// The folder with `lib/rustlib`.
    sysroot: PathBuf,
}

impl Compiler {
    fn ask() -> Result<Self> {
        let verbose = output(rustc().arg("-vV")).context("no Rust compiler: install rustup's stable")?;
        let field = |name: &str| {
            let line = verbose.lines().find_map(|line| line.strip_prefix(name));
            line.map(str::trim).with_context(|| format!("`rustc -vV` does not say `{name}`"))
        };
        let llvm = field("LLVM version:")?;
        let llvm_major = llvm.split('.').next().unwrap_or_default();
        Ok(Self {
            release: field("release:")?.to_owned(),
            commit: field("commit-hash:")?.chars().take(9).collect(),
            llvm_major: llvm_major.parse().with_context(|| format!("LLVM version `{llvm}`"))?,
            sysroot: PathBuf::from(output(rustc().args(["--print", "sysroot"]))?.trim_end()),
        })
    }

    /// How the cache names what belongs to this compiler.
    fn key(&self) -> String {
        format!("rustc-{}-{}", self.release, self.commit)
    }
}

/// Where to look for rust-src.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum RustSrc {
    /// The toolchain's own, else rustup, else Debian
    #[default]
    Any,
    /// Only Debian's package, unpacked into the cache; the toolchain stays untouched
    Debian,
}

/// All that is needed to compile for the BPF target.
pub(crate) struct Toolchain {
    compiler: Compiler,
    rust_src: PathBuf,
    bpf_linker: PathBuf,
}

impl Toolchain {
    /// Finds the parts, and makes what is missing.
    ///
    /// # Errors
    ///
    /// What could not be had, and what the user can do about it.
    pub(crate) fn ensure(cache: &Cache, from: RustSrc) -> Result<Self> {
        let compiler = Compiler::ask()?;
        if cfg!(target_endian = "big") {
            bail!("the kernel side is built for little endian machines only");
        }
        let rust_src = rust_src::ensure(&compiler, cache, from)?;
        let bpf_linker = bpf_linker::ensure(&compiler, cache)?;
        Ok(Self { compiler, rust_src, bpf_linker })
    }

    /// A cargo command (`build`, `clippy`) for the BPF target, with its standard library from source.
    pub(crate) fn cargo(&self, subcommand: &str) -> Result<Command> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = self.bpf_linker.parent().map(PathBuf::from).into_iter();
        let path = std::env::join_paths(folders.chain(std::env::split_paths(&path)))?;
        // Debug information is where the maps' BTF comes from; see aya-build, whose flags these are.
        let flags = [
            format!("--cfg=bpf_target_arch=\"{}\"", std::env::consts::ARCH),
            "-Cdebuginfo=2".to_owned(),
            "-Clink-arg=--btf".to_owned(),
        ];
        let mut command = cargo();
        command
            .args([subcommand, "--release", "--target", "bpfel-unknown-none", "-Z", "build-std=core"])
            .env("RUSTC_BOOTSTRAP", "1")
            .env("PATH", path)
            .env("LD_LIBRARY_PATH", bpf_linker::library_path(&self.compiler))
            .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
            .env_remove("RUSTFLAGS");
        if !self.rust_src.starts_with(&self.compiler.sysroot) {
            // cargo's own tests use this variable to point build-std at sources outside the sysroot;
            // it spares us writing into an installation that is not ours.
            command.env("__CARGO_TESTS_ONLY_SRC_ROOT", &self.rust_src);
        }
        Ok(command)
    }
}
