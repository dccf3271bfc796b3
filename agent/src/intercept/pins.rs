//! The pin directory: who holds it, what lies in it, and whether we can take that over.
//!
//! ```text
//! <directory>/connect4_link …    a program's link, which outlives both the program and the daemon
//! <directory>/maps/SETTINGS …    the maps of the programs in force
//! <directory>/maps-new/          the maps of the programs that are about to come into force
//! <directory>/interfaces/        links of virtual interfaces, by their index
//! ```
//!
//! Maps of another layout are never changed in place: new ones are made beside them, programs that use those are put
//! behind the links one after the other, and only then do the old ones go. Whoever ends in the middle of it leaves
//! old and new programs, each with its own maps, all of them shut.

#![forbid(unsafe_code)]

use std::{
    fs::{self, File},
    io,
    os::fd::AsFd as _,
    path::{Path, PathBuf},
};

use agent_ebpf::{
    ABI_VERSION, COUNTERS, Destination, EVENTS_BYTES, MAX_DESTINATIONS, MAX_NAMESPACES, MAX_OPENERS,
    MAX_TUPLES, Namespace, Opener, Origin, PORT_WORDS, Settings, Stream, Tuple, maps,
};
use aya::maps::{Array, Map, MapData, MapError, MapInfo, MapType};
use rustix::fs::{FlockOperation, flock};

use super::{Error, abi::Value, sys};

/// `BPF_F_NO_PREALLOC`.
const NO_PREALLOC: u32 = 1;
/// `BPF_F_CLONE`.
const CLONE: u32 = 512;

/// The names of links' pins end with this, so that they cannot be confused with the maps'.
const LINK_SUFFIX: &str = "_link";
/// bpffs takes no name with a dot.
const MAPS: &str = "maps";
const NEW_MAPS: &str = "maps-new";
const OLD_MAPS: &str = "maps-old";
/// Where the links of interfaces are.
pub(super) const INTERFACES: &str = "interfaces";

/// What the kernel keeps of a map's definition.
#[derive(Debug, PartialEq)]
struct Layout {
    map_type: MapType,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    flags: u32,
}

impl Layout {
    const fn new<K, V>(map_type: MapType, max_entries: usize, flags: u32) -> Self {
        let (key_size, value_size) = (size_of::<K>() as u32, size_of::<V>() as u32);
        Self { map_type, key_size, value_size, max_entries: max_entries as u32, flags }
    }
}

/// The maps as this version has them, in the order of [`maps::ALL`].
const LAYOUTS: [Layout; maps::ALL.len()] = [
    Layout::new::<u32, Settings>(MapType::Array, 1, 0),
    Layout::new::<(u32, Destination), u32>(MapType::LpmTrie, MAX_DESTINATIONS, NO_PREALLOC),
    Layout::new::<u32, u64>(MapType::Array, PORT_WORDS, 0),
    Layout::new::<u64, Namespace>(MapType::Hash, MAX_NAMESPACES, 0),
    Layout::new::<i32, u32>(MapType::SkStorage, 0, NO_PREALLOC | CLONE),
    Layout::new::<i32, Stream>(MapType::SkStorage, 0, NO_PREALLOC),
    Layout::new::<u32, Opener>(MapType::Array, MAX_OPENERS, 0),
    Layout::new::<Tuple, Origin>(MapType::Hash, MAX_TUPLES, 0),
    Layout::new::<i32, Origin>(MapType::SkStorage, 0, NO_PREALLOC),
    Layout::new::<u32, u64>(MapType::PerCpuArray, COUNTERS, 0),
    Layout::new::<(), ()>(MapType::RingBuf, EVENTS_BYTES, 0),
];

/// The directory, locked for as long as this value lives.
pub(super) struct PinDirectory {
    path: PathBuf,
    _lock: File,
}

/// The folder with the maps that this daemon works with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Maps {
    folder: PathBuf,
    /// Whether they were there before.
    pub(super) adopted: bool,
}

