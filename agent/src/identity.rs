//! Who a workload is: from what the kernel said at connect to a [`Principal`].
//!
//! The kernel's part (ids, cgroup, namespace) is taken as it is: it was true at connect. What `/proc` adds is
//! read later, so it is taken only from an entry that is shown to be the same process, and a name that a
//! workload could have chosen for itself is left out: rules may grant by it. This module knows nothing of
//! policies, sockets or BPF.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use policy::Principal;

mod command_line;
mod passwd;
mod process;
mod unit;

pub use unit::unit;

/// What the kernel knew of the process that called connect(2), at that moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KernelPeer {
    /// Process id (tgid) in the host's pid namespace.
    pub pid: u32,
    /// Thread id.
    pub tid: u32,
    /// Effective user id, in the host's user namespace.
    pub uid: u32,
    /// Effective group id, likewise.
    pub gid: u32,
    /// Id of the cgroup (v2): the inode of its directory.
    pub cgroup_id: u64,
    /// Cookie of the network namespace.
    pub netns: u64,
    /// The thread's name.
    pub comm: String,
    /// When, in nanoseconds of CLOCK_MONOTONIC (`bpf_ktime_get_ns`).
    pub ktime_ns: u64,
}

/// Reads what the host knows of its processes.
#[derive(Debug, Clone)]
pub struct Identifier {
    proc: PathBuf,
    passwd: PathBuf,
    cgroups: Option<PathBuf>,
}

impl Identifier {
    /// For this host. `cgroups` is the folder where the root of the cgroup2 hierarchy is mounted; without it
    /// no principal has a cgroup path or a unit.
    pub fn new(cgroups: Option<PathBuf>) -> Self {
        Identifier { proc: "/proc".into(), passwd: "/etc/passwd".into(), cgroups }
    }

    /// The principal behind a connection. Never fails: what cannot be told is absent, and rules that ask for
    /// it do not match. A few small reads of `/proc`, some tens of microseconds.
    pub fn identify(&self, peer: &KernelPeer) -> Principal {
        let mut principal = Principal {
            pid: peer.pid,
            start_time: None,
            uid: peer.uid,
            gid: peer.gid,
            user: self.user_name(peer.uid),
            comm: peer.comm.clone(),
            executable: None,
            executable_sha256: None,
            command_line: None,
            cgroup_id: peer.cgroup_id,
            cgroup: None,
            unit: None,
            container: None,
            ancestors: Vec::new(),
            netns: peer.netns,
            claims: BTreeMap::new(),
        };
        self.decorate(peer, &mut principal);
        principal
    }

    /// The login name of a user, where the host's passwd file has one.
    pub fn user_name(&self, uid: u32) -> Option<String> {
        passwd::name(&self.passwd, uid)
    }

    /// Adds what `/proc` says, all or nothing: `None` as soon as the entry is not shown to be the process that
    /// connected.
    fn decorate(&self, peer: &KernelPeer, principal: &mut Principal) -> Option<()> {
        let folder = self.proc.join(peer.pid.to_string());
        let started = process::start_time(&folder)?;
        if !process::started_before(started, peer.ktime_ns) {
            return None;
        }
        let cgroup = process::cgroup(&folder);
        let cgroup = match (&self.cgroups, cgroup) {
            (Some(root), Some(path)) => {
                // Another inode: the entry is another process, or it moved after it had connected and then
                // its present cgroup is not what the kernel saw.
                if inode(root, &path)? != peer.cgroup_id {
                    return None;
                }
                Some(path)
            }
            _ => None,
        };
        let executable = process::executable(&folder);
        let command_line = process::command_line(&folder);
        // The same start after as before: all that was read lies between and is of one process.
        if process::start_time(&folder) != Some(started) {
            return None;
        }
        principal.start_time = Some(started);
        principal.unit = cgroup.as_deref().and_then(unit);
        principal.cgroup = cgroup;
        principal.executable = executable;
        principal.command_line = command_line;
        Some(())
    }
}

/// The inode of a cgroup's directory, which is its id.
fn inode(root: &Path, cgroup: &str) -> Option<u64> {
    let folder = root.join(cgroup.trim_start_matches('/'));
    Some(std::fs::metadata(folder).ok()?.ino())
}

#[cfg(test)]
mod tests;
