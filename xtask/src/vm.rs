//! `cargo xtask vm`: the interception's tests on another kernel than this machine's, in a virtual machine that has
//! nothing else.
//!
//! The kernel is one of Debian's, or a file. What runs on it comes from here: the tests' program and what they start,
//! in an archive made for the purpose, with cgroup v2 mounted as systemd does. It needs no root but to install QEMU.

mod attempt;
mod console;
mod cpio;
mod initramfs;
mod kernel;
mod machine;
mod modules;
mod programs;

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, bail};
use clap::Parser;

use self::{
    attempt::Attempt,
    initramfs::Content,
    kernel::Kernel,
    machine::{Accelerator, Machine},
    modules::Modules,
};
use crate::{
    cache::Cache,
    debian,
    harness::Counts,
    process::{say, workspace},
};

/// What the tests are told of the machine: emulated instructions take many times as long. They wait longer for
/// anything (in seconds), and do less of what is done a thousand times.
const SLOW: [&str; 2] = ["PORTREEVE_TEST_PATIENCE=60", "PORTREEVE_TEST_NAMESPACES=100"];

/// Its arguments.
#[derive(Parser)]
pub(crate) struct Args {
    /// A version (6.1, 6.12) of Debian's cloud kernel, which is fetched; or the path of a kernel's file
    kernel: String,
    /// Only tests whose name contains this
    #[arg(default_value = "intercept::")]
    filter: String,
    /// The folder lib/modules/VERSION that belongs to a kernel's file
    #[arg(long, value_name = "FOLDER")]
    modules: Option<PathBuf>,
    /// Where cgroup v2 is mounted
    #[arg(long, value_enum, default_value_t)]
    cgroup: Cgroup,
    /// What runs the machine
    #[arg(long, value_enum, default_value_t)]
    accelerator: Choice,
    /// After how many seconds it is given up
    #[arg(long, default_value_t = 1800, value_name = "SECONDS")]
    time_limit: u64,
    /// Arguments for the test harness
    #[arg(last = true)]
    harness: Vec<String>,
}

/// Where cgroup v2 is mounted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Cgroup {
    /// At /sys/fs/cgroup, as systemd does today
    #[default]
    Unified,
    /// At /sys/fs/cgroup/unified beside the hierarchies of v1, as systemd did
    Hybrid,
}

/// What runs the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Choice {
    /// KVM if this kernel comes up with it, else TCG
    #[default]
    Any,
    /// The processor itself, by /dev/kvm
    Kvm,
    /// QEMU's own translation
    Tcg,
}

/// The command.
pub(crate) fn run(args: &Args) -> Result<()> {
    match boot(args)?.failed {
        0 => Ok(()),
        failed => bail!("{failed} of the tests failed on this kernel"),
    }
}

/// The command for a kernel, with nothing else said.
///
/// # Errors
///
/// As [`boot`].
pub(crate) fn test(kernel: &str) -> Result<Counts> {
    boot(&Args::try_parse_from(["vm", kernel])?)
}

/// Boots the machine, and tells what came of the tests.
///
/// # Errors
///
/// The machine cannot be made, or did not come to the tests' end. That tests failed is no error here.
fn boot(args: &Args) -> Result<Counts> {
    if !cfg!(target_arch = "x86_64") {
        bail!(
            "the virtual machine runs this machine's own programs on x86-64 kernels, and this is {}\n\
             cure: run it on an x86-64 machine",
            std::env::consts::ARCH
        );
    }
    debian::ensure(&programs::PACKAGES)?;
    let cache = Cache::open()?;
    let kernel = Kernel::find(&args.kernel, args.modules.as_deref(), &cache)?;
    let programs = programs::find_all(&programs::build_tests()?, &programs::busybox(&cache)?)?;
    let modules = kernel.modules.as_deref().map(Modules::of).transpose()?;
    if let Some(modules) = modules.as_ref().filter(|modules| !modules.absent.is_empty()) {
        say(&format!("neither modules nor said to be built in: {}", modules.absent.join(", ")));
    }
    let mut command: Vec<String> = vec!["PORTREEVE_E2E=1".into()];
    command.extend(SLOW.map(str::to_owned));
    command.push("/vm/tests".into());
    // With the words of tests that pass: some say that they did nothing.
    command.extend(["--color=never".into(), "--show-output".into(), args.filter.clone()]);
    command.extend_from_slice(&args.harness);
    let scratch = tempfile::tempdir()?;
    let initramfs = scratch.path().join("initramfs");
    let content = Content {
        programs,
        modules: kernel.modules.as_deref().zip(modules.as_ref()),
        cgroup: match args.cgroup {
            Cgroup::Unified => "unified",
            Cgroup::Hybrid => "hybrid",
        },
        command: &command,
    };
    content.write(&initramfs).context("the machine's file system cannot be made")?;

    let logs = workspace().join("target/vm");
    fs::create_dir_all(&logs)?;
    let log = logs.join(format!("{}.log", kernel.name));
    let time_limit = Duration::from_secs(args.time_limit);
    let attempt = |accelerator| {
        let machine =
            Machine { kernel: &kernel.image, initramfs: &initramfs, log: &log, accelerator, time_limit };
        Attempt::new(&machine)
    };
    match args.accelerator {
        Choice::Any if Accelerator::kvm_is_there() => {
            let with_kvm = attempt(Accelerator::Kvm)?;
            if with_kvm.is_up() {
                return with_kvm.tell(&log);
            }
            let why = with_kvm.tell(&log).err().map(|error| error.to_string()).unwrap_or_default();
            let why = why.lines().next().unwrap_or_default();
            say(&format!("KVM does not run this kernel here, TCG does it, slower. KVM: {why}"));
            attempt(Accelerator::Tcg)?.tell(&log)
        }
        Choice::Any | Choice::Tcg => attempt(Accelerator::Tcg)?.tell(&log),
        Choice::Kvm => attempt(Accelerator::Kvm)?.tell(&log),
    }
}
