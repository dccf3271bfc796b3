//! What is known of a database: relations, columns, what stands on what, functions.
//!
//! The agent reads it over a side connection; here it is a value to look things up in. It is immutable: a
//! change is a new [`Catalog`] with a higher generation, which shares with the one before what is as it was.

use std::sync::Arc;

use crate::{ColumnRef, Oid};

mod code;
mod content;
mod depend;
mod overlay;
mod view;

pub use code::{Body, Calls, Cascade, Cast, Lookup, Probe, Referential, Trigger, Writes};
pub use content::Changes;
use content::Content;
pub use depend::{Base, Dependent, Dependents, Thing};
use overlay::Overlay;
pub use overlay::{InSchema, Provisional};
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
    /// `pg_attribute.attnotnull`: it is never NULL.
    pub not_null: bool,
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
    /// Of an index: its table (`pg_index.indrelid`).
    pub table: Option<Oid>,
    /// A policy for its rows looks at more than the row: at other relations, or by functions that users made.
    pub policies_look_beyond: bool,
}

impl Relation {
    /// One of which nothing else is known: no columns, nothing that it stands on or runs.
    pub fn bare(oid: Oid, schema: impl Into<String>, name: impl Into<String>, kind: RelationKind) -> Self {
        Relation {
            oid,
            schema: schema.into(),
            name: name.into(),
            kind,
            columns: Vec::new(),
            bases: Vec::new(),
            functions: Vec::new(),
            parents: Vec::new(),
            children: Vec::new(),
            has_rules: false,
            has_triggers: false,
            writes: Writes::default(),
            view: None,
            table: None,
            policies_look_beyond: false,
        }
    }

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
    /// What is not committed, if anything.
    overlay: Option<Arc<Overlay>>,
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

