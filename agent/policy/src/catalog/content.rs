//! What a catalog holds, in parts that generations share: a change copies the part that it touches, and of that the
//! references alone.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::{Calls, Dependents, Function, Relation, TypeKind};
use crate::Oid;

/// Names of one schema, and what each of them stands for.
type Names<T> = HashMap<String, Arc<HashMap<String, T>>>;

/// What differs from one reading of a database to the next.
#[derive(Debug, Default)]
pub struct Changes {
    /// All schemas there are now, where they are others than before.
    pub schemas: Option<Vec<String>>,
    /// Relations that are there no more.
    pub relations_gone: Vec<Oid>,
    /// Relations that are new, or other than before. Their `children` need not be given.
    pub relations: Vec<Relation>,
    /// Functions that are there no more.
    pub functions_gone: Vec<Oid>,
    /// Functions that are new, or other than before.
    pub functions: Vec<Function>,
    /// All types there are now (schema, name, kind), where they are others than before.
    pub types: Option<Vec<(String, String, TypeKind)>>,
    /// What tells who may use which schema, where it is other than before.
    pub usable: Option<String>,
    /// Whether expressions may call functions of users' unseen, where it is other than before.
    pub hidden_calls: Option<bool>,
    /// Whether functions of users' run with every DDL, where it is other than before.
    pub event_triggers: Option<bool>,
    /// Functions that expressions call without naming them, where they are others than before.
    pub calls: Option<Calls>,
    /// What stands on what, where it is other than before.
    pub dependents: Option<Dependents>,
}

impl Changes {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        let Changes {
            schemas,
            relations_gone,
            relations,
            functions_gone,
            functions,
            types,
            usable,
            hidden_calls,
            event_triggers,
            calls,
            dependents,
        } = self;
        schemas.is_none()
            && types.is_none()
            && usable.is_none()
            && hidden_calls.is_none()
            && event_triggers.is_none()
            && calls.is_none()
            && dependents.is_none()
            && relations_gone.is_empty()
            && relations.is_empty()
            && functions_gone.is_empty()
            && functions.is_empty()
    }
}

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Content {
    relations: Arc<HashMap<Oid, Arc<Relation>>>,
    relation_names: Names<Oid>,
    /// The children of each relation that has some, in order: also of one that is not known.
    children: Arc<HashMap<Oid, Vec<Oid>>>,
    functions: Arc<HashMap<Oid, Arc<Function>>>,
    /// The overloads of each name, in order.
    function_names: Names<Vec<Oid>>,
    schemas: Arc<BTreeSet<String>>,
    types: Arc<HashMap<String, HashMap<String, TypeKind>>>,
    usable: Arc<str>,
    hidden_calls: bool,
    event_triggers: bool,
    calls: Arc<Calls>,
    dependents: Arc<Dependents>,
}

impl Content {
    pub(super) fn change(&mut self, changes: Changes) {
        if let Some(schemas) = changes.schemas {
            self.schemas = Arc::new(schemas.into_iter().collect());
        }
        if !(changes.relations.is_empty() && changes.relations_gone.is_empty()) {
            self.change_relations(&changes.relations_gone, changes.relations);
        }
        if !(changes.functions.is_empty() && changes.functions_gone.is_empty()) {
            self.change_functions(&changes.functions_gone, changes.functions);
        }
        if let Some(types) = changes.types {
            self.types = Arc::default();
            self.add_types(types);
        }
        if let Some(usable) = changes.usable {
            self.set_usable(&usable);
        }
        if let Some(hidden_calls) = changes.hidden_calls {
            self.set_hidden_calls(hidden_calls);
        }
        if let Some(event_triggers) = changes.event_triggers {
            self.event_triggers = event_triggers;
        }
        if let Some(calls) = changes.calls {
            self.calls = Arc::new(calls);
        }
        if let Some(dependents) = changes.dependents {
            self.dependents = Arc::new(dependents);
        }
    }

