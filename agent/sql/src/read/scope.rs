//! What names mean inside a query: FROM items by level, as PostgreSQL's parse analysis searches them.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;

use policy::{Catalog, Lineage, Oid, RelationKind};

use super::uses::Used;
use crate::flow::{Rows, column, constant, either};

/// One thing in FROM.
pub(super) struct Item {
    /// The alias, or the relation's own name.
    pub(super) name: Option<String>,
    /// The schema, where a reference may name it too: relations without an alias.
    pub(super) schema: Option<String>,
    /// The relation, where it is one.
    pub(super) relation: Option<Oid>,
    /// Its rows have system columns (5.5).
    pub(super) system_columns: bool,
    /// What is read of it, where it is a relation.
    pub(super) used: Option<Rc<Used>>,
    pub(super) rows: Rows,
}

impl Item {
    /// Notes that every column of it may be read.
    pub(super) fn read_every(&self) {
        if let Some(used) = &self.used {
            used.read_every();
        }
    }

    /// Its rows, all of whose columns are read.
    pub(super) fn every_column(&self) -> Rows {
        self.read_every();
        self.rows.clone()
    }

    /// What its whole row carries, which is read.
    pub(super) fn whole(&self) -> Lineage {
        self.read_every();
        match self.relation {
            Some(oid) => column(oid, 0),
            None => self.rows.all(),
        }
    }
}

/// The items of one query level, and those around it.
#[derive(Default)]
pub(super) struct Scope<'p> {
    pub(super) outer: Option<&'p Scope<'p>>,
    pub(super) items: Vec<Item>,
    /// A USING or NATURAL join merges columns: what `*` expands to is not certain.
    pub(super) merged: bool,
    /// One row of the result may be made of many: an aggregate, or a window.
    pub(super) gathers: Cell<bool>,
    /// What the windows read that WINDOW names.
    pub(super) windows: Vec<(String, Lineage)>,
}

/// Whether relations of this kind have system columns. In a view such a name means nothing, so that it is looked for
/// further out.
pub(super) const fn has_system_columns(kind: RelationKind) -> bool {
    match kind {
        RelationKind::Table
        | RelationKind::PartitionedTable
        | RelationKind::MaterializedView
        | RelationKind::ForeignTable
        | RelationKind::Sequence
        | RelationKind::Index
        | RelationKind::Toast => true,
        RelationKind::View | RelationKind::CompositeType => false,
    }
}

/// Columns that every table has (5.5); they hold no user's data.
pub(super) fn is_system_column(name: &str) -> bool {
    matches!(name, "ctid" | "tableoid" | "xmin" | "xmax" | "cmin" | "cmax")
}

/// What a name behind an item's is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A column, which carries this.
    Column(Lineage),
    /// A column that carries this, or something else.
    Perhaps(Lineage),
    /// No column of the item.
    None,
}

/// Notes that a name may stand for this as well.
fn put(slot: &mut Option<Lineage>, lineage: Lineage, catalog: &Catalog) {
    *slot = Some(match slot.take() {
        Some(known) => either(known, lineage, catalog),
        None => lineage,
    });
}

fn hit(item: &Item, name: &str, catalog: &Catalog) -> Found {
    match &item.rows {
        Rows::Any(lineage) => {
            item.read_every();
            Found::Perhaps(lineage.clone().derived())
        }
        Rows::Columns(cells) => {
            let mut sure = None;
            let mut perhaps = None;
            for (position, cell) in cells.iter().enumerate() {
                let slot = match &cell.name {
                    Some(known) if known == name => &mut sure,
                    Some(_) => continue,
                    None => &mut perhaps,
                };
                if let Some(used) = &item.used {
                    used.read(position);
                }
                put(slot, cell.lineage.clone(), catalog);
            }
            if sure.is_none() && item.system_columns && is_system_column(name) {
                // All rows of a relation without kin have the same `tableoid`.
                let kin = item.relation.and_then(|oid| catalog.relation(oid));
                if let Some(used) = &item.used
                    && (name != "tableoid" || kin.is_none_or(|relation| !relation.children.is_empty()))
                {
                    used.read_system();
                }
                return Found::Column(constant());
            }
            match (sure, perhaps) {
                (Some(lineage), _) => Found::Column(lineage),
                (None, Some(lineage)) => Found::Perhaps(lineage.derived()),
                (None, None) => Found::None,
            }
        }
    }
}

