//! A look at the interception from outside of the daemon: what this kernel has, what is pinned and in force, and what
//! the machine has that the programs do not see.
//!
//! Nothing here changes anything. What is tried is tried with programs and maps that are pinned nowhere, attached to
//! nothing that anybody uses, and gone when the look is over. It takes no lock, so that a daemon that starts meanwhile
//! is not in its way. What it finds is told as it is; what that means is its reader's business.

mod cgroups;
mod clock;
mod kernel;
mod namespaces;
mod own;
mod packets;
mod pins;

use std::{error::Error as StdError, io};

pub use agent_ebpf::ABI_VERSION;

pub use self::{
    cgroups::{Cgroups, Chosen, Mount, cgroups},
    clock::{Clock, clock},
    kernel::{Kernel, Tcx, Tried, kernel},
    namespaces::{Interface, Namespace, Namespaces, namespaces},
    own::{Way, way},
    packets::{PacketSocket, packet_sockets},
    pins::{Follower, Hook, HookState, Pinned, Pins, Settings, pins},
};

/// What could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unseen {
    /// Whether the kernel said that we may not.
    pub denied: bool,
    /// Why.
    pub why: String,
}

/// A look, or why there is none.
pub type Seen<T> = Result<T, Unseen>;

impl Unseen {
    /// Something failed, whoever asks.
    fn failed(why: impl Into<String>) -> Self {
        Self { denied: false, why: why.into() }
    }

    /// An error with all of its causes: some say no word of what the kernel said.
    pub fn of(error: &(dyn StdError + 'static)) -> Self {
        let (mut denied, mut why) = (false, error.to_string());
        let mut next = Some(error);
        while let Some(error) = next {
            let told = error.to_string();
            if !why.contains(&told) {
                why = format!("{why}: {told}");
            }
            if let Some(error) = error.downcast_ref::<io::Error>() {
                denied |= error.kind() == io::ErrorKind::PermissionDenied;
            }
            next = error.source();
        }
        Self { denied, why }
    }
}

impl From<io::Error> for Unseen {
    fn from(error: io::Error) -> Self {
        Self::of(&error)
    }
}

impl From<rustix::io::Errno> for Unseen {
    fn from(error: rustix::io::Errno) -> Self {
        io::Error::from(error).into()
    }
}

impl From<super::Error> for Unseen {
    fn from(error: super::Error) -> Self {
        Self::of(&error)
    }
}
