//! Where a result's cells come from.

use crate::Oid;

/// A column by its relation's OID and its number (`pg_attribute.attnum`, from 1; 0 stands for the whole row).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ColumnRef {
    /// `pg_class.oid`.
    pub relation: Oid,
    /// `pg_attribute.attnum`.
    pub attnum: i16,
}

/// What one output column may carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lineage {
    /// Nothing but these columns (sorted, without repetition) and constants: empty means constants alone.
    From(Vec<ColumnRef>),
    /// It could not be told.
    Unknown,
}

/// What the rows of one statement are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// The statement returns no rows.
    None,
    /// One entry for each output column, left to right.
    Columns(Vec<Lineage>),
    /// Number or order of the columns could not be told, but every cell carries nothing but these columns
    /// (whole relations appear with attnum 0).
    Within(Vec<ColumnRef>),
    /// The rows are those of another statement of this session: a prepared statement or a cursor by name.
    Inherited(String),
    /// It could not be told.
    Unknown,
}
