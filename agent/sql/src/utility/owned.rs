//! Sequences that belong to a table's columns: those of `serial` and identity columns, and by OWNED BY. They go where the table
//! goes.

use std::collections::BTreeSet;

use policy::{Action, Detail, Oid, Relation, Verb};

use crate::name::Name;
use crate::read::{Reader, relation_object};

impl<'a> Reader<'a> {
    /// `verb` on the sequences of tables of that name, and of those that inherit from them: of one column, or of all.
    pub(super) fn alter_owned(&mut self, verb: Verb, table: &Name, column: Option<&str>) {
        let (mut work, mut seen) = (self.names.relations(table), BTreeSet::new());
        while let Some(relation) = work.pop() {
            if !seen.insert(relation.oid) {
                continue;
            }
            for sequence in self.sequences(relation, column) {
                self.owned_along(verb, sequence);
            }
            work.extend(relation.children.iter().filter_map(|oid| self.names.catalog.relation(*oid)));
        }
    }

    /// The sequences of the relations that this statement does `by` to.
    pub(super) fn alter_owned_by(&mut self, by: Verb, verb: Verb) {
        let done = self.actions.iter().filter(|action| action.verb == by);
        let relations: BTreeSet<Oid> = done.filter_map(|action| action.object.oid).collect();
        for relation in relations {
            for sequence in self.names.catalog.dependents().owned(relation) {
                self.owned_along(verb, sequence);
            }
        }
    }

    /// The sequences of a table, of that column or of all.
    fn sequences(&self, table: &Relation, column: Option<&str>) -> Vec<Oid> {
        let catalog = self.names.catalog;
        // What is not committed may have given it another name.
        let column = column.filter(|_| !catalog.has_uncommitted()).and_then(|name| table.column(name));
        let is_meant = |sequence: &Oid| {
            let owner = catalog.dependents().owner(*sequence);
            column.is_none_or(|column| owner.is_none_or(|owner| owner.attnum == column.attnum))
        };
        catalog.dependents().owned(table.oid).filter(is_meant).collect()
    }

    /// Its table is told already.
    pub(super) fn owned_along(&mut self, verb: Verb, sequence: Oid) {
        match self.names.catalog.relation(sequence) {
            Some(relation) => {
                self.relations.insert(sequence);
                let object = relation_object(relation);
                self.act(Action { verb, object, implied: true, detail: Detail::NONE });
            }
            None => self.opaque("it reaches a sequence that is not in the catalog"),
        }
    }
}
