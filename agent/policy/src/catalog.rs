//! What is known of a database: relations, columns, what stands on what, functions.
//!
//! The agent reads it over a side connection; here it is a value to look things up in. It is immutable: a
//! change is a new [`Catalog`] with a higher generation, which shares with the one before what is as it was.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::{ColumnRef, Oid};

mod code;
mod content;
mod depend;
mod view;

pub use code::{Body, Calls, Cascade, Cast, Lookup, Probe, Referential, Trigger, Writes};
pub use content::Changes;
use content::Content;
pub use depend::{Base, Dependent, Dependents, Thing};
pub use view::{View, ViewColumn};

/// `pg_class.relkind`, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RelationKind {
    /// `r`
    Table,
    /// `p`
    PartitionedTable,
    /// `v`
    View,
    /// `m`
    MaterializedView,
    /// `f`
    ForeignTable,
    /// `S`
    Sequence,
    /// `i` and `I`
    Index,
    /// `c`
    CompositeType,
    /// `t`
    Toast,
}

impl RelationKind {
    /// From `pg_class.relkind`.
    pub const fn from_relkind(relkind: u8) -> Option<Self> {
        Some(match relkind {
            b'r' => RelationKind::Table,
            b'p' => RelationKind::PartitionedTable,
            b'v' => RelationKind::View,
            b'm' => RelationKind::MaterializedView,
            b'f' => RelationKind::ForeignTable,
            b'S' => RelationKind::Sequence,
            b'i' | b'I' => RelationKind::Index,
            b'c' => RelationKind::CompositeType,
            b't' => RelationKind::Toast,
            _ => return None,
        })
    }

    /// PostgreSQL's word for it.
    pub const fn word(self) -> &'static str {
        match self {
            RelationKind::Table | RelationKind::PartitionedTable | RelationKind::Toast => "table",
            RelationKind::View => "view",
            RelationKind::MaterializedView => "materialized view",
            RelationKind::ForeignTable => "foreign table",
            RelationKind::Sequence => "sequence",
            RelationKind::Index => "index",
            RelationKind::CompositeType => "type",
        }
    }
}

/// One column of a relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// `pg_attribute.attnum`, from 1; dropped columns are absent.
    pub attnum: i16,
    /// `pg_attribute.attname`.
    pub name: String,
    /// `pg_attribute.atttypid`.
    pub type_oid: Oid,
    /// `pg_attribute.attgenerated` is set: its values are computed from other columns of the row.
    pub generated: bool,
}

/// One relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// `pg_class.oid`.
    pub oid: Oid,
    /// The schema's name. Temporary relations have their real one (`pg_temp_3`).
    pub schema: String,
    /// `pg_class.relname`.
    pub name: String,
    /// `pg_class.relkind`.
    pub kind: RelationKind,
    /// In the order of their numbers.
    pub columns: Vec<Column>,
    /// For a view or a materialised view, and for a relation with rules: the columns that its definition
    /// depends on (`pg_depend` through `pg_rewrite`; attnum 0 for a whole row), itself excepted.
    pub bases: Vec<ColumnRef>,
    /// Functions that a view's definition or a policy for its rows calls (`pg_proc.oid`): those of users, and `set_config`.
    pub functions: Vec<Oid>,
    /// Parents by inheritance or partitioning (`pg_inherits.inhparent`).
    pub parents: Vec<Oid>,
    /// Children by inheritance or partitioning.
    pub children: Vec<Oid>,
    /// It has rewrite rules other than a view's own `ON SELECT`.
    pub has_rules: bool,
    /// Writing to it runs more than the statement: it has user triggers (`pg_trigger` not internal), or defaults or checks
    /// that may change settings.
    pub has_triggers: bool,
    /// What a write to it runs beside itself.
    pub writes: Writes,
    /// What the columns of a view or a materialised view are, where that is known.
    pub view: Option<View>,
}

impl Relation {
    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }
}

/// `pg_proc.provolatile`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Volatility {
    /// `i`
    Immutable,
    /// `s`
    Stable,
    /// `v`
    Volatile,
}

/// One function, procedure, aggregate or window function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// `pg_proc.oid`.
    pub oid: Oid,
    /// The schema's name.
    pub schema: String,
    /// `pg_proc.proname`.
    pub name: String,
    /// `pg_proc.provolatile`.
    pub volatility: Volatility,
    /// `pg_proc.prosecdef`.
    pub security_definer: bool,
    /// `pg_language.lanname`; empty for an aggregate.
    pub language: String,
    /// `pg_proc.prokind` is `p`.
    pub procedure: bool,
    /// What it runs.
    pub body: Body,
    /// `pg_proc.proconfig`: settings that hold while it runs, as `name=value`.
    pub config: Vec<String>,
}

