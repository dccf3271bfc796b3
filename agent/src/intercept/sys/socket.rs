//! Options of sockets, and what can be asked of a network namespace through one.

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
};

use aya::Pod;

/// `SO_NETNS_COOKIE`, include/uapi/asm-generic/socket.h.
const SO_NETNS_COOKIE: libc::c_int = 71;
/// `SIOCGSKNS`, include/uapi/linux/sockios.h.
const SIOCGSKNS: libc::c_ulong = 0x894c;

/// The cookie of the network namespace that a socket belongs to (Linux 5.14): unlike its inode, it is never another
/// namespace's.
///
/// # Errors
///
/// The kernel's own.
pub(in super::super) fn netns_cookie(socket: BorrowedFd<'_>) -> io::Result<u64> {
    option(socket, SO_NETNS_COOKIE)
}

/// A socket's own cookie.
///
/// # Errors
///
/// The kernel's own; it is no socket.
pub(in super::super) fn socket_cookie(socket: BorrowedFd<'_>) -> io::Result<u64> {
    option(socket, libc::SO_COOKIE)
}

/// Whether a socket listens.
///
/// # Errors
///
/// The kernel's own; it is no socket.
pub(in super::super) fn is_listening(socket: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(option::<libc::c_int>(socket, libc::SO_ACCEPTCONN)? != 0)
}

/// An option of `SOL_SOCKET` that is an integer.
fn option<T: Pod + Default>(socket: BorrowedFd<'_>, name: libc::c_int) -> io::Result<T> {
    let mut value = T::default();
    let mut length = size_of::<T>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes to `value`, of which any make a T, and the length to `length`.
    let result = unsafe {
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, name, (&raw mut value).cast(), &raw mut length)
    };
    if result == 0 { Ok(value) } else { Err(io::Error::last_os_error()) }
}

/// Opens the network namespace that a socket belongs to.
///
/// # Errors
///
/// The kernel's own; it takes `CAP_NET_ADMIN` in that namespace.
pub(in super::super) fn namespace_of(socket: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    // SAFETY: this request takes no argument.
    let fd = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCGSKNS as _, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just made this descriptor for us; nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Brings up the loopback interface of a socket's network namespace; whether it was down before.
///
/// # Errors
///
/// The kernel's own.
pub(in super::super) fn raise_loopback(socket: BorrowedFd<'_>) -> io::Result<bool> {
    // SAFETY: zero is a value of all its fields.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as libc::c_char;
    }
    // SAFETY: the kernel reads the name and writes the flags of `request`, which is an ifreq.
    if unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS as _, &raw mut request) } < 0 {
        return Err(io::Error::last_os_error());
    }
    let up = libc::IFF_UP as libc::c_short;
    // SAFETY: SIOCGIFFLAGS has just written this arm of the union.
    let flags = unsafe { request.ifr_ifru.ifru_flags };
    if flags & up != 0 {
        return Ok(false);
    }
    request.ifr_ifru.ifru_flags = flags | up;
    // SAFETY: the kernel reads the name and the flags of `request`, which is an ifreq.
    if unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw mut request) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(true)
}
