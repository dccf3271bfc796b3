//! Listeners that outlive the daemon: in systemd's file descriptor store.
//!
//! There they go on to listen while the daemon is restarted, so that connections that begin meanwhile wait in their
//! queues. Without systemd nothing is stored, and such connections wait in the client's kernel, whose SYN is held.
//! See `FileDescriptorStoreMax=` in systemd.service(5) and sd_pid_notify_with_fds(3).

use std::{
    io,
    os::fd::{AsFd, FromRawFd as _, OwnedFd},
    sync::mpsc::{Sender, channel},
};

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
    /// What the service manager hands to this process. To be called once, and before the process opens descriptors
    /// that it keeps: what is handed over is known by number.
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

/// The service manager's store. All clones are the same.
///
/// It is spoken to by a thread of its own, in order: a manager that is busy does not take messages, and connections
/// must not wait for it.
#[derive(Debug, Clone)]
pub(super) struct FdStore(Option<Sender<Told>>);

/// What the manager is to do with what has this name.
#[derive(Debug)]
enum Told {
    Keep(String, OwnedFd),
    Forget(String),
}

impl FdStore {
    /// The store of the manager that started this process; without one nothing is stored.
    ///
    /// # Errors
    ///
    /// There is no thread to be had.
    pub(super) fn start() -> io::Result<Self> {
        if std::env::var_os("NOTIFY_SOCKET").is_none() {
            return Ok(Self(None));
        }
        let (sender, receiver) = channel();
        let speak = move || {
            let mut was_told = false;
            for told in receiver {
                if let Err(error) = tell(&told) {
                    not_stored(&error, &mut was_told);
                }
            }
        };
        std::thread::Builder::new().name("fd-store".into()).spawn(speak)?;
        Ok(Self(Some(sender)))
    }

    /// Has a listener kept.
    pub(super) fn store(&self, cookie: u64, family: Family, listener: &impl AsFd) {
        // What an earlier life stored under this name is the same listener, or one that is no more.
        self.forget(cookie, family);
        match listener.as_fd().try_clone_to_owned() {
            Ok(listener) => self.send(Told::Keep(name(cookie, family), listener)),
            Err(error) => not_stored(&error, &mut false),
        }
    }

    /// Has the copy of a listener closed: it would keep the network namespace alive.
    pub(super) fn forget(&self, cookie: u64, family: Family) {
        self.send(Told::Forget(name(cookie, family)));
    }

    fn send(&self, told: Told) {
        if let Some(sender) = &self.0 {
            // The thread is there as long as this is.
            let _ = sender.send(told);
        }
    }
}

fn tell(told: &Told) -> io::Result<()> {
    match told {
        Told::Keep(name, listener) => {
            let state = [NotifyState::FdStore, NotifyState::FdName(name)];
            sd_notify::notify_with_fds(&state, &[listener.as_fd()])
        }
        Told::Forget(name) => sd_notify::notify(&[NotifyState::FdStoreRemove, NotifyState::FdName(name)]),
    }
}

/// Says so, the first time loudly: a manager that is gone stays gone.
fn not_stored(error: &io::Error, was_told: &mut bool) {
    let told = "a listener cannot be stored: connections during a restart wait elsewhere";
    if std::mem::replace(was_told, true) {
        tracing::debug!(%error, "{told}");
    } else {
        tracing::warn!(%error, "{told}");
    }
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
