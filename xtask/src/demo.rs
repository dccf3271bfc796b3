//! `cargo xtask demo`: makes what the demo needs, and runs it. What it shows lies in `tests/demo`.

use anyhow::{Context as _, Result};

use crate::{
    e2e,
    process::{cargo, run as run_command, say, workspace},
};

/// Its arguments.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leave it running at the end, with commands to try, until Enter or Ctrl-C
    #[arg(long)]
    keep: bool,
}

/// The command.
pub(crate) fn run(args: &Args) -> Result<()> {
    say("preparing the demo (the first time: some minutes to build; later: seconds)");
    e2e::prepare().context("the demo cannot be shown here")?;
    let mut command = cargo();
    command.args(["run", "--quiet", "--package", "e2e", "--bin", "demo", "--"]);
    if args.keep {
        command.arg("--keep");
    }
    run_command(command.current_dir(workspace()))
}
