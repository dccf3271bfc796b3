//! What gets another name, another schema, another parent.

use std::collections::BTreeSet;

use policy::catalog::{Provisional, TypeKind};
use policy::{Action, Detail, Object, ObjectKind, Renaming, Verb};

use crate::cursor::Cursor;
use crate::name::Name;
use crate::read::{Reader, relation_object};

impl<'a> Reader<'a> {
    /// RENAME TO, SET SCHEMA, OWNER TO: what an object is called and whose it is behind them. The name that it gets is
    /// created, as PostgreSQL asks for the privilege.
    pub(super) fn moves(
        &mut self,
        cursor: &mut Cursor<'a>,
        kind: ObjectKind,
        class: &'static str,
        name: &Name,
    ) -> Option<bool> {
        let becomes = if cursor.eat_all(&["rename", "to"]) {
            let schema = match kind {
                ObjectKind::Relation => self.names.relations(name).first().map(|r| r.schema.clone()),
                ObjectKind::Function => self.names.functions(name).first().map(|f| f.schema.clone()),
                _ if class == "type" => self.names.schema_of_type(name).map(str::to_owned),
                _ => None,
            };
            Name { schema: schema.or_else(|| name.schema.clone()), name: cursor.name()?.into_owned() }
        } else if cursor.eat_all(&["set", "schema"]) {
            Name { schema: Some(cursor.name()?.into_owned()), name: name.name.clone() }
        } else if cursor.eat_all(&["owner", "to"]) {
            let role = cursor.role()?;
            if kind == ObjectKind::Relation {
                self.alter_owned(Verb::Alter, name, None);
            }
            self.gives_to(vec![role]);
            self.functions_stay();
            return Some(true);
        } else {
            return Some(false);
        };
        let schema = becomes.schema.or_else(|| self.names.creation_schema().map(str::to_owned));
        let becomes = Name { schema, name: becomes.name };
        self.is_called(kind, class, name, &becomes);
        self.moved(kind, class, name, &becomes);
        self.act(Action {
            verb: Verb::Create,
            object: Object { kind, class, schema: becomes.schema, name: becomes.name, oid: None },
            implied: false,
            detail: Detail::NONE,
        });
        Some(true)
    }

    /// Tells the alteration of what a name may stand for by which name it is known behind it.
    fn is_called(&mut self, kind: ObjectKind, class: &'static str, name: &Name, becomes: &Name) {
        let renaming = || Renaming::To { schema: becomes.schema.clone(), name: becomes.name.clone() };
        match kind {
            ObjectKind::Relation => {
                let relations = self.names.relations(name);
                for relation in &relations {
                    self.renames(relation_object(relation), false, renaming());
                }
                if relations.is_empty() {
                    let object = self.missing_relation(class, name);
                    self.renames(object, false, renaming());
                }
            }
            ObjectKind::Function => {
                let object = self.altered_object(kind, class, Some(name.clone()));
                // Which of those of that name is meant the types say.
                let functions = self.names.functions(name);
                let schemas: BTreeSet<&String> = functions.iter().map(|function| &function.schema).collect();
                for schema in schemas.into_iter().filter(|schema| Some(*schema) != object.schema.as_ref()) {
                    let other = Object { schema: Some(schema.clone()), ..object.clone() };
                    self.renames(other, true, renaming());
                }
                self.renames(object, false, renaming());
            }
            _ => {}
        }
    }

    /// An alteration, told already or not, gives this object, or a column of it, another name.
    pub(super) fn renames(&mut self, object: Object, implied: bool, renaming: Renaming) {
        let detail = Detail { renamings: vec![renaming], ..Detail::NONE };
        self.act(Action { verb: Verb::Alter, object, implied, detail });
    }

    /// `a TO b`, of a column: of each relation that is altered.
    pub(super) fn renames_column(&mut self, cursor: &mut Cursor<'a>) -> Option<()> {
        let from = cursor.name()?.into_owned();
        if !cursor.eat("to") {
            return None;
        }
        let to = cursor.name()?.into_owned();
        cursor.eat_one(&["cascade", "restrict"]);
        let altered =
            self.actions.iter().filter(|a| a.verb == Verb::Alter && a.object.kind == ObjectKind::Relation);
        let altered: Vec<_> = altered.map(|action| (action.object.clone(), action.implied)).collect();
        for (object, implied) in altered {
            self.renames(object, implied, Renaming::Column { from: from.clone(), to: to.clone() });
        }
        Some(())
    }

    /// Tells what a name stands for that is given to another object.
    fn moved(&mut self, kind: ObjectKind, class: &str, name: &Name, becomes: &Name) {
        let to = |schema: &String| (schema.clone(), becomes.name.clone());
        match (kind, &becomes.schema) {
            (ObjectKind::Relation, Some(schema)) => {
                let catalog = self.names.catalog;
                for relation in self.names.relations(name) {
                    let from = (relation.schema.clone(), relation.name.clone());
                    self.effects.names.push(Provisional::Moved(from.clone(), to(schema)));
                    // So is the type of its rows.
                    self.effects.names.push(Provisional::TypeGone(from.0, from.1));
                    // One that belongs to a column goes along; which do that are not committed is not known.
                    let dependents = catalog.dependents();
                    let open = catalog.has_uncommitted();
                    let owned = |owned: &&policy::Relation| {
                        let may_be = open && owned.schema == relation.schema;
                        owned.kind == policy::RelationKind::Sequence
                            && (may_be
                                || dependents.owner(owned.oid).is_some_and(|o| o.relation == relation.oid))
                    };
                    if *schema != relation.schema {
                        for owned in catalog.relations().filter(owned) {
                            let names = (owned.schema.clone(), owned.name.clone());
                            let with = (schema.clone(), owned.name.clone());
                            let renaming =
                                Renaming::To { schema: Some(with.0.clone()), name: with.1.clone() };
                            self.effects.names.push(Provisional::Moved(names, with));
                            self.owned_along(Verb::Alter, owned.oid);
                            self.renames(relation_object(owned), true, renaming);
                        }
                    }
                }
                self.told_moves += 1;
            }
            (ObjectKind::Function, schema) => {
                self.effects.names.push(Provisional::Function(schema.clone(), becomes.name.clone()));
                self.told_moves += 1;
            }
            (_, Some(schema)) if class == "type" => {
                let from = self.names.schema_of_type(name).map(str::to_owned);
                let kind = from.as_ref().and_then(|from| self.names.catalog.type_named(from, &name.name));
                // Where values of others are checked, it is not told by whom.
                if let (Some(from), Some(kind @ TypeKind::Enum)) = (from, kind) {
                    self.effects.names.push(Provisional::TypeGone(from, name.name.clone()));
                    self.effects.names.push(Provisional::Type(schema.clone(), becomes.name.clone(), kind));
                    self.told_moves += 1;
                }
            }
            _ => {}
        }
    }

    /// Tells that a relation has another as its child.
    pub(super) fn inherits(&mut self, parent: &Name, child: &Name) {
        for parent in self.names.relations(parent) {
            for child in self.names.relations(child) {
                let named = |relation: &policy::Relation| (relation.schema.clone(), relation.name.clone());
                self.effects.names.push(Provisional::Inherits(named(parent), named(child)));
            }
        }
        self.told_moves += 1;
    }

    /// What is altered of a function is not what it runs.
    pub(super) fn functions_stay(&mut self) {
        self.effects.names.pop_if(|last| matches!(last, Provisional::Function(..)));
    }
}
