//! What this kernel has of what the programs need: found out by trying.

use std::{
    collections::HashMap,
    fs, io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    path::Path,
    thread,
};

use aya::programs::{ProgramError, ProgramInfo, loaded_programs};
use rustix::{
    net::{AddressFamily, SocketFlags, SocketType, socket_with},
    thread::{UnshareFlags, unshare_unsafe},
};

use super::{
    super::{
        interfaces::TCX_INGRESS,
        programs::{self, LINK, LINK_FEATURE, PROGRAMS},
        sock_diag::SockDiag,
        sys::{self, Target},
    },
    Seen, Unseen,
};

/// What this kernel has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// Its release, as uname(2) says it.
    pub release: String,
    /// Each program of this executable, tried; or why none could be.
    pub programs: Seen<Vec<Tried>>,
    /// Whether it tells its own types (`/sys/kernel/btf/vmlinux`).
    pub btf: bool,
    /// `SO_NETNS_COOKIE`.
    pub netns_cookie: Seen<()>,
    /// Listing and ending TCP sockets (sock_diag(7), `SOCK_DESTROY`).
    pub sock_destroy: Seen<()>,
    /// Programs on interfaces.
    pub tcx: Tcx,
}

/// A program that was given to the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// Its name.
    pub program: &'static str,
    /// The kernel features that it stands on.
    pub feature: &'static str,
    /// The digest of its instructions, by which the kernel knows it again; or why it was refused.
    pub tag: Seen<u64>,
}

/// Whether programs can be attached to interfaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tcx {
    /// One was, to an interface of a network namespace that ended with it.
    Attached,
    /// The kernel does not know how.
    Refused(String),
    /// It could not be tried.
    Untried(String),
}

/// Tries what this kernel has.
pub fn kernel() -> Kernel {
    let (programs, tcx) = match try_programs() {
        Ok((programs, Some(link))) => (Ok(programs), tcx(link)),
        Ok((programs, None)) => (Ok(programs), Tcx::Untried("its program cannot be loaded".to_owned())),
        Err(unseen) => (Err(unseen), Tcx::Untried("no program could be tried".to_owned())),
    };
    Kernel {
        release: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
        programs,
        btf: Path::new("/sys/kernel/btf/vmlinux").exists(),
        netns_cookie: netns_cookie().map(drop),
        sock_destroy: SockDiag::in_this_namespace()
            .and_then(|mut diag| diag.check_destroy())
            .map_err(|error| Unseen::of(&error)),
        tcx,
    }
}

/// Each program, and that for interfaces to be tried on one.
fn try_programs() -> Seen<(Vec<Tried>, Option<OwnedFd>)> {
    let mut object = programs::load_unpinned()?;
    let all = PROGRAMS.iter().map(|entry| (entry.name, entry.feature)).chain([(LINK, LINK_FEATURE)]);
    let (mut loaded, mut link) = (Vec::new(), None);
    for (program, feature) in all {
        let outcome = programs::load_program(&mut object, program).map_err(|error| refusal(&error));
        let outcome = outcome.map(|(fd, id)| {
            link = Some(fd);
            id
        });
        loaded.push((program, feature, outcome));
    }
    // While `object` lives, the kernel has them all.
    let known = loaded_by_id();
    let tag = |id: u32| known.get(&id).map(|known| known.tag).ok_or_else(|| Unseen::failed("it is gone"));
    let refused = loaded.last().is_none_or(|(.., outcome)| outcome.is_err());
    let tried = loaded.into_iter().map(|(program, feature, outcome)| Tried {
        program,
        feature,
        tag: outcome.and_then(tag),
    });
    Ok((tried.collect(), link.filter(|_| !refused)))
}

/// The kernel's error, and why its verifier says so.
fn refusal(error: &ProgramError) -> Unseen {
    match error {
        ProgramError::LoadError { io_error, verifier_log } => refused(io_error, &verifier_log.to_string()),
        error => Unseen::of(error),
    }
}

fn refused(error: &io::Error, log: &str) -> Unseen {
    // `EACCES` is the verifier's: it is the program that it does not let pass, not us.
    let denied = error.raw_os_error() == Some(libc::EPERM);
    let why = match verdict(log) {
        Some(verdict) => format!("{error}; the verifier says: {verdict}"),
        None => error.to_string(),
    };
    Unseen { denied, why }
}

/// The last line of a verifier's log before it counts what it did.
fn verdict(log: &str) -> Option<&str> {
    const COUNTS: [&str; 3] = ["processed ", "verification time ", "stack depth "];
    let counts = |line: &str| COUNTS.iter().any(|begin| line.starts_with(begin));
    log.lines().map(str::trim).rev().find(|line| !line.is_empty() && !counts(line))
}

/// A program in the kernel, whoever loaded it.
pub(super) struct Known {
    pub(super) name: String,
    pub(super) tag: u64,
}

/// All programs in the kernel, by their ids. Empty if we may not ask.
pub(super) fn loaded_by_id() -> HashMap<u32, Known> {
    // One that ends meanwhile is an error in the list.
    let known = |info: ProgramInfo| {
        let name = String::from_utf8_lossy(info.name()).into_owned();
        (info.id(), Known { name, tag: info.tag() })
    };
    loaded_programs().filter_map(Result::ok).map(known).collect()
}

/// The cookie of the network namespace of this thread. The socket is of no network, so that no program sees it made.
pub(super) fn netns_cookie() -> Seen<u64> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    Ok(sys::netns_cookie(socket.as_fd())?)
}

/// Attaches the program to the loopback interface of a network namespace that nobody else is in.
fn tcx(program: OwnedFd) -> Tcx {
    let tried = thread::Builder::new().name("tcx".into()).spawn(move || {
        // SAFETY: the thread's network namespace alone is replaced, and the thread ends after this.
        if let Err(error) = unsafe { unshare_unsafe(UnshareFlags::NEWNET) } {
            return Tcx::Untried(format!("no network namespace of its own can be had: {error}"));
        }
        attach(program.as_fd())
    });
    match tried.map(thread::JoinHandle::join) {
        Ok(Ok(tcx)) => tcx,
        Ok(Err(_)) => Tcx::Untried("the thread that tried it failed".to_owned()),
        Err(error) => Tcx::Untried(error.to_string()),
    }
}

fn attach(program: BorrowedFd<'_>) -> Tcx {
    /// The loopback's index in every new namespace.
    const LOOPBACK: u32 = 1;
    match sys::create_link(program, Target::Interface(LOOPBACK), TCX_INGRESS) {
        Ok(_) => Tcx::Attached,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Tcx::Untried(error.to_string()),
        Err(error) => Tcx::Refused(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_of_a_verifier_stands_before_what_it_counts() {
        let log = "0: (b7) r0 = 0\ncombined stack size of 2 calls is 544. Too large\nverification time 7 usec\n\
                   stack depth 488+0\nprocessed 453299 insns (limit 1000000)\n\n";
        assert_eq!(verdict(log), Some("combined stack size of 2 calls is 544. Too large"));
        assert_eq!(verdict("processed 1 insns\n"), None);
        assert_eq!(verdict(""), None);
    }

    #[test]
    fn a_program_that_the_verifier_refuses_is_not_one_that_we_may_not_load() {
        let refused = |errno| refused(&io::Error::from_raw_os_error(errno), "R1 invalid mem access\n");
        assert!(refused(libc::EPERM).denied && !refused(libc::EACCES).denied);
        assert!(refused(libc::EACCES).why.ends_with("the verifier says: R1 invalid mem access"));
    }
}
