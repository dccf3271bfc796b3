//! Who a workload is, after identification.

use std::collections::BTreeMap;

/// Who opened a connection. The kernel's part (pid, uid, gid, cgroup, namespace) is the authority; what was
/// read from `/proc` afterwards (executable, command line, ancestors) is absent where the process had gone by
/// then.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Principal {
    /// Process id (the kernel's tgid) in the host's pid namespace.
    pub pid: u32,
    /// Start of the process in clock ticks since boot (`/proc/PID/stat` field 22), where it could be read.
    pub start_time: Option<u64>,
    /// Real user id at connect (`bpf_get_current_uid_gid`).
    pub uid: u32,
    /// Real group id at connect.
    pub gid: u32,
    /// The login name of `uid`, where the host knows one.
    pub user: Option<String>,
    /// The kernel's name of the thread (`comm`), at most 15 bytes.
    pub comm: String,
    /// Path of the executable, where the host has that very file there.
    pub executable: Option<String>,
    /// SHA-256 of the executable's content, also of one that has no path on the host.
    pub executable_sha256: Option<[u8; 32]>,
    /// Command line, arguments separated by spaces.
    pub command_line: Option<String>,
    /// The kernel's id of the cgroup (v2).
    pub cgroup_id: u64,
    /// Path of the cgroup below the hierarchy's root, beginning with `/`.
    pub cgroup: Option<String>,
    /// The systemd unit that the cgroup belongs to, such as `buildkite-agent.service`.
    pub unit: Option<String>,
    /// The container that the cgroup belongs to, as its runtime calls it: 64 hexadecimal digits, or a name.
    pub container: Option<String>,
    /// The process's parent, the parent's parent, and so on up to the job's root: the topmost that is in the same
    /// container or unit, or process 1 of the pid namespace. Who they were when it was looked at: a parent that had
    /// ended is not among them. It tells how a job came about, and grants nothing.
    pub ancestors: Vec<Ancestor>,
    /// Cookie of the network namespace.
    pub netns: u64,
    /// Claims of a verified token (OIDC) that the process had in its environment, each with its value, or those of a list.
    /// One without any is there, and is no text, number or truth value. Without a token there are no claims at all, and
    /// nothing is known of them: a job may leave its token out.
    pub claims: BTreeMap<String, Vec<String>>,
}

/// Who asks, and where.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Who.
    pub principal: &'a Principal,
    /// The resource's name.
    pub resource: &'a str,
    /// The database that was asked for.
    pub database: &'a str,
}

/// A process that a [`Principal`]'s process descends from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ancestor {
    /// As [`Principal::pid`].
    pub pid: u32,
    /// As [`Principal::start_time`].
    pub start_time: u64,
    /// The kernel's name of its first thread.
    pub comm: String,
    /// As [`Principal::executable`].
    pub executable: Option<String>,
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
            executable_sha256: Some([0; 32]),
            ..Principal::default()
        }
    }
}
