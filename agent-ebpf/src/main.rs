//! The kernel side of the interception: the programs, one file each, and their maps.
//!
//! They are attached to the root of the cgroup2 hierarchy, and `link` to virtual interfaces. They redirect what is
//! protected, remember who asked, and drop what would go past; they know no principal and no policy. They never
//! ask whether the daemon lives: without it, what is protected waits in vain.
#![no_std]
#![no_main]

mod bind;
mod bind4;
mod bind6;
mod connect4;
mod connect6;
mod content;
mod getpeername4;
mod getpeername6;
mod guard;
mod link;
mod maps;
mod packet;
mod redirect;
mod sk_storage;
mod sock_create;
mod sock_ops;
mod who;

/// The verdicts of a cgroup program: go on, or fail the system call with `EPERM`.
const ALLOW: i32 = 1;
/// See [`ALLOW`].
const REFUSE: i32 = 0;
/// `SOCK_STREAM`: TCP, and what rides on it (MPTCP, SMC).
const SOCK_STREAM: u32 = 1;
/// `SOCK_RAW`.
const SOCK_RAW: u32 = 3;
/// `IPPROTO_TCP`, as `bpf_sock.protocol` has it.
const IPPROTO_TCP: u32 = 6;

/// What the kernel checks before it offers helpers that ask for a GPL-compatible licence.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

/// Never reached: the verifier accepts no program that could panic.
#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
