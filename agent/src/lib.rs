//! The shell: everything of Portreeve that touches sockets, files, the kernel and the clock.
//!
//! The order below is who may know whom, outermost first; `cargo xtask layers` holds the tree to it. The
//! decisions are made in the pure crates beside this one.

pub mod cli;

pub mod daemon;

pub mod config;

pub mod proxy;

pub mod approvals;
pub mod authority;
pub mod catalog;
pub mod credentials;
pub mod identity;
pub mod intercept;
pub mod names;
pub mod recorder;
pub mod store;

pub mod drain;
mod end_point;
pub mod secret;

pub mod trusted;
