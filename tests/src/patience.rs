//! Waiting for what happens elsewhere: with a deadline, and with the last thing seen when it passes.

use std::fmt::Display;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How long anything that must happen may take on a machine that is busy.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How often is looked.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks until `look` is satisfied and gives what it found; `what` is what is waited for.
///
/// # Errors
///
/// [`PATIENCE`] has passed: with what `look` said last.
pub fn eventually<T, E: Display>(what: &str, look: impl FnMut() -> Result<T, E>) -> Result<T> {
    within(PATIENCE, what, look)
}

/// As [`eventually`], with a deadline of its own.
///
/// # Errors
///
/// The deadline has passed: with what `look` said last.
pub fn within<T, E: Display>(
    deadline: Duration,
    what: &str,
    mut look: impl FnMut() -> Result<T, E>,
) -> Result<T> {
    let end = Instant::now() + deadline;
    loop {
        match look() {
            Ok(found) => return Ok(found),
            Err(last) if Instant::now() >= end => {
                bail!("{what}: not within {} s; last seen: {last}", deadline.as_secs_f32())
            }
            Err(_) => thread::sleep(PAUSE),
        }
    }
}
