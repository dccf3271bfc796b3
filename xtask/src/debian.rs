//! Debian's packages: installed where a command needs them on the machine, or fetched into a folder where they are
//! only to be read.
//!
//! Which archive is asked, and how it is reached, is what the machine's own apt settings say.

mod fetch;
mod install;

pub(crate) use self::{
    fetch::Apt,
    install::{Package, ensure},
};
