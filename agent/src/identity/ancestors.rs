//! Where a process comes from: its parent, the parent's parent, and so on up to the job's root.
//!
//! The job's root is the topmost process of the chain that is in the same container or unit as the process itself,
//! or what stands between it and that: the first process of the pid namespace, or of the host. Where no cgroup is
//! known, only these two end the chain. A process whose parent has ended is handed to another one, so the chain is
//! what it was when it was looked at.

use std::path::Path;

use policy::Ancestor;

use super::container::home;
use super::executable::Executable;
use super::process::{self, Stat};

/// The longest chain: whoever nests deeper is cut there.
const MOST: usize = 32;

/// The ancestors of a process that is in `cgroup`, the nearest first, as far up as each is shown to be one.
pub(super) fn of(proc: &Path, pid: u32, stat: Stat, cgroup: Option<&str>) -> Vec<Ancestor> {
    let home = cgroup.map(home);
    let mut chain = Vec::new();
    let (mut child, mut child_stat) = (proc.join(pid.to_string()), stat);
    while chain.len() < MOST && !process::is_first_of_its_namespace(&child) {
        let parent = proc.join(child_stat.parent.to_string());
        let Some(parent_stat) = process::stat(&parent) else { break };
        if home.is_some() && process::cgroup(&parent).as_deref().map(self::home) != home {
            break;
        }
        let executable = Executable::of(&parent).and_then(|executable| executable.path);
        // A child that has its parent after as before has had it all along: no other process had that pid meanwhile.
        // And no process is older than the one that started it.
        let same = process::stat(&child).is_some_and(|now| now.is_same(&child_stat));
        if !same || parent_stat.started > child_stat.started {
            break;
        }
        chain.push(Ancestor {
            pid: child_stat.parent,
            start_time: parent_stat.started,
            comm: parent_stat.comm.clone(),
            executable,
        });
        (child, child_stat) = (parent, parent_stat);
    }
    chain
}