/// The names of all columns of these, where all are certain.
fn names_of(items: &[Item]) -> Option<BTreeSet<&str>> {
    let mut names = BTreeSet::new();
    for item in items {
        let Rows::Columns(cells) = &item.rows else { return None };
        for cell in cells {
            names.insert(cell.name.as_deref()?);
        }
    }
    Some(names)
}

impl<'p> Scope<'p> {
    pub(super) fn inside(outer: Option<&'p Scope<'p>>) -> Self {
        Scope { outer, items: Vec::new(), merged: false, gathers: Cell::new(false), windows: Vec::new() }
    }

    /// What it takes to look through all of its levels.
    pub(super) fn width(&self) -> usize {
        self.levels().map(|level| level.items.iter().map(|item| 1 + item.rows.width()).sum::<usize>()).sum()
    }

    fn levels(&self) -> impl Iterator<Item = &Scope<'p>> {
        std::iter::successors(Some(self), |scope| scope.outer)
    }

    /// What `name` carries: a column of the innermost level that has it, else the whole row of an item so
    /// named (`colNameToVar`, then `refnameNamespaceItem`). `None`: nothing of that name.
    ///
    /// Where more than one item of a level has it, a join has merged them: it is then one or the other's.
    pub(super) fn column(&self, name: &str, catalog: &Catalog) -> Option<Lineage> {
        let mut sum: Option<Lineage> = None;
        for level in self.levels() {
            let mut sure = false;
            for item in &level.items {
                let lineage = match hit(item, name, catalog) {
                    Found::Column(lineage) => {
                        sure = true;
                        lineage
                    }
                    Found::Perhaps(lineage) => lineage,
                    Found::None => continue,
                };
                put(&mut sum, lineage, catalog);
            }
            if sure {
                return sum;
            }
        }
        if let Some(item) = self.item(None, name) {
            put(&mut sum, item.whole(), catalog);
        }
        if sum.is_none() {
            // The server may know a column that the catalog does not know yet.
            self.levels().flat_map(|level| &level.items).for_each(Item::read_every);
        }
        sum
    }

    /// The innermost item of that name.
    pub(super) fn item(&self, schema: Option<&str>, name: &str) -> Option<&Item> {
        self.levels().find_map(|level| {
            level.items.iter().find(|item| {
                item.name.as_deref() == Some(name)
                    && schema.is_none_or(|schema| item.schema.as_deref() == Some(schema))
            })
        })
    }

    /// What the window of that name reads.
    pub(super) fn window(&self, name: &str) -> Lineage {
        let found = self.windows.iter().find(|(known, _)| known == name);
        found.map_or(Lineage::Unknown, |(_, lineage)| lineage.clone())
    }

    /// Notes that a row of the result may be made of many rows, whichever level the call belongs to.
    pub(super) fn gather(&self) {
        self.levels().for_each(|level| level.gathers.set(true));
    }

    /// What `item.name` is.
    pub(super) fn column_of(item: &Item, name: &str, catalog: &Catalog) -> Found {
        hit(item, name, catalog)
    }

    /// The names that columns of the items from there on have in common with those before them, by which a NATURAL join
    /// compares; `None` where not all names are certain. It errs to more: items before a comma count as well.
    pub(super) fn common(&self, right: usize) -> Option<BTreeSet<String>> {
        let (left, right) = self.items.split_at_checked(right)?;
        let left = names_of(left)?;
        let mut common = names_of(right)?;
        common.retain(|name| left.contains(name));
        Some(common.into_iter().map(str::to_owned).collect())
    }

    /// All columns of this level, as `*` gives them.
    pub(super) fn wildcard(&self) -> Rows {
        let mut rows = Rows::Columns(Vec::new());
        for item in &self.items {
            rows.append(item.every_column());
        }
        if self.merged { Rows::Any(rows.all()) } else { rows }
    }
}