    fn change_relations(&mut self, gone: &[Oid], new: Vec<Relation>) {
        let relations = Arc::make_mut(&mut self.relations);
        let children = Arc::make_mut(&mut self.children);
        // Whose children are to be told anew.
        let mut touched = BTreeSet::new();
        // All old names first: two relations may have changed theirs with each other.
        for oid in gone.iter().copied().chain(new.iter().map(|relation| relation.oid)) {
            let Some(old) = relations.remove(&oid) else { continue };
            forget(&mut self.relation_names, &old.schema, |names| {
                if names.get(&old.name) == Some(&oid) {
                    names.remove(&old.name);
                }
            });
            for parent in &old.parents {
                touched.insert(*parent);
                if let Some(list) = children.get_mut(parent) {
                    list.retain(|child| *child != oid);
                }
            }
        }
        for relation in new {
            let names = Arc::make_mut(self.relation_names.entry(relation.schema.clone()).or_default());
            names.insert(relation.name.clone(), relation.oid);
            if !self.schemas.contains(&relation.schema) {
                Arc::make_mut(&mut self.schemas).insert(relation.schema.clone());
            }
            touched.insert(relation.oid);
            for parent in &relation.parents {
                touched.insert(*parent);
                let list = children.entry(*parent).or_default();
                if let Err(at) = list.binary_search(&relation.oid) {
                    list.insert(at, relation.oid);
                }
            }
            relations.insert(relation.oid, Arc::new(relation));
        }
        for oid in touched {
            let list = children.get(&oid).map_or(&[][..], Vec::as_slice);
            if let Some(relation) = relations.get_mut(&oid).filter(|relation| relation.children != list) {
                Arc::make_mut(relation).children = list.to_vec();
            }
            if list.is_empty() {
                children.remove(&oid);
            }
        }
    }

    fn change_functions(&mut self, gone: &[Oid], new: Vec<Function>) {
        let functions = Arc::make_mut(&mut self.functions);
        for oid in gone.iter().copied().chain(new.iter().map(|function| function.oid)) {
            let Some(old) = functions.remove(&oid) else { continue };
            forget(&mut self.function_names, &old.schema, |names| {
                let Some(overloads) = names.get_mut(&old.name) else { return };
                overloads.retain(|other| *other != oid);
                if overloads.is_empty() {
                    names.remove(&old.name);
                }
            });
        }
        for function in new {
            let names = Arc::make_mut(self.function_names.entry(function.schema.clone()).or_default());
            let overloads = names.entry(function.name.clone()).or_default();
            if let Err(at) = overloads.binary_search(&function.oid) {
                overloads.insert(at, function.oid);
            }
            functions.insert(function.oid, Arc::new(function));
        }
    }

    pub(super) fn add_types(&mut self, types: impl IntoIterator<Item = (String, String, TypeKind)>) {
        let known = Arc::make_mut(&mut self.types);
        for (schema, name, kind) in types {
            known.entry(schema).or_default().insert(name, kind);
        }
    }

    pub(super) fn set_usable(&mut self, usable: &str) {
        self.usable = usable.into();
    }

    pub(super) fn usable(&self) -> &str {
        &self.usable
    }

    pub(super) fn set_hidden_calls(&mut self, hidden_calls: bool) {
        self.hidden_calls = hidden_calls;
    }

    pub(super) fn hidden_calls(&self) -> bool {
        self.hidden_calls
    }

    pub(super) fn event_triggers(&self) -> bool {
        self.event_triggers
    }

    pub(super) fn calls(&self) -> &Calls {
        &self.calls
    }

    pub(super) fn dependents(&self) -> &Dependents {
        &self.dependents
    }

    pub(super) fn types_in<'a>(&'a self, schema: &str) -> impl Iterator<Item = (&'a str, TypeKind)> {
        let types = self.types.get(schema).into_iter().flatten();
        types.map(|(name, kind)| (name.as_str(), *kind))
    }

    pub(super) fn schemas(&self) -> &BTreeSet<String> {
        &self.schemas
    }

    pub(super) fn type_named(&self, schema: &str, name: &str) -> Option<TypeKind> {
        self.types.get(schema)?.get(name).copied()
    }

    pub(super) fn relation(&self, oid: Oid) -> Option<&Relation> {
        self.relations.get(&oid).map(Arc::as_ref)
    }

    pub(super) fn relations(&self) -> impl Iterator<Item = &Relation> {
        self.relations.values().map(Arc::as_ref)
    }

    pub(super) fn relation_named(&self, schema: &str, name: &str) -> Option<&Relation> {
        self.relation(*self.relation_names.get(schema)?.get(name)?)
    }

    pub(super) fn function(&self, oid: Oid) -> Option<&Function> {
        self.functions.get(&oid).map(Arc::as_ref)
    }

    pub(super) fn functions(&self) -> impl Iterator<Item = &Function> {
        self.functions.values().map(Arc::as_ref)
    }

    pub(super) fn functions_named<'a>(
        &'a self,
        schema: &str,
        name: &str,
    ) -> impl Iterator<Item = &'a Function> {
        let overloads = self.function_names.get(schema).and_then(|names| names.get(name));
        overloads.into_iter().flatten().filter_map(|oid| self.function(*oid))
    }
}

/// Takes a name out of a schema's, and the schema with the last of them.
fn forget<T: Clone>(names: &mut Names<T>, schema: &str, take: impl FnOnce(&mut HashMap<String, T>)) {
    let Some(of_schema) = names.get_mut(schema) else { return };
    let of_schema = Arc::make_mut(of_schema);
    take(of_schema);
    if of_schema.is_empty() {
        names.remove(schema);
    }
}
