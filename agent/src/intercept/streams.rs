//! What the kernel side remembers of sockets, as far as the daemon changes it.

use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
};

use agent_ebpf::{Origin, Stream, StreamState, maps, opening::Opening};
use aya::maps::{Map, MapError};

use super::{Error, abi::Value, sys};

/// [`maps::STREAMS`].
pub(super) struct Streams(OwnedFd);

impl Streams {
    pub(super) fn new(map: &Map) -> Result<Self, Error> {
        let wrong = |source| Error::Map { map: maps::STREAMS, source };
        let Map::SkStorage(data) = map else {
            return Err(wrong(MapError::InvalidMapType { map_type: 0 }));
        };
        data.fd().as_fd().try_clone_to_owned().map(Self).map_err(|source| wrong(source.into()))
    }

    /// Lets the guard pass a socket from now on.
    ///
    /// # Errors
    ///
    /// The kernel's own.
    pub(super) fn pass(&self, socket: BorrowedFd<'_>) -> io::Result<()> {
        let passed = Stream {
            state: StreamState::Passed as u32,
            redirected: 0,
            initial_sequence: 0,
            told: 0,
            origin: Origin::default(),
            opening: Opening::new(),
        };
        // SAFETY: the map's values are Streams (`pins` compared their size, `maps::STREAMS` says it).
        unsafe { sys::set_socket_storage(self.0.as_fd(), socket, &Value(passed)) }
    }
}
