//! A principal's masks for one catalog: numbers instead of names, views and inheritance followed.
//!
//! The set is good for the generation of the catalog that it was made from, and keeps nothing of it but numbers.

use std::collections::HashMap;

use policy::catalog::ViewColumn;
use policy::{
    Catalog, ColumnRef, FIRST_NORMAL_OBJECT_ID, Lineage, MaskMethod, Masks, Oid, Relation, RelationKind,
};

mod leaks;
mod predicates;
#[cfg(test)]
pub(crate) mod tests;

/// What is known of one column's masking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Its cells may be shown.
    Clear,
    /// It is masked; where it is only that its relation stands on a masked column, by [`MaskMethod::Redact`].
    Masked(MaskMethod),
    /// The relation or the column is not in the catalog, or its kin are not.
    Unknown,
}

/// The masks of one principal on one resource, resolved against one catalog.
#[derive(Debug, Clone, Default)]
pub struct MaskSet {
    relations: HashMap<Oid, Standing>,
    active: bool,
}

/// What is known of one relation.
#[derive(Debug, Clone, Default)]
struct Standing {
    /// Every column's number, with its own mask.
    columns: Vec<(i16, Option<MaskMethod>)>,
    /// A mask names one of its columns.
    named: bool,
    /// Something that could bring a mask is not in the catalog.
    unsure: bool,
    /// A view or a rule that reads a masked column, other than as columns of its own: then no column of it is clear.
    stained: bool,
    /// Masks of what a view's columns are.
    brought: Vec<(i16, MaskMethod)>,
    /// Its rows may hold something masked.
    touches: bool,
}

impl Standing {
    fn own(&self, attnum: i16) -> Option<Option<MaskMethod>> {
        let found = self.columns.binary_search_by_key(&attnum, |column| column.0).ok()?;
        Some(self.columns[found].1)
    }

    fn verdict(&self, attnum: i16) -> Verdict {
        match self.own(attnum) {
            Some(Some(method)) => Verdict::Masked(method),
            _ if self.unsure => Verdict::Unknown,
            Some(None) if self.stained => Verdict::Masked(MaskMethod::Redact),
            Some(None) => {
                let brought = self.brought.iter().find(|(of, _)| *of == attnum);
                brought.map_or(Verdict::Clear, |(_, method)| Verdict::Masked(*method))
            }
            None => Verdict::Unknown,
        }
    }
}

impl MaskSet {
    /// What `masks` mean for `catalog`. Without masks nothing is looked at.
    ///
    /// A mask on a column holds for the column of the same name in every descendant by inheritance or
    /// partitioning, and in every ancestor of those, whose rows include theirs. A view's column that is another relation's own
    /// has that one's mask; otherwise a view, a materialised view or a table with rules stands on what its definition reads; a generated column beside a masked one is masked; one that calls a user's function may read anything.
    /// While anything is masked, PostgreSQL's own copies of values (statistics and other sessions' texts) are too.
    pub fn resolve(masks: &Masks, catalog: &Catalog) -> Self {
        if masks.is_empty() {
            return MaskSet::default();
        }
        let mut set = MaskSet { relations: HashMap::new(), active: true };
        for relation in catalog.relations() {
            let mut any_named = false;
            let mut columns: Vec<_> = relation
                .columns
                .iter()
                .map(|column| {
                    let named = masks.method(&relation.schema, &relation.name, &column.name);
                    any_named |= named.is_some();
                    let leaks = leaks::holds_values(&relation.schema, &relation.name, &column.name);
                    (column.attnum, named.max(leaks.then_some(MaskMethod::Redact)))
                })
                .collect();
            columns.sort_unstable_by_key(|column| column.0);
            let lost_parent = relation.parents.iter().any(|parent| catalog.relation(*parent).is_none());
            let unsure = lost_parent || relation.kind == RelationKind::Toast;
            set.relations
                .insert(relation.oid, Standing { columns, named: any_named, unsure, ..Standing::default() });
        }
        set.spread(catalog, |relation| relation.children.as_slice());
        set.spread(catalog, |relation| relation.parents.as_slice());
        if set.generate(catalog) {
            set.spread(catalog, |relation| relation.children.as_slice());
            set.spread(catalog, |relation| relation.parents.as_slice());
        }
        while set.stain(catalog) {}
        set
    }

