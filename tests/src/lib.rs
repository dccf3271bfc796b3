//! The world of the end-to-end stories: real and private.
//!
//! A [`World`] has a PostgreSQL server in a network namespace of its own, a link to it from the host, a cgroup for
//! its jobs, a folder, and a daemon with pins, port, socket and evidence of its own. Nothing outside is touched, so
//! that worlds stand side by side; dropping one takes everything away. The program is used from outside, as an
//! operator and a job use it.

pub mod certificates;
pub mod cgroup;
pub mod container;
pub mod daemon;
pub mod fd_store;
pub mod forge;
pub mod job;
pub mod leftovers;
pub mod middleman;
pub mod network;
pub mod patience;
pub mod postgres;
pub mod process;
pub mod store;
pub mod wire;
pub mod world;

pub use container::Container;
pub use daemon::Daemon;
pub use job::Job;
pub use patience::eventually;
pub use store::Store;
pub use world::{Setup, World, story};
