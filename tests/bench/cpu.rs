//! How long a process has been on a CPU.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// The time of all its living threads, in user and kernel mode. `/proc/PID/stat` counts it in ticks of 10 ms, which
/// is too coarse for a leg of a second; a thread's `schedstat` has the same time in nanoseconds.
///
/// # Errors
///
/// There is no such process, or this kernel keeps no such time.
pub(crate) fn time(process: u32) -> Result<Duration> {
    let mut spent = Duration::ZERO;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        // A thread may end while we look.
        let Ok(written) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        let on_cpu = written.split(' ').next().and_then(|word| word.parse().ok());
        spent += Duration::from_nanos(on_cpu.context("schedstat begins with a number")?);
    }
    Ok(spent)
}
