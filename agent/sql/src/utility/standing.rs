//! What DROP … CASCADE takes along: whatever stands on what is dropped, and so on. All of it is implied: rules that deny or
//! hold apply to it.

use std::collections::BTreeSet;

use policy::catalog::{Base, Dependent, Thing, TypeKind};
use policy::{Action, Detail, Object, ObjectKind, Oid, Verb};

use super::action;
use super::kind::by_class;
use crate::moves;
use crate::name::Name;
use crate::read::{Reader, relation_object};

/// PostgreSQL's own.
const SYSTEM_SCHEMAS: [&str; 2] = ["pg_catalog", "information_schema"];

/// Kinds on which nothing can stand.
const ALONE: [&str; 6] =
    ["conversion", "database", "event trigger", "publication", "statistics", "subscription"];

/// Kinds whose names the catalog follows: those in no schema.
const OF_DATABASE: [&str; 6] =
    ["access method", "extension", "foreign data wrapper", "language", "schema", "server"];

/// And those in a schema.
const OF_SCHEMA: [&str; 13] = [
    "aggregate",
    "collation",
    "domain",
    "function",
    "operator",
    "operator class",
    "operator family",
    "procedure",
    "text search configuration",
    "text search dictionary",
    "text search parser",
    "text search template",
    "type",
];

/// What has been found.
#[derive(Default)]
struct Found {
    seen: BTreeSet<Base>,
    work: Vec<Base>,
}

impl Found {
    fn add(&mut self, base: Base) {
        if self.seen.insert(base.clone()) {
            self.work.push(base);
        }
    }
}

