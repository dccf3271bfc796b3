//! What is to be done with each column of one result, and the doing of it, row by row.
//!
//! A plan is made from the result's RowDescription, which says where the server takes each column from, and
//! from what the statement's text proves. It must not be made from a statement's Describe, where the formats are
//! not known yet, but from the portal's.

use bytes::{BufMut, BytesMut};
use pgwire::backend::{Field, Message, RowDescription, tag};
use pgwire::{FrameError, HEADER_LEN, Header, Values};
use policy::{MaskMethod, Output};

use crate::key::HashKey;
use crate::set::{MaskSet, Verdict};
use crate::value::{self, CellType};

#[cfg(test)]
mod tests;

/// Why a row cannot be masked. Nothing of it may then be passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is not one whole DataRow.
    #[error("not one whole DataRow message")]
    NotADataRow,
    /// Its body does not have a DataRow's form.
    #[error(transparent)]
    Malformed(#[from] FrameError),
    /// It has other columns than its RowDescription.
    #[error("a row of {found} columns, where {expected} were described")]
    Columns {
        /// Columns in the RowDescription.
        expected: usize,
        /// Columns in the row.
        found: usize,
    },
    /// The masked row is longer than a message can be.
    #[error("the masked row does not fit a message")]
    TooLong,
}

/// One result's plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowPlan {
    columns: Vec<Option<(MaskMethod, CellType)>>,
    masked: usize,
}

impl RowPlan {
    /// The plan for a result with these columns, of a statement whose output is `lineage`.
    ///
    /// A cell passes if the column that the server names as its origin is clear (see [`MaskSet::column`]), or if
    /// it names none and the lineage holds only clear columns. A masked column is shown by its own method, by that origin or
    /// where the lineage tells that nothing is computed from it (see [`MaskSet::lineage`]); everything else that does not
    /// pass is redacted. The server's word on an origin is never overruled by the
    /// text's: names in the text may have been resolved otherwise than the server did.
    pub fn new(fields: RowDescription<'_>, lineage: &Output, set: &MaskSet) -> Self {
        if set.is_empty() {
            return RowPlan { columns: vec![None; fields.len()], masked: 0 };
        }
        let count = fields.len();
        let within = match lineage {
            Output::Within(columns) if columns.iter().all(|column| set.is_clear(*column)) => Verdict::Clear,
            _ => Verdict::Unknown,
        };
        let told = |index: usize| match lineage {
            Output::Columns(columns) if columns.len() == count => {
                columns.get(index).map_or(Verdict::Unknown, |lineage| set.lineage(lineage))
            }
            Output::Within(_) => within,
            Output::None | Output::Columns(_) | Output::Inherited(_) | Output::Unknown => Verdict::Unknown,
        };
        let columns: Vec<_> = fields
            .enumerate()
            .map(|(index, field)| {
                let method = method(&field, set, || told(index))?;
                let Field { type_oid, type_modifier, format, .. } = field;
                Some((method, CellType { type_oid, type_modifier, format }))
            })
            .collect();
        let masked = columns.iter().flatten().count();
        RowPlan { columns, masked }
    }

    /// How many columns the result has, if every cell passes: then no more need be known of a row than that it has as
    /// many.
    pub fn identity(&self) -> Option<u16> {
        (self.masked == 0).then(|| u16::try_from(self.columns.len()).ok()).flatten()
    }

    /// How the column at `index` is masked; `None` if its cells pass.
    pub fn method(&self, index: usize) -> Option<MaskMethod> {
        self.columns.get(index).copied().flatten().map(|(method, _)| method)
    }

    /// Appends the row to `out`, masked. `data_row` is one whole frame, header included. NULL stays NULL.
    ///
    /// # Errors
    /// [`Error`]; `out` is then as it was.
    pub fn apply(&self, data_row: &[u8], key: &HashKey, out: &mut BytesMut) -> Result<(), Error> {
        let cells = self.cells(data_row)?;
        let start = out.len();
        out.reserve(data_row.len());
        let masked = self.write(cells, key, out);
        if masked.is_err() {
            out.truncate(start);
        }
        masked
    }

    fn cells<'a>(&self, data_row: &'a [u8]) -> Result<Values<'a>, Error> {
        let header = Header::parse(data_row)?.ok_or(Error::NotADataRow)?;
        if header.tag != tag::DATA_ROW || header.frame_len() != data_row.len() {
            return Err(Error::NotADataRow);
        }
        let Message::DataRow(cells) = Message::parse(header.tag, &data_row[HEADER_LEN..])? else {
            return Err(Error::NotADataRow);
        };
        if cells.len() != self.columns.len() {
            return Err(Error::Columns { expected: self.columns.len(), found: cells.len() });
        }
        Ok(cells)
    }

    fn write(&self, cells: Values<'_>, key: &HashKey, out: &mut BytesMut) -> Result<(), Error> {
        let start = out.len();
        out.put_slice(&[tag::DATA_ROW, 0, 0, 0, 0]);
        out.put_u16(u16::try_from(self.columns.len()).map_err(|_| Error::TooLong)?);
        for (cell, column) in cells.zip(&self.columns) {
            match (cell, column) {
                (None, _) => out.put_i32(-1),
                (Some(cell), None) => put_cell(out, cell)?,
                (Some(cell), Some((method, cell_type))) => {
                    match value::mask(*method, *cell_type, cell, key) {
                        Some(masked) => put_cell(out, &masked)?,
                        None => out.put_i32(-1),
                    }
                }
            }
        }
        let len = i32::try_from(out.len() - start - 1).map_err(|_| Error::TooLong)?;
        out[start + 1..start + HEADER_LEN].copy_from_slice(&len.to_be_bytes());
        Ok(())
    }
}

fn put_cell(out: &mut BytesMut, cell: &[u8]) -> Result<(), Error> {
    out.put_i32(i32::try_from(cell.len()).map_err(|_| Error::TooLong)?);
    out.put_slice(cell);
    Ok(())
}

/// How a column is masked; `None` if it passes. `told` is what the text tells of it.
fn method(field: &Field<'_>, set: &MaskSet, told: impl FnOnce() -> Verdict) -> Option<MaskMethod> {
    let verdict = match (field.table_oid, field.column_attnum) {
        (0, _) => told(),
        (relation, attnum) => set.column(relation, attnum),
    };
    match verdict {
        Verdict::Clear => None,
        Verdict::Masked(method) => Some(method),
        Verdict::Unknown => Some(MaskMethod::Redact),
    }
}