    /// Whether nothing is masked for this principal.
    pub const fn is_empty(&self) -> bool {
        !self.active
    }

    /// What holds for a column by its origin. System columns (numbers below 0: `ctid`, `xmin`, `tableoid`)
    /// hold nothing of a row's and are clear; 0 stands for the whole row, which is clear only if the relation
    /// [touches](Self::touches) nothing masked.
    pub fn column(&self, relation: Oid, attnum: i16) -> Verdict {
        match attnum {
            _ if !self.active => Verdict::Clear,
            ..0 => Verdict::Clear,
            0 if self.touches(relation) => Verdict::Masked(MaskMethod::Redact),
            0 => Verdict::Clear,
            1.. => {
                self.relations.get(&relation).map_or(Verdict::Unknown, |standing| standing.verdict(attnum))
            }
        }
    }

    /// Whether a column may be shown.
    pub fn is_clear(&self, column: ColumnRef) -> bool {
        self.column(column.relation, column.attnum) == Verdict::Clear
    }

    /// What holds for a value of that lineage. A column's own value is shown by the column's mask; one of several columns',
    /// where all have the same: beside a column that is masked otherwise, or not at all, whoever fills that one would be
    /// shown what the mask makes of a value that they chose. What is computed from a masked column is not known.
    pub fn lineage(&self, lineage: &Lineage) -> Verdict {
        if !self.hides(lineage) {
            return Verdict::Clear;
        }
        let Lineage::Exact(columns) = lineage else { return Verdict::Unknown };
        let mut verdicts = columns.iter().map(|column| self.column(column.relation, column.attnum));
        let first = verdicts.next().unwrap_or(Verdict::Unknown);
        if verdicts.all(|verdict| verdict == first) { first } else { Verdict::Unknown }
    }

    /// Whether a value of that lineage may hold something masked.
    pub fn hides(&self, lineage: &Lineage) -> bool {
        match lineage.columns() {
            Some(columns) => !columns.iter().all(|column| self.is_clear(*column)),
            None => self.active,
        }
    }

    /// Whether a relation's rows may hold something masked: itself, through what its view reads, or through its
    /// descendants by inheritance, at any depth. An unknown relation does, and so does one whose columns are not
    /// known.
    pub fn touches(&self, relation: Oid) -> bool {
        self.active && self.relations.get(&relation).is_none_or(|standing| standing.touches)
    }

    /// Carries each mask, and each doubt, along one direction of inheritance.
    fn spread(&mut self, catalog: &Catalog, kin: impl Fn(&Relation) -> &[Oid]) {
        let mut work: Vec<Oid> = catalog.relations().map(|relation| relation.oid).collect();
        while let Some(from) = work.pop() {
            let (Some(relation), Some(standing)) = (catalog.relation(from), self.relations.get(&from)) else {
                continue;
            };
            let masked: Vec<(&str, MaskMethod)> = relation
                .columns
                .iter()
                .filter_map(|column| Some((column.name.as_str(), standing.own(column.attnum)??)))
                .collect();
            let unsure = standing.unsure;
            if masked.is_empty() && !unsure {
                continue;
            }
            for to in kin(relation) {
                if let (Some(relation), Some(standing)) = (catalog.relation(*to), self.relations.get_mut(to))
                    && standing.receive(relation, &masked, unsure)
                {
                    work.push(*to);
                }
            }
        }
    }

    /// Masks columns that are computed where another of their row is masked: from which, the catalog does not say.
    /// Whether there was any.
    fn generate(&mut self, catalog: &Catalog) -> bool {
        let mut any = false;
        for relation in catalog.relations().filter(|r| r.columns.iter().any(|column| column.generated)) {
            let Some(standing) = self.relations.get_mut(&relation.oid) else { continue };
            if standing.columns.iter().all(|column| column.1.is_none()) {
                continue;
            }
            for (attnum, method) in &mut standing.columns {
                let generated = relation.columns.iter().any(|c| c.attnum == *attnum && c.generated);
                if generated && method.is_none() {
                    *method = Some(MaskMethod::Redact);
                    any = true;
                }
            }
        }
        any
    }

