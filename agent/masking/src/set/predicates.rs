//! Predicates on masked columns: what a statement asks of values that it is not shown.

use policy::{Action, Catalog, Detail, Lineage, Object, ObjectKind, Oid, Verb};

use super::MaskSet;

impl MaskSet {
    /// One action for each relation of whose masked columns `steers` is made. `relations` are those of the statement: where
    /// it is not known what decides, any of them may.
    pub fn predicates(&self, steers: &Lineage, relations: &[Oid], catalog: &Catalog) -> Vec<Action> {
        if self.is_empty() || !self.hides(steers) {
            return Vec::new();
        }
        match steers.columns() {
            Some(columns) => {
                let mut hidden: Vec<_> = columns.iter().filter(|column| !self.is_clear(**column)).collect();
                hidden.sort_unstable();
                let of_relation = hidden.chunk_by(|one, other| one.relation == other.relation);
                of_relation
                    .map(|columns| {
                        let attnums: Vec<i16> = columns.iter().map(|column| column.attnum).collect();
                        self.predicate(columns[0].relation, Some(&attnums), catalog)
                    })
                    .collect()
            }
            None => {
                // What the open transaction has made holds what it was given by whom this is masked for: nothing masked.
                let holds = |relation: &&Oid| self.touches(**relation) && !catalog.is_new(**relation);
                let touched = relations.iter().filter(holds);
                touched.map(|relation| self.predicate(*relation, None, catalog)).collect()
            }
        }
    }

    /// `attnums`: of the columns, 0 for the whole row; `None`: any.
    fn predicate(&self, relation: Oid, attnums: Option<&[i16]>, catalog: &Catalog) -> Action {
        let Some(relation) = catalog.relation(relation) else { return Action::bare(Verb::Predicate) };
        let names = attnums.filter(|attnums| !attnums.contains(&0)).and_then(|attnums| {
            let name = |attnum: &i16| relation.columns.iter().find(|column| column.attnum == *attnum);
            attnums.iter().map(|attnum| name(attnum).map(|column| column.name.clone())).collect()
        });
        let columns: Option<Vec<String>> = names.map(|mut names: Vec<String>| {
            names.sort_unstable();
            names
        });
        Action {
            verb: Verb::Predicate,
            object: Object {
                kind: ObjectKind::Relation,
                class: relation.kind.word(),
                schema: Some(relation.schema.clone()),
                name: relation.name.clone(),
                oid: Some(relation.oid),
            },
            implied: false,
            detail: Detail { columns, ..Detail::NONE },
        }
    }
}
