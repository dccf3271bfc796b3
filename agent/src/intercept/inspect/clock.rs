//! Whether anybody keeps the wall clock right (adjtimex(2)). It is here because this module alone has `unsafe`.

use std::io;

use super::Seen;

/// How the kernel's clock is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// Whether the kernel was told that it is in step with a better clock.
    pub synchronised: bool,
    /// The largest error that it may have by now, in microseconds.
    pub most_error_us: u64,
}

/// Asks the kernel how its clock is kept.
///
/// # Errors
///
/// The kernel's own.
pub fn clock() -> Seen<Clock> {
    // SAFETY: zero is a value of all its fields, and modes of zero ask for nothing to be changed.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel reads and writes the one timex that the pointer is of.
    let state = unsafe { libc::adjtimex(&raw mut timex) };
    if state < 0 {
        return Err(io::Error::last_os_error().into());
    }
    let synchronised = state != libc::TIME_ERROR && timex.status & libc::STA_UNSYNC == 0;
    Ok(Clock { synchronised, most_error_us: u64::try_from(timex.maxerror).unwrap_or(0) })
}