impl Maps {
    /// Those in force, for a look at them: nothing is locked, moved or made. Whoever did not end an upgrade has left
    /// them beside their place.
    pub(super) fn in_force(directory: &Path) -> Self {
        let (folder, new) = (directory.join(MAPS), directory.join(NEW_MAPS));
        let folder = if !folder.exists() && new.exists() { new } else { folder };
        Self { folder, adopted: true }
    }

    /// How they differ from what this version would make.
    ///
    /// # Errors
    ///
    /// They cannot be looked at.
    pub(super) fn difference(&self) -> Result<Option<String>, Error> {
        difference(&self.folder)
    }

    /// Where a map is pinned.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

impl PinDirectory {
    /// Takes the directory for this process alone (flock(2); the kernel gives it back however we end).
    ///
    /// # Errors
    ///
    /// Another daemon has it.
    pub(super) fn lock(path: &Path) -> Result<Self, Error> {
        let wrong = |source| Error::Pin { path: path.to_path_buf(), source };
        let directory = File::open(path).map_err(wrong)?;
        match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { path: path.to_path_buf(), _lock: directory }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::AlreadyRunning { path: path.to_path_buf() }),
            Err(error) => Err(wrong(error.into())),
        }
    }

    /// Where a program's link is pinned.
    pub(super) fn link(&self, program: &str) -> PathBuf {
        link(&self.path, program)
    }

    /// Where the links of interfaces are pinned; the folder is made where it is missing.
    ///
    /// # Errors
    ///
    /// It cannot be made.
    pub(super) fn interfaces(&self) -> Result<PathBuf, Error> {
        let path = self.path.join(INTERFACES);
        make(&path)?;
        Ok(path)
    }

    /// The maps to work with: those that are pinned, if they are of this version in every part, else an empty folder
    /// for new ones.
    ///
    /// # Errors
    ///
    /// What is pinned cannot be looked at, or a folder not be made.
    pub(super) fn maps(&self) -> Result<Maps, Error> {
        let (folder, new) = (self.path.join(MAPS), self.path.join(NEW_MAPS));
        if !folder.exists() && new.exists() {
            // Somebody ended between the two renames of `settle`: these are the ones in force.
            fs::rename(&new, &folder).map_err(|source| Error::Pin { path: new.clone(), source })?;
        }
        if folder.exists() {
            match difference(&folder)? {
                None => return Ok(Maps { folder, adopted: true }),
                Some(difference) => tracing::warn!(
                    pins = %self.path.display(), difference,
                    "what is pinned is of another version: its programs and maps are replaced"
                ),
            }
        }
        remove(&new)?;
        make(&new)?;
        Ok(Maps { folder: new, adopted: false })
    }

    /// Puts the maps in their lasting place, once the programs of these names use them, and takes away the maps and
    /// the programs of other versions.
    ///
    /// # Errors
    ///
    /// A pin cannot be moved or removed.
    pub(super) fn settle(&self, maps: &mut Maps, programs: &[&str]) -> Result<(), Error> {
        let (folder, old) = (self.path.join(MAPS), self.path.join(OLD_MAPS));
        if maps.folder != folder {
            let wrong = |source| Error::Pin { path: maps.folder.clone(), source };
            remove(&old)?;
            if folder.exists() {
                fs::rename(&folder, &old).map_err(wrong)?;
            }
            fs::rename(&maps.folder, &folder).map_err(wrong)?;
            maps.folder = folder;
        }
        remove(&old)?;
        let ours: Vec<_> = programs.iter().map(|program| self.link(program)).collect();
        for path in entries(&self.path)?.into_iter().filter(|path| !path.is_dir() && !ours.contains(path)) {
            if is_link(&path) {
                detach(&path)?;
            } else {
                // The first version had its maps beside its links.
                fs::remove_file(&path).map_err(|source| Error::Pin { path, source })?;
            }
        }
        Ok(())
    }

    /// Detaches the programs and removes their links' pins. When it returns, none runs any more.
    ///
    /// # Errors
    ///
    /// A link cannot be detached, or a pin not be removed.
    pub(super) fn remove_links(&self) -> Result<(), Error> {
        let mut links = entries(&self.path)?;
        links.extend(entries(&self.path.join(INTERFACES))?);
        links.iter().filter(|path| is_link(path)).try_for_each(|path| detach(path))
    }

    /// Removes all pins and the directory; the links first, or programs would run without their maps'
    /// pins and a new daemon would make a second set.
    ///
    /// # Errors
    ///
    /// A pin cannot be removed; those before it are gone.
    pub(super) fn remove(&self) -> Result<(), Error> {
        self.remove_links()?;
        remove(&self.path)
    }
}

