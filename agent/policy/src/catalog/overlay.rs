//! What an open transaction, or the statements of a text before one, have done to names, which no other connection sees yet.
//!
//! It only ever grows. What was done may have failed, may stand in a branch that was not taken, or may have been taken back
//! to a savepoint: so a name that was made or moved may stand for that, or for what it stood for before, and whoever asks
//! gets both.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::content::Content;
use super::{Function, Relation, RelationKind, TypeKind};
use crate::{ColumnRef, Oid};

/// A schema and a name in it.
pub type InSchema = (String, String);

/// One thing that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provisional {
    /// A relation of this schema, name and kind was created.
    Created(String, String, RelationKind),
    /// The relation of this schema and name is gone.
    Gone(String, String),
    /// The relation of the first name has the second now.
    Moved(InSchema, InSchema),
    /// The second relation is a child of the first now.
    Inherits(InSchema, InSchema),
    /// The view of the first name, which was created, stands on the second relation.
    Stands(InSchema, InSchema),
    /// A schema was created; not for certain by the session's role, or in a branch that may not be taken, if not so told.
    Schema(String, bool),
    /// A type of this schema, name and kind was created.
    Type(String, String, TypeKind),
    /// The type of this schema and name is gone, or has another name.
    TypeGone(String, String),
    /// A function was created, with another of its name in its place before or not.
    Made(Arc<Function>),
    /// Functions of this schema and name are made or altered, and it is not known what they run; of any schema where none
    /// is given.
    Function(Option<String>, String),
    /// A function of this schema and name runs by itself now: with a trigger, a default, a policy.
    Hung(Option<String>, String),
    /// What those that were hung before name may be something else now.
    Strayed,
    /// Something else was made or altered: more may stand on an object than is known.
    Changed,
}

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Overlay {
    /// How much was done.
    steps: Oid,
    /// Those that were created, with OIDs that are made up, from the highest down; and those of the database of which
    /// less is known than before.
    relations: HashMap<Oid, Arc<Relation>>,
    names: HashMap<String, HashMap<String, Oid>>,
    gone: HashMap<String, HashSet<String>>,
    schemas: BTreeSet<String>,
    /// Those of them that were created by a statement, and whether that is certain.
    schemas_made: HashMap<String, bool>,
    types: HashMap<String, HashMap<String, TypeKind>>,
    types_gone: HashMap<String, HashSet<String>>,
    functions: HashMap<String, HashMap<String, Vec<Arc<Function>>>>,
    functions_uncertain: HashMap<String, HashSet<Option<String>>>,
    hung: Vec<(Option<String>, String)>,
    strayed: bool,
    uncommitted: bool,
}

impl Overlay {
    pub(super) fn apply(&mut self, content: &Content, done: &Provisional) {
        if !self.is_news(done) {
            return;
        }
        self.steps += 1;
        self.uncommitted |= !matches!(
            done,
            Provisional::Gone(..)
                | Provisional::TypeGone(..)
                | Provisional::Strayed
                | Provisional::Function(..)
                | Provisional::Made(_)
        );
        match done {
            Provisional::Created(schema, name, kind) => drop(self.make(schema, name, *kind)),
            Provisional::Gone(schema, name) => note(&mut self.gone, schema, name),
            Provisional::Moved((schema, name), (to, new)) => {
                note(&mut self.gone, schema, name);
                let is: Vec<Relation> = self.named(content, schema, name).cloned().collect();
                let there: Vec<Oid> = self.made(to, new).map(|relation| relation.oid).into_iter().collect();
                let kind = is.first().map_or(RelationKind::Table, |relation| relation.kind);
                let moved = self.make(to, new, kind);
                moved.children = is.iter().map(|relation| relation.oid).chain(there).collect();
                // What is written through a view needs rules for its bases, as before.
                moved.bases = is.iter().flat_map(|relation| relation.bases.iter().copied()).collect();
                moved.has_rules = is.iter().any(|relation| relation.has_rules);
                moved.has_triggers = is.iter().any(|relation| relation.has_triggers);
            }
            Provisional::Inherits(parent, child) => self.inherits(content, parent, child),
            Provisional::Stands(view, (schema, name)) => {
                // By which columns is not known.
                let bases: Vec<ColumnRef> = self
                    .named(content, schema, name)
                    .map(|base| ColumnRef { relation: base.oid, attnum: 0 })
                    .collect();
                let Some(oid) = self.made(&view.0, &view.1).map(|made| made.oid) else { return };
                let Some(made) = self.relation_mut(content, oid) else { return };
                made.bases.extend(bases.into_iter().filter(|base| base.relation != oid));
            }
            Provisional::Schema(schema, certain) => {
                self.schemas.insert(schema.clone());
                let certain = *certain && !content.schemas().contains(schema);
                *self.schemas_made.entry(schema.clone()).or_default() |= certain;
            }
            Provisional::Type(schema, name, kind) => {
                self.schemas.insert(schema.clone());
                // It may not have come to that: what runs code counts.
                let before =
                    self.type_named(content, schema, name).filter(|before| *before != TypeKind::Enum);
                let types = self.types.entry(schema.clone()).or_default();
                types.insert(name.clone(), before.unwrap_or(*kind));
            }
            Provisional::TypeGone(schema, name) => note(&mut self.types_gone, schema, name),
            Provisional::Made(function) => {
                self.schemas.insert(function.schema.clone());
                let names = self.functions.entry(function.schema.clone()).or_default();
                names.entry(function.name.clone()).or_default().push(Arc::clone(function));
            }
            Provisional::Function(schema, name) => {
                self.functions_uncertain.entry(name.clone()).or_default().insert(schema.clone());
            }
            Provisional::Hung(schema, name) => self.hung.push((schema.clone(), name.clone())),
            Provisional::Strayed => self.strayed = true,
            Provisional::Changed => {}
        }
    }

