//! The shared values as aya wants them, and opening the pinned maps that hold them.

use agent_ebpf::{Destination, Event, Namespace, Origin, Settings, Stream};
use aya::{
    Pod,
    maps::{Map, MapData},
};

use super::{Error, pins::Maps};

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
unsafe impl Pod for Value<Namespace> {}
// SAFETY: as above.
unsafe impl Pod for Value<Origin> {}
// SAFETY: as above.
unsafe impl Pod for Value<Stream> {}

/// The event that these bytes are; none if they are too few.
pub(super) fn event(bytes: &[u8]) -> Option<Event> {
    // The ring rounds the length of an entry up.
    let bytes = bytes.first_chunk::<{ size_of::<Event>() }>()?;
    // SAFETY: as many bytes as an Event has, which is integers without padding: any bytes make one.
    Some(unsafe { bytes.as_ptr().cast::<Event>().read_unaligned() })
}

/// Opens a pinned map.
///
/// # Errors
///
/// It is not there, or no map of a type that the agent knows.
pub(super) fn open_map(maps: &Maps, name: &'static str) -> Result<Map, Error> {
    let wrong = |source| Error::Map { map: name, source };
    Map::from_map_data(MapData::from_pin(maps.path(name)).map_err(wrong)?).map_err(wrong)
}
