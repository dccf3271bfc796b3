//! What is pinned, whether it is in force, and what else hangs in the same places.

#![forbid(unsafe_code)]

use std::{
    collections::HashMap,
    fs::{self, File},
    io,
    os::{fd::AsFd as _, unix::fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use agent_ebpf::{ContentMode, maps};
use aya::maps::{Array, MapData};

use super::{
    super::{
        Config,
        abi::{Value, open_map},
        bpffs,
        cgroup_root::{Cgroup, Cgroups},
        pins::{self, INTERFACES, Maps},
        programs::{Entry, PROGRAMS},
        sys::{self, LinkInfo},
    },
    Seen,
    kernel::{Known, loaded_by_id},
};

/// The pin directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pins {
    /// As configured.
    pub directory: PathBuf,
    /// Whether the folder that it is in is on a BPF file system.
    pub bpffs: Seen<bool>,
    /// The process that has taken the directory for itself: a daemon.
    pub holder: Option<u32>,
    /// What is in it; none if there is no such directory.
    pub pinned: Seen<Option<Pinned>>,
}

/// What is pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// Whether we alone may write to the directory.
    pub private: bool,
    /// How the maps differ from those that this version would make.
    pub difference: Seen<Option<String>>,
    /// What was set, if it can be read.
    pub settings: Option<Settings>,
    /// The programs of the cgroup, in the order of their attaching.
    pub hooks: Vec<Hook>,
    /// The indices of the interfaces that the program for these is in force on.
    pub interfaces: Vec<u32>,
}

/// What holds in all network namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Whether first bytes to ports that are not protected are looked at.
    pub looks: bool,
    /// Whether what begins like PostgreSQL there is refused.
    pub refuses: bool,
    /// How often the SYN of a connection that meets no listener is sent again.
    pub syn_retries: u32,
}

/// A program's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// The program.
    pub program: &'static str,
    /// How it is.
    pub state: Seen<HookState>,
    /// The digest of the instructions of the program in it.
    pub tag: Option<u64>,
    /// What runs after it on the same cgroup.
    pub followers: Vec<Follower>,
}

/// How a program's place is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookState {
    /// The program runs for every process of the cgroup.
    InForce,
    /// Its link hangs on another cgroup.
    Elsewhere(u64),
    /// Its link is pinned and hangs on nothing: somebody took it off.
    Detached,
    /// Its link is not pinned.
    Unpinned,
}

/// A program that runs after one of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Follower {
    /// Its id in the kernel.
    pub id: u32,
    /// Its name, which whoever loaded it chose.
    pub name: String,
    /// The digest of its instructions; 0 if it is not known.
    pub tag: u64,
}

/// Looks at what is pinned.
pub fn pins(config: &Config) -> Pins {
    let directory = config.pin_directory.clone();
    let parent = directory.parent().unwrap_or(Path::new("/"));
    Pins {
        bpffs: bpffs::is_bpffs(parent).map_err(Into::into),
        holder: holder(&directory),
        pinned: pinned(config),
        directory,
    }
}

fn pinned(config: &Config) -> Seen<Option<Pinned>> {
    let directory = &config.pin_directory;
    match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        entries => drop(entries?),
    }
    let maps = Maps::in_force(directory);
    let cgroups = Cgroups::find(config.cgroup.as_deref())?;
    let known = loaded_by_id();
    let hook = |entry: &'static Entry| {
        let cgroup = entry.cgroup(&cgroups);
        let link = link(&pins::link(directory, entry.name));
        let info = link.as_ref().ok().copied().flatten().flatten();
        let in_force = info.filter(|info| is_there(info, entry, cgroup)).map(|info| info.program);
        Hook {
            program: entry.name,
            state: link.map(|link| state(link, entry, cgroup)),
            tag: in_force.and_then(|id| Some(known.get(&id)?.tag)),
            followers: in_force.map(|id| followers(id, entry, cgroup, &known)).unwrap_or_default(),
        }
    };
    Ok(Some(Pinned {
        private: bpffs::is_ours(directory).is_ok(),
        difference: maps.difference().map_err(Into::into),
        settings: settings(&maps),
        hooks: PROGRAMS.iter().map(hook).collect(),
        interfaces: interfaces(directory),
    }))
}

