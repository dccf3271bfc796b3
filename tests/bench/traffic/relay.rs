//! The floor: a relay that only copies bytes, one thread with epoll and 64 KiB buffers.
//!
//! It runs as a process of its own, so that the kernel tells what it costs. It knows nothing of PostgreSQL.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};
use e2e::process::mortal;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

/// What makes this program the relay.
pub(crate) const COMMAND: &str = "relay";

const BUFFER: usize = 64 << 10;

/// The number of the listener's events.
const LISTENER: u64 = u64::MAX;

/// A running relay. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Relay {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Relay {
    /// Starts it in front of `server`.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub(crate) fn start(server: SocketAddr) -> Result<Self> {
        // Bound here, so that nothing has to be waited for; it is the relay's standard input.
        let listener = TcpListener::bind("[::1]:0")?;
        let address = listener.local_addr()?;
        let mut command: Command = mortal("KILL", std::env::current_exe()?);
        command.args([COMMAND, &server.to_string()]).stdin(Stdio::from(OwnedFd::from(listener)));
        let child = command.spawn().context("cannot start the relay")?;
        Ok(Relay { child, address })
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client's socket and its server's, with what each could not be given yet.
struct Pair {
    sockets: [TcpStream; 2],
    left: [Vec<u8>; 2],
    /// Not everything that may happen is waited for.
    narrowed: bool,
}

/// The relay's life: until it is killed.
pub(crate) fn main(mut words: impl Iterator<Item = String>) -> Result<()> {
    let server: SocketAddr = words.next().context("which server?")?.parse()?;
    let listener = TcpListener::from(rustix::io::dup(std::io::stdin())?);
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let mut pairs: Vec<Option<Pair>> = Vec::new();
    let mut events = Vec::with_capacity(64);
    let mut buffer = vec![0; BUFFER];
    loop {
        epoll::wait(&epoll, spare_capacity(&mut events), None)?;
        for event in events.drain(..) {
            let number = event.data.u64();
            if number == LISTENER {
                let pair = Pair::connect(listener.accept()?.0, server)?;
                for (side, socket) in pair.sockets.iter().enumerate() {
                    let number = event_number(pairs.len(), side);
                    epoll::add(&epoll, socket, EventData::new_u64(number), EventFlags::IN)?;
                }
                pairs.push(Some(pair));
                continue;
            }
            let (place, side) = ((number / 2) as usize, (number % 2) as usize);
            let Some(pair) = pairs.get_mut(place) else { continue };
            let goes_on = pair.as_mut().map(|open| open.carry(side, event.flags, &mut buffer));
            match goes_on {
                Some(Ok(true)) => {
                    let Some(open) = pair else { continue };
                    open.want(&epoll, place)?;
                }
                // Both sockets leave epoll by being closed.
                Some(Ok(false) | Err(_)) => *pair = None,
                None => {}
            }
        }
    }
}

impl Pair {
    fn connect(client: TcpStream, server: SocketAddr) -> Result<Self> {
        let server = TcpStream::connect(server)?;
        for socket in [&client, &server] {
            socket.set_nonblocking(true)?;
            socket.set_nodelay(true)?;
        }
        Ok(Pair { sockets: [client, server], left: [Vec::new(), Vec::new()], narrowed: false })
    }

    /// Does what `side` is ready for; false at the end of either stream.
    fn carry(&mut self, side: usize, flags: EventFlags, buffer: &mut [u8]) -> std::io::Result<bool> {
        let other = 1 - side;
        if flags.contains(EventFlags::OUT) {
            let written = send(&mut self.sockets[side], &self.left[side])?;
            self.left[side].drain(..written);
        }
        if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) && self.left[other].is_empty()
        {
            let read = match self.sockets[side].read(buffer) {
                Ok(0) => {
                    self.sockets[other].shutdown(Shutdown::Both)?;
                    return Ok(false);
                }
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error),
            };
            let written = send(&mut self.sockets[other], &buffer[..read])?;
            self.left[other].extend_from_slice(&buffer[written..read]);
        }
        Ok(true)
    }

    /// Waits for room where something is left, and reads nothing for it meanwhile.
    fn want(&mut self, epoll: &impl AsFd, place: usize) -> Result<()> {
        let narrows = self.left.iter().any(|left| !left.is_empty());
        if !narrows && !self.narrowed {
            return Ok(());
        }
        self.narrowed = narrows;
        for (side, socket) in self.sockets.iter().enumerate() {
            let mut wanted = EventFlags::empty();
            wanted.set(EventFlags::IN, self.left[1 - side].is_empty());
            wanted.set(EventFlags::OUT, !self.left[side].is_empty());
            epoll::modify(epoll, socket, EventData::new_u64(event_number(place, side)), wanted)?;
        }
        Ok(())
    }
}

/// The number of a socket's events, which no other socket has.
fn event_number(place: usize, side: usize) -> u64 {
    place as u64 * 2 + side as u64
}

/// Writes what goes without waiting, and says how much that was.
fn send(socket: &mut TcpStream, bytes: &[u8]) -> std::io::Result<usize> {
    match socket.write(bytes) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        written => written,
    }
}
