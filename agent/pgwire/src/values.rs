//! The lists that messages carry, as views into a body that was checked when its message was parsed.

use std::iter::FusedIterator;

use crate::{FrameError, Oid, read::Reader};

/// A format code: how a value's bytes are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Format(pub i16);

impl Format {
    /// The type's text form.
    pub const TEXT: Format = Format(0);
    /// The type's binary form, in network byte order.
    pub const BINARY: Format = Format(1);
}

/// A list of format codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Formats<'a>(&'a [u8]);

impl<'a> Formats<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, FrameError> {
        let count = usize::from(reader.u16()?);
        Ok(Formats(reader.bytes(count * 2)?))
    }

    /// How many codes were given.
    pub const fn len(&self) -> usize {
        self.0.len() / 2
    }

    /// Whether none was given, which means text for all.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The codes as they were given.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Format> + 'a {
        self.0.chunks_exact(2).map(|pair| Format(i16::from_be_bytes([pair[0], pair[1]])))
    }

    /// The code that holds for the value at `index`: none given means text, one holds for all, else each has
    /// its own. `None` if the list is too short.
    pub fn of(&self, index: usize) -> Option<Format> {
        match self.len() {
            0 => Some(Format::TEXT),
            1 => self.iter().next(),
            _ => self.iter().nth(index),
        }
    }
}

/// A list of type OIDs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Oids<'a>(&'a [u8]);

impl<'a> Oids<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, FrameError> {
        let count = usize::from(reader.u16()?);
        Ok(Oids(reader.bytes(count * 4)?))
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.0.len() / 4
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each in turn; 0 stands for a type left open.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Oid> + 'a {
        self.0.chunks_exact(4).map(|four| Oid::from_be_bytes([four[0], four[1], four[2], four[3]]))
    }
}

/// A list of values, each with its length in front; it is its own iterator, `None` standing for NULL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Values<'a> {
    count: u16,
    bytes: &'a [u8],
}

impl<'a> Values<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, FrameError> {
        let count = reader.u16()?;
        let bytes = reader.spanned(|reader| (0..count).try_for_each(|_| reader.value().map(drop)))?;
        Ok(Values { count, bytes })
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = Option<&'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        self.count = self.count.checked_sub(1)?;
        let mut reader = Reader::new("", self.bytes);
        let value = reader.value().ok()?;
        self.bytes = reader.rest();
        Some(value)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::from(self.count), Some(usize::from(self.count)))
    }
}

impl ExactSizeIterator for Values<'_> {}
impl FusedIterator for Values<'_> {}
