//! `cargo xtask e2e`: the stories with real eBPF and a real PostgreSQL; and what they need, for other commands.

use std::{fs, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::{
    build_ebpf, postgres,
    process::{cargo, run as run_command, workspace},
    toolchain::RustSrc,
};

/// Its arguments.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only stories whose name contains this
    filter: Option<String>,
    /// How many at once
    #[arg(long)]
    jobs: Option<u32>,
    #[command(flatten)]
    server: postgres::Choice,
}

/// The command.
pub(crate) fn run(args: &Args) -> Result<()> {
    prepare()?;
    let server = args.server.fetch()?;
    let mut command = stories();
    if let Some(server) = &server {
        server.run_by(&mut command);
    }
    command.args(&args.filter);
    if let Some(jobs) = args.jobs {
        command.args(["--test-threads", &jobs.to_string()]);
    }
    run_command(&mut command)
}

/// The stories, as a command to which arguments of the test harness can be added.
pub(crate) fn stories() -> Command {
    let mut command = cargo();
    command
        .args(["test", "--package", "e2e", "--test", "e2e", "--"])
        .env("PORTREEVE_E2E", "1")
        .current_dir(workspace());
    command
}

/// Makes everything that the world of the stories needs: programs, the kernel side, the daemon.
///
/// # Errors
///
/// This machine does not give it; with the cure.
pub(crate) fn prepare() -> Result<()> {
    prepare_with(&[])
}

/// The same with an optimised daemon, for measuring.
///
/// # Errors
///
/// As [`prepare`].
pub(crate) fn prepare_release() -> Result<()> {
    prepare_with(&["--release"])
}

fn prepare_with(profile: &[&str]) -> Result<()> {
    ground()?;
    postgres::ensure()?;
    build_ebpf::ensure(RustSrc::default())?;
    // The programs that run it look for it beside themselves.
    let build = ["build", "--package", "portreeve"];
    run_command(cargo().args(build).args(profile).current_dir(workspace()))
}

/// Whether this machine lets us load programs into its kernel and make networks.
///
/// # Errors
///
/// It does not; with the cure.
pub(crate) fn ground() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!("only root may load eBPF programs and make network namespaces\ncure: run it as root");
    }
    let mounts = fs::read_to_string("/proc/self/mounts").context("/proc is not mounted")?;
    if !mounts.lines().any(|line| line.split(' ').nth(2) == Some("cgroup2")) {
        bail!(
            "no cgroup2 hierarchy is mounted, and connections are intercepted at its root\n\
             cure: mount -t cgroup2 none /sys/fs/cgroup/unified (make the folder first), or boot with cgroup v2"
        );
    }
    let status = fs::read_to_string("/proc/self/status")?;
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    // CAP_NET_ADMIN, CAP_SYS_ADMIN, CAP_BPF: linux/capability.h.
    for (bit, name) in [(12, "CAP_NET_ADMIN"), (21, "CAP_SYS_ADMIN"), (39, "CAP_BPF")] {
        if effective & (1 << bit) == 0 {
            bail!(
                "root without {name} may not load eBPF programs here\ncure: run it outside of the container, or privileged"
            );
        }
    }
    Ok(())
}
