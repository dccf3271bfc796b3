//! Loading the programs, and putting them behind their links: new ones, or those that an earlier daemon
//! left pinned.

#![forbid(unsafe_code)]

use std::{
    fs, io,
    os::fd::{AsFd as _, OwnedFd},
    path::Path,
};

use agent_ebpf::maps;
use aya::{
    Ebpf, EbpfLoader,
    programs::{CgroupAttachMode, Program, ProgramError, links::FdLink},
};

use super::{
    Error,
    cgroup_root::Cgroup,
    pins::PinDirectory,
    sys::{self, CgroupLink},
};

/// The built kernel side; empty if there was none when the agent was compiled.
static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("PORTREEVE_EBPF_OBJECT"));

/// A program of the object.
struct Entry {
    name: &'static str,
    /// Of `enum bpf_attach_type`.
    attach_type: u32,
    /// What it stands on, for the message when the kernel refuses it.
    feature: &'static str,
}

/// In the order of attaching: whoever is redirected finds everything else in place.
const PROGRAMS: [Entry; 5] = [
    Entry { name: "sock_ops", attach_type: 3, feature: "netns cookies in sockops programs (Linux 5.15)" },
    Entry { name: "getpeername4", attach_type: 29, feature: "the hook cgroup/getpeername4 (Linux 5.8)" },
    Entry { name: "getpeername6", attach_type: 30, feature: "the hook cgroup/getpeername6 (Linux 5.8)" },
    Entry { name: "connect4", attach_type: 10, feature: "socket storage in cgroup/connect4 (Linux 5.8)" },
    Entry { name: "connect6", attach_type: 11, feature: "socket storage in cgroup/connect6 (Linux 5.8)" },
];

/// Parses the object and makes its maps, or opens those that are pinned.
///
/// # Errors
///
/// There is no object, or the kernel refuses a map.
pub(super) fn load(pins: &PinDirectory) -> Result<Ebpf, Error> {
    if OBJECT.is_empty() {
        return Err(Error::NotBuilt);
    }
    let mut loader = EbpfLoader::new();
    for name in maps::ALL {
        loader.map_pin_path(name, pins.path(name));
    }
    loader.load(OBJECT).map_err(|source| Error::Load { source: Box::new(source) })
}

/// The links of all programs. They are pinned; the descriptors are kept as well, so that removing a pin
/// does not yet take a hook away.
pub(super) struct Programs {
    links: Vec<(&'static str, OwnedFd)>,
    cgroup_id: u64,
    adopted: usize,
}

impl Programs {
    /// Loads every program and puts it behind its link.
    ///
    /// # Errors
    ///
    /// The kernel refuses one. Links that were there before stay, with the old program or the new one;
    /// if there were none, none is left.
    pub(super) fn attach(mut object: Ebpf, cgroup: &Cgroup, pins: &PinDirectory) -> Result<Self, Error> {
        // All of them first: a program that the kernel refuses then changes nothing.
        for entry in &PROGRAMS {
            load_program(&mut object, entry).map_err(|source| Error::Program {
                program: entry.name,
                feature: entry.feature,
                source: Box::new(source),
            })?;
        }
        let (mut links, mut adopted) = (Vec::new(), 0);
        for entry in &PROGRAMS {
            match adopt(&object, entry, cgroup, pins).and_then(|link| match link {
                Some(link) => Ok((link, 1)),
                None => Ok((create(&mut object, entry, cgroup, pins)?, 0)),
            }) {
                Ok((link, from_before)) => {
                    links.push((entry.name, link));
                    adopted += from_before;
                }
                Err(error) => {
                    if adopted == 0 {
                        pins.remove_links()?;
                    }
                    return Err(error);
                }
            }
        }
        Ok(Self { links, cgroup_id: cgroup.id, adopted })
    }

    /// The programs that are not in force any more: root can detach a link, or remove its cgroup, and its
    /// pin stays.
    pub(super) fn detached(&self) -> Vec<&'static str> {
        let in_force = |link: &OwnedFd| {
            let found = sys::cgroup_link(link.as_fd());
            found.is_ok_and(|found| found.is_some_and(|found| found.cgroup_id == self.cgroup_id))
        };
        self.links.iter().filter(|(_, link)| !in_force(link)).map(|(name, _)| *name).collect()
    }

    /// How many links an earlier daemon had left.
    pub(super) fn adopted(&self) -> usize {
        self.adopted
    }
}

fn load_program(object: &mut Ebpf, entry: &Entry) -> Result<(), ProgramError> {
    match object.program_mut(entry.name) {
        Some(Program::CgroupSockAddr(program)) => program.load(),
        Some(Program::SockOps(program)) => program.load(),
        _ => Err(ProgramError::UnexpectedProgramType),
    }
}

/// Puts the program behind the pinned link, if there is one and it is still attached where it should be.
fn adopt(
    object: &Ebpf,
    entry: &Entry,
    cgroup: &Cgroup,
    pins: &PinDirectory,
) -> Result<Option<OwnedFd>, Error> {
    let path = pins.link(entry.name);
    let link = match sys::open_pin(&path) {
        Ok(link) => link,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::Pin { path, source }),
    };
    let expected = CgroupLink { cgroup_id: cgroup.id, attach_type: entry.attach_type };
    let found = sys::cgroup_link(link.as_fd()).map_err(|source| Error::Pin { path: path.clone(), source })?;
    if found != Some(expected) {
        // Somebody detached it, or its cgroup is gone: a pin like this would look well and do nothing.
        tracing::warn!(
            pin = %path.display(), ?found, ?expected,
            "a pinned hook was not in force any more; it is made anew"
        );
        return Ok(None);
    }
    let wrong = |source| Error::Attach { program: entry.name, source };
    let program = object.program(entry.name).ok_or_else(|| wrong(io::ErrorKind::NotFound.into()))?;
    let program = program.fd().map_err(|error| wrong(io::Error::other(error)))?;
    sys::update_link(link.as_fd(), program.as_fd()).map_err(wrong)?;
    Ok(Some(link))
}

/// Attaches the program and pins its link, in the place of a pin that is not in force.
fn create(object: &mut Ebpf, entry: &Entry, cgroup: &Cgroup, pins: &PinDirectory) -> Result<OwnedFd, Error> {
    let path = pins.link(entry.name);
    let link = attach(object, entry, cgroup).map_err(|error| Error::Attach {
        program: entry.name,
        // aya wraps the kernel's answer several times; the innermost is the one that helps.
        source: io::Error::other(innermost(&error)),
    })?;
    let wrong = |source| Error::Pin { path: path.clone(), source };
    remove_if_there(&path).map_err(wrong)?;
    link.pin(&path).map_err(|error| wrong(io::Error::other(error)))?;
    sys::open_pin(&path).map_err(wrong)
}

fn attach(object: &mut Ebpf, entry: &Entry, cgroup: &Cgroup) -> Result<FdLink, ProgramError> {
    // A cgroup link is always one of several; asking for `AllowMultiple` makes the kernel refuse it.
    let mode = CgroupAttachMode::Single;
    let link = match object.program_mut(entry.name) {
        Some(Program::CgroupSockAddr(program)) => {
            let link = program.attach(cgroup, mode)?;
            FdLink::try_from(program.take_link(link)?)
        }
        Some(Program::SockOps(program)) => {
            let link = program.attach(cgroup, mode)?;
            FdLink::try_from(program.take_link(link)?)
        }
        _ => return Err(ProgramError::UnexpectedProgramType),
    };
    // Only a kernel before 5.7 attaches without a link.
    link.map_err(|_| ProgramError::NotAttached)
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
