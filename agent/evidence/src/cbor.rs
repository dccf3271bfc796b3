//! Deterministic CBOR (RFC 8949, section 4.2.1): maps with small integer keys in ascending order, lengths and
//! integers in their shortest form. Nothing here knows what the fields mean.
//!
//! Readers skip keys that they do not know, so a body may gain fields later and older readers still read it.

use std::borrow::Cow;
use std::net::SocketAddr;

use minicbor::data::Type;
use minicbor::{Decoder, Encoder};

use crate::id::Digest;

/// Bytes that are not the record that they should be.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not CBOR, or a field of another type than it should be.
    #[error("malformed CBOR: {0}")]
    Malformed(#[from] minicbor::decode::Error),
    /// A field that must be there is not.
    #[error("field {0} is missing")]
    Missing(&'static str),
    /// A field holds what it cannot hold.
    #[error("field {0} has an impossible value")]
    Value(&'static str),
    /// Bytes after the end.
    #[error("bytes follow the end")]
    Trailing,
    /// A header that says the same as another one would: only the shortest form, with its keys in order, counts.
    #[error("not in deterministic form")]
    NotCanonical,
}

/// Writes the fields of one map. At most 23 of them, so that the map's head stays one byte.
pub(crate) struct Fields<'v> {
    out: &'v mut Vec<u8>,
    count: u8,
}

/// Writes one map with the fields that `fill` gives it, which must come in ascending order of their keys.
pub(crate) fn map(out: &mut Vec<u8>, fill: impl FnOnce(&mut Fields<'_>)) {
    let head = out.len();
    out.push(0xa0);
    let mut fields = Fields { out, count: 0 };
    fill(&mut fields);
    let count = fields.count;
    debug_assert!(count < 24);
    if let Some(head) = out.get_mut(head) {
        *head = 0xa0 | count;
    }
}

impl Fields<'_> {
    /// A field of any shape.
    pub(crate) fn with(&mut self, key: u8, value: impl FnOnce(&mut Vec<u8>)) {
        uint(self.out, key.into());
        value(self.out);
        self.count += 1;
    }

    pub(crate) fn uint(&mut self, key: u8, value: impl Into<u64>) {
        let value = value.into();
        self.with(key, |out| uint(out, value));
    }

    /// A number that is left out where it is zero, as it is for most records.
    pub(crate) fn uint_unless_zero(&mut self, key: u8, value: impl Into<u64>) {
        let value = value.into();
        if value != 0 {
            self.uint(key, value);
        }
    }

    pub(crate) fn bytes(&mut self, key: u8, value: &[u8]) {
        self.with(key, |out| bytes(out, value));
    }

    pub(crate) fn text(&mut self, key: u8, value: &str) {
        self.with(key, |out| text(out, value));
    }

    pub(crate) fn text_unless_empty(&mut self, key: u8, value: &str) {
        if !value.is_empty() {
            self.text(key, value);
        }
    }

    pub(crate) fn maybe_text(&mut self, key: u8, value: Option<&str>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    /// Text where it is UTF-8, else the bytes: PostgreSQL's names and statements come in any encoding.
    pub(crate) fn lenient_unless_empty(&mut self, key: u8, value: &[u8]) {
        if !value.is_empty() {
            self.with(key, |out| lenient(out, value));
        }
    }

    pub(crate) fn maybe_digest(&mut self, key: u8, value: Option<&Digest>) {
        if let Some(value) = value {
            self.bytes(key, &value.0);
        }
    }

    pub(crate) fn list_unless_empty<T>(&mut self, key: u8, items: &[T], each: impl FnMut(&mut Vec<u8>, &T)) {
        if !items.is_empty() {
            self.with(key, |out| list(out, items, each));
        }
    }
}

// An Encoder over a Vec cannot fail: its writer's error is Infallible, and it is given whole values only. So
// the results below are dropped.

pub(crate) fn uint(out: &mut Vec<u8>, value: u64) {
    let _ = Encoder::new(out).u64(value);
}

pub(crate) fn bytes(out: &mut Vec<u8>, value: &[u8]) {
    let _ = Encoder::new(out).bytes(value);
}

pub(crate) fn text(out: &mut Vec<u8>, value: &str) {
    let _ = Encoder::new(out).str(value);
}

pub(crate) fn null(out: &mut Vec<u8>) {
    let _ = Encoder::new(out).null();
}

pub(crate) fn lenient(out: &mut Vec<u8>, value: &[u8]) {
    match std::str::from_utf8(value) {
        Ok(value) => text(out, value),
        Err(_) => bytes(out, value),
    }
}

pub(crate) fn list<T>(out: &mut Vec<u8>, items: &[T], mut each: impl FnMut(&mut Vec<u8>, &T)) {
    let _ = Encoder::new(&mut *out).array(items.len() as u64);
    for item in items {
        each(out, item);
    }
}

/// Reads one map: `field` gets each key with the decoder at its value, and says whether it knows the key.
pub(crate) fn fields<'b>(
    decoder: &mut Decoder<'b>,
    mut field: impl FnMut(u64, &mut Decoder<'b>) -> Result<bool, DecodeError>,
) -> Result<(), DecodeError> {
    let count = decoder.map()?.ok_or(DecodeError::NotCanonical)?;
    for _ in 0..count {
        let key = decoder.u64()?;
        if !field(key, decoder)? {
            decoder.skip()?;
        }
    }
    Ok(())
}

pub(crate) fn read_list<'b, T>(
    decoder: &mut Decoder<'b>,
    mut item: impl FnMut(&mut Decoder<'b>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let count = decoder.array()?.ok_or(DecodeError::NotCanonical)?;
    // No capacity from the count: it is a claim, and each item takes at least one byte of what is there.
    let mut items = Vec::new();
    for _ in 0..count {
        items.push(item(decoder)?);
    }
    Ok(items)
}

pub(crate) fn read_text<'b>(decoder: &mut Decoder<'b>) -> Result<Cow<'b, str>, DecodeError> {
    Ok(Cow::Borrowed(decoder.str()?))
}

pub(crate) fn read_bytes<'b>(decoder: &mut Decoder<'b>) -> Result<Cow<'b, [u8]>, DecodeError> {
    Ok(Cow::Borrowed(decoder.bytes()?))
}

pub(crate) fn read_lenient<'b>(decoder: &mut Decoder<'b>) -> Result<Cow<'b, [u8]>, DecodeError> {
    match decoder.datatype()? {
        Type::Bytes => read_bytes(decoder),
        _ => Ok(Cow::Borrowed(decoder.str()?.as_bytes())),
    }
}

pub(crate) fn read_array<const N: usize>(
    decoder: &mut Decoder<'_>,
    name: &'static str,
) -> Result<[u8; N], DecodeError> {
    decoder.bytes()?.try_into().map_err(|_| DecodeError::Value(name))
}

pub(crate) fn read_address(d: &mut Decoder<'_>, name: &'static str) -> Result<SocketAddr, DecodeError> {
    d.str()?.parse().map_err(|_| DecodeError::Value(name))
}

pub(crate) fn read_digest(decoder: &mut Decoder<'_>, name: &'static str) -> Result<Digest, DecodeError> {
    read_array(decoder, name).map(Digest)
}