/// `pg_type.typtype`, of a type that is no relation's row type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TypeKind {
    /// `b`
    Base,
    /// `c`
    Composite,
    /// `d`
    Domain,
    /// `e`
    Enum,
    /// `p`
    Pseudo,
    /// `r`
    Range,
    /// `m`
    Multirange,
}

impl TypeKind {
    /// From `pg_type.typtype`.
    pub const fn from_typtype(typtype: u8) -> Option<Self> {
        Some(match typtype {
            b'b' => TypeKind::Base,
            b'c' => TypeKind::Composite,
            b'd' => TypeKind::Domain,
            b'e' => TypeKind::Enum,
            b'p' => TypeKind::Pseudo,
            b'r' => TypeKind::Range,
            b'm' => TypeKind::Multirange,
            _ => return None,
        })
    }
}

/// What is known of one database at one time. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    generation: u64,
    content: Arc<Content>,
    /// What the session's own open transaction has created stands before the content.
    created: HashMap<Oid, Relation>,
    created_names: HashMap<String, HashMap<String, Oid>>,
    /// Names by schema, in the session's own transaction.
    uncertain: HashMap<String, HashSet<String>>,
    /// Functions by name, and the schemas of those that the transaction has made or altered.
    uncertain_functions: HashMap<String, HashSet<Option<String>>>,
    provisional: bool,
    uncommitted: bool,
}

/// What an open transaction did to relations, which no other connection can see yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provisional {
    /// It has created one of this schema, name and kind.
    Created(String, String, RelationKind),
    /// The one of this schema and name is gone, or may be.
    Uncertain(String, String),
    /// Functions of this schema and name are made or altered; of any schema where none is given.
    Function(Option<String>, String),
    /// Something else was made or altered: more may stand on an object than is known.
    Changed,
}

impl Catalog {
    /// A catalog of these relations and functions. `schemas` are all schemas, those without relations too.
    /// `children` of each relation are made from the others' `parents` here and need not be given.
    pub fn new(
        generation: u64,
        schemas: impl IntoIterator<Item = String>,
        relations: impl IntoIterator<Item = Relation>,
        functions: impl IntoIterator<Item = Function>,
    ) -> Self {
        Catalog::default().changed(
            generation,
            Changes {
                schemas: Some(schemas.into_iter().collect()),
                relations: relations.into_iter().collect(),
                functions: functions.into_iter().collect(),
                ..Changes::default()
            },
        )
    }

    /// The next generation: the same but for these changes. What an open transaction has created is no part of it.
    #[must_use]
    pub fn changed(&self, generation: u64, changes: Changes) -> Self {
        let mut content = Content::clone(&self.content);
        content.change(changes);
        Catalog { generation, content: Arc::new(content), ..Catalog::default() }
    }

    /// The same with what an open transaction has done to relations, in that order. The OIDs of those that it has
    /// created are made up, from the highest down, and their columns are not known, so that nothing is ever proved of
    /// them. A relation of the same name is hidden.
    #[must_use]
    pub fn with_provisional(&self, done: &[Provisional]) -> Self {
        let mut catalog = self.clone();
        catalog.provisional |= done.iter().any(|done| *done != Provisional::Changed);
        let makes = |done: &Provisional| matches!(done, Provisional::Changed | Provisional::Created(..));
        catalog.uncommitted |= done.iter().any(makes);
        for (done, oid) in done.iter().zip((1..=Oid::MAX).rev()) {
            let (schema, name, kind) = match done {
                Provisional::Created(schema, name, kind) => (schema, name, kind),
                Provisional::Function(schema, name) => {
                    catalog.uncertain_functions.entry(name.clone()).or_default().insert(schema.clone());
                    continue;
                }
                Provisional::Uncertain(schema, name) => {
                    catalog.uncertain.entry(schema.clone()).or_default().insert(name.clone());
                    continue;
                }
                Provisional::Changed => continue,
            };
            if let Some(uncertain) = catalog.uncertain.get_mut(schema) {
                uncertain.remove(name);
            }
            let relation = Relation {
                oid,
                schema: schema.clone(),
                name: name.clone(),
                kind: *kind,
                columns: Vec::new(),
                bases: Vec::new(),
                functions: Vec::new(),
                parents: Vec::new(),
                children: Vec::new(),
                has_rules: false,
                has_triggers: false,
                writes: Writes::default(),
                view: None,
            };
            if !catalog.has_schema(schema) {
                Arc::make_mut(&mut catalog.content).add_schema(schema);
            }
            catalog.created_names.entry(schema.clone()).or_default().insert(name.clone(), oid);
            catalog.created.insert(oid, relation);
        }
        catalog
    }

