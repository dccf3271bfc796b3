//! The CPUs, and how long a process has been on them.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

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

/// The CPUs that this thread may run on, by their numbers.
///
/// # Errors
///
/// None that a kernel gives.
pub(crate) fn allowed() -> Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|number| set.is_set(*number)).collect())
}

/// Keeps the calling thread on one CPU, and the threads that it starts.
///
/// # Errors
///
/// There is no such CPU.
pub(crate) fn pin(number: usize) -> Result<()> {
    Ok(sched_setaffinity(None, &only(number))?)
}

/// Keeps all threads of a process on one CPU, and those that they start.
///
/// # Errors
///
/// There is no such CPU, or no such process.
pub(crate) fn pin_process(process: u32, number: usize) -> Result<()> {
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let name = thread?.file_name();
        let id = name.to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
        match sched_setaffinity(Some(id.context("a thread is called by its number")?), &only(number)) {
            // It ended while we looked.
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn only(number: usize) -> CpuSet {
    let mut set = CpuSet::new();
    set.set(number);
    set
}
