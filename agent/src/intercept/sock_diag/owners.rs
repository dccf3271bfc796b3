//! Whose a socket is: the processes that have a descriptor of it, by one walk through `/proc`.

use std::{
    collections::{HashMap, HashSet},
    ffi::CStr,
    os::fd::{AsFd, OwnedFd},
};

use rustix::{
    fs::{CWD, Dir, Mode, OFlags, openat, readlinkat_raw},
    io::{Errno, read},
};

use super::Error;

/// A process that has a descriptor of a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::intercept) struct Owner {
    /// The process, in our pid namespace.
    pub(in crate::intercept) pid: u32,
    /// Its descriptor; one of the thread's own if that does not share the process's.
    pub(in crate::intercept) fd: u32,
    /// The process's name, which it chooses: for people to read, never to decide by.
    pub(in crate::intercept) comm: String,
}

type Owners = HashMap<u64, Vec<Owner>>;

/// The processes that have descriptors of the sockets with these inodes; a socket that several processes share
/// has all of them, one that nobody has (it is closed, or on its way in a message) none.
///
/// What it costs is one readlink(2) for each descriptor of the machine. Threads are looked at only for what no
/// process has: one may have left its process's descriptors for some of its own, or outlive its first thread.
///
/// # Errors
///
/// `/proc` cannot be read, or no descriptor is left to do it. A process that ends meanwhile is none.
pub(in crate::intercept) fn owners(inodes: &HashSet<u64>) -> Result<Owners, Error> {
    let mut owners = Owners::new();
    walk(inodes, &mut owners).map_err(|source| Error::Owners { source: source.into() })?;
    Ok(owners)
}

fn walk(inodes: &HashSet<u64>, owners: &mut Owners) -> Result<(), Errno> {
    if inodes.is_empty() {
        return Ok(());
    }
    let proc = directory(CWD, c"/proc")?;
    each(&proc, |pid, name| {
        let process = directory(&proc, name)?;
        descriptors(&process, &process, pid, inodes, owners)
    })?;

    let rest: HashSet<u64> = inodes.iter().copied().filter(|inode| !owners.contains_key(inode)).collect();
    if rest.is_empty() {
        return Ok(());
    }
    each(&proc, |pid, name| {
        let process = directory(&proc, name)?;
        let tasks = directory(&process, c"task")?;
        each(&tasks, |tid, name| {
            // The first thread has been looked at.
            if tid == pid {
                return Ok(());
            }
            descriptors(&process, &directory(&tasks, name)?, pid, &rest, owners)
        })
    })
}

/// Looks at what one process or thread has open.
fn descriptors(
    process: &OwnedFd,
    task: &OwnedFd,
    pid: u32,
    inodes: &HashSet<u64>,
    owners: &mut Owners,
) -> Result<(), Errno> {
    let descriptors = directory(task, c"fd")?;
    each(&descriptors, |fd, name| {
        let mut link = [0; 64];
        let length = readlinkat_raw(&descriptors, name, &mut link)?;
        if let Some(inode) = socket_inode(&link[..length]).filter(|inode| inodes.contains(inode)) {
            let found = owners.entry(inode).or_default();
            found.push(Owner { pid, fd, comm: comm(process) });
        }
        Ok(())
    })
}

/// Visits the entries of a folder whose names are numbers. What is gone by the time of the visit, or is hidden
/// from us, is passed over.
fn each(folder: &OwnedFd, mut visit: impl FnMut(u32, &CStr) -> Result<(), Errno>) -> Result<(), Errno> {
    let passed_over = |error| match error {
        Errno::NOENT | Errno::SRCH | Errno::ACCESS | Errno::PERM => Ok(()),
        error => Err(error),
    };
    let entries = match Dir::read_from(folder) {
        Ok(entries) => entries,
        Err(error) => return passed_over(error),
    };
    for entry in entries {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => return passed_over(error),
        };
        let name = entry.file_name();
        if let Some(number) = name.to_str().ok().and_then(|name| name.parse().ok()) {
            visit(number, name).or_else(passed_over)?;
        }
    }
    Ok(())
}

fn directory(at: impl AsFd, name: &CStr) -> Result<OwnedFd, Errno> {
    openat(at, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// The inode in `socket:[INODE]`.
fn socket_inode(link: &[u8]) -> Option<u64> {
    let inode = link.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    std::str::from_utf8(inode).ok()?.parse().ok()
}

/// Empty if the process is gone by now.
fn comm(process: &OwnedFd) -> String {
    let mut name = [0; 64];
    let length = openat(process, c"comm", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .and_then(|file| read(file, &mut name))
        .unwrap_or(0);
    String::from_utf8_lossy(&name[..length]).trim_end_matches('\n').to_owned()
}