    /// With these types as well: schema, name, kind. Built-in ones (schema `pg_catalog`) need not be given.
    #[must_use]
    pub fn with_types(mut self, types: impl IntoIterator<Item = (String, String, TypeKind)>) -> Self {
        Arc::make_mut(&mut self.content).add_types(types);
        self
    }

    /// Whether functions of users' run with every DDL.
    pub fn has_event_triggers(&self) -> bool {
        self.content.event_triggers()
    }

    /// Whether expressions may call functions of users' unseen.
    pub fn has_hidden_calls(&self) -> bool {
        self.content.hidden_calls()
    }

    /// Functions that expressions call without naming them.
    pub fn calls(&self) -> &Calls {
        self.content.calls()
    }

    /// What stands on what.
    pub fn dependents(&self) -> &Dependents {
        self.content.dependents()
    }

    /// Every type that users made in that schema and that is no relation's: name and kind.
    pub fn types_in<'a>(&'a self, schema: &str) -> impl Iterator<Item = (&'a str, TypeKind)> {
        self.content.types_in(schema)
    }

    /// Whether a search path stands for the same schemas in both.
    pub fn has_same_schemas(&self, other: &Catalog) -> bool {
        self.content.usable() == other.content.usable() && self.content.schemas() == other.content.schemas()
    }

    /// Whether the same is known, in whatever generation.
    pub fn is_like(&self, other: &Catalog) -> bool {
        self.content == other.content
            && self.created == other.created
            && self.uncertain == other.uncertain
            && self.uncertain_functions == other.uncertain_functions
            && (self.provisional, self.uncommitted) == (other.provisional, other.uncommitted)
    }

    /// The type of that name in that schema.
    pub fn type_named(&self, schema: &str, name: &str) -> Option<TypeKind> {
        self.content.type_named(schema, name)
    }

    /// Every schema, in the order of their names.
    pub fn schemas(&self) -> impl Iterator<Item = &str> {
        self.content.schemas().iter().map(String::as_str)
    }

    /// Rises with every change; a cached analysis is good for one generation.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether it holds what an open transaction has done, and may take back.
    pub const fn is_provisional(&self) -> bool {
        self.provisional
    }

    /// Whether an open transaction has made or altered anything, on which more may stand than is known.
    pub const fn has_uncommitted(&self) -> bool {
        self.uncommitted
    }

    /// Whether that name in that schema may stand for nothing now, whatever [`Catalog::relation_named`] says.
    pub fn is_uncertain(&self, schema: &str, name: &str) -> bool {
        self.uncertain.get(schema).is_some_and(|names| names.contains(name))
    }

    /// Whether what a function of that schema and name runs may be other than [`Function::body`] says.
    pub fn is_function_uncertain(&self, schema: &str, name: &str) -> bool {
        self.uncertain_functions.get(name).is_some_and(|schemas| {
            schemas.iter().any(|known| known.as_deref().is_none_or(|known| known == schema))
        })
    }

    /// The schemas of functions of that name which the open transaction has made or altered; `None`: any.
    pub fn functions_uncertain(&self, name: &str) -> impl Iterator<Item = Option<&str>> {
        self.uncertain_functions.get(name).into_iter().flatten().map(Option::as_deref)
    }

    /// The relation with that OID.
    pub fn relation(&self, oid: Oid) -> Option<&Relation> {
        self.created.get(&oid).or_else(|| self.content.relation(oid))
    }

    /// Every relation, in no order.
    pub fn relations(&self) -> impl Iterator<Item = &Relation> {
        self.content.relations().chain(self.created.values())
    }

    /// The relation of that name in that schema, both as the server stores them.
    pub fn relation_named(&self, schema: &str, name: &str) -> Option<&Relation> {
        let created = self.created_names.get(schema).and_then(|names| names.get(name));
        match created {
            Some(oid) => self.created.get(oid),
            None => self.content.relation_named(schema, name),
        }
    }

    /// The function with that OID.
    pub fn function(&self, oid: Oid) -> Option<&Function> {
        self.content.function(oid)
    }

    /// Every function, in no order.
    pub fn functions(&self) -> impl Iterator<Item = &Function> {
        self.content.functions()
    }

    /// All overloads of that name in that schema.
    pub fn functions_named<'a>(&'a self, schema: &str, name: &str) -> impl Iterator<Item = &'a Function> {
        self.content.functions_named(schema, name)
    }

    /// Whether there is a schema of that name.
    pub fn has_schema(&self, name: &str) -> bool {
        self.content.schemas().contains(name)
    }
}

#[cfg(test)]
mod tests;
