//! What stands on what, beyond relations and their views: what DROP … CASCADE takes along.

use std::collections::{BTreeMap, BTreeSet};

use crate::Oid;

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
pub struct Dependents(BTreeMap<Base, BTreeSet<Dependent>>);

impl Dependents {
    /// Notes that the one stands on the other.
    pub fn add(&mut self, base: Base, dependent: Dependent) {
        self.0.entry(base).or_default().insert(dependent);
    }

    /// What stands on that, in order.
    pub fn of(&self, base: &Base) -> impl Iterator<Item = &Dependent> {
        self.0.get(base).into_iter().flatten()
    }
}
