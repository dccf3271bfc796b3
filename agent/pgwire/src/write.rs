//! Appends frames to a buffer. A frame that cannot be written leaves the buffer as it was.

use bytes::{BufMut, BytesMut};

/// Why a message cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A string of the protocol ends at its first zero byte, so it cannot hold one.
    #[error("a string holds a zero byte")]
    Nul,
    /// A length or a count does not fit its field.
    #[error("the message does not fit the protocol's length or count fields")]
    TooLong,
    /// An empty name ends a list, so it cannot stand in one.
    #[error("a name is empty")]
    EmptyName,
    /// The secret of a cancel request has 4 to 256 bytes.
    #[error("a cancel request's secret has 4 to 256 bytes")]
    SecretLength,
}

pub(crate) struct Body<'a> {
    out: &'a mut BytesMut,
}

impl Body<'_> {
    pub(crate) fn u8(&mut self, value: u8) {
        self.out.put_u8(value);
    }

    pub(crate) fn i16(&mut self, value: i16) {
        self.out.put_i16(value);
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.out.put_u32(value);
    }

    pub(crate) fn i32(&mut self, value: i32) {
        self.out.put_i32(value);
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) {
        self.out.put_slice(value);
    }

    pub(crate) fn cstr(&mut self, value: &[u8]) -> Result<(), EncodeError> {
        if value.contains(&0) {
            return Err(EncodeError::Nul);
        }
        self.out.put_slice(value);
        self.out.put_u8(0);
        Ok(())
    }

    pub(crate) fn count(&mut self, count: usize) -> Result<(), EncodeError> {
        self.out.put_u16(u16::try_from(count).map_err(|_| EncodeError::TooLong)?);
        Ok(())
    }

    pub(crate) fn value(&mut self, value: Option<&[u8]>) -> Result<(), EncodeError> {
        match value {
            None => self.out.put_i32(-1),
            Some(value) => {
                self.out.put_i32(i32::try_from(value.len()).map_err(|_| EncodeError::TooLong)?);
                self.out.put_slice(value);
            }
        }
        Ok(())
    }

    pub(crate) fn values(&mut self, values: &[Option<&[u8]>]) -> Result<(), EncodeError> {
        self.count(values.len())?;
        values.iter().try_for_each(|value| self.value(*value))
    }

    pub(crate) fn formats(&mut self, formats: &[crate::Format]) -> Result<(), EncodeError> {
        self.count(formats.len())?;
        formats.iter().for_each(|format| self.i16(format.0));
        Ok(())
    }
}

/// A tagged frame; with `None` for the tag a start-up packet, which has none.
pub(crate) fn frame(
    out: &mut BytesMut,
    tag: Option<u8>,
    write: impl FnOnce(&mut Body<'_>) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let start = out.len();
    if let Some(tag) = tag {
        out.put_u8(tag);
    }
    let length_at = out.len();
    out.put_u32(0);
    let written = write(&mut Body { out })
        .and_then(|()| i32::try_from(out.len() - length_at).map_err(|_| EncodeError::TooLong));
    match written {
        Ok(len) => {
            out[length_at..length_at + 4].copy_from_slice(&len.to_be_bytes());
            Ok(())
        }
        Err(error) => {
            out.truncate(start);
            Err(error)
        }
    }
}

/// A frame with an empty body.
pub(crate) fn bare(out: &mut BytesMut, tag: u8) {
    out.put_slice(&[tag, 0, 0, 0, 4]);
}
