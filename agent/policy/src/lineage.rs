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

/// What a value may carry. Columns are sorted, without repetition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lineage {
    /// It is one of these columns' own value, as it is stored there, or NULL.
    Exact(Vec<ColumnRef>),
    /// It is computed from nothing but these columns and constants: empty means constants alone.
    Derived(Vec<ColumnRef>),
    /// It could not be told.
    Unknown,
}

impl Lineage {
    /// All columns that it may carry; `None` where that could not be told.
    pub fn columns(&self) -> Option<&[ColumnRef]> {
        match self {
            Lineage::Exact(columns) | Lineage::Derived(columns) => Some(columns),
            Lineage::Unknown => None,
        }
    }

    /// The same of a value that is computed from it.
    #[must_use]
    pub fn derived(self) -> Self {
        match self {
            Lineage::Exact(columns) => Lineage::Derived(columns),
            lineage => lineage,
        }
    }
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
