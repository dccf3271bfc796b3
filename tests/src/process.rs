//! Running other programs: as another user, in another network namespace, and never longer than we live.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// A command that the kernel ends with this signal when the thread that starts it ends, however that happens.
pub fn mortal(signal: &str, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", signal]).arg(program);
    command
}

/// Runs a command to its end and gives what it wrote to its standard output.
///
/// # Errors
///
/// It cannot be started or fails: with what it wrote to its standard error.
pub fn output(command: &mut Command) -> Result<String> {
    let output = finish(command)?;
    if !output.status.success() {
        bail!(
            "`{}` failed ({}): {}{}",
            shown(command),
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    String::from_utf8(output.stdout).with_context(|| format!("the output of `{}`", shown(command)))
}

/// Runs a command to its end, whatever that is.
///
/// # Errors
///
/// It cannot be started.
pub fn finish(command: &mut Command) -> Result<Output> {
    command.stdin(Stdio::null()).output().with_context(|| format!("cannot start `{}`", shown(command)))
}

/// Begins a command that is not waited for; see [`answer`].
///
/// # Errors
///
/// It cannot be started.
pub fn begin(command: &mut Command) -> Result<Child> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().with_context(|| format!("cannot start `{}`", shown(command)))
}

/// Waits for what was begun, and gives what it wrote to its standard output.
///
/// # Errors
///
/// It failed: with what it wrote to its standard error.
pub fn answer(begun: Child) -> Result<String> {
    let output = begun.wait_with_output()?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

/// The command's words, for messages.
pub fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

/// Sends a signal to a child that has not been waited for.
///
/// # Errors
///
/// The kernel refuses.
pub fn signal(child: &Child, signal: Signal) -> Result<()> {
    kill_process(pid(child)?, signal).context("cannot send a signal")
}

/// A child's process id.
///
/// # Errors
///
/// None that a kernel gives.
pub fn pid(child: &Child) -> Result<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("a child has a process id")
}

/// The folder that cargo builds into, which the running program lies in.
///
/// # Errors
///
/// The program lies elsewhere.
pub fn build_folder() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let folder = program.ancestors().skip(1).find(|folder| !folder.ends_with("deps"));
    folder.map(Path::to_path_buf).context("the program lies in no folder")
}

/// The program under test: `PORTREEVE_PROGRAM`, else the one that was built beside us.
///
/// # Errors
///
/// It is not there; with the cure.
pub fn portreeve() -> Result<PathBuf> {
    let path = match std::env::var_os("PORTREEVE_PROGRAM") {
        Some(path) => PathBuf::from(path),
        None => build_folder()?.join("portreeve"),
    };
    if !path.is_file() {
        bail!("{} is not there; run `cargo build -p portreeve` first", path.display());
    }
    Ok(path)
}
