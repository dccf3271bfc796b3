//! The project's own commands: `cargo xtask COMMAND`, one file for each.
//!
//! It is built without the agent, so that it can make what the agent's build needs.

mod build_ebpf;
mod cache;
mod layers;
mod process;
mod toolchain;

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
    /// Build the kernel side, and the tools that this needs
    BuildEbpf(build_ebpf::Args),
    /// Hold the tree to its import order
    Layers,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
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
