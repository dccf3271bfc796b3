//! What can be missing or in the way, each with what a person can do about it.

#![forbid(unsafe_code)]

use std::{io, net::SocketAddr, path::PathBuf};

use aya::{EbpfError, maps::MapError, programs::ProgramError};

/// Why the interception cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The agent was compiled before the kernel side.
    #[error("this program was built without the kernel side: run `cargo xtask build-ebpf`, then build again")]
    NotBuilt,
    /// No root of a cgroup2 hierarchy can be reached.
    #[error(
        "the root of the cgroup2 hierarchy cannot be reached: {reason}; start portreeve in the host's cgroup \
         namespace, as root, on a kernel with cgroup2"
    )]
    CgroupRoot {
        /// What was found instead.
        reason: String,
    },
    /// The configured cgroup is none.
    #[error("intercept.cgroup: {path} is not a directory of a cgroup2 mount: {source}; leave it out to take the root", path = path.display())]
    Cgroup {
        /// As configured.
        path: PathBuf,
        /// Why it cannot be used.
        source: io::Error,
    },
    /// The pin directory cannot be had on a BPF file system.
    #[error("intercept.pin_directory: {path} cannot be used: {source}; it has to be root's alone, on a BPF file system: run `mount -t bpf bpf {parent}` as root, remove what another user made", path = path.display(), parent = parent.display())]
    Bpffs {
        /// The pin directory.
        path: PathBuf,
        /// The folder to mount at.
        parent: PathBuf,
        /// Why it is not, or why we could not mount it.
        source: io::Error,
    },
    /// Another daemon holds the pin directory.
    #[error("another portreeve already holds {path}; stop it first, or give this one another intercept.pin_directory", path = path.display())]
    AlreadyRunning {
        /// The pin directory.
        path: PathBuf,
    },
    /// A pin cannot be made, opened or removed.
    #[error("the pin {path} cannot be used: {source}; if it is a leftover, stop portreeve and remove it", path = path.display())]
    Pin {
        /// The pin.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The kernel did not take the maps, or the object is damaged.
    #[error("the kernel refused the kernel side's maps: {source}; {}", NEEDS)]
    Load {
        /// As the loader says it.
        source: Box<EbpfError>,
    },
    /// The kernel did not take a program.
    #[error("the kernel refused the program {program}, which needs {feature}: {source}; {}", NEEDS)]
    Program {
        /// Its name.
        program: &'static str,
        /// The kernel features that it stands on.
        feature: &'static str,
        /// As the kernel says it.
        source: Box<ProgramError>,
    },
    /// The kernel did not attach a program.
    #[error("the program {program} cannot be attached: {source}; {}", NEEDS)]
    Attach {
        /// Its name.
        program: &'static str,
        /// As the kernel says it.
        source: io::Error,
    },
    /// A map cannot be read or written.
    #[error("the kernel side's map {map} cannot be used: {source}")]
    Map {
        /// Its name.
        map: &'static str,
        /// As the kernel says it.
        source: MapError,
    },
    /// More destinations than the kernel side has room for.
    #[error(
        "{wanted} protected destinations are more than the {} that fit; put neighbours into one network",
        agent_ebpf::MAX_DESTINATIONS
    )]
    TooManyDestinations {
        /// How many there would be while the old ones give way to the new ones.
        wanted: usize,
    },
    /// The listener's address cannot be had.
    #[error("cannot listen on {address}: {source}; end what uses the port, or choose another intercept.port")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A socket of ours cannot be marked as such.
    #[error(
        "a socket cannot be marked as our own: {source}; raise net.core.optmem_max if it is out of memory"
    )]
    Mark {
        /// Why.
        source: io::Error,
    },
    /// The daemon's own network namespace, or the way into another, cannot be had.
    #[error("network namespaces cannot be used: {source}; it takes /proc, CAP_SYS_ADMIN and setns(2)")]
    Namespace {
        /// Why.
        source: io::Error,
    },
    /// The listener itself is broken.
    #[error("cannot accept connections any more: {source}")]
    Accept {
        /// Why.
        source: io::Error,
    },
}

/// The cure of whatever the kernel refuses as a whole.
const NEEDS: &str = "it takes root (CAP_BPF and CAP_NET_ADMIN) and Linux 5.15 or newer, built with \
                     CONFIG_CGROUP_BPF, CONFIG_BPF_SYSCALL and CONFIG_DEBUG_INFO_BTF";
