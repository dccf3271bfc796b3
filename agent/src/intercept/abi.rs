//! The shared values as aya wants them, and opening the pinned maps that hold them.

use agent_ebpf::{Destination, Origin, Settings};
use aya::{
    Pod,
    maps::{Map, MapData},
};

use super::{Error, pins::PinDirectory};

/// A value of the ABI in a map.
#[repr(transparent)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<T: Copy + 'static>(pub(super) T);

// SAFETY: these are `repr(C)` integers and arrays of integers without padding (the ABI asserts their
// sizes), so that all of their bytes are initialised and all bytes make a value.
unsafe impl Pod for Value<Settings> {}
// SAFETY: as above.
unsafe impl Pod for Value<Destination> {}
// SAFETY: as above.
unsafe impl Pod for Value<Origin> {}

/// Opens a pinned map.
///
/// # Errors
///
/// It is not there, or no map of a type that the agent knows.
pub(super) fn open_map(pins: &PinDirectory, name: &'static str) -> Result<Map, Error> {
    let wrong = |source| Error::Map { map: name, source };
    Map::from_map_data(MapData::from_pin(pins.path(name)).map_err(wrong)?).map_err(wrong)
}
