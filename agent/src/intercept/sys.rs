//! The few calls of bpf(2) that aya 0.14 does not offer. Nothing here knows what the objects are for.

use std::{
    ffi::CString,
    io, mem,
    os::{
        fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
};

// Commands of `enum bpf_cmd`, include/uapi/linux/bpf.h.
const BPF_MAP_UPDATE_ELEM: libc::c_int = 2;
const BPF_OBJ_GET: libc::c_int = 7;
const BPF_OBJ_GET_INFO_BY_FD: libc::c_int = 15;
const BPF_LINK_UPDATE: libc::c_int = 29;
const BPF_LINK_DETACH: libc::c_int = 34;

/// `BPF_LINK_TYPE_CGROUP`.
const LINK_TYPE_CGROUP: u32 = 3;

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

/// Opens what is pinned at `path` (`BPF_OBJ_GET`).
///
/// # Errors
///
/// The kernel's own; `NotFound` if there is nothing.
pub(super) fn open_pin(path: &Path) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct Attr {
        pathname: u64,
        bpf_fd: u32,
        file_flags: u32,
    }
    let pathname = CString::new(path.as_os_str().as_bytes())?;
    let mut attr = Attr { pathname: pathname.as_ptr() as u64, bpf_fd: 0, file_flags: 0 };
    // SAFETY: the attribute is BPF_OBJ_GET's and the path lives until after the call.
    let fd = unsafe { bpf(BPF_OBJ_GET, &mut attr) }?;
    // SAFETY: the kernel just made this descriptor for us; nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Puts another program behind a link, without a moment between the two (`BPF_LINK_UPDATE`).
///
/// # Errors
///
/// The kernel's own; `ENOLINK` if the link was detached.
pub(super) fn update_link(link: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
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

/// Where a cgroup link is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CgroupLink {
    /// The cgroup; 0 if the link was detached or the cgroup is gone.
    pub(super) cgroup_id: u64,
    /// `enum bpf_attach_type`.
    pub(super) attach_type: u32,
}

/// What a link is attached to (`BPF_OBJ_GET_INFO_BY_FD`); none if it is no cgroup link.
///
/// # Errors
///
/// The kernel's own; `InvalidInput` if the descriptor is no link.
pub(super) fn cgroup_link(link: BorrowedFd<'_>) -> io::Result<Option<CgroupLink>> {
    /// `struct bpf_link_info` with the cgroup arm of its union, and room for the other arms.
    #[repr(C)]
    #[derive(Default)]
    struct Info {
        link_type: u32,
        id: u32,
        prog_id: u32,
        padding: u32,
        cgroup_id: u64,
        attach_type: u32,
        rest: [u32; 17],
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
    Ok((info.link_type == LINK_TYPE_CGROUP)
        .then_some(CgroupLink { cgroup_id: info.cgroup_id, attach_type: info.attach_type }))
}

/// Gives a socket its value in a socket storage map (`BPF_MAP_UPDATE_ELEM`). aya's own map type wants to
/// be borrowed exclusively for this, which would put a lock before every connection.
///
/// # Errors
///
/// The kernel's own.
pub(super) fn set_socket_storage(map: BorrowedFd<'_>, socket: BorrowedFd<'_>, value: u32) -> io::Result<()> {
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
        value: (&raw const value) as u64,
        flags: 0,
    };
    // SAFETY: the attribute is BPF_MAP_UPDATE_ELEM's. The kernel reads a key of 4 bytes, which a socket
    // storage map always has, and a value of 4 bytes, which the caller's map has; both live until after
    // the call.
    unsafe { bpf(BPF_MAP_UPDATE_ELEM, &mut attr) }.map(drop)
}

/// Takes a link's program off its cgroup at once and for good (`BPF_LINK_DETACH`). Removing its pin and
/// closing its descriptors does so too, but some time later.
///
/// # Errors
///
/// The kernel's own.
pub(super) fn detach_link(link: BorrowedFd<'_>) -> io::Result<()> {
    #[repr(C)]
    struct Attr {
        link_fd: u32,
    }
    let mut attr = Attr { link_fd: link.as_raw_fd() as u32 };
    // SAFETY: the attribute is BPF_LINK_DETACH's and holds no address.
    unsafe { bpf(BPF_LINK_DETACH, &mut attr) }.map(drop)
}
