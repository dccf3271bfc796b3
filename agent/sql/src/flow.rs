//! Where values come from, added up: the arithmetic of [`Lineage`], and the rows of a query.
//!
//! It errs to more: a sum never carries less than its parts.

use policy::{Catalog, ColumnRef, FIRST_NORMAL_OBJECT_ID, Lineage, Oid, Output};

use crate::read::Typed;

/// Nothing but constants.
pub(crate) const fn constant() -> Lineage {
    Lineage::Derived(Vec::new())
}

/// A column's own value.
pub(crate) fn own(relation: Oid, attnum: i16) -> Lineage {
    Lineage::Exact(vec![ColumnRef { relation, attnum }])
}

/// What is made of one column, or of a whole row with `attnum` 0.
pub(crate) fn column(relation: Oid, attnum: i16) -> Lineage {
    own(relation, attnum).derived()
}

/// What is made of both.
pub(crate) fn add(sum: &mut Lineage, part: Lineage) {
    *sum = match (std::mem::replace(sum, Lineage::Unknown), part) {
        (Lineage::Unknown, _) | (_, Lineage::Unknown) => Lineage::Unknown,
        (Lineage::Exact(one) | Lineage::Derived(one), Lineage::Exact(other) | Lineage::Derived(other)) => {
            Lineage::Derived(united(one, other))
        }
    };
}

/// What one or the other is: exact where both are, unless one of them is converted to the type of the other.
pub(crate) fn either(one: Lineage, other: Lineage, catalog: &Catalog) -> Lineage {
    match (one, other) {
        (Lineage::Exact(one), Lineage::Exact(other)) if are_alike(&one, &other, catalog) => {
            Lineage::Exact(united(one, other))
        }
        (mut sum, other) => {
            add(&mut sum, other);
            sum
        }
    }
}

fn united(mut one: Vec<ColumnRef>, other: Vec<ColumnRef>) -> Vec<ColumnRef> {
    if one.is_empty() {
        return other;
    }
    for column in other {
        if let Err(at) = one.binary_search(&column) {
            one.insert(at, column);
        }
    }
    one
}

/// `text` and `varchar` (src/include/catalog/pg_type.dat), which are stored alike.
const TEXT: Oid = 25;
const VARCHAR: Oid = 1043;

/// Whether the columns of two exact values have one type. Those of each have, or they were not exact together.
fn are_alike(one: &[ColumnRef], other: &[ColumnRef], catalog: &Catalog) -> bool {
    let type_of = |columns: &[ColumnRef]| columns.first().and_then(|column| stored_as(*column, catalog));
    type_of(one).is_some_and(|one| type_of(other) == Some(one))
}

/// Whether an exact value is text of any length.
pub(crate) fn is_text(lineage: &Lineage, catalog: &Catalog) -> bool {
    let Lineage::Exact(columns) = lineage else { return false };
    columns.first().is_some_and(|column| stored_as(*column, catalog) == Some(TEXT))
}

/// The type of a column, as it is stored.
pub(crate) fn stored_as(column: ColumnRef, catalog: &Catalog) -> Option<Oid> {
    let columns = &catalog.relation(column.relation)?.columns;
    let at = columns.binary_search_by_key(&column.attnum, |known| known.attnum).ok()?;
    Some(match columns[at].type_oid {
        VARCHAR => TEXT,
        other => other,
    })
}

/// Types of which any two values go together, in an array or one behind the other (src/include/catalog/pg_type.dat): arrays are
/// not among them, nor what may be one within.
const SINGLE: [Oid; 21] = [
    16, 17, 18, 19, 20, 21, 23, TEXT, 26, 114, 700, 701, 1042, VARCHAR, 1082, 1083, 1114, 1184, 1186, 1700,
    2950,
];

/// `json` and `json[]`.
const JSON: [Oid; 2] = [114, 199];

/// Whether a value may be one that does not go together with others of its type, or has no bounds as they have. Of a whole row
/// it may be any field.
pub(crate) fn may_not_fit(lineage: &Lineage, catalog: &Catalog) -> bool {
    let is_single = |of: Option<Oid>| of.is_none_or(|of| SINGLE.contains(&of));
    !is_each(lineage, catalog, |column| is_single(stored_as(column, catalog)))
}

/// Whether a value may be, or hold, a text of JSON as it was written.
pub(crate) fn may_be_json(lineage: &Lineage, catalog: &Catalog) -> bool {
    let is_other = |of: Option<Oid>| of.is_none_or(|of| !JSON.contains(&of) && of < FIRST_NORMAL_OBJECT_ID);
    !is_each(lineage, catalog, |column| is_other(stored_as(column, catalog)))
}

/// Whether each column that it carries is such, those of whole rows, too.
fn is_each(lineage: &Lineage, catalog: &Catalog, is_such: impl Fn(ColumnRef) -> bool) -> bool {
    let Some(columns) = lineage.columns() else { return true };
    columns.iter().all(|column| match (column.attnum, catalog.relation(column.relation)) {
        (0, Some(relation)) => relation
            .columns
            .iter()
            .all(|field| is_such(ColumnRef { relation: column.relation, attnum: field.attnum })),
        _ => is_such(*column),
    })
}

/// One output column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell {
    /// Its name where it is certain; an unnamed one may have any name.
    pub(crate) name: Option<String>,
    pub(crate) lineage: Lineage,
    pub(crate) typed: Typed,
}

/// The columns of a query, a relation or a function in FROM.
#[derive(Debug, Clone, PartialEq, Eq)]
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

    /// What the value of a query is that has one column.
    pub(crate) fn value(self) -> Lineage {
        match self {
            Rows::Columns(cells) if cells.len() == 1 => {
                cells.into_iter().next().map_or(Lineage::Unknown, |cell| cell.lineage)
            }
            rows => rows.all(),
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
            Lineage::Exact(columns) | Lineage::Derived(columns) => 1 + columns.len() / 8,
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
    pub(crate) fn union(self, right: Rows, catalog: &Catalog) -> Rows {
        match (self, right) {
            (Rows::Columns(left), Rows::Columns(right)) if left.len() == right.len() => {
                let both = |(cell, other): (Cell, Cell)| Cell {
                    name: cell.name,
                    typed: cell.typed.either(other.typed),
                    lineage: either(cell.lineage, other.lineage, catalog),
                };
                Rows::Columns(left.into_iter().zip(right).map(both).collect())
            }
            (left, right) => {
                let mut sum = left.all();
                add(&mut sum, right.all());
                Rows::Any(sum)
            }
        }
    }

    /// The same where each column may carry what all of them do.
    pub(crate) fn mixed(self) -> Rows {
        let all = self.all();
        match self {
            Rows::Columns(mut cells) => {
                for cell in &mut cells {
                    cell.lineage = all.clone();
                }
                Rows::Columns(cells)
            }
            Rows::Any(lineage) => Rows::Any(lineage),
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
            Rows::Any(Lineage::Exact(columns) | Lineage::Derived(columns)) => Output::Within(columns),
            Rows::Any(Lineage::Unknown) => Output::Unknown,
        }
    }
}
