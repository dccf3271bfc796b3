//! The ports that anything protected has, one bit each: the kernel side looks no others up.
//!
//! A bit too many costs a lookup, a missing one protects nothing. So bits come before their destinations and go
//! after them.

use agent_ebpf::{Destination, PORT_WORDS, maps};
use aya::maps::{Array, Map, MapData, MapError};

use super::Error;

/// [`maps::PORTS`].
pub(super) struct Ports {
    map: Array<MapData, u64>,
    /// What it has.
    words: Vec<u64>,
}

impl Ports {
    /// With the bits that an earlier daemon left.
    ///
    /// # Errors
    ///
    /// The map cannot be read.
    pub(super) fn new(map: Map) -> Result<Self, Error> {
        let map: Array<MapData, u64> = map.try_into().map_err(wrong)?;
        let words = map.iter().collect::<Result<_, _>>().map_err(wrong)?;
        Ok(Self { map, words })
    }

    /// Adds the ports of these destinations, which are about to be protected.
    ///
    /// # Errors
    ///
    /// The kernel refused a change; some are there already.
    pub(super) fn add<'a>(&mut self, wanted: impl Iterator<Item = &'a Destination>) -> Result<(), Error> {
        let words = words(wanted).into_iter().zip(&self.words).map(|(wanted, word)| wanted | word).collect();
        self.put(words)
    }

    /// Leaves the ports of these destinations alone, once no others are protected.
    ///
    /// # Errors
    ///
    /// The kernel refused a change; some of the others are there still.
    pub(super) fn keep<'a>(&mut self, wanted: impl Iterator<Item = &'a Destination>) -> Result<(), Error> {
        self.put(words(wanted))
    }

    fn put(&mut self, words: Vec<u64>) -> Result<(), Error> {
        for ((index, has), word) in (0..).zip(&mut self.words).zip(words) {
            if *has != word {
                self.map.set(index, word, 0).map_err(wrong)?;
                *has = word;
            }
        }
        Ok(())
    }
}

fn words<'a>(destinations: impl Iterator<Item = &'a Destination>) -> Vec<u64> {
    let mut words = vec![0; PORT_WORDS];
    for destination in destinations {
        let port = u16::from_be_bytes(destination.port);
        if let Some(word) = words.get_mut(usize::from(port / 64)) {
            *word |= 1 << (port % 64);
        }
    }
    words
}

fn wrong(source: MapError) -> Error {
    Error::Map { map: maps::PORTS, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_has_a_bit_of_its_own() {
        for (port, word, bit) in [(0, 0, 0), (63, 0, 63), (64, 1, 0), (5432, 84, 56), (65535, 1023, 63)] {
            let mut expect = vec![0; PORT_WORDS];
            expect[word] = 1_u64 << bit;
            assert_eq!(words([Destination::v4([127, 0, 0, 1], port)].iter()), expect, "{port}");
        }
        let both = [Destination::v4([127, 0, 0, 1], 5432), Destination::v6([0; 16], 5433)];
        assert_eq!(words(both.iter())[84], 3 << 56);
    }
}