    /// Whether anything is other behind it. What moves or is given a parent may move once more.
    pub(super) fn is_news(&self, done: &Provisional) -> bool {
        let noted = |noted: &HashMap<String, HashSet<String>>, schema: &str, name: &str| {
            noted.get(schema).is_some_and(|names| names.contains(name))
        };
        match done {
            Provisional::Created(schema, name, _) => self.made(schema, name).is_none(),
            Provisional::Gone(schema, name) => !noted(&self.gone, schema, name),
            Provisional::Moved(..) | Provisional::Inherits(..) | Provisional::Stands(..) => true,
            Provisional::Schema(schema, certain) => {
                self.schemas_made.get(schema).is_none_or(|known| *certain && !known)
            }
            // What runs code counts.
            Provisional::Type(schema, name, kind) => {
                let known = self.types.get(schema).and_then(|types| types.get(name));
                known.is_none_or(|known| *known == TypeKind::Enum && known != kind)
            }
            Provisional::TypeGone(schema, name) => !noted(&self.types_gone, schema, name),
            Provisional::Made(function) => {
                !self.functions_named(&function.schema, &function.name).any(|known| *known == **function)
            }
            Provisional::Function(schema, name) => {
                self.functions_uncertain.get(name).is_none_or(|schemas| !schemas.contains(schema))
            }
            Provisional::Hung(schema, name) => {
                !self.hung.iter().any(|(of, hung)| of == schema && hung == name)
            }
            Provisional::Strayed => !self.strayed,
            Provisional::Changed => !self.uncommitted,
        }
    }

    /// A relation of which nothing is known but that it is there: its columns are not, so that nothing is ever proved of it.
    fn make(&mut self, schema: &str, name: &str, kind: RelationKind) -> &mut Relation {
        let oid = Oid::MAX - self.steps;
        let relation = Relation::bare(oid, schema, name, kind);
        self.schemas.insert(schema.to_owned());
        self.names.entry(schema.to_owned()).or_default().insert(name.to_owned(), oid);
        Arc::make_mut(self.relations.entry(oid).insert_entry(Arc::new(relation)).into_mut())
    }

    /// Rows of the child are read with the parent's, and with those of all that stand on it: of none of these it is known
    /// any more what a column carries, unless the child is a new table.
    fn inherits(&mut self, content: &Content, parent: &InSchema, child: &InSchema) {
        let oids = |named: &InSchema| -> Vec<Oid> {
            self.named(content, &named.0, &named.1).map(|relation| relation.oid).collect()
        };
        let (parents, children) = (oids(parent), oids(child));
        let is_new = |oid: &Oid| content.relation(*oid).is_none() && self.relations[oid].children.is_empty();
        let new = children.iter().all(is_new);
        let reached: BTreeSet<Oid> = parents.iter().copied().collect();
        let reached = if new { reached } else { self.standing_on(content, reached) };
        for oid in reached {
            let Some(relation) = self.relation_mut(content, oid) else { continue };
            if !new {
                relation.columns.clear();
                relation.view = None;
            }
            if parents.contains(&oid) {
                relation.children.extend(&children);
            }
        }
        for oid in children {
            if let Some(relation) = self.relation_mut(content, oid) {
                relation.parents.extend(&parents);
            }
        }
    }

