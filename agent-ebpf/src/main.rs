//! The kernel side of the interception: the programs, one file each, and their maps.
//!
//! All of them are attached to the root of the cgroup2 hierarchy. They redirect what is protected and
//! remember who asked; they know no principal, no policy and no PostgreSQL. They never ask whether the
//! daemon lives: without it, what is protected is refused by the listener's absence.
#![no_std]
#![no_main]

mod connect4;
mod connect6;
mod getpeername4;
mod getpeername6;
mod maps;
mod redirect;
mod sk_storage;
mod sock_ops;

/// The verdicts of a cgroup program: go on, or fail the system call with `EPERM`.
const ALLOW: i32 = 1;
/// See [`ALLOW`].
const REFUSE: i32 = 0;

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