    /// One round of following views, rules and children; whether anything changed. The facts only ever grow,
    /// so that the rounds end, also where rules refer to each other in a circle.
    fn stain(&mut self, catalog: &Catalog) -> bool {
        let mut changed = false;
        for relation in catalog.relations() {
            let brought = self.brought(relation);
            let stained = brought.is_none()
                || relation.functions.iter().any(|function| *function >= FIRST_NORMAL_OBJECT_ID);
            let brought = brought.unwrap_or_default();
            let below = relation.children.iter().any(|child| self.touches(*child));
            let Some(standing) = self.relations.get_mut(&relation.oid) else { continue };
            let masked = standing.columns.iter().any(|column| column.1.is_some());
            let masked = masked || !brought.is_empty();
            let touches = stained || below || masked || standing.unsure || standing.columns.is_empty();
            changed |=
                (stained, touches) != (standing.stained, standing.touches) || brought != standing.brought;
            (standing.stained, standing.touches) = (stained, touches);
            standing.brought = brought;
        }
        changed
    }

    /// The masks that a view's columns have by what they are; `None` where a masked column gets into the view otherwise.
    ///
    /// A condition, a join or an order of the view's own on a masked column is not taken for its owner's choice: the rows of
    /// other relations take part in it, which the job may write, and so choose what is asked.
    fn brought(&self, relation: &Relation) -> Option<Vec<(i16, MaskMethod)>> {
        let hidden = |base: &ColumnRef| !self.is_clear(*base) && !self.is_told(relation.oid, base.relation);
        if !relation.bases.iter().any(hidden) {
            return Some(Vec::new());
        }
        let view = relation.view.as_ref().filter(|view| view.columns.len() == relation.columns.len())?;
        let is_told = |base: &ColumnRef| !hidden(base) || view.has(*base);
        if view.decides.iter().any(hidden) || !relation.bases.iter().all(is_told) {
            return None;
        }
        let brought = view.columns.iter().zip(&relation.columns).filter_map(|(of, column)| {
            let verdict = match of {
                ViewColumn::Own(base) => self.column(base.relation, base.attnum),
                ViewColumn::Made(bases) if bases.iter().any(hidden) => Verdict::Unknown,
                ViewColumn::Made(_) => Verdict::Clear,
            };
            let method = match verdict {
                Verdict::Clear => return None,
                Verdict::Masked(method) => method,
                Verdict::Unknown => MaskMethod::Redact,
            };
            Some((column.attnum, method))
        });
        Some(brought.collect())
    }

    /// Of PostgreSQL's own views over its own tables it is known by name which columns hold values (`leaks`); the
    /// rest of them (`pg_roles`, `information_schema.columns`, …) is what tools live on. A mask that names the base
    /// counts all the same.
    fn is_told(&self, view: Oid, base: Oid) -> bool {
        view < FIRST_NORMAL_OBJECT_ID
            && base < FIRST_NORMAL_OBJECT_ID
            && self.relations.get(&base).is_some_and(|base| !base.named && !base.stained && !base.unsure)
    }
}

impl Standing {
    /// Takes over masks by name, the severest of two; whether anything changed.
    fn receive(&mut self, relation: &Relation, masked: &[(&str, MaskMethod)], unsure: bool) -> bool {
        let mut changed = unsure && !self.unsure;
        self.unsure |= unsure;
        for (name, method) in masked {
            let Some(attnum) = relation.column(name).map(|column| column.attnum) else { continue };
            let Ok(found) = self.columns.binary_search_by_key(&attnum, |column| column.0) else { continue };
            let own = &mut self.columns[found].1;
            if *own < Some(*method) {
                *own = Some(*method);
                changed = true;
            }
        }
        changed
    }
}
