//! Loading the programs, and putting them behind their links: new ones, or those that an earlier daemon
//! left pinned; and seeing to it that they stay in force.

#![forbid(unsafe_code)]

use std::{
    fs, io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    path::Path,
};

use agent_ebpf::maps;
use aya::{
    Ebpf, EbpfLoader,
    programs::{Program, ProgramError},
};

use super::{
    Error,
    cgroup_root::{Cgroup, Cgroups},
    pins::{Maps, PinDirectory},
    sys::{self, LinkInfo, Target},
};

/// The built kernel side; empty if there was none when the agent was compiled.
static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("PORTREEVE_EBPF_OBJECT"));

/// A program of the object that is attached to a cgroup.
pub(super) struct Entry {
    pub(super) name: &'static str,
    /// Of `enum bpf_attach_type`.
    pub(super) attach_type: u32,
    /// What it stands on, for the message when the kernel refuses it.
    pub(super) feature: &'static str,
}

impl Entry {
    pub(super) fn cgroup<'a>(&self, cgroups: &'a Cgroups) -> &'a Cgroup {
        match self.name {
            // It runs for the daemon's listeners as well, wherever the daemon is.
            "sock_ops" => cgroups.root(),
            _ => cgroups.jobs(),
        }
    }
}

/// In the order of attaching: whoever is redirected finds everything else in place, and the guard comes when
/// newcomers are redirected already.
pub(super) const PROGRAMS: [Entry; 9] = [
    Entry { name: "sock_ops", attach_type: 3, feature: "netns cookies in sockops programs (Linux 5.15)" },
    Entry { name: "getpeername4", attach_type: 29, feature: "the hook cgroup/getpeername4 (Linux 5.8)" },
    Entry { name: "getpeername6", attach_type: 30, feature: "the hook cgroup/getpeername6 (Linux 5.8)" },
    Entry { name: "bind4", attach_type: 8, feature: "netns cookies in cgroup/bind4 (Linux 5.7)" },
    Entry { name: "bind6", attach_type: 9, feature: "netns cookies in cgroup/bind6 (Linux 5.7)" },
    Entry {
        name: "sock_create",
        attach_type: 2,
        feature: "socket storage in cgroup/sock_create (Linux 5.10)",
    },
    Entry { name: "connect4", attach_type: 10, feature: "socket storage in cgroup/connect4 (Linux 5.8)" },
    Entry { name: "connect6", attach_type: 11, feature: "socket storage in cgroup/connect6 (Linux 5.8)" },
    Entry { name: "guard", attach_type: 1, feature: "socket storage in cgroup_skb/egress (Linux 5.2)" },
];

/// The program for virtual interfaces.
pub(super) const LINK: &str = "link";
/// What it stands on.
pub(super) const LINK_FEATURE: &str = "socket storage in programs of traffic control (Linux 5.2)";

/// Parses the object and makes its maps, or opens those that are pinned.
///
/// # Errors
///
/// There is no object, or the kernel refuses a map.
pub(super) fn load(maps: &Maps) -> Result<Ebpf, Error> {
    let mut loader = EbpfLoader::new();
    for name in maps::ALL {
        loader.map_pin_path(name, maps.path(name));
    }
    parse(&mut loader)
}

/// The same with maps that are pinned nowhere and end with this value.
///
/// # Errors
///
/// As [`load`].
pub(super) fn load_unpinned() -> Result<Ebpf, Error> {
    parse(&mut EbpfLoader::new())
}

fn parse(loader: &mut EbpfLoader<'_>) -> Result<Ebpf, Error> {
    if OBJECT.is_empty() {
        return Err(Error::NotBuilt);
    }
    loader.load(OBJECT).map_err(|source| Error::Load { source: Box::new(source) })
}

/// A program in its place.
struct Attached {
    entry: &'static Entry,
    program: OwnedFd,
    /// The program's id, as links and cgroups tell it.
    id: u32,
    /// Pinned; the descriptor is kept as well, so that removing the pin does not yet take the hook away.
    link: OwnedFd,
}

/// All programs of cgroups, in force.
pub(super) struct Programs {
    attached: Vec<Attached>,
    cgroups: Cgroups,
    adopted: usize,
    link: OwnedFd,
}

/// How a program is not as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Somebody took it off; it was put back.
    Reattached,
    /// It is off, and could not be put back: what it guards is open.
    Detached,
    /// Its pin was removed; it was made anew.
    Repinned,
    /// Another program runs after it, and may undo what it decides.
    Overruled,
}

impl Programs {
    /// Loads every program and puts it behind its link.
    ///
    /// # Errors
    ///
    /// The kernel refuses one. Links that were there before stay, with the old program or the new one;
    /// if there were none, none is left.
    pub(super) fn attach(mut object: Ebpf, cgroups: Cgroups, pins: &PinDirectory) -> Result<Self, Error> {
        // All of them first: a program that the kernel refuses then changes nothing.
        let mut loaded = Vec::new();
        for entry in &PROGRAMS {
            let (program, id) = load_program(&mut object, entry.name).map_err(|source| Error::Program {
                program: entry.name,
                feature: entry.feature,
                source: Box::new(source),
            })?;
            loaded.push((entry, program, id));
        }
        let (link, _) = load_program(&mut object, LINK).map_err(|source| Error::Program {
            program: LINK,
            feature: LINK_FEATURE,
            source: Box::new(source),
        })?;
        let mut programs = Self { attached: Vec::new(), cgroups, adopted: 0, link };
        for (entry, program, id) in loaded {
            match programs.put(entry, program.as_fd(), pins) {
                Ok(link) => programs.attached.push(Attached { entry, program, id, link }),
                Err(error) => {
                    if programs.adopted == 0 {
                        pins.remove_links()?;
                    }
                    return Err(error);
                }
            }
        }
        Ok(programs)
    }

