//! Who a workload is, after identification.

use std::collections::BTreeMap;

/// Who opened a connection. The kernel's part (pid, uid, gid, cgroup, namespace) is the authority; what was
/// read from `/proc` afterwards (executable, command line) is absent where the process had gone by then.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Principal {
    /// Process id (the kernel's tgid) in the host's pid namespace.
    pub pid: u32,
    /// Start of the process in clock ticks since boot (`/proc/PID/stat` field 22), where it could be read.
    pub start_time: Option<u64>,
    /// Effective user id at connect.
    pub uid: u32,
    /// Effective group id at connect.
    pub gid: u32,
    /// The login name of `uid`, where the host knows one.
    pub user: Option<String>,
    /// The kernel's name of the thread (`comm`), at most 15 bytes.
    pub comm: String,
    /// Path of the executable.
    pub executable: Option<String>,
    /// Command line, arguments separated by spaces.
    pub command_line: Option<String>,
    /// The kernel's id of the cgroup (v2).
    pub cgroup_id: u64,
    /// Path of the cgroup below the hierarchy's root, beginning with `/`.
    pub cgroup: Option<String>,
    /// The systemd unit that the cgroup belongs to, such as `buildkite-agent.service`.
    pub unit: Option<String>,
    /// Cookie of the network namespace.
    pub netns: u64,
    /// Claims of a verified token (OIDC), empty until one is brought.
    pub claims: BTreeMap<String, String>,
}

impl Principal {
    /// A process of which everything is known and nothing stands out: nobody's uid and gid, the root cgroup, an
    /// executable of no matter. What cases and questions about a policy leave out is taken from it.
    pub fn plain() -> Self {
        Principal {
            uid: 65_534,
            gid: 65_534,
            cgroup: Some("/".to_owned()),
            executable: Some("/usr/bin/job".to_owned()),
            ..Principal::default()
        }
    }
}
