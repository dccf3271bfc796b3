//! The few calls of bpf(2) that aya 0.14 does not offer.

use std::{
    ffi::CString,
    io, mem,
    os::{
        fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
};

use aya::Pod;

// Commands of `enum bpf_cmd`, include/uapi/linux/bpf.h.
const BPF_MAP_UPDATE_ELEM: libc::c_int = 2;
const BPF_OBJ_PIN: libc::c_int = 6;
const BPF_OBJ_GET: libc::c_int = 7;
const BPF_OBJ_GET_INFO_BY_FD: libc::c_int = 15;
const BPF_PROG_QUERY: libc::c_int = 16;
const BPF_LINK_CREATE: libc::c_int = 28;
const BPF_LINK_UPDATE: libc::c_int = 29;
const BPF_LINK_DETACH: libc::c_int = 34;

// Of `enum bpf_link_type`.
const LINK_TYPE_CGROUP: u32 = 3;
const LINK_TYPE_TCX: u32 = 11;

/// `BPF_F_QUERY_EFFECTIVE`: what is inherited counts too.
const QUERY_EFFECTIVE: u32 = 1;

/// Calls bpf(2).
///
/// # Safety
///
/// `attr` is what `command` expects, and every address in it is valid for what the command does with it.
unsafe fn bpf<T>(command: libc::c_int, attr: &mut T) -> io::Result<libc::c_int> {
    // SAFETY: the kernel reads and writes at most `size_of::<T>()` bytes of `attr`, which we borrow
    // exclusively; for the rest the caller answers.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), mem::size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result as libc::c_int) }
}

/// `BPF_OBJ_PIN`'s and `BPF_OBJ_GET`'s attribute.
#[repr(C)]
struct Object {
    pathname: u64,
    bpf_fd: u32,
    file_flags: u32,
}

/// Opens what is pinned at `path` (`BPF_OBJ_GET`).
///
/// # Errors
///
/// The kernel's own; `NotFound` if there is nothing.
pub(in super::super) fn open_pin(path: &Path) -> io::Result<OwnedFd> {
    let pathname = CString::new(path.as_os_str().as_bytes())?;
    let mut attr = Object { pathname: pathname.as_ptr() as u64, bpf_fd: 0, file_flags: 0 };
    // SAFETY: the attribute is BPF_OBJ_GET's and the path lives until after the call.
    let fd = unsafe { bpf(BPF_OBJ_GET, &mut attr) }?;
    // SAFETY: the kernel just made this descriptor for us; nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Pins an object at `path` (`BPF_OBJ_PIN`).
///
/// # Errors
///
/// The kernel's own; `AlreadyExists` if something is there.
pub(in super::super) fn pin(object: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let pathname = CString::new(path.as_os_str().as_bytes())?;
    let bpf_fd = object.as_raw_fd() as u32;
    let mut attr = Object { pathname: pathname.as_ptr() as u64, bpf_fd, file_flags: 0 };
    // SAFETY: the attribute is BPF_OBJ_PIN's and the path lives until after the call.
    unsafe { bpf(BPF_OBJ_PIN, &mut attr) }.map(drop)
}

/// What a program is attached to.
#[derive(Clone, Copy)]
pub(in super::super) enum Target<'a> {
    /// A directory of a cgroup2 mount.
    Cgroup(BorrowedFd<'a>),
    /// The interface of that index, in the network namespace of the calling thread.
    Interface(u32),
}

/// Attaches a program by a link (`BPF_LINK_CREATE`). aya 0.14 has no type for some of them, and gives none of them
/// in a form that can be pinned alike. On a cgroup it is one of several and the last so far.
///
/// # Errors
///
/// The kernel's own.
pub(in super::super) fn create_link(
    program: BorrowedFd<'_>,
    target: Target<'_>,
    attach_type: u32,
) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct Attr {
        prog_fd: u32,
        target: u32,
        attach_type: u32,
        flags: u32,
    }
    let target = match target {
        Target::Cgroup(directory) => directory.as_raw_fd() as u32,
        Target::Interface(index) => index,
    };
    let mut attr = Attr { prog_fd: program.as_raw_fd() as u32, target, attach_type, flags: 0 };
    // SAFETY: the attribute is BPF_LINK_CREATE's and holds no address.
    let fd = unsafe { bpf(BPF_LINK_CREATE, &mut attr) }?;
    // SAFETY: the kernel just made this descriptor for us; nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The ids of the programs that run for the processes directly in a cgroup, in the order in which they run
/// (`BPF_PROG_QUERY`); those after the 64th are left out.
///
/// # Errors
///
/// The kernel's own.
pub(in super::super) fn effective_programs(cgroup: BorrowedFd<'_>, attach_type: u32) -> io::Result<Vec<u32>> {
    #[repr(C)]
    struct Attr {
        target_fd: u32,
        attach_type: u32,
        query_flags: u32,
        attach_flags: u32,
        prog_ids: u64,
        prog_count: u32,
        padding: u32,
    }
    let mut ids = [0_u32; 64];
    let mut attr = Attr {
        target_fd: cgroup.as_raw_fd() as u32,
        attach_type,
        query_flags: QUERY_EFFECTIVE,
        attach_flags: 0,
        prog_ids: ids.as_mut_ptr() as u64,
        prog_count: ids.len() as u32,
        padding: 0,
    };
    // SAFETY: the attribute is BPF_PROG_QUERY's; the kernel writes at most `prog_count` ids to `ids`, which lives
    // until after the call.
    let result = unsafe { bpf(BPF_PROG_QUERY, &mut attr) };
    match result {
        Err(error) if error.raw_os_error() != Some(libc::ENOSPC) => Err(error),
        _ => Ok(ids.iter().copied().take(attr.prog_count as usize).collect()),
    }
}

/// Puts another program behind a link, without a moment between the two (`BPF_LINK_UPDATE`).
///
/// # Errors
///
/// The kernel's own; `ENOLINK` if the link was detached.
pub(in super::super) fn update_link(link: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    #[repr(C)]
    struct Attr {
        link_fd: u32,
        new_prog_fd: u32,
        flags: u32,
        old_prog_fd: u32,
    }
    let mut attr = Attr {
        link_fd: link.as_raw_fd() as u32,
        new_prog_fd: program.as_raw_fd() as u32,
        flags: 0,
        old_prog_fd: 0,
    };
    // SAFETY: the attribute is BPF_LINK_UPDATE's and holds no address.
    unsafe { bpf(BPF_LINK_UPDATE, &mut attr) }.map(drop)
}

/// What a link holds together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct LinkInfo {
    /// The program's id.
    pub(in super::super) program: u32,
    /// The cgroup's id, or the interface's index; 0 if the link was detached or that is gone.
    pub(in super::super) target: u64,
    /// `enum bpf_attach_type`.
    pub(in super::super) attach_type: u32,
}

/// What a link is attached to (`BPF_OBJ_GET_INFO_BY_FD`); none if it is neither a cgroup's nor tcx's.
///
/// # Errors
///
/// The kernel's own; `InvalidInput` if the descriptor is no link.
pub(in super::super) fn link_info(link: BorrowedFd<'_>) -> io::Result<Option<LinkInfo>> {
    /// `struct bpf_link_info` with the arms of its union as words, and room for the longest.
    #[repr(C)]
    #[derive(Default)]
    struct Info {
        link_type: u32,
        id: u32,
        prog_id: u32,
        padding: u32,
        union: [u32; 20],
    }
    #[repr(C)]
    struct Attr {
        bpf_fd: u32,
        info_len: u32,
        info: u64,
    }
    let mut info = Info::default();
    let mut attr = Attr {
        bpf_fd: link.as_raw_fd() as u32,
        info_len: mem::size_of::<Info>() as u32,
        info: (&raw mut info) as u64,
    };
    // SAFETY: the attribute is BPF_OBJ_GET_INFO_BY_FD's; the kernel writes at most `info_len` bytes to
    // `info`, which lives until after the call, and any bytes are valid for its integers.
    unsafe { bpf(BPF_OBJ_GET_INFO_BY_FD, &mut attr) }?;
    let [first, second, third, ..] = info.union;
    let program = info.prog_id;
    Ok(match info.link_type {
        // { __u64 cgroup_id; __u32 attach_type; }, on the little endian machines that the kernel side is built for.
        LINK_TYPE_CGROUP => {
            let target = u64::from(first) | u64::from(second) << 32;
            Some(LinkInfo { program, target, attach_type: third })
        }
        // { __u32 ifindex; __u32 attach_type; }
        LINK_TYPE_TCX => Some(LinkInfo { program, target: first.into(), attach_type: second }),
        _ => None,
    })
}

/// Gives a socket its value in a socket storage map (`BPF_MAP_UPDATE_ELEM`). aya's own map type wants to
/// be borrowed exclusively for this, which would put a lock before every connection.
///
/// # Safety
///
/// `T` is the type of the map's values.
///
/// # Errors
///
/// The kernel's own.
pub(in super::super) unsafe fn set_socket_storage<T: Pod>(
    map: BorrowedFd<'_>,
    socket: BorrowedFd<'_>,
    value: &T,
) -> io::Result<()> {
    #[repr(C)]
    struct Attr {
        map_fd: u32,
        padding: u32,
        key: u64,
        value: u64,
        flags: u64,
    }
    let key = socket.as_raw_fd();
    let mut attr = Attr {
        map_fd: map.as_raw_fd() as u32,
        padding: 0,
        key: (&raw const key) as u64,
        value: std::ptr::from_ref(value) as u64,
        flags: 0,
    };
    // SAFETY: the attribute is BPF_MAP_UPDATE_ELEM's. The kernel reads a key of 4 bytes, which a socket
    // storage map always has, and a value of as many bytes as the map's values have, which the caller says T is;
    // both live until after the call.
    unsafe { bpf(BPF_MAP_UPDATE_ELEM, &mut attr) }.map(drop)
}

/// Takes a link's program off its cgroup at once and for good (`BPF_LINK_DETACH`). Removing its pin and
/// closing its descriptors does so too, but some time later.
///
/// # Errors
///
/// The kernel's own.
pub(in super::super) fn detach_link(link: BorrowedFd<'_>) -> io::Result<()> {
    #[repr(C)]
    struct Attr {
        link_fd: u32,
    }
    let mut attr = Attr { link_fd: link.as_raw_fd() as u32 };
    // SAFETY: the attribute is BPF_LINK_DETACH's and holds no address.
    unsafe { bpf(BPF_LINK_DETACH, &mut attr) }.map(drop)
}
