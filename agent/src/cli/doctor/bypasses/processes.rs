//! The processes that could take the programs off, or send past them: by capabilities that hold for the machine
//! itself.

use std::fs;
use std::io;
use std::path::PathBuf;

use super::super::capabilities::{self, Capability};
use super::super::finding::{Area, Finding, short_list};
use super::super::stage::Stage;
use crate::intercept::inspect::Seen;

/// Those by which the programs can be taken off or their maps be written to.
const OVER_PROGRAMS: [Capability; 3] = [Capability::Bpf, Capability::NetAdmin, Capability::SysAdmin];

/// A process with one of the capabilities that matter, in the user namespace of the machine's first process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Process {
    pub(in super::super) pid: u32,
    pub(in super::super) comm: String,
    pub(in super::super) uid: u32,
    pub(in super::super) capabilities: Vec<Capability>,
    /// It has process ids of its own, as containers have.
    pub(in super::super) contained: bool,
    /// It is in the machine's own network namespace.
    pub(in super::super) host_network: bool,
}

/// All of them.
///
/// # Errors
///
/// Processes of others may not be looked into.
pub(in super::super) fn look() -> Seen<Vec<Process>> {
    let own = Namespaces::of_the_machine()?;
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let process = |pid: u32| {
        let namespaces = Namespaces::of(pid).ok()?;
        // What holds in a user namespace of a container's own is its own to spoil.
        if namespaces.user != own.user {
            return None;
        }
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let (comm, uid, capabilities) = read(&status)?;
        let (contained, host_network) = (namespaces.pid != own.pid, namespaces.net == own.net);
        Some(Process { pid, comm, uid, capabilities, contained, host_network })
    };
    Ok(pids.filter_map(process).collect())
}

/// The namespaces of a process, as its links in `/proc` name them.
struct Namespaces {
    user: PathBuf,
    pid: PathBuf,
    net: PathBuf,
}

impl Namespaces {
    fn of(process: u32) -> io::Result<Self> {
        let namespace = |kind| fs::read_link(format!("/proc/{process}/ns/{kind}"));
        Ok(Self { user: namespace("user")?, pid: namespace("pid")?, net: namespace("net")? })
    }

    /// Those of the first process; where that hides them even from root, of the first thread of the kernel.
    fn of_the_machine() -> io::Result<Self> {
        Self::of(1).or_else(|hidden| Self::of(2).map_err(|_| hidden))
    }
}

/// The name, effective user and capabilities of a process that has some that matter; none for a thread of the
/// kernel.
fn read(status: &str) -> Option<(String, u32, Vec<Capability>)> {
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    field("VmSize")?;
    let set = capabilities::effective(status)?;
    let all = [Capability::NetRaw].into_iter().chain(OVER_PROGRAMS);
    let held: Vec<_> = all.filter(|capability| capability.is_in(set)).collect();
    let uid = field("Uid")?.split_whitespace().nth(1)?.parse().ok()?;
    (!held.is_empty()).then(|| (field("Name").unwrap_or_default().trim().to_owned(), uid, held))
}

/// What they come to.
pub(in super::super) fn judge(processes: &Seen<Vec<Process>>, stage: &Stage) -> Vec<Finding> {
    let processes = match processes {
        Ok(processes) => processes,
        Err(unseen) => {
            return vec![stage.unseen(Area::Bypasses, "processes", "the processes of others", unseen)];
        }
    };
    let over_programs =
        |process: &&Process| process.capabilities.iter().any(|capability| OVER_PROGRAMS.contains(capability));
    let strong = |process: &&Process| {
        process.capabilities.contains(&Capability::SysAdmin)
            || process.capabilities.contains(&Capability::Bpf)
    };
    let raw = |process: &&Process| process.host_network && process.capabilities.contains(&Capability::NetRaw);
    let (contained, outside): (Vec<_>, Vec<_>) = processes.iter().partition(|process| process.contained);
    let others: Vec<&Process> = outside.iter().copied().filter(|process| process.uid != 0).collect();

    let privileged = select(&contained, strong);
    let raw_contained: Vec<_> =
        select(&contained, raw).into_iter().filter(|process| !strong(process)).collect();
    vec![
        one(
            "privileged-containers",
            &privileged,
            "no container is privileged",
            Finding::warning,
            "containers may take the programs off",
            "CAP_SYS_ADMIN or CAP_BPF in the machine's own user namespace is root on the machine",
            Some("run them without --privileged, or in a user namespace of their own"),
        ),
        one(
            "raw-containers",
            &raw_contained,
            "no container has raw sockets in the machine's own network namespace",
            Finding::warning,
            "containers may send packets past the programs",
            "CAP_NET_RAW, which Docker gives by default, in the machine's own network namespace: a packet socket there \
             passes no program of a cgroup",
            Some("run them without --network host, or with --cap-drop NET_RAW"),
        ),
        one(
            "program-administrators",
            &select(&others, over_programs),
            "outside of containers root alone may take the programs off",
            Finding::note,
            "processes that are not root's may take the programs off",
            "CAP_SYS_ADMIN, CAP_NET_ADMIN or CAP_BPF; what they do is detected, not prevented",
            None,
        ),
        one(
            "raw-sockets",
            &select(&others, raw),
            "outside of containers root alone may send raw packets",
            Finding::note,
            "processes that are not root's may send packets past the programs",
            "CAP_NET_RAW in the machine's own network namespace: a packet socket passes no program of a cgroup",
            None,
        ),
    ]
}

