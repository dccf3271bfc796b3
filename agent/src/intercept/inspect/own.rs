//! How a look can reach a protected destination itself.

use super::{
    super::{
        Config, OwnSockets, abi::open_map, cgroup_root::Cgroups, namespaces::Errands, pins::Maps,
        programs::PROGRAMS, sys,
    },
    Seen, Unseen,
    kernel::loaded_by_id,
};
use agent_ebpf::maps;
use std::os::fd::AsFd as _;

/// How to connect to a server as the daemon does.
#[derive(Debug, Clone)]
pub enum Way {
    /// By sockets that the programs let through.
    Marked(OwnSockets),
    /// As anybody does: no program is in the way.
    Direct,
}

/// How to connect to a server past the programs, if there are any.
///
/// # Errors
///
/// There are programs, and nothing by which they would let us through: a connection would be taken for a job's.
pub fn way(config: &Config) -> Seen<Way> {
    let maps = Maps::in_force(&config.pin_directory);
    if maps.path(maps::OWN).exists() {
        if let Some(difference) = maps.difference()? {
            return Err(Unseen::failed(format!("what is pinned is of another version: {difference}")));
        }
        let errands = Errands::start()?;
        return Ok(Way::Marked(OwnSockets::new(&open_map(&maps, maps::OWN)?, errands)?));
    }
    let cgroups = Cgroups::find(config.cgroup.as_deref())?;
    let known = loaded_by_id();
    for entry in PROGRAMS.iter().filter(|entry| entry.name.starts_with("connect")) {
        let effective = sys::effective_programs(cgroups.jobs().as_fd(), entry.attach_type)?;
        let named = |id: &u32| known.get(id).is_some_and(|known| known.name == entry.name);
        if effective.iter().any(named) {
            return Err(Unseen::failed(format!(
                "a program {} is in force whose pins are not in {}: it might take the connection for a job's",
                entry.name,
                config.pin_directory.display()
            )));
        }
    }
    Ok(Way::Direct)
}
