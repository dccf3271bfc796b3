//! Who the kernel saw.

#![forbid(unsafe_code)]

use agent_ebpf::Origin;
use rustix::time::{ClockId, clock_gettime};

/// The process that made the system call, as the kernel saw it then. It may have ended since, and its pid may
/// be another's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The process (tgid), in the initial pid namespace.
    pub pid: u32,
    /// The thread, likewise.
    pub tid: u32,
    /// The real uid, in the initial user namespace.
    pub uid: u32,
    /// The real gid, likewise.
    pub gid: u32,
    /// The process's cgroup: the inode of its directory in the cgroup2 hierarchy.
    pub cgroup_id: u64,
    /// The network namespace of its socket (`SO_NETNS_COOKIE`).
    pub netns_cookie: u64,
    /// Its socket (`SO_COOKIE`).
    pub socket_cookie: u64,
    /// The thread's name. The process chooses it: for people to read, never to decide by.
    pub comm: String,
    /// When, nanoseconds of `CLOCK_MONOTONIC`.
    pub ktime_ns: u64,
}

impl From<&Origin> for Peer {
    fn from(origin: &Origin) -> Self {
        let name = origin.comm.split(|byte| *byte == 0).next().unwrap_or_default();
        Self {
            pid: origin.tgid,
            tid: origin.tid,
            uid: origin.uid,
            gid: origin.gid,
            cgroup_id: origin.cgroup_id,
            netns_cookie: origin.netns_cookie,
            socket_cookie: origin.socket_cookie,
            comm: String::from_utf8_lossy(name).into_owned(),
            ktime_ns: origin.ktime_ns,
        }
    }
}

impl Peer {
    /// A process that was found to hold the socket just now, where the kernel side did not see it.
    pub(super) fn found_now(mut self, pid: u32, comm: String) -> Self {
        let now = clock_gettime(ClockId::Monotonic);
        let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
        (self.pid, self.comm) = (pid, comm);
        self.ktime_ns = seconds.saturating_mul(1_000_000_000) + u64::try_from(now.tv_nsec).unwrap_or(0);
        self
    }
}