fn select<'a>(processes: &[&'a Process], wanted: impl Fn(&&Process) -> bool) -> Vec<&'a Process> {
    processes.iter().copied().filter(|process| wanted(process)).collect()
}

fn one(
    check: &'static str,
    found: &[&Process],
    none: &str,
    finding: fn(Area, &'static str, String) -> Finding,
    what: &str,
    why: &str,
    cure: Option<&str>,
) -> Finding {
    if found.is_empty() {
        return Finding::ok(Area::Bypasses, check, none);
    }
    let told = found.iter().map(|process| {
        let names: Vec<_> = process.capabilities.iter().map(|capability| capability.name()).collect();
        format!("{} (pid {}, uid {}: {})", process.comm, process.pid, process.uid, names.join(" "))
    });
    let mut finding = finding(Area::Bypasses, check, format!("{what}: {}", short_list(told))).why(why);
    finding.cure = cure.map(str::to_owned);
    finding
}

#[cfg(test)]
mod tests {
    use super::super::super::finding::Level;
    use super::*;

    #[test]
    fn a_process_is_read_and_threads_of_the_kernel_and_those_without_capabilities_are_not() {
        let status =
            |size: &str, set: &str| format!("Name:\tnode\nUid:\t0\t107\t0\t0\n{size}CapEff:\t{set}\n");
        let read = |size, set| super::read(&status(size, set));
        let expect = ("node".to_owned(), 107, vec![Capability::NetRaw, Capability::NetAdmin]);
        assert_eq!(read("VmSize:\t 1 kB\n", "3000"), Some(expect));
        assert_eq!(read("VmSize:\t 1 kB\n", "4"), None);
        assert_eq!(read("", "3000"), None);
    }

    fn process(uid: u32, capabilities: &[Capability], contained: bool, host_network: bool) -> Process {
        Process {
            pid: 7,
            comm: "job".to_owned(),
            uid,
            capabilities: capabilities.to_vec(),
            contained,
            host_network,
        }
    }

    #[track_caller]
    fn check(process: Process, expect: &[(&str, Level)]) {
        let findings = judge(&Ok(vec![process]), &Stage::default());
        assert_eq!(findings.len(), 4);
        let bad = findings.iter().filter(|finding| finding.level > Level::Ok);
        let bad: Vec<_> = bad.map(|finding| (finding.check, finding.level)).collect();
        assert_eq!(bad, expect, "{findings:?}");
    }

    #[test]
    fn capabilities_are_judged_by_where_they_hold() {
        use Capability::{Bpf, NetAdmin, NetRaw, SysAdmin};
        let all = [NetRaw, Bpf, NetAdmin, SysAdmin];
        // Root outside of containers is told of elsewhere.
        check(process(0, &all, false, true), &[]);
        check(process(0, &all, true, false), &[("privileged-containers", Level::Warning)]);
        check(process(0, &all, true, true), &[("privileged-containers", Level::Warning)]);
        check(process(0, &[NetRaw], true, true), &[("raw-containers", Level::Warning)]);
        // Docker's default: raw sockets of its own network namespace, which the guard of interfaces sees.
        check(process(0, &[NetRaw], true, false), &[]);
        check(process(101, &[NetRaw], false, true), &[("raw-sockets", Level::Note)]);
        let both = [("program-administrators", Level::Note), ("raw-sockets", Level::Note)];
        check(process(101, &[NetAdmin, NetRaw], false, true), &both);
        check(process(101, &[NetRaw], false, false), &[]);
    }

    #[test]
    fn a_process_is_named_shortly() {
        let found = judge(&Ok(vec![process(101, &[Capability::NetRaw], false, true)]), &Stage::default());
        assert!(found[3].what.ends_with(": job (pid 7, uid 101: CAP_NET_RAW)"), "{found:?}");
    }
}
