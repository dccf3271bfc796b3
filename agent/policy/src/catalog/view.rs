//! What the columns of a view are made of.

use crate::ColumnRef;

/// One column of a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ViewColumn {
    /// It is another relation's column, as it is.
    Own(ColumnRef),
    /// It is computed from these (attnum 0 for a whole row), or is one of them.
    Made(Vec<ColumnRef>),
}

/// A view's definition, understood in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// In the order of its columns.
    pub columns: Vec<ViewColumn>,
    /// What decides which rows it has, how many and in which order: its conditions, joins, groups and keys. Sorted.
    pub decides: Vec<ColumnRef>,
    /// Whether one of its rows may be made of many: by an aggregate, a window or a query inside an expression.
    pub gathers: bool,
}

impl ViewColumn {
    /// All columns in it.
    pub fn refs(&self) -> &[ColumnRef] {
        match self {
            ViewColumn::Own(column) => std::slice::from_ref(column),
            ViewColumn::Made(columns) => columns,
        }
    }
}

impl View {
    /// Whether its columns, or what decides about its rows, have that column in them.
    pub fn has(&self, column: ColumnRef) -> bool {
        self.decides.binary_search(&column).is_ok()
            || self.columns.iter().any(|of| of.refs().contains(&column))
    }
}
