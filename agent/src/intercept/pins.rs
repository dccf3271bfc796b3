//! The pin directory: who holds it, what lies in it, and whether we can take that over.

#![forbid(unsafe_code)]

use std::{
    fs::{self, File},
    io,
    os::fd::AsFd as _,
    path::{Path, PathBuf},
};

use agent_ebpf::{
    ABI_VERSION, COUNTERS, Destination, MAX_DESTINATIONS, MAX_TUPLES, Origin, Settings, Tuple, maps,
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
    Layout::new::<i32, u32>(MapType::SkStorage, 0, NO_PREALLOC | CLONE),
    Layout::new::<i32, Origin>(MapType::SkStorage, 0, NO_PREALLOC),
    Layout::new::<Tuple, Origin>(MapType::Hash, MAX_TUPLES, 0),
    Layout::new::<i32, Origin>(MapType::SkStorage, 0, NO_PREALLOC),
    Layout::new::<u32, u64>(MapType::PerCpuArray, COUNTERS, 0),
];

/// The directory, locked for as long as this value lives.
pub(super) struct PinDirectory {
    path: PathBuf,
    _lock: File,
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

    /// Where something is pinned.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Where a program's link is pinned.
    pub(super) fn link(&self, program: &str) -> PathBuf {
        self.path(&format!("{program}{LINK_SUFFIX}"))
    }

    /// Compares what is pinned with what this version would make: aya opens a pinned map of the right name
    /// without a look at it.
    ///
    /// # Errors
    ///
    /// Something differs, or cannot be read. It stays as it is, and in force.
    pub(super) fn check_layouts(&self) -> Result<(), Error> {
        for (name, expected) in maps::ALL.into_iter().zip(&LAYOUTS) {
            if !self.path(name).exists() {
                continue;
            }
            let wrong = |source| Error::Map { map: name, source };
            let found = MapInfo::from_pin(self.path(name)).and_then(|info| layout(&info)).map_err(wrong)?;
            if found != *expected {
                return Err(self.incompatible(format!("{name} is {found:?}, not {expected:?}")));
            }
        }
        let version = self.abi_version().map_err(|source| Error::Map { map: maps::SETTINGS, source })?;
        match version {
            // No daemon came as far as to write it.
            None | Some(0 | ABI_VERSION) => Ok(()),
            Some(other) => Err(self.incompatible(format!("ABI {other}, not {ABI_VERSION}"))),
        }
    }

    fn abi_version(&self) -> Result<Option<u32>, MapError> {
        let path = self.path(maps::SETTINGS);
        if !path.exists() {
            return Ok(None);
        }
        let map: Array<MapData, Value<Settings>> =
            Map::from_map_data(MapData::from_pin(path)?)?.try_into()?;
        Ok(Some(map.get(&0, 0)?.0.abi_version))
    }

    fn incompatible(&self, difference: String) -> Error {
        Error::Incompatible { path: self.path.clone(), difference }
    }

    /// Detaches the programs and removes their links' pins. When it returns, none runs any more.
    ///
    /// # Errors
    ///
    /// A link cannot be detached, or a pin not be removed.
    pub(super) fn remove_links(&self) -> Result<(), Error> {
        self.remove_where(
            |name| name.ends_with(LINK_SUFFIX),
            |path| sys::detach_link(sys::open_pin(path)?.as_fd()),
        )
    }

    /// Removes all pins and the directory; the links first, or programs would run without their maps'
    /// pins and a new daemon would make a second set.
    ///
    /// # Errors
    ///
    /// A pin cannot be removed; those before it are gone.
    pub(super) fn remove(self) -> Result<(), Error> {
        self.remove_links()?;
        self.remove_where(|name| maps::ALL.contains(&name), |_| Ok(()))?;
        fs::remove_dir(&self.path).map_err(|source| Error::Pin { path: self.path.clone(), source })
    }

    fn remove_where(
        &self,
        wanted: impl Fn(&str) -> bool,
        before: impl Fn(&Path) -> io::Result<()>,
    ) -> Result<(), Error> {
        let wrong = |path: &Path, source| Error::Pin { path: path.to_path_buf(), source };
        for entry in fs::read_dir(&self.path).map_err(|error| wrong(&self.path, error))? {
            let path = entry.map_err(|error| wrong(&self.path, error))?.path();
            if path.file_name().and_then(|name| name.to_str()).is_some_and(&wanted) {
                before(&path).and_then(|()| fs::remove_file(&path)).map_err(|error| wrong(&path, error))?;
            }
        }
        Ok(())
    }
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
