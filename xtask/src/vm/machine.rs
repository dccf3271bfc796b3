//! The virtual machine, as QEMU runs it: no disk, no network, two serial ports.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use super::console::Console;
use crate::process::find;

/// Who runs the machine's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accelerator {
    /// The processor itself.
    Kvm,
    /// QEMU, translating them.
    Tcg,
}

impl Accelerator {
    /// Whether it is worth trying KVM. Whether it works for this kernel on this processor, only trying tells.
    pub(super) fn kvm_is_there() -> bool {
        File::options().read(true).write(true).open("/dev/kvm").is_ok()
    }

    /// How the user knows it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Kvm => "KVM",
            Self::Tcg => "TCG",
        }
    }

    fn arguments(self) -> [&'static str; 4] {
        match self {
            Self::Kvm => ["-accel", "kvm", "-cpu", "host"],
            Self::Tcg => ["-accel", "tcg", "-cpu", "max"],
        }
    }

    /// How long it may take until the first process is up. It takes some seconds.
    fn patience(self) -> Duration {
        match self {
            Self::Kvm => Duration::from_secs(30),
            Self::Tcg => Duration::from_secs(120),
        }
    }
}

/// A machine to be run once.
pub(super) struct Machine<'a> {
    pub(super) kernel: &'a Path,
    pub(super) initramfs: &'a Path,
    /// Where the kernel's console is kept.
    pub(super) log: &'a Path,
    pub(super) accelerator: Accelerator,
    /// How long all of it may take.
    pub(super) time_limit: Duration,
}

/// How it ended.
pub(super) enum End {
    /// Turned off, or ended by a panic, or QEMU failed: with its exit status, and what it said.
    Off(String),
    /// Its time was over.
    Late(Duration),
}

impl Machine<'_> {
    /// Runs it until its end, and shows each line of the tests' port as it comes.
    ///
    /// # Errors
    ///
    /// QEMU cannot be started. That the machine failed is no error here.
    pub(super) fn run(&self, console: &mut Console, mut show: impl FnMut(&str)) -> Result<End> {
        let begun = Instant::now();
        let mut qemu = Killed(self.command()?.spawn().context("cannot start QEMU")?);
        let mut port = BufReader::new(qemu.0.stdout.take().context("QEMU has no output")?);
        let (send, lines) = mpsc::channel();
        let reader = thread::spawn(move || {
            let mut line = Vec::new();
            while port.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                if send.send(std::mem::take(&mut line)).is_err() {
                    break;
                }
            }
        });
        let late = loop {
            let limit = match console.up {
                Some(_) => self.time_limit,
                None => self.time_limit.min(self.accelerator.patience()),
            };
            match lines.recv_timeout(limit.saturating_sub(begun.elapsed())) {
                Ok(line) => show(&console.read(&line)),
                Err(RecvTimeoutError::Disconnected) => break None,
                Err(RecvTimeoutError::Timeout) => {
                    qemu.0.kill()?;
                    break Some(limit);
                }
            }
        };
        // What it was saying when it was ended, such as a test's name.
        lines.iter().for_each(|line| show(&console.read(&line)));
        let status = qemu.0.wait()?;
        let _ = reader.join();
        let said = fs::read_to_string(self.errors()).unwrap_or_default();
        let said = said.lines().next().map(|line| format!("; {line}")).unwrap_or_default();
        Ok(late.map_or_else(|| End::Off(format!("{status}{said}")), End::Late))
    }

    /// Where QEMU says what it has to say.
    fn errors(&self) -> PathBuf {
        self.initramfs.with_extension("qemu")
    }

    fn command(&self) -> Result<Command> {
        // Killed without a word, we take it with us all the same.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]);
        command.arg(find("qemu-system-x86_64").context("there is no qemu-system-x86_64")?);
        command.args(["-nodefaults", "-no-user-config", "-display", "none", "-m", "2048", "-smp", "2"]);
        command.args(self.accelerator.arguments());
        // A panic makes it reset, which ends QEMU; and so does an oops, whose consequences nobody knows.
        command.args(["-no-reboot", "-append", "console=ttyS0 panic=-1 oops=panic"]);
        command.arg("-kernel").arg(self.kernel).arg("-initrd").arg(self.initramfs);
        let mut log = OsString::from("file:");
        log.push(self.log);
        command.arg("-serial").arg(log).args(["-serial", "stdio"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(self.errors())?);
        Ok(command)
    }
}

/// QEMU does not outlive us, however we end.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
