//! Who a workload is: from what the kernel said at connect to a [`Principal`].
//!
//! The kernel's part (ids, cgroup, namespace) is taken as it is: it was true at connect, and with the cgroup's id
//! its path, unit and container hold too. What `/proc` adds is read later, so it is taken only from an entry that is
//! shown to be the same process, and a name that a workload could have chosen for itself is left out: rules may grant
//! by it. This module knows nothing of policies, sockets or BPF.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use policy::Principal;

mod ancestors;
mod cgroups;
mod command_line;
mod container;
mod digests;
mod executable;
mod keys;
mod passwd;
mod process;
mod tokens;
mod unit;

use cgroups::Cgroups;
pub use container::container;
use digests::Digests;
use executable::Executable;
pub use keys::Error as KeysError;
use serde::Deserialize;
pub use tokens::TokenConfig;
use tokens::Tokens;
pub use unit::unit;

use crate::secret::Secret;

/// What the kernel knew of the process that called connect(2), at that moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KernelPeer {
    /// Process id (tgid) in the host's pid namespace.
    pub pid: u32,
    /// Thread id.
    pub tid: u32,
    /// Real user id, in the host's user namespace.
    pub uid: u32,
    /// Real group id, likewise.
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

/// How jobs are told apart beside what the kernel says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whose tokens are taken, for `claims` of rules.
    #[serde(default, deserialize_with = "tokens::each_once")]
    pub tokens: Vec<TokenConfig>,
}

/// Reads what the host knows of its processes.
#[derive(Debug)]
pub struct Identifier {
    proc: PathBuf,
    passwd: PathBuf,
    cgroups: Option<Cgroups>,
    digests: Digests,
    tokens: Tokens,
}

impl Identifier {
    /// For this host. `cgroups` is the folder where the root of the cgroup2 hierarchy is mounted; without it
    /// no principal has a cgroup path, a unit or a container.
    pub fn new(cgroups: Option<PathBuf>) -> Self {
        Identifier {
            proc: "/proc".into(),
            passwd: "/etc/passwd".into(),
            cgroups: cgroups.map(Cgroups::new),
            digests: Digests::new(digests::MOST_BYTES),
            tokens: Tokens::default(),
        }
    }

    /// The same, which takes those tokens.
    pub fn with_tokens(self, tokens: Vec<TokenConfig>) -> Self {
        Identifier { tokens: Tokens::new(tokens), ..self }
    }

    /// The principal behind a connection. Never fails: what cannot be told is absent, and rules that ask for
    /// it do not match.
    ///
    /// It blocks: some hundred microseconds as a rule, but an executable that is seen for the first time is read to
    /// its end, and where its file system hangs so does this.
    pub fn identify(&self, peer: &KernelPeer) -> Principal {
        let mut principal = self.carried(peer);
        self.decorate(peer, &mut principal);
        principal
    }

    /// The part of the principal that was true at connect, whatever has become of the process since: the kernel's
    /// own word, and what follows from it. Nothing that the workload could make hang is looked at.
    pub fn carried(&self, peer: &KernelPeer) -> Principal {
        let told = process::cgroup(&self.proc.join(peer.pid.to_string()));
        let cgroup = self.cgroups.as_ref().and_then(|cgroups| cgroups.path(peer.cgroup_id, told));
        // No unit below what is a container's: it names things as it likes.
        let home = cgroup.as_deref().map(container::home);
        Principal {
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
            unit: home.and_then(unit),
            container: home.and_then(container).map(str::to_owned),
            cgroup,
            ancestors: Vec::new(),
            netns: peer.netns,
            claims: BTreeMap::new(),
        }
    }

    /// The login name of a user, where the host's passwd file has one.
    pub fn user_name(&self, uid: u32) -> Option<String> {
        passwd::name(&self.passwd, uid)
    }

    /// Adds what `/proc` says, all or nothing: `None` as soon as the entry is not shown to be the process that
    /// connected.
    fn decorate(&self, peer: &KernelPeer, principal: &mut Principal) -> Option<()> {
        let folder = self.proc.join(peer.pid.to_string());
        let stat = process::stat(&folder)?;
        let started = stat.started;
        if !process::started_before(started, peer.ktime_ns) {
            return None;
        }
        // In another cgroup than the kernel saw: the entry is another process, or it moved after it had connected.
        let cgroup = process::cgroup(&folder);
        if self.cgroups.is_some() && cgroup.is_some() && cgroup != principal.cgroup {
            return None;
        }
        let executable = Executable::of(&folder);
        let command_line = process::command_line(&folder);
        let claims = match self.tokens.is_empty() {
            true => BTreeMap::new(),
            false => {
                let environment = process::environment(&folder);
                let claims =
                    |environment: Secret| self.tokens.claims(peer.pid, environment.expose(), process::now());
                environment.map(claims).unwrap_or_default()
            }
        };
        let ancestors = ancestors::of(&self.proc, peer.pid, stat, principal.cgroup.as_deref());
        let file = executable.as_ref().and_then(Executable::open);
        // As another user it is another program, that execve(2) of a set-user-ID one led to: it may be a stranger's.
        let replaced = executable.as_ref().is_none_or(|executable| !executable.remains())
            || process::ids(&folder) != Some((peer.uid, peer.gid));
        // The same start after as before: all that was read lies between and is of one process.
        if process::start_time(&folder) != Some(started) {
            return None;
        }
        principal.start_time = Some(started);
        principal.ancestors = ancestors;
        // One that called execve(2) meanwhile is neither what it was nor what it is.
        if !replaced {
            principal.executable = executable.and_then(|executable| executable.path);
            principal.command_line = command_line;
            principal.claims = claims;
            // The process may end while this takes its time.
            principal.executable_sha256 = file.and_then(|file| self.digests.of(&file));
        }
        Some(())
    }
}

#[cfg(test)]
mod tests;
