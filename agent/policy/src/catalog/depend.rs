//! What stands on what, beyond relations and their views: what DROP … CASCADE takes along.

use std::collections::{BTreeMap, BTreeSet};

use crate::{ColumnRef, Oid};

/// An object that is no relation, as DROP names it. Overloads are one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Thing {
    /// PostgreSQL's words for its kind, lower case; `function` for all that may be called.
    pub class: String,
    /// The schema's name, for what is in one.
    pub schema: Option<String>,
    /// Its name; empty for what has none of its own.
    pub name: String,
}

impl Thing {
    /// An object of that class.
    pub fn new(class: &str, schema: Option<&str>, name: &str) -> Self {
        Thing { class: class.to_owned(), schema: schema.map(str::to_owned), name: name.to_owned() }
    }
}

/// What something may stand on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Base {
    /// A relation (`pg_class.oid`).
    Relation(Oid),
    /// Something else.
    Thing(Thing),
}

/// What stands on something, and goes with it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dependent {
    /// A relation (`pg_class.oid`).
    Relation(Oid),
    /// A part of a relation: a column, a default, a constraint, an index, statistics, a rule, a trigger, a policy.
    Part {
        /// The relation (`pg_class.oid`).
        relation: Oid,
        /// PostgreSQL's word for the part.
        class: String,
        /// The name of a rule, trigger or policy; empty for others.
        name: String,
    },
    /// Something else.
    Thing(Thing),
    /// A part of something else: a constraint of a domain, a member of an operator family.
    PartOf(Thing),
    /// What it is was not known when this was written.
    Unknown,
}

/// What stands on what. Views and what foreign keys refer to are the relations' own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dependents {
    all: BTreeMap<Base, BTreeSet<Dependent>>,
    /// The columns that sequences belong to.
    owners: BTreeMap<Oid, ColumnRef>,
    /// The sequences of each table that has some.
    owned: BTreeMap<Oid, BTreeSet<Oid>>,
}

impl Dependents {
    /// Notes that the one stands on the other.
    pub fn add(&mut self, base: Base, dependent: Dependent) {
        self.all.entry(base).or_default().insert(dependent);
    }

    /// Notes that a sequence belongs to a column.
    pub fn add_owner(&mut self, sequence: Oid, column: ColumnRef) {
        self.owners.insert(sequence, column);
        self.owned.entry(column.relation).or_default().insert(sequence);
    }

    /// The column that a sequence belongs to, as one of `serial` or of an identity column does.
    pub fn owner(&self, sequence: Oid) -> Option<ColumnRef> {
        self.owners.get(&sequence).copied()
    }

    /// The sequences that belong to columns of a table, in order.
    pub fn owned(&self, table: Oid) -> impl Iterator<Item = Oid> {
        self.owned.get(&table).into_iter().flatten().copied()
    }

    /// What stands on that, in order.
    pub fn of(&self, base: &Base) -> impl Iterator<Item = &Dependent> {
        self.all.get(base).into_iter().flatten()
    }
}