/// A pinned link, if there is one, and what it holds together, if it is of a cgroup or an interface.
fn link(path: &Path) -> Seen<Option<Option<LinkInfo>>> {
    match sys::open_pin(path) {
        Ok(link) => Ok(Some(sys::link_info(link.as_fd())?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn is_there(info: &LinkInfo, entry: &Entry, cgroup: &Cgroup) -> bool {
    (info.target, info.attach_type) == (cgroup.id, entry.attach_type)
}

fn state(link: Option<Option<LinkInfo>>, entry: &Entry, cgroup: &Cgroup) -> HookState {
    match link {
        None => HookState::Unpinned,
        Some(Some(info)) if is_there(&info, entry, cgroup) => HookState::InForce,
        Some(Some(info)) if info.target != 0 => HookState::Elsewhere(info.target),
        Some(_) => HookState::Detached,
    }
}

/// What runs after a program on the same cgroup, at the same place.
fn followers(id: u32, entry: &Entry, cgroup: &Cgroup, known: &HashMap<u32, Known>) -> Vec<Follower> {
    let effective = sys::effective_programs(cgroup.as_fd(), entry.attach_type).unwrap_or_default();
    let after = effective.into_iter().skip_while(|other| *other != id).skip(1);
    let follower = |id| {
        let known = known.get(&id);
        Follower {
            id,
            name: known.map(|known| known.name.clone()).unwrap_or_default(),
            tag: known.map_or(0, |known| known.tag),
        }
    };
    after.map(follower).collect()
}

fn settings(maps: &Maps) -> Option<Settings> {
    let map: Array<MapData, Value<agent_ebpf::Settings>> =
        open_map(maps, maps::SETTINGS).ok()?.try_into().ok()?;
    let Value(settings) = map.get(&0, 0).ok()?;
    Some(Settings {
        looks: settings.content != ContentMode::Off as u32,
        refuses: settings.content == ContentMode::Refuse as u32,
        syn_retries: settings.syn_retries,
    })
}

fn interfaces(directory: &Path) -> Vec<u32> {
    let entries = fs::read_dir(directory.join(INTERFACES)).into_iter().flatten().flatten();
    let target = |path: PathBuf| link(&path).ok().flatten().flatten().map(|info| info.target);
    entries.filter_map(|entry| target(entry.path())?.try_into().ok()).filter(|index| *index != 0).collect()
}

/// The process that holds the directory's lock. Asked of `/proc`, since to try the lock would keep a daemon that is
/// just starting from getting it.
fn holder(directory: &Path) -> Option<u32> {
    let metadata = File::open(directory).and_then(|file| file.metadata()).ok()?;
    let device = metadata.dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let locks = fs::read_to_string("/proc/locks").ok()?;
    locked_by(&locks, &format!("{major:02x}:{minor:02x}:{}", metadata.ino()))
}

/// proc_locks(5): the kind of the lock is the second field, the process the fifth, the file the sixth.
fn locked_by(locks: &str, file: &str) -> Option<u32> {
    let mut fields = locks.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    fields.find_map(|fields| match fields.as_slice() {
        [_, "FLOCK", _, _, process, locked, ..] if *locked == file => process.parse().ok(),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_lock_is_told_by_the_file_and_not_by_who_waits() {
        let locks = "1: FLOCK  ADVISORY  WRITE 8486 fe:00:10674206 0 EOF\n\
                     2: POSIX  ADVISORY  WRITE 8487 00:27:7 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 8488 00:27:7 0 EOF\n\
                     3: -> FLOCK  ADVISORY  WRITE 8489 00:27:8 0 EOF\n";
        for (file, expect) in
            [("fe:00:10674206", Some(8486)), ("00:27:7", Some(8488)), ("00:27:8", None), ("00:27:9", None)]
        {
            assert_eq!(locked_by(locks, file), expect, "{file}");
        }
    }

    #[test]
    fn a_link_is_in_force_on_its_own_cgroup_and_at_its_own_place_alone() {
        let cgroup = match File::open("/sys/fs/cgroup/unified")
            .or_else(|_| File::open("/sys/fs/cgroup"))
            .and_then(Cgroup::open)
        {
            Ok(cgroup) => cgroup,
            Err(error) => return println!("NOT RUN: no cgroup2 hierarchy: {error}"),
        };
        let entry = &PROGRAMS[0];
        let at = |target, attach_type| Some(Some(LinkInfo { program: 7, target, attach_type }));
        assert_eq!(state(None, entry, &cgroup), HookState::Unpinned);
        assert_eq!(state(Some(None), entry, &cgroup), HookState::Detached);
        assert_eq!(state(at(0, entry.attach_type), entry, &cgroup), HookState::Detached);
        assert_eq!(state(at(cgroup.id, entry.attach_type), entry, &cgroup), HookState::InForce);
        assert_eq!(
            state(at(cgroup.id + 1, entry.attach_type), entry, &cgroup),
            HookState::Elsewhere(cgroup.id + 1)
        );
    }
}