impl Reader<'_> {
    /// What stands on objects of that class, which are dropped in cascade.
    pub(super) fn drop_standing_on(&mut self, class: &str, names: &[Name]) {
        if ALONE.contains(&class) || self.names_strayed() {
            return;
        }
        if !(OF_DATABASE.contains(&class) || OF_SCHEMA.contains(&class)) {
            self.opaque(format!("DROP … CASCADE of a {class} takes along whatever uses it"));
            return;
        }
        if names.iter().any(|name| self.may_have_moved(class, name)) {
            self.opaque("DROP … CASCADE of what is not committed, and may have been called otherwise");
        }
        let roots: Vec<Thing> = names.iter().flat_map(|name| self.things(class, name)).collect();
        let own = |root: &Thing| root.schema.as_deref().is_some_and(|s| SYSTEM_SCHEMAS.contains(&s));
        if roots.iter().any(own) {
            self.opaque("DROP … CASCADE of what is PostgreSQL's own");
        }
        self.drop_all_on(roots);
    }

    /// What stands on the relations that are dropped or altered is dropped with them.
    pub(super) fn drop_dependents(&mut self) {
        self.drop_all_on(Vec::new());
    }

    /// Keys of others that refer to the tables that are altered, which rest on their unique indexes.
    pub(super) fn drop_keys(&mut self) {
        let altered = self.actions.iter().filter(|action| action.verb == Verb::Alter);
        let altered: Vec<Oid> = altered.filter_map(|action| action.object.oid).collect();
        altered.into_iter().for_each(|oid| self.keys_go(oid));
    }

    /// The members of extensions, which go without CASCADE, too.
    pub(super) fn drop_members(&mut self, names: &[Name]) {
        for name in names {
            for member in self.members(name) {
                self.dropped(&member);
            }
        }
    }

    /// The members of an extension, as far as they are no others that require it.
    pub(super) fn members(&mut self, name: &Name) -> Vec<Base> {
        let extension = Base::Thing(Thing::new("extension", None, &name.name));
        let requires = |dependent: &&Dependent| matches!(dependent, Dependent::Thing(thing) if thing.class == "extension");
        let dependents = self.names.catalog.dependents();
        let mut found = Found::default();
        for dependent in dependents.of(&extension).filter(|dependent| !requires(dependent)) {
            self.stands(dependent, &mut found);
        }
        found.work
    }

    /// Whether names of what is no relation and no function may have come to stand for something else: it is not known then
    /// what stands on them.
    pub(super) fn names_strayed(&mut self) -> bool {
        if self.names.before.moved {
            self.opaque("names may stand for something else than before");
        }
        self.names.before.moved
    }

    /// Whether what is not committed may have given this name, or this schema, to what others stand on by another one.
    fn may_have_moved(&self, class: &str, name: &Name) -> bool {
        let catalog = self.names.catalog;
        match class {
            "schema" => catalog.is_entered(&name.name),
            "type" | "domain" => {
                let settled = |schema| catalog.is_type_settled(schema, &name.name);
                self.names.schema_of_type(name).is_some_and(|schema| !settled(schema))
            }
            "aggregate" | "function" | "procedure" => self.names.is_altered(name),
            _ => false,
        }
    }

    /// What a name of that class may mean.
    pub(super) fn things(&self, class: &str, name: &Name) -> Vec<Thing> {
        let catalog = self.names.catalog;
        // A superset: the first one along the path, and those behind it.
        let path = || -> Vec<&str> {
            match (&name.schema, self.names.path) {
                (Some(schema), _) => vec![schema],
                (None, crate::SearchPath::Known { schemas, .. }) => {
                    schemas.iter().map(String::as_str).collect()
                }
                (None, crate::SearchPath::Unknown) => catalog.schemas().collect(),
            }
        };
        match class {
            class if OF_DATABASE.contains(&class) => vec![Thing::new(class, None, &name.name)],
            "type" | "domain" => {
                let known = path().into_iter().filter_map(|schema| {
                    let kind = catalog.type_named(schema, &name.name)?;
                    Some(Thing::new(class_of(kind), Some(schema), &name.name))
                });
                known.collect()
            }
            "statistics" => {
                path().into_iter().map(|schema| Thing::new(class, Some(schema), &name.name)).collect()
            }
            "aggregate" | "function" | "procedure" => {
                let functions = self.names.functions(name);
                let schemas: BTreeSet<&str> = functions.iter().map(|f| f.schema.as_str()).collect();
                let own = |schema: &&str| name.schema.is_some() || *schema != "pg_catalog";
                let schemas = schemas.into_iter().filter(own);
                schemas.map(|schema| Thing::new("function", Some(schema), &name.name)).collect()
            }
            _ => {
                let schemas =
                    catalog.schemas().filter(|s| name.schema.as_deref().is_none_or(|known| known == *s));
                let own = |schema: &&str| name.schema.is_some() || !SYSTEM_SCHEMAS.contains(schema);
                schemas.filter(own).map(|schema| Thing::new(class, Some(schema), &name.name)).collect()
            }
        }
    }

    fn drop_all_on(&mut self, roots: Vec<Thing>) {
        // What is not committed and stands on them this transaction has made, or altered so that it does: it is gone, or
        // altered, once more.
        let mut found = Found::default();
        let changed = self.actions.iter().filter(|a| matches!(a.verb, Verb::Drop | Verb::Alter));
        let changed: Vec<(Verb, Oid)> = changed.filter_map(|a| Some((a.verb, a.object.oid?))).collect();
        let mut relations: BTreeSet<Oid> = changed.iter().map(|(_, oid)| *oid).collect();
        for (verb, oid) in changed {
            found.add(Base::Relation(oid));
            if verb == Verb::Drop {
                self.goes_along(oid, &mut found);
            }
        }
        for root in roots {
            self.within_schema(&root, &mut found);
            found.add(Base::Thing(root));
        }
        let told = found.seen.clone();
        loop {
            while let Some(base) = found.work.pop() {
                if !told.contains(&base) {
                    self.dropped(&base);
                }
                self.standing_on(&base, &mut found);
                if let Base::Relation(oid) = base {
                    relations.insert(oid);
                }
            }
            for relation in moves::dependents(relations.clone(), self.names.catalog) {
                found.add(Base::Relation(relation.oid));
            }
            if found.work.is_empty() {
                return;
            }
        }
    }

    /// What is in a schema, besides its relations.
    fn within_schema(&mut self, thing: &Thing, found: &mut Found) {
        if thing.class != "schema" {
            return;
        }
        let (catalog, schema) = (self.names.catalog, thing.name.as_str());
        let mut inside: BTreeSet<Thing> = BTreeSet::new();
        let functions = catalog.functions().filter(|function| function.schema == schema);
        inside.extend(functions.map(|function| Thing::new("function", Some(schema), &function.name)));
        let types = catalog.types_in(schema);
        inside.extend(types.map(|(name, kind)| Thing::new(class_of(kind), Some(schema), name)));
        for thing in inside {
            self.dropped(&Base::Thing(thing.clone()));
            found.add(Base::Thing(thing));
        }
    }

    /// One step from what goes.
    fn standing_on(&mut self, base: &Base, found: &mut Found) {
        let catalog = self.names.catalog;
        for dependent in catalog.dependents().of(base) {
            self.stands(dependent, found);
        }
        if let Base::Relation(oid) = base {
            self.keys_go(*oid);
        }
    }

    /// The keys of others that refer to a relation go.
    fn keys_go(&mut self, oid: Oid) {
        let Some(relation) = self.names.catalog.relation(oid) else { return };
        for key in relation.writes.cascades.iter().filter(|key| key.relation != oid) {
            self.implying(|reader| reader.touch_oid(key.relation, Verb::Alter));
        }
    }

    fn stands(&mut self, dependent: &Dependent, found: &mut Found) {
        match dependent {
            Dependent::Relation(oid) => {
                self.goes_along(*oid, found);
                found.add(Base::Relation(*oid));
            }
            Dependent::Thing(thing) => {
                self.within_schema(thing, found);
                found.add(Base::Thing(thing.clone()));
            }
            Dependent::Part { relation, class, name } => {
                if let ("rule" | "trigger" | "policy", Some(known)) = (class.as_str(), by_class(class)) {
                    self.implying(|r| r.act(action(Verb::Drop, known.kind, known.class, name.clone())));
                }
                let is_told = |a: &Action| {
                    a.object.oid == Some(*relation) && matches!(a.verb, Verb::Drop | Verb::Alter)
                };
                if !self.actions.iter().any(is_told) {
                    self.implying(|reader| reader.touch_oid(*relation, Verb::Alter));
                }
            }
            Dependent::PartOf(thing) => self.thing(Verb::Alter, thing),
            Dependent::Unknown => self.opaque("DROP … CASCADE takes along what is not known"),
        }
    }

    /// The type of a relation's rows goes with it, and the sequences of its columns do.
    fn goes_along(&mut self, oid: Oid, found: &mut Found) {
        for sequence in self.names.catalog.dependents().owned(oid) {
            found.add(Base::Relation(sequence));
        }
        let Some(relation) = self.names.catalog.relation(oid) else { return };
        let of_rows = Thing::new("type", Some(&relation.schema), &relation.name);
        // Nothing is told of it: it is the relation by another name.
        for dependent in self.names.catalog.dependents().of(&Base::Thing(of_rows)) {
            self.stands(dependent, found);
        }
    }

    /// Tells that it is dropped.
    fn dropped(&mut self, base: &Base) {
        match base {
            Base::Relation(oid) => match self.names.catalog.relation(*oid) {
                Some(relation) => {
                    self.relations.insert(*oid);
                    let object = relation_object(relation);
                    self.act(Action { verb: Verb::Drop, object, implied: true, detail: Detail::NONE });
                }
                None => self.opaque("DROP … CASCADE takes along a relation that is not in the catalog"),
            },
            Base::Thing(thing) => self.thing(Verb::Drop, thing),
        }
    }

    pub(super) fn thing(&mut self, verb: Verb, thing: &Thing) {
        self.act(Action { verb, object: thing_object(thing), implied: true, detail: Detail::NONE });
    }
}

/// The object that actions on it name.
pub(super) fn thing_object(thing: &Thing) -> Object {
    let known = by_class(&thing.class);
    Object {
        kind: known.map_or(ObjectKind::Other, |known| known.kind),
        class: known.map_or("", |known| known.class),
        schema: thing.schema.clone(),
        name: thing.name.clone(),
        oid: None,
    }
}

const fn class_of(kind: TypeKind) -> &'static str {
    match kind {
        TypeKind::Domain => "domain",
        _ => "type",
    }
}
