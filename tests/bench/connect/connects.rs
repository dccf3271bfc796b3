//! Connections, one after the other: made, and torn down at once.

use std::hint::spin_loop;
use std::io::{ErrorKind, Read as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::net::sockopt::set_socket_linger;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};

use super::far_end::FarEnd;
use super::report::Operation;

/// After so many it is waited until the other side has taken them: fewer than any queue holds.
const BURST: usize = 32;

/// How long after a connection the other side waits for the next one again.
const REST: Duration = Duration::from_micros(400);

/// How long the other side may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whom connections are made to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum To<'a> {
    /// The daemon, by a protected address.
    Protected(SocketAddr),
    /// Ourselves.
    FarEnd(&'a FarEnd),
}

/// When the next connection is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// When the other side waits for it: connect() wakes it.
    Awaited,
    /// At once: the other side has enough to do, and connect() finds nobody to wake.
    Queued,
}

/// Makes so many connections, and gives how long each one's connect() took, in nanoseconds; and its socket(),
/// connect() and close() together.
///
/// # Errors
///
/// A connection is refused, or the other side does not take it.
pub(crate) fn measure(to: To<'_>, pace: Pace, count: usize) -> Result<Vec<(Operation, Vec<f64>)>> {
    let mut taken = Taken::default();
    // What is done for the first time takes longer.
    burst(to, pace, BURST, &mut Taken::default())?;
    while taken.connects.len() < count {
        burst(to, pace, BURST.min(count - taken.connects.len()), &mut taken)?;
    }
    let Taken { connects, wholes } = taken;
    Ok(match pace {
        Pace::Awaited => vec![(Operation::Awaited, connects)],
        Pace::Queued => vec![(Operation::Queued, connects), (Operation::Whole, wholes)],
    })
}

/// How many connections [`measure`] makes for so many.
pub(crate) fn made(count: usize) -> usize {
    // Before the first burst there is another, and after each one the last in the queue.
    BURST + count + 1 + count.div_ceil(BURST)
}

/// What was timed, in nanoseconds.
#[derive(Debug, Default)]
struct Taken {
    connects: Vec<f64>,
    wholes: Vec<f64>,
}

fn burst(to: To<'_>, pace: Pace, count: usize, taken: &mut Taken) -> Result<()> {
    let address = match to {
        To::Protected(address) => address,
        To::FarEnd(far_end) => far_end.address,
    };
    let have_taken = || match to {
        To::FarEnd(far_end) => far_end.take(count + 1),
        To::Protected(_) => Ok(()),
    };
    if pace == Pace::Awaited {
        have_taken()?;
    }
    for _ in 0..count {
        if pace == Pace::Awaited {
            let begun = Instant::now();
            while begun.elapsed() < REST {
                spin_loop();
            }
        }
        one(address, taken)?;
    }
    if pace == Pace::Queued {
        have_taken()?;
    }
    are_taken(address)
}

fn one(address: SocketAddr, taken: &mut Taken) -> Result<()> {
    let begun = Instant::now();
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    let made = begun.elapsed();
    // Ended by a reset: in TIME_WAIT they would use up the ports.
    set_socket_linger(&socket, Some(Duration::ZERO))?;
    let begun = Instant::now();
    connect(&socket, &address).with_context(|| format!("cannot connect to {address}"))?;
    let connected = begun.elapsed();
    let begun = Instant::now();
    drop(socket);
    let closed = begun.elapsed();
    taken.connects.push(connected.as_nanos() as f64);
    taken.wholes.push((made + connected + closed).as_nanos() as f64);
    Ok(())
}

/// Waits until everything before is taken: the last in the queue hears of its end only when it is taken as well.
fn are_taken(address: SocketAddr) -> Result<()> {
    let mut last = TcpStream::connect(address)?;
    last.set_read_timeout(Some(PATIENCE))?;
    last.shutdown(Shutdown::Write)?;
    match last.read(&mut [0; 64]) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            Err(error).with_context(|| format!("{address} does not take connections"))
        }
        // However it ends.
        _ => Ok(()),
    }
}