    fn put(
        &mut self,
        entry: &'static Entry,
        program: BorrowedFd<'_>,
        pins: &PinDirectory,
    ) -> Result<OwnedFd, Error> {
        let cgroup = entry.cgroup(&self.cgroups);
        if let Some(link) = adopt(entry, program, cgroup, pins)? {
            self.adopted += 1;
            return Ok(link);
        }
        create(entry, program, cgroup, pins)
    }

    /// How many links an earlier daemon had left.
    pub(super) fn adopted(&self) -> usize {
        self.adopted
    }

    /// What they are attached to.
    pub(super) fn cgroups(&self) -> &Cgroups {
        &self.cgroups
    }

    /// The program for virtual interfaces, which is not attached here.
    ///
    /// # Errors
    ///
    /// There is no descriptor to be had.
    pub(super) fn link(&self) -> Result<OwnedFd, Error> {
        self.link.try_clone().map_err(|source| Error::Attach { program: LINK, source })
    }

    /// The names of all of them.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.attached.iter().map(|attached| attached.entry.name)
    }

    /// Compares what is in force with what should be, and mends what can be mended.
    pub(super) fn mend(&mut self, pins: &PinDirectory) -> Vec<(&'static str, Fault)> {
        let mut faults = Vec::new();
        for attached in &mut self.attached {
            let name = attached.entry.name;
            let cgroup = attached.entry.cgroup(&self.cgroups);
            if !in_force(attached, cgroup) {
                match create(attached.entry, attached.program.as_fd(), cgroup, pins) {
                    Ok(link) => {
                        attached.link = link;
                        faults.push((name, Fault::Reattached));
                    }
                    Err(error) => {
                        tracing::error!(%error, "a program cannot be attached again");
                        faults.push((name, Fault::Detached));
                        continue;
                    }
                }
            } else if !pins.link(name).exists() && sys::pin(attached.link.as_fd(), &pins.link(name)).is_ok() {
                faults.push((name, Fault::Repinned));
            }
            let effective = sys::effective_programs(cgroup.as_fd(), attached.entry.attach_type);
            match effective.as_deref() {
                Ok([.., last]) if *last == attached.id => {}
                Ok(ids) if ids.contains(&attached.id) => faults.push((name, Fault::Overruled)),
                Ok(_) => faults.push((name, Fault::Detached)),
                Err(error) => tracing::debug!(%error, name, "what is in force cannot be asked"),
            }
        }
        faults
    }
}

/// Root can detach a link, put another program behind it, or remove its cgroup, and its pin stays.
fn in_force(attached: &Attached, cgroup: &Cgroup) -> bool {
    let expected =
        LinkInfo { program: attached.id, target: cgroup.id, attach_type: attached.entry.attach_type };
    sys::link_info(attached.link.as_fd()).is_ok_and(|found| found == Some(expected))
}

/// Gives a program to the kernel, which does not attach it yet. Its id.
///
/// # Errors
///
/// The kernel refuses it.
pub(super) fn load_program(object: &mut Ebpf, name: &str) -> Result<(OwnedFd, u32), ProgramError> {
    let program = object.program_mut(name).ok_or(ProgramError::UnexpectedProgramType)?;
    match program {
        Program::CgroupSockAddr(program) => program.load()?,
        Program::CgroupSock(program) => program.load()?,
        Program::CgroupSkb(program) => program.load()?,
        Program::SockOps(program) => program.load()?,
        Program::SchedClassifier(program) => program.load()?,
        _ => return Err(ProgramError::UnexpectedProgramType),
    }
    let id = program.info()?.id();
    let fd = program.fd()?.as_fd().try_clone_to_owned();
    Ok((fd.map_err(ProgramError::IOError)?, id))
}

/// Puts the program behind the pinned link, if there is one and it is still attached where it should be.
fn adopt(
    entry: &Entry,
    program: BorrowedFd<'_>,
    cgroup: &Cgroup,
    pins: &PinDirectory,
) -> Result<Option<OwnedFd>, Error> {
    let path = pins.link(entry.name);
    let link = match sys::open_pin(&path) {
        Ok(link) => link,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::Pin { path, source }),
    };
    let found = sys::link_info(link.as_fd()).map_err(|source| Error::Pin { path: path.clone(), source })?;
    let is_there = |found: LinkInfo| (found.target, found.attach_type) == (cgroup.id, entry.attach_type);
    if !found.is_some_and(is_there) {
        // Somebody detached it, or its cgroup is gone: a pin like this would look well and do nothing.
        tracing::warn!(
            pin = %path.display(), ?found,
            "a pinned hook was not in force any more; it is made anew"
        );
        return Ok(None);
    }
    sys::update_link(link.as_fd(), program)
        .map_err(|source| Error::Attach { program: entry.name, source })?;
    Ok(Some(link))
}

/// Attaches the program and pins its link, in the place of a pin that is not in force.
fn create(
    entry: &Entry,
    program: BorrowedFd<'_>,
    cgroup: &Cgroup,
    pins: &PinDirectory,
) -> Result<OwnedFd, Error> {
    let path = pins.link(entry.name);
    let link = sys::create_link(program, Target::Cgroup(cgroup.as_fd()), entry.attach_type)
        .map_err(|source| Error::Attach { program: entry.name, source })?;
    let wrong = |source| Error::Pin { path: path.clone(), source };
    remove_if_there(&path).map_err(wrong)?;
    sys::pin(link.as_fd(), &path).map_err(wrong)?;
    Ok(link)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
