//! Which network namespaces there are, as far as `/proc` tells: those of processes and their threads, and those that
//! are mounted somewhere, as `ip netns` and container engines do.

#![forbid(unsafe_code)]

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    io,
    os::{
        fd::{AsFd as _, AsRawFd as _},
        unix::{
            ffi::{OsStrExt as _, OsStringExt as _},
            fs::MetadataExt as _,
        },
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Mode, OFlags, fstatfs},
    process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open},
};

use super::super::{cgroup_root::unescape, sys};

/// A namespace's file: what device it is on, and its inode. The inode may be another's once it is gone.
pub(in super::super) type Inode = (u64, u64);

/// The namespace of an open file.
pub(super) fn inode(file: &File) -> Option<Inode> {
    let metadata = file.metadata().ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Of the file system that namespaces are files of; magic.h.
const NSFS_MAGIC: u64 = 0x6e73_6673;

/// Opens a namespace by a path that another may have put something else at: a pipe would be waited on, a device might
/// act.
///
/// # Errors
///
/// The kernel's own; `InvalidInput` where it is no namespace.
pub(in super::super) fn open(path: &Path) -> io::Result<File> {
    let place = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    if u64::try_from(fstatfs(&place)?.f_type) != Ok(NSFS_MAGIC) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no namespace"));
    }
    File::open(format!("/proc/self/fd/{}", place.as_raw_fd()))
}

/// Every network namespace that is in use, with a file to open it by; but for what the thread `except` is in.
pub(in super::super) fn all(except: i32) -> HashMap<Inode, PathBuf> {
    let mut found = HashMap::new();
    let mut mounts = HashSet::new();
    let except = except.to_string();
    for process in numbered(Path::new("/proc")) {
        for thread in numbered(&process.join("task")) {
            if thread.file_name().is_some_and(|id| *id == *except) {
                continue;
            }
            let namespace = thread.join("ns/net");
            if let Ok(metadata) = fs::metadata(&namespace) {
                found.entry((metadata.dev(), metadata.ino())).or_insert(namespace);
            }
        }
        // Processes of one mount namespace see the same mounts.
        if let Ok(metadata) = fs::metadata(process.join("ns/mnt"))
            && mounts.insert((metadata.dev(), metadata.ino()))
        {
            mounted(&process, &mut found);
        }
    }
    found
}

/// The network namespaces that are mounted where a process can see them.
fn mounted(process: &Path, found: &mut HashMap<Inode, PathBuf>) {
    let Ok(mountinfo) = fs::read(process.join("mountinfo")) else { return };
    for line in mountinfo.split(|byte| *byte == b'\n') {
        // proc_pid_mountinfo(5): the fourth field is the root of the mount, here the kind and inode.
        let mut fields = line.split(|byte| *byte == b' ').skip(3);
        let (Some(root), Some(point)) = (fields.next(), fields.next()) else { continue };
        if !root.starts_with(b"net:[") {
            continue;
        }
        let point = PathBuf::from(std::ffi::OsString::from_vec(unescape(point)));
        let path = process.join("root").join(point.strip_prefix("/").unwrap_or(&point));
        if let Ok(metadata) = fs::metadata(&path) {
            found.entry((metadata.dev(), metadata.ino())).or_insert(path);
        }
    }
}

/// The files of a folder of `/proc` that are called like a number.
fn numbered(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_number =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.as_bytes().iter().all(u8::is_ascii_digit));
    entries.map(|entry| entry.path()).filter(is_number).collect()
}

/// The network namespace that a thread is in.
pub(super) fn of_thread(process: u32, thread: u32) -> Option<File> {
    File::open(format!("/proc/{process}/task/{thread}/ns/net")).ok()
}

/// The network namespace of that cookie, by a socket in it that a process holds: the process itself may be elsewhere,
/// having got the socket from another, or having left since it made it.
pub(super) fn of_socket(process: u32, cookie: u64) -> Option<File> {
    let pid = Pid::from_raw(process.try_into().ok()?)?;
    let handle = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    for descriptor in numbered(Path::new(&format!("/proc/{process}/fd"))) {
        let target = fs::read_link(&descriptor).ok();
        if !target.is_some_and(|target| target.as_os_str().as_bytes().starts_with(b"socket:")) {
            continue;
        }
        let number = descriptor.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
        let Some(socket) =
            number.and_then(|number| pidfd_getfd(&handle, number, PidfdGetfdFlags::empty()).ok())
        else {
            continue;
        };
        if sys::netns_cookie(socket.as_fd()).is_ok_and(|found| found == cookie) {
            return sys::namespace_of(socket.as_fd()).ok().map(File::from);
        }
    }
    None
}
