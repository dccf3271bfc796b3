//! Requests to the kernel over netlink(7): a command that is acknowledged, and a question that is answered by a
//! list.
//!
//! A netlink socket belongs to the network namespace of the thread that made it, wherever it is used later. It
//! keeps that namespace alive as long as it is open. What the messages say is their sender's business.

#![forbid(unsafe_code)]

mod answer;

use std::{io, os::fd::OwnedFd, time::Duration};

use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkBuffer};
use rustix::{
    io::retry_on_intr,
    net::{
        AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, connect,
        netlink::SocketAddrNetlink, recv, send, socket_with, sockopt,
    },
};

use self::answer::Answer;

/// Bytes of `struct nlmsghdr`.
const HEADER: usize = 16;
/// Room for one datagram. The kernel puts at most 32 KiB of a list into one.
const DATAGRAM: usize = 64 * 1024;
/// How long the kernel may take for one datagram. It answers while it is asked, so this is for faults alone.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a list is asked for that changed while it was read.
const ATTEMPTS: usize = 16;

/// A socket to the kernel.
#[derive(Debug)]
pub(super) struct Netlink {
    socket: OwnedFd,
    /// Of the last request. What answers an earlier one is passed over.
    sequence: u32,
    buffer: Box<[u8]>,
}

impl Netlink {
    /// Opens one in the network namespace of this thread. `None` is `NETLINK_ROUTE`, as in rustix.
    ///
    /// # Errors
    ///
    /// The kernel's own; `EPROTONOSUPPORT` if it lacks the protocol.
    pub(super) fn in_this_namespace(protocol: Option<Protocol>) -> io::Result<Self> {
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
        // To the kernel, port 0: nobody else can send to a connected socket.
        connect(&socket, &SocketAddrNetlink::new(0, 0))?;
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(PATIENCE))?;
        Ok(Self { socket, sequence: 0, buffer: vec![0; DATAGRAM].into_boxed_slice() })
    }

    /// Asks for a list and keeps what `read` makes of the entries' bodies.
    ///
    /// # Errors
    ///
    /// The kernel's own, what `read` says of an entry, `InvalidData` for an answer that is none, and
    /// `TimedOut` if the list kept changing while it was read, or if the kernel does not answer.
    pub(super) fn list<T>(
        &mut self,
        kind: u16,
        body: &[u8],
        mut read: impl FnMut(&[u8]) -> io::Result<Option<T>>,
    ) -> io::Result<Vec<T>> {
        for _ in 0..ATTEMPTS {
            if let Some(items) = self.exchange(kind, NLM_F_DUMP, body, &mut read)? {
                return Ok(items);
            }
        }
        let changed = format!("the list changed while it was read, {ATTEMPTS} times in a row");
        Err(io::Error::new(io::ErrorKind::TimedOut, changed))
    }

    /// Has something done.
    ///
    /// # Errors
    ///
    /// The kernel's own, `InvalidData` for an answer that is none, and `TimedOut` without an answer.
    pub(super) fn command(&mut self, kind: u16, body: &[u8]) -> io::Result<()> {
        self.exchange(kind, NLM_F_ACK, body, &mut |_| Ok(None::<()>)).map(drop)
    }

    fn exchange<T>(
        &mut self,
        kind: u16,
        flags: u16,
        body: &[u8],
        read: &mut impl FnMut(&[u8]) -> io::Result<Option<T>>,
    ) -> io::Result<Option<Vec<T>>> {
        self.send(kind, NLM_F_REQUEST | flags, body)?;
        let mut answer = Answer::to(self.sequence);
        while !answer.read(self.receive()?, read)? {}
        answer.finish()
    }

    fn send(&mut self, kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let request = message(kind, flags, self.sequence, body)?;
        retry_on_intr(|| send(&self.socket, &request, SendFlags::empty()))?;
        Ok(())
    }

    fn receive(&mut self) -> io::Result<&[u8]> {
        let (read, length) = retry_on_intr(|| recv(&self.socket, &mut self.buffer[..], RecvFlags::TRUNC))
            .map_err(|error| match error {
                rustix::io::Errno::AGAIN => {
                    io::Error::new(io::ErrorKind::TimedOut, "the kernel does not answer")
                }
                error => error.into(),
            })?;
        if length > read {
            return Err(answer::invalid(format!("{length} bytes in one datagram")));
        }
        Ok(&self.buffer[..read])
    }
}

/// One message as it goes over the socket.
fn message(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> io::Result<Vec<u8>> {
    let length = HEADER + body.len();
    let mut bytes = vec![0; length];
    let mut message = NetlinkBuffer::new(&mut bytes);
    message.set_length(u32::try_from(length).map_err(io::Error::other)?);
    message.set_message_type(kind);
    message.set_flags(flags);
    message.set_sequence_number(sequence);
    message.payload_mut().copy_from_slice(body);
    Ok(bytes)
}
