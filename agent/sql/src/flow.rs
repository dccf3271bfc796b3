//! Where values come from, added up: the arithmetic of [`Lineage`], and the rows of a query.
//!
//! It errs to more: a sum never carries less than its parts.

use policy::{ColumnRef, Lineage, Output};

/// Nothing but constants.
pub(crate) const fn constant() -> Lineage {
    Lineage::From(Vec::new())
}

/// One column, or a whole row with `attnum` 0.
pub(crate) fn column(relation: policy::Oid, attnum: i16) -> Lineage {
    Lineage::From(vec![ColumnRef { relation, attnum }])
}

/// What either carries.
pub(crate) fn add(sum: &mut Lineage, part: Lineage) {
    match (&mut *sum, part) {
        (Lineage::Unknown, _) => {}
        (_, Lineage::Unknown) => *sum = Lineage::Unknown,
        (Lineage::From(sum), Lineage::From(part)) => {
            if sum.is_empty() {
                *sum = part;
                return;
            }
            for column in part {
                if let Err(at) = sum.binary_search(&column) {
                    sum.insert(at, column);
                }
            }
        }
    }
}

/// One output column.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    /// Its name where it is certain; an unnamed one may have any name.
    pub(crate) name: Option<String>,
    pub(crate) lineage: Lineage,
}

/// The columns of a query, a relation or a function in FROM.
#[derive(Debug, Clone)]
pub(crate) enum Rows {
    /// All of them, left to right.
    Columns(Vec<Cell>),
    /// Number, order or names are not certain, but no cell carries more than this.
    Any(Lineage),
}

/// Columns that PostgreSQL takes in one target list (`MaxTupleAttributeNumber`).
const MAX_COLUMNS: usize = 1664;

impl Rows {
    /// What all cells together carry.
    pub(crate) fn all(&self) -> Lineage {
        match self {
            Rows::Any(lineage) => lineage.clone(),
            Rows::Columns(cells) => {
                let mut sum = constant();
                for cell in cells {
                    add(&mut sum, cell.lineage.clone());
                }
                sum
            }
        }
    }

    /// How many columns are known.
    pub(crate) fn width(&self) -> usize {
        match self {
            Rows::Any(_) => 0,
            Rows::Columns(cells) => cells.len(),
        }
    }

    /// What a copy of them takes, in units of a column.
    pub(crate) fn size(&self) -> usize {
        let of = |lineage: &Lineage| match lineage {
            Lineage::From(columns) => 1 + columns.len() / 8,
            Lineage::Unknown => 1,
        };
        match self {
            Rows::Any(lineage) => of(lineage),
            Rows::Columns(cells) => cells.iter().map(|cell| of(&cell.lineage)).sum(),
        }
    }

    /// Appends columns; from then on uncertain if either is.
    pub(crate) fn append(&mut self, more: Rows) {
        match (&mut *self, more) {
            (Rows::Columns(cells), Rows::Columns(more)) if cells.len() + more.len() <= MAX_COLUMNS => {
                cells.extend(more);
            }
            (_, more) => {
                let mut sum = self.all();
                add(&mut sum, more.all());
                *self = Rows::Any(sum);
            }
        }
    }

    /// The rows of a set operation: column by column, with the left side's names.
    pub(crate) fn union(self, right: Rows) -> Rows {
        match (self, right) {
            (Rows::Columns(mut left), Rows::Columns(right)) if left.len() == right.len() => {
                for (cell, other) in left.iter_mut().zip(right) {
                    add(&mut cell.lineage, other.lineage);
                }
                Rows::Columns(left)
            }
            (left, right) => {
                let mut sum = left.all();
                add(&mut sum, right.all());
                Rows::Any(sum)
            }
        }
    }

    /// With the first columns renamed, as an alias with a column list does.
    pub(crate) fn renamed(self, names: Vec<String>) -> Rows {
        match self {
            Rows::Columns(mut cells) if names.len() <= cells.len() => {
                for (cell, name) in cells.iter_mut().zip(names) {
                    cell.name = Some(name);
                }
                Rows::Columns(cells)
            }
            rows => rows,
        }
    }

    pub(crate) fn into_output(self) -> Output {
        match self {
            Rows::Columns(cells) => Output::Columns(cells.into_iter().map(|c| c.lineage).collect()),
            Rows::Any(Lineage::From(columns)) => Output::Within(columns),
            Rows::Any(Lineage::Unknown) => Output::Unknown,
        }
    }
}
