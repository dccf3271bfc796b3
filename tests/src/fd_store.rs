//! What systemd does for a service with `FileDescriptorStoreMax=`: it keeps descriptors that the service sends
//! (sd_pid_notify_with_fds(3)) and hands them to its next process (sd_listen_fds(3)).

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use crate::process::mortal;

/// The store, and the socket that the service speaks to.
#[derive(Debug)]
pub struct FdStore {
    place: PathBuf,
    socket: UnixDatagram,
    kept: Vec<(String, OwnedFd)>,
}

/// Puts the kept descriptors where the service looks for them; `$0` says which go where.
const HAND_OVER: &str = "export LISTEN_PID=$$; eval \"exec \\\"\\$@\\\" $0\"";

impl FdStore {
    /// An empty store.
    ///
    /// # Errors
    ///
    /// The socket cannot be made.
    pub fn new(place: &Path) -> Result<Self> {
        let socket = UnixDatagram::bind(place)?;
        socket.set_read_timeout(Some(Duration::from_millis(50)))?;
        Ok(FdStore { place: place.to_owned(), socket, kept: Vec::new() })
    }

    /// How many descriptors are kept.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// The next message of the service, seen to; none if none comes soon.
    pub fn receive(&mut self) -> Option<String> {
        let mut bytes = [0; 4096];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(16))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = recvmsg(
            &self.socket,
            &mut [IoSliceMut::new(&mut bytes)],
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC,
        )
        .ok()?;
        let message = String::from_utf8_lossy(bytes.get(..received.bytes)?).into_owned();
        let name = message.lines().find_map(|line| line.strip_prefix("FDNAME=")).unwrap_or("stored");
        if message.lines().any(|line| line == "FDSTOREREMOVE=1") {
            self.kept.retain(|(kept, _)| kept != name);
        }
        let mut fds = Vec::new();
        for part in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(sent) = part {
                fds.extend(sent);
            }
        }
        if message.lines().any(|line| line == "FDSTORE=1") {
            self.kept.extend(fds.into_iter().map(|fd| (name.to_owned(), fd)));
        }
        Some(message)
    }

    /// Sees to all messages that are there.
    pub fn collect(&mut self) {
        while self.receive().is_some() {}
    }

    /// A command that starts the program with what is kept.
    ///
    /// # Errors
    ///
    /// A descriptor cannot be handed over.
    pub fn command(&self, program: &Path) -> Result<Command> {
        let numbers = || self.kept.iter().map(|(_, fd)| fd.as_raw_fd());
        // By way of numbers that are nobody's: one that is handed over may have the place of another.
        let aside = numbers().max().unwrap_or(0).max(3 + i32::try_from(self.kept.len())?) + 1;
        let (mut there, mut back) = (String::new(), String::new());
        for ((_, fd), number) in self.kept.iter().zip(0..) {
            fcntl_setfd(fd, FdFlags::empty()).context("a descriptor cannot be handed over")?;
            there += &format!(" {}<&{raw} {raw}<&-", aside + number, raw = fd.as_raw_fd());
            back += &format!(" {}<&{between} {between}<&-", 3 + number, between = aside + number);
        }
        let names: Vec<_> = self.kept.iter().map(|(name, _)| name.as_str()).collect();
        let mut command = mortal("KILL", "bash");
        command.args(["-c", HAND_OVER, &(there + &back)]).arg(program).env("NOTIFY_SOCKET", &self.place);
        if !self.is_empty() {
            command.env("LISTEN_FDS", self.kept.len().to_string()).env("LISTEN_FDNAMES", names.join(":"));
        }
        Ok(command)
    }
}