    /// These, and all whose rows are made of theirs.
    fn standing_on(&self, content: &Content, mut reached: BTreeSet<Oid>) -> BTreeSet<Oid> {
        loop {
            let before = reached.len();
            for relation in self.relations(content) {
                let stands = relation.bases.iter().any(|base| reached.contains(&base.relation))
                    || relation.children.iter().any(|child| reached.contains(child));
                if stands {
                    reached.insert(relation.oid);
                }
            }
            if reached.len() == before {
                return reached;
            }
        }
    }

    fn relation_mut(&mut self, content: &Content, oid: Oid) -> Option<&mut Relation> {
        let relation = match self.relations.entry(oid) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(Arc::new(content.relation(oid)?.clone())),
        };
        Some(Arc::make_mut(relation))
    }

    /// What that name may stand for: what was made, and what was there.
    pub(super) fn named<'a>(
        &'a self,
        content: &'a Content,
        schema: &str,
        name: &str,
    ) -> impl Iterator<Item = &'a Relation> + use<'a> {
        let there = content.relation_named(schema, name);
        let there = there.map(|relation| self.relations.get(&relation.oid).map_or(relation, Arc::as_ref));
        self.made(schema, name).into_iter().chain(there)
    }

    fn made(&self, schema: &str, name: &str) -> Option<&Relation> {
        let oid = self.names.get(schema)?.get(name)?;
        self.relations.get(oid).map(Arc::as_ref)
    }

    pub(super) fn relation(&self, oid: Oid) -> Option<&Relation> {
        self.relations.get(&oid).map(Arc::as_ref)
    }

    pub(super) fn relations<'a>(&'a self, content: &'a Content) -> impl Iterator<Item = &'a Relation> {
        let there = content.relations().filter(|relation| !self.relations.contains_key(&relation.oid));
        there.chain(self.relations.values().map(Arc::as_ref))
    }

    pub(super) fn type_named(&self, content: &Content, schema: &str, name: &str) -> Option<TypeKind> {
        let made = self.types.get(schema).and_then(|types| types.get(name)).copied();
        made.or_else(|| content.type_named(schema, name))
    }

    pub(super) fn functions_named<'a>(
        &'a self,
        schema: &str,
        name: &str,
    ) -> impl Iterator<Item = &'a Function> + use<'a> {
        let overloads = self.functions.get(schema).and_then(|names| names.get(name));
        overloads.into_iter().flatten().map(Arc::as_ref)
    }

    pub(super) fn functions(&self) -> impl Iterator<Item = &Function> {
        self.functions.values().flat_map(HashMap::values).flatten().map(Arc::as_ref)
    }

    /// Whether the relation of that name that was there before is there for certain.
    pub(super) fn is_settled(&self, schema: &str, name: &str) -> bool {
        self.gone.get(schema).is_none_or(|names| !names.contains(name))
    }

    /// The same of a type, and whether it is that.
    pub(super) fn is_type_settled(&self, schema: &str, name: &str) -> bool {
        self.types_gone.get(schema).is_none_or(|names| !names.contains(name))
            && self.types.get(schema).is_none_or(|types| !types.contains_key(name))
    }

    pub(super) fn functions_uncertain(&self, name: &str) -> impl Iterator<Item = Option<&str>> {
        self.functions_uncertain.get(name).into_iter().flatten().map(Option::as_deref)
    }

    pub(super) fn is_entered(&self, schema: &str) -> bool {
        let mut functions = self.functions_uncertain.values().flatten();
        self.types.get(schema).is_some_and(|types| !types.is_empty())
            || functions.any(|of| of.as_deref().is_none_or(|of| of == schema))
    }

    pub(super) fn schemas(&self) -> &BTreeSet<String> {
        &self.schemas
    }

    pub(super) fn is_schema_made(&self, schema: &str) -> Option<bool> {
        self.schemas_made.get(schema).copied()
    }

    pub(super) fn hung(&self) -> &[(Option<String>, String)] {
        &self.hung
    }

    pub(super) const fn has_strayed(&self) -> bool {
        self.strayed
    }

    pub(super) const fn is_uncommitted(&self) -> bool {
        self.uncommitted
    }

    pub(super) const fn steps(&self) -> usize {
        self.steps as usize
    }
}

fn note(noted: &mut HashMap<String, HashSet<String>>, schema: &str, name: &str) {
    noted.entry(schema.to_owned()).or_default().insert(name.to_owned());
}
