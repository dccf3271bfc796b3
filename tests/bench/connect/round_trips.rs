//! One byte there and one back, between two sockets of one thread: over loopback the kernel has delivered a packet when
//! the send returns, so that nothing is measured but the packet's way.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::Instant;

use anyhow::Result;

/// Round trips before the first one that counts: what is looked at when a stream opens is over.
pub(crate) const BEFORE: usize = 256;

/// Gives how long each of so many took over TCP, in nanoseconds.
///
/// # Errors
///
/// There is no port.
pub(crate) fn tcp(count: usize) -> Result<Vec<f64>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut near = TcpStream::connect(listener.local_addr()?)?;
    let (mut far, _) = listener.accept()?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let mut byte = [0];
    timed(count, || {
        near.write_all(&[1])?;
        far.read_exact(&mut byte)?;
        far.write_all(&byte)?;
        near.read_exact(&mut byte)
    })
}

/// The same over UDP.
///
/// # Errors
///
/// There is no port.
pub(crate) fn udp(count: usize) -> Result<Vec<f64>> {
    let (near, far) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    near.connect(far.local_addr()?)?;
    far.connect(near.local_addr()?)?;
    let mut byte = [0];
    timed(count, || {
        near.send(&[1])?;
        far.recv(&mut byte)?;
        far.send(&byte)?;
        near.recv(&mut byte).map(drop)
    })
}

fn timed(count: usize, mut trip: impl FnMut() -> std::io::Result<()>) -> Result<Vec<f64>> {
    for _ in 0..BEFORE {
        trip()?;
    }
    let mut taken = Vec::with_capacity(count);
    for _ in 0..count {
        let begun = Instant::now();
        trip()?;
        taken.push(begun.elapsed().as_nanos() as f64);
    }
    Ok(taken)
}
