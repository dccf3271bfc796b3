//! `cargo xtask fuzz`: throws bytes that nobody has thought of at what reads bytes of others, each target for a while.
//!
//! The package `fuzz` is laid out as cargo-fuzz has it. It is built here with the compiler's own instrumentation, which
//! the stable toolchain has, without a sanitizer, which it has not; nothing has to be installed but a C++ compiler for
//! libFuzzer.

mod corpus;

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::{
    debian::{Package, ensure},
    process::{cargo, exists, output, run as run_command, say, workspace},
};

/// Every target.
const TARGETS: [&str; 4] = ["frames", "startup", "conversation", "analysis"];

/// What cargo-fuzz gives the compiler, without a sanitizer.
const INSTRUMENTED: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing";

/// The longest input that is kept in the tree, in bytes.
const LONGEST_KEPT: &str = "-max_len=400";

/// Its arguments.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only this target
    target: Option<String>,
    /// For how long each is run
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Take what covers more than the kept corpus does into the tree
    #[arg(long)]
    keep: bool,
}

/// The command.
pub(crate) fn run(args: &Args) -> Result<()> {
    let targets: Vec<&str> =
        TARGETS.into_iter().filter(|name| args.target.as_deref().is_none_or(|t| t == *name)).collect();
    if targets.is_empty() {
        bail!("there is no such target; there are {}", TARGETS.join(", "));
    }
    fuzz(&targets, args.seconds, args.keep)
}

/// Every target for so long; CI runs this.
pub(crate) fn short() -> Result<()> {
    fuzz(&TARGETS, 15, false)
}

fn fuzz(targets: &[&str], seconds: u32, keep: bool) -> Result<()> {
    ensure(&[Package { name: "g++", is_there: || exists("c++") }])?;
    build()?;
    for target in targets {
        say(&format!("{target}, {seconds} s"));
        let kept = workspace().join("fuzz/corpus").join(format!("{target}.txt"));
        let [inputs, least, artifacts] =
            ["corpus", "least", "artifacts"].map(|name| work().join(name).join(target));
        for folder in [&inputs, &artifacts] {
            fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        corpus::unpack(&kept, &inputs)?;
        let mut command = Command::new(program(target));
        command
            .arg(&inputs)
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-artifact_prefix={}/", artifacts.display()))
            // An input that takes longer, or more, is a way to keep a worker from everybody else.
            .args(["-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=0", "-verbosity=0"]);
        output(&mut command).with_context(|| {
            format!(
                "{target} failed on an input that lies in {}\ntry it again: {} FILE; and keep it as a test",
                artifacts.display(),
                program(target).display()
            )
        })?;
        if keep {
            let _ = fs::remove_dir_all(&least);
            fs::create_dir_all(&least).with_context(|| format!("cannot make {}", least.display()))?;
            let mut merge = Command::new(program(target));
            merge.args(["-set_cover_merge=1", "-verbosity=0", LONGEST_KEPT]).args([&least, &inputs]);
            output(&mut merge)?;
            corpus::pack(&least, &kept)?;
        }
    }
    Ok(())
}

fn build() -> Result<()> {
    say("building the fuzz targets (the first time some minutes)");
    let mut build = cargo();
    build
        .args(["build", "--quiet", "--release", "--locked", "--target", &triple(), "--target-dir"])
        .arg(work())
        .env("RUSTFLAGS", INSTRUMENTED)
        .current_dir(workspace().join("fuzz"));
    run_command(&mut build)
}

fn program(target: &str) -> PathBuf {
    work().join(triple()).join("release").join(target)
}

/// Named, so that build scripts and macros are not instrumented.
fn triple() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

/// What is made, and found, lies beside what else is built.
fn work() -> PathBuf {
    workspace().join("target/fuzz")
}
