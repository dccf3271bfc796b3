//! Listeners that outlive the daemon: in systemd's file descriptor store.
//!
//! There they go on to listen while the daemon is restarted, so that connections that begin meanwhile wait in their
//! queues. Without systemd nothing is stored, and such connections wait in the client's kernel, whose SYN is held.
//! See `FileDescriptorStoreMax=` in systemd.service(5) and sd_pid_notify_with_fds(3).

use std::os::fd::{AsFd, FromRawFd as _, OwnedFd};

use sd_notify::NotifyState;

/// What the names of our descriptors begin with; the namespace's cookie and the address family follow.
const PREFIX: &str = "portreeve-listener-";

/// Which loopback address a listener is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

/// Listeners of an earlier life of the daemon.
#[derive(Debug, Default)]
pub struct Inherited(Vec<(String, OwnedFd)>);

impl Inherited {
    /// What the service manager hands to this process. To be called once, before the process opens descriptors of
    /// its own by number.
    pub fn from_service_manager() -> Self {
        match sd_notify::listen_fds_with_names() {
            // SAFETY: the service manager made these descriptors for this process (LISTEN_PID was compared), and
            // nobody else here takes them.
            Ok(fds) => Self(fds.map(|(fd, name)| (name, unsafe { OwnedFd::from_raw_fd(fd) })).collect()),
            Err(error) => {
                tracing::warn!(%error, "what the service manager hands over is not understood");
                Self::default()
            }
        }
    }

    /// The listeners among them, with the cookie of their namespace. Others are closed.
    pub(super) fn listeners(self) -> Vec<(u64, Family, OwnedFd)> {
        let listener =
            |(name, fd): (String, OwnedFd)| parse(&name).map(|(cookie, family)| (cookie, family, fd));
        self.0.into_iter().filter_map(listener).collect()
    }
}

fn name(cookie: u64, family: Family) -> String {
    format!("{PREFIX}{cookie}-{}", if family == Family::V4 { 4 } else { 6 })
}

fn parse(name: &str) -> Option<(u64, Family)> {
    let (cookie, family) = name.strip_prefix(PREFIX)?.split_once('-')?;
    let family = match family {
        "4" => Family::V4,
        "6" => Family::V6,
        _ => return None,
    };
    Some((cookie.parse().ok()?, family))
}

/// Has the service manager keep a listener.
pub(super) fn store(cookie: u64, family: Family, listener: &impl AsFd) {
    let name = name(cookie, family);
    // What an earlier life stored under this name is the same listener, or one that is no more.
    forget(cookie, family);
    let state = [NotifyState::FdStore, NotifyState::FdName(&name)];
    if let Err(error) = sd_notify::notify_with_fds(&state, &[listener.as_fd()]) {
        tracing::warn!(%error, "a listener cannot be stored: connections during a restart wait elsewhere");
    }
}

/// Has the service manager close its copy of a listener: it would keep the network namespace alive.
pub(super) fn forget(cookie: u64, family: Family) {
    let name = name(cookie, family);
    // Without a service manager there is nothing to forget.
    drop(sd_notify::notify(&[NotifyState::FdStoreRemove, NotifyState::FdName(&name)]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_listener_is_known_by_its_name() {
        for family in [Family::V4, Family::V6] {
            assert_eq!(parse(&name(4711, family)), Some((4711, family)));
        }
        for other in
            ["", "connection", "portreeve-listener-", "portreeve-listener-x-4", "portreeve-listener-1-5"]
        {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
