//! RowDescription: what each column of a result is, and where it comes from.

use std::iter::FusedIterator;

use crate::{Format, FrameError, Oid, read::Reader};

/// One column of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// The column's name in the result.
    pub name: &'a [u8],
    /// The relation whose column this is (`pg_class.oid`); 0 if it is not simply a column.
    pub table_oid: Oid,
    /// `pg_attribute.attnum` in that relation; 0 if it is not simply a column, or is a whole row.
    pub column_attnum: i16,
    /// `pg_type.oid`.
    pub type_oid: Oid,
    /// `pg_type.typlen`: negative for types of variable width.
    pub type_size: i16,
    /// `pg_attribute.atttypmod`: what it means is the type's own; -1 for none.
    pub type_modifier: i32,
    /// How the values are written. In the answer to a statement's Describe it is always text, as the formats
    /// are not known yet.
    pub format: Format,
}

impl<'a> Field<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, FrameError> {
        Ok(Field {
            name: reader.cstr()?,
            table_oid: reader.u32()?,
            column_attnum: reader.i16()?,
            type_oid: reader.u32()?,
            type_size: reader.i16()?,
            type_modifier: reader.i32()?,
            format: Format(reader.i16()?),
        })
    }
}

/// The columns of a result; it is its own iterator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowDescription<'a> {
    count: u16,
    bytes: &'a [u8],
}

impl<'a> RowDescription<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, FrameError> {
        let count = reader.u16()?;
        let bytes = reader.spanned(|reader| (0..count).try_for_each(|_| Field::read(reader).map(drop)))?;
        Ok(RowDescription { count, bytes })
    }
}

impl<'a> Iterator for RowDescription<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.count = self.count.checked_sub(1)?;
        let mut reader = Reader::new("", self.bytes);
        let field = Field::read(&mut reader).ok()?;
        self.bytes = reader.rest();
        Some(field)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::from(self.count), Some(usize::from(self.count)))
    }
}

impl ExactSizeIterator for RowDescription<'_> {}
impl FusedIterator for RowDescription<'_> {}