/// Where a program's link is pinned in that directory.
pub(super) fn link(directory: &Path, program: &str) -> PathBuf {
    directory.join(format!("{program}{LINK_SUFFIX}"))
}

/// Takes a link's program off, and its pin away.
fn detach(path: &Path) -> Result<(), Error> {
    let detached = sys::open_pin(path).and_then(|link| match sys::detach_link(link.as_fd()) {
        // It hangs on nothing any more.
        Err(error) if error.raw_os_error() == Some(libc::ENOLINK) => Ok(()),
        detached => detached,
    });
    let removed = detached.and_then(|()| fs::remove_file(path));
    removed.map_err(|source| Error::Pin { path: path.to_path_buf(), source })
}

/// How what is pinned in a folder differs from what this version would make: aya opens a pinned map of the right name
/// without a look at it.
fn difference(folder: &Path) -> Result<Option<String>, Error> {
    for (name, expected) in maps::ALL.into_iter().zip(&LAYOUTS) {
        let path = folder.join(name);
        if !path.exists() {
            return Ok(Some(format!("{name} is missing")));
        }
        let wrong = |source| Error::Map { map: name, source };
        let found = MapInfo::from_pin(path).and_then(|info| layout(&info)).map_err(wrong)?;
        if found != *expected {
            return Ok(Some(format!("{name} is {found:?}, not {expected:?}")));
        }
    }
    let version = abi_version(folder).map_err(|source| Error::Map { map: maps::SETTINGS, source })?;
    Ok((version != ABI_VERSION).then(|| format!("ABI {version}, not {ABI_VERSION}")))
}

fn abi_version(folder: &Path) -> Result<u32, MapError> {
    let map = MapData::from_pin(folder.join(maps::SETTINGS))?;
    let map: Array<MapData, Value<Settings>> = Map::from_map_data(map)?.try_into()?;
    Ok(map.get(&0, 0)?.0.abi_version)
}

fn layout(info: &MapInfo) -> Result<Layout, MapError> {
    Ok(Layout {
        map_type: info.map_type()?,
        key_size: info.key_size(),
        value_size: info.value_size(),
        max_entries: info.max_entries(),
        flags: info.map_flags(),
    })
}

fn is_link(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.ends_with(LINK_SUFFIX))
}

fn make(path: &Path) -> Result<(), Error> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(Error::Pin { path: path.to_path_buf(), source: error })
        }
        _ => Ok(()),
    }
}

/// What is in a folder; nothing where there is none.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let wrong = |source| Error::Pin { path: folder.to_path_buf(), source };
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path()).map_err(wrong)).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(wrong(error)),
    }
}

/// Removes a folder of pins with what is in it; it is no error if there is none.
fn remove(folder: &Path) -> Result<(), Error> {
    for path in entries(folder)? {
        if path.is_dir() {
            remove(&path)?;
        } else {
            fs::remove_file(&path).map_err(|source| Error::Pin { path, source })?;
        }
    }
    match fs::remove_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::Pin { path: folder.to_path_buf(), source: error })
        }
        _ => Ok(()),
    }
}