    /// The same with what an open transaction has done to names, in that order.
    #[must_use]
    pub fn with_provisional<'p>(&self, done: impl IntoIterator<Item = &'p Provisional>) -> Self {
        let mut catalog = self.clone();
        done.into_iter().for_each(|done| catalog.apply(done));
        catalog
    }

    /// One more thing was done that is not committed. A relation that was made has an OID that is made up, and its columns
    /// are not known, so that nothing is ever proved of it.
    pub fn apply(&mut self, done: &Provisional) {
        Arc::make_mut(self.overlay.get_or_insert_default()).apply(&self.content, done);
    }

    /// Whether anything is other behind it.
    pub fn is_news(&self, done: &Provisional) -> bool {
        self.overlay.as_ref().is_none_or(|overlay| overlay.is_news(done))
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
        self.content == other.content && self.overlay == other.overlay
    }

    /// The type of that name in that schema, one that is not committed before another.
    pub fn type_named(&self, schema: &str, name: &str) -> Option<TypeKind> {
        match &self.overlay {
            Some(overlay) => overlay.type_named(&self.content, schema, name),
            None => self.content.type_named(schema, name),
        }
    }

    /// Whether the type of that name in that schema, if there is one, is there for certain.
    pub fn is_type_settled(&self, schema: &str, name: &str) -> bool {
        self.overlay.as_ref().is_none_or(|overlay| overlay.is_type_settled(schema, name))
    }

    /// Whether what is not committed may have put types or functions into a schema that were elsewhere, or called otherwise,
    /// before.
    pub fn is_entered(&self, schema: &str) -> bool {
        self.overlay.as_ref().is_some_and(|overlay| overlay.is_entered(schema))
    }

    /// Every schema, in the order of their names; behind them those that are not committed.
    pub fn schemas(&self) -> impl Iterator<Item = &str> {
        let made = self.overlay.iter().flat_map(|overlay| overlay.schemas());
        let made = made.filter(|schema| !self.content.schemas().contains(*schema));
        self.content.schemas().iter().chain(made).map(String::as_str)
    }

    /// Whether what is not committed has made a schema of that name, and whether that is certain.
    pub fn is_schema_made(&self, schema: &str) -> Option<bool> {
        self.overlay.as_ref().and_then(|overlay| overlay.is_schema_made(schema))
    }

    /// Rises with every change; a cached analysis is good for one generation.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// How much is in it that is not committed.
    pub fn steps(&self) -> usize {
        self.overlay.as_ref().map_or(0, |overlay| overlay.steps())
    }

    /// Whether anything was made or altered that is not committed, on which more may stand than is known.
    pub fn has_uncommitted(&self) -> bool {
        self.overlay.as_ref().is_some_and(|overlay| overlay.is_uncommitted())
    }

    /// Functions that run by themselves by what is not committed: their schemas and names.
    pub fn hung(&self) -> &[(Option<String>, String)] {
        self.overlay.as_ref().map_or(&[], |overlay| overlay.hung())
    }

    /// Whether what those name may have become something else since they were hung.
    pub fn has_strayed(&self) -> bool {
        self.overlay.as_ref().is_some_and(|overlay| overlay.has_strayed())
    }

    /// Whether the relation of that schema and name was made, renamed or dropped by what is not committed, so that the name
    /// may stand for nothing there, or for each of [`Catalog::relations_named`].
    pub fn is_settled(&self, schema: &str, name: &str) -> bool {
        self.overlay.as_ref().is_none_or(|overlay| overlay.is_settled(schema, name))
            && self.content.relation_named(schema, name).is_some()
    }

    /// Whether a function of that schema and name may run what is not known.
    pub fn is_function_uncertain(&self, schema: &str, name: &str) -> bool {
        self.functions_uncertain(name).any(|known| known.is_none_or(|known| known == schema))
    }

    /// The schemas of functions of that name of which it is not known what they run, since what is not committed has made or
    /// altered them; `None`: any.
    pub fn functions_uncertain(&self, name: &str) -> impl Iterator<Item = Option<&str>> {
        self.overlay.iter().flat_map(move |overlay| overlay.functions_uncertain(name))
    }

    /// The relation with that OID.
    pub fn relation(&self, oid: Oid) -> Option<&Relation> {
        let made = self.overlay.as_ref().and_then(|overlay| overlay.relation(oid));
        made.or_else(|| self.content.relation(oid))
    }

    /// Whether the relation with that OID was made by what is not committed, or moved: the OID is made up.
    pub fn is_made(&self, oid: Oid) -> bool {
        self.overlay.is_some() && self.relation(oid).is_some() && self.content.relation(oid).is_none()
    }

    /// Whether the relation with that OID is a table (or sequence) that was made by what is not committed, and is nothing else.
    pub fn is_new(&self, oid: Oid) -> bool {
        let kinds = [RelationKind::Table, RelationKind::Sequence, RelationKind::Index];
        self.is_made(oid)
            && self.relation(oid).is_some_and(|made| made.children.is_empty() && kinds.contains(&made.kind))
    }

    /// Whether less is known of the relation with that OID than of one that was committed so.
    pub fn is_altered(&self, oid: Oid) -> bool {
        self.overlay.as_ref().is_some_and(|overlay| overlay.relation(oid).is_some())
    }

    /// Every relation, in no order.
    pub fn relations(&self) -> impl Iterator<Item = &Relation> {
        let made = self.overlay.as_ref().map(|overlay| overlay.relations(&self.content));
        let there = made.is_none().then(|| self.content.relations());
        made.into_iter().flatten().chain(there.into_iter().flatten())
    }

    /// The relation of that name in that schema, both as the server stores them: one that is not committed before another.
    pub fn relation_named(&self, schema: &str, name: &str) -> Option<&Relation> {
        match &self.overlay {
            Some(overlay) => overlay.named(&self.content, schema, name).next(),
            None => self.content.relation_named(schema, name),
        }
    }

    /// All that that name may stand for in that schema: beside what the database has, what is not committed.
    pub fn relations_named<'a>(
        &'a self,
        schema: &str,
        name: &str,
    ) -> impl Iterator<Item = &'a Relation> + use<'a> {
        let made = self.overlay.as_ref().map(|overlay| overlay.named(&self.content, schema, name));
        let there = if made.is_none() { self.content.relation_named(schema, name) } else { None };
        made.into_iter().flatten().chain(there)
    }

    /// The function with that OID.
    pub fn function(&self, oid: Oid) -> Option<&Function> {
        self.content.function(oid)
    }

    /// Every function, in no order.
    pub fn functions(&self) -> impl Iterator<Item = &Function> {
        self.content.functions().chain(self.overlay.iter().flat_map(|overlay| overlay.functions()))
    }

    /// All overloads of that name in that schema, those too that are not committed, which have no OID (0).
    pub fn functions_named<'a>(&'a self, schema: &str, name: &str) -> impl Iterator<Item = &'a Function> {
        self.content.functions_named(schema, name).chain(self.functions_made(schema, name))
    }

    /// Those of them that are not committed.
    pub fn functions_made<'a>(
        &'a self,
        schema: &str,
        name: &str,
    ) -> impl Iterator<Item = &'a Function> + use<'a> {
        let made = self.overlay.as_ref().map(|overlay| overlay.functions_named(schema, name));
        made.into_iter().flatten()
    }

    /// Whether there is a schema of that name.
    pub fn has_schema(&self, name: &str) -> bool {
        self.content.schemas().contains(name)
            || self.overlay.as_ref().is_some_and(|overlay| overlay.schemas().contains(name))
    }
}

#[cfg(test)]
mod tests;
