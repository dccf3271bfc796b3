//! The project's own commands: `cargo xtask COMMAND`, one file for each.
//!
//! It is built without the agent, so that it can make what the agent's build needs.

mod bench;
mod build_ebpf;
mod cache;
mod conformance;
mod debian;
mod demo;
mod e2e;
mod fuzz;
mod harness;
mod layers;
mod pip;
mod postgres;
mod process;
mod test;
mod toolchain;
mod vm;

use std::{io::Write as _, process::ExitCode};

use clap::{Parser, Subcommand};

/// The project's own commands.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run every check there is; CI runs this
    Test(test::Args),
    /// Show the main job from end to end, with real eBPF and a real PostgreSQL
    Demo(demo::Args),
    /// Run the end-to-end stories alone
    E2e(e2e::Args),
    /// Measure what Portreeve costs, beside a plain relay and pgbouncer
    Bench(bench::Args),
    /// Run test suites of other people direct and through Portreeve, and compare
    Conformance(conformance::Args),
    /// Throw bytes that nobody has thought of at what reads bytes of others
    Fuzz(fuzz::Args),
    /// Run the interception's tests on another kernel, in a virtual machine
    Vm(vm::Args),
    /// Build the kernel side, and the tools that this needs
    BuildEbpf(build_ebpf::Args),
    /// Hold the tree to its import order
    Layers,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Test(args) => test::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::E2e(args) => e2e::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Conformance(args) => conformance::run(&args),
        Command::Fuzz(args) => fuzz::run(&args),
        Command::Vm(args) => vm::run(&args),
        Command::BuildEbpf(args) => build_ebpf::run(&args),
        Command::Layers => layers::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The chain of causes, but never a backtrace: what failed is a program or a file.
            let _ = writeln!(std::io::stderr(), "xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
