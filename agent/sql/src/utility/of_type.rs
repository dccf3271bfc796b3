//! What changes with a type, or is looked at for it: tables that are made OF it, and rows that hold its values.

use std::collections::BTreeSet;

use policy::catalog::{Base, Dependent, Provisional, Thing, TypeKind};
use policy::{Oid, RelationKind, Verb};

use crate::cursor::Cursor;
use crate::name::Name;
use crate::read::Reader;

impl<'a> Reader<'a> {
    /// ALTER TYPE of an attribute: PostgreSQL takes a table or a view for its row's type, whose column gets another name, and
    /// tables OF the type change along.
    pub(super) fn alters_attributes(&mut self, cursor: &Cursor<'a>, name: &Name) -> Option<()> {
        let sees = |word| cursor.rest.iter().any(|token| token.is(self.text, word));
        if !sees("attribute") || self.names_strayed() {
            return Some(());
        }
        let casts = sees("type");
        let of_rows = self.names.relations(name);
        let settled = |schema| self.names.catalog.is_type_settled(schema, &name.name);
        let known = of_rows.iter().all(|relation| self.names.is_settled(relation))
            && self.names.schema_of_type(name).is_none_or(settled);
        if !known && sees("cascade") {
            self.opaque("ALTER TYPE … CASCADE of what is not committed, and may have tables");
            return Some(());
        }
        if of_rows.iter().any(|relation| relation.kind != RelationKind::CompositeType) {
            self.touch(Verb::Alter, name);
        }
        let dependents = self.names.catalog.dependents();
        let bases = self.things("type", name).into_iter().map(Base::Thing);
        let of = bases.flat_map(|base| dependents.of(&base).cloned().collect::<Vec<_>>());
        for dependent in of {
            let Dependent::Relation(oid) = dependent else { continue };
            if !self.is_one_of(oid, &[RelationKind::View, RelationKind::MaterializedView]) {
                self.implying(|reader| reader.touch_oid(oid, Verb::Alter));
                if casts {
                    // Every value is cast, and one that cannot be is told.
                    self.implying(|reader| reader.touch_oid(oid, Verb::Select));
                }
            }
        }
        let mut cursor = *cursor;
        if cursor.eat_all(&["rename", "attribute"]) { self.renames_column(&mut cursor) } else { Some(()) }
    }

    /// `OF type`: a table is made of it that was there before.
    pub(super) fn becomes_of(&mut self, name: &Name) {
        if let Some(schema) = self.names.schema_of_type(name).map(str::to_owned) {
            self.effects.names.push(Provisional::Type(schema, name.name.clone(), TypeKind::Composite));
        }
    }

    /// The check of a domain is held against every value of it that there is, and one that does not fit is told.
    pub(super) fn checks_values(&mut self, name: &Name) {
        if self.names_strayed() {
            return;
        }
        let dependents = self.names.catalog.dependents();
        let mut work = self.things("domain", name);
        let mut seen: BTreeSet<Thing> = work.iter().cloned().collect();
        let mut holding = BTreeSet::new();
        while let Some(thing) = work.pop() {
            for dependent in dependents.of(&Base::Thing(thing)) {
                match dependent {
                    Dependent::Part { relation, class, .. } if class == "column" => {
                        holding.insert(*relation);
                    }
                    // A domain over it.
                    Dependent::Thing(thing) if thing.class == "domain" && seen.insert(thing.clone()) => {
                        work.push(thing.clone());
                    }
                    _ => {}
                }
            }
        }
        for oid in holding {
            if !self.is_one_of(oid, &[RelationKind::View, RelationKind::CompositeType]) {
                self.implying(|reader| reader.touch_oid(oid, Verb::Select));
            }
        }
    }

    /// Whether it is known to be of one of these kinds.
    fn is_one_of(&self, oid: Oid, kinds: &[RelationKind]) -> bool {
        self.names.catalog.relation(oid).is_some_and(|relation| kinds.contains(&relation.kind))
    }
}
