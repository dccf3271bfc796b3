//! The layer below the sockets: the kernel side's program on the interfaces by which packets of other network
//! namespaces and of virtual machines come in.
//!
//! It catches what no socket hook of this machine sees, such as a container's packet sockets. It needs tcx (Linux
//! 6.6); without it the daemon runs all the same, and says that this layer is missing.

#![forbid(unsafe_code)]

use std::{
    collections::HashMap,
    fs, io,
    os::fd::{AsFd as _, OwnedFd},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::task::JoinHandle;

use super::{
    Error, links,
    pins::PinDirectory,
    sys::{self, Target},
};

/// `BPF_TCX_INGRESS` of `enum bpf_attach_type`.
pub(super) const TCX_INGRESS: u32 = 46;

/// How this layer is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum InterfaceGuard {
    /// It stands on so many interfaces, which are all that there are.
    Active(usize),
    /// This kernel does not have it, as it says itself.
    Missing(String),
}

/// The task that keeps the program on all interfaces; it ends with this value, and the program stays.
pub(super) struct Interfaces {
    state: Arc<Mutex<InterfaceGuard>>,
    task: Option<JoinHandle<()>>,
}

impl Interfaces {
    /// Puts the program on every interface that is there, and on those that come. Must be called in the daemon's own
    /// network namespace and in its runtime.
    ///
    /// # Errors
    ///
    /// The pins cannot be had. A kernel without tcx is no error.
    pub(super) fn start(program: OwnedFd, pins: &PinDirectory) -> Result<Self, Error> {
        let mut keeper = Keeper { program, folder: pins.interfaces()?, links: HashMap::new() };
        let watch = links::Watch::in_this_namespace().and_then(links::Watch::register);
        let changes = match watch {
            Ok(changes) => changes,
            Err(error) => return Ok(Self::missing(error)),
        };
        let state = match keeper.look() {
            Ok(count) => Arc::new(Mutex::new(InterfaceGuard::Active(count))),
            Err(error) => return Ok(Self::missing(error)),
        };
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while changes.next().await.is_ok() {
                let now = match keeper.look() {
                    Ok(count) => InterfaceGuard::Active(count),
                    Err(error) => {
                        tracing::error!(%error, "an interface cannot be guarded");
                        InterfaceGuard::Missing(error.to_string())
                    }
                };
                *shared.lock().unwrap_or_else(PoisonError::into_inner) = now;
            }
        });
        Ok(Self { state, task: Some(task) })
    }

    fn missing(error: io::Error) -> Self {
        tracing::warn!(%error, "packets below the sockets are not guarded: that takes tcx (Linux 6.6)");
        Self { state: Arc::new(Mutex::new(InterfaceGuard::Missing(error.to_string()))), task: None }
    }

    /// How it is now.
    pub(super) fn state(&self) -> InterfaceGuard {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Interfaces {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

struct Keeper {
    program: OwnedFd,
    folder: PathBuf,
    links: HashMap<u32, OwnedFd>,
}

impl Keeper {
    /// Sees to it that exactly the interfaces that are there have the program, and says how many these are.
    fn look(&mut self) -> io::Result<usize> {
        let there = links::entrances()?;
        self.links.retain(|index, _| there.iter().any(|link| link.index == *index));
        for link in &there {
            if !self.is_in_force(link.index) {
                match self.attach(link.index) {
                    Ok(attached) => drop(self.links.insert(link.index, attached)),
                    // It went away meanwhile.
                    Err(error) if error.raw_os_error() == Some(libc::ENODEV) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        self.sweep(&there)?;
        Ok(self.links.len())
    }

    fn is_in_force(&self, index: u32) -> bool {
        let info = self.links.get(&index).map(|link| sys::link_info(link.as_fd()));
        matches!(info, Some(Ok(Some(info))) if info.target == u64::from(index))
    }

    /// Puts the program behind the link that an earlier daemon left, or behind a new one.
    fn attach(&self, index: u32) -> io::Result<OwnedFd> {
        let pin = self.pin(index);
        if let Ok(link) = sys::open_pin(&pin) {
            let info = sys::link_info(link.as_fd())?;
            if info.is_some_and(|info| info.target == u64::from(index)) {
                sys::update_link(link.as_fd(), self.program.as_fd())?;
                return Ok(link);
            }
            fs::remove_file(&pin)?;
        }
        let link = sys::create_link(self.program.as_fd(), Target::Interface(index), TCX_INGRESS)?;
        sys::pin(link.as_fd(), &pin)?;
        Ok(link)
    }

    fn pin(&self, index: u32) -> PathBuf {
        self.folder.join(format!("{index}_link"))
    }

    /// Removes the pins of interfaces that are gone.
    fn sweep(&self, there: &[links::Link]) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if !there.iter().any(|link| self.pin(link.index) == *path) {
                remove(&path)?;
            }
        }
        Ok(())
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
