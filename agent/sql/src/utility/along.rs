//! Relations that come along with a table: indexes and sequences, by the names that they are given or that PostgreSQL makes
//! for them. Later statements of the same transaction name them.

use policy::catalog::Provisional;
use policy::{Action, ObjectKind, RelationKind, Verb};

use super::define::Defined;
use crate::name::Name;
use crate::read::{Over, Reader};

/// Bytes of a name (`NAMEDATALEN`).
const MAX_NAME: usize = 63;

impl Reader<'_> {
    /// The sequence of a serial or identity column.
    pub(super) fn sequence_along(&mut self, defined: Defined<'_>, column: &str) {
        self.belongs(defined, &[column, "seq"], RelationKind::Sequence);
    }

    /// The index of a UNIQUE or PRIMARY KEY. `columns`: of a UNIQUE, as far as they are known.
    pub(super) fn indexed(
        &mut self,
        defined: Defined<'_>,
        named: Option<String>,
        columns: Option<Vec<&str>>,
    ) {
        match (named, defined.over, columns) {
            (Some(named), Over::New { name: table, .. } | Over::Relation(table), _) => {
                self.comes_along(table, named, RelationKind::Index);
            }
            (None, _, None) => self.belongs(defined, &["pkey"], RelationKind::Index),
            (None, _, Some(columns)) => {
                self.belongs(defined, &[columns, vec!["key"]].concat(), RelationKind::Index);
            }
            (Some(_), ..) => {}
        }
    }

    /// A relation that comes along with the one that is defined, by the name that PostgreSQL gives it (`makeObjectName`). It
    /// shortens long ones; these are not told.
    fn belongs(&mut self, defined: Defined<'_>, parts: &[&str], kind: RelationKind) {
        let (Over::New { name: table, .. } | Over::Relation(table)) = defined.over else { return };
        let name = [&[table.name.as_str()], parts].concat().join("_");
        if name.len() <= MAX_NAME {
            self.comes_along(table, name, kind);
        }
    }

    /// A relation of that name that comes to be in the schema of a table.
    pub(super) fn comes_along(&mut self, table: &Name, name: String, kind: RelationKind) {
        let is_table = |a: &&Action| {
            a.verb == Verb::Create && a.object.kind == ObjectKind::Relation && a.object.name == table.name
        };
        let new = self.actions.iter().find(is_table).and_then(|action| action.object.schema.clone());
        let there = || self.names.relations(table).first().map(|relation| relation.schema.clone());
        let schema = new.or_else(there).or_else(|| table.schema.clone());
        self.effects.names.extend(schema.map(|schema| Provisional::Created(schema, name, kind)));
    }

    /// The table that is being made has this parent.
    pub(super) fn born_to(&mut self, parent: &Name) {
        let is_table = |a: &&Action| a.verb == Verb::Create && a.object.kind == ObjectKind::Relation;
        let Some(object) = self.actions.iter().find(is_table).map(|action| &action.object) else { return };
        let Some(schema) = object.schema.clone() else { return };
        let (child, kind) = ((schema, object.name.clone()), RelationKind::Table);
        self.effects.names.push(Provisional::Created(child.0.clone(), child.1.clone(), kind));
        for parent in self.names.relations(parent) {
            let parent = (parent.schema.clone(), parent.name.clone());
            self.effects.names.push(Provisional::Inherits(parent, child.clone()));
        }
    }
}
