//! What is taken from a statement's tree.

use std::collections::{BTreeMap, BTreeSet};

/// A name with or without its schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    pub schema: Option<String>,
    pub name: String,
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// What is written, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Write {
    Insert,
    Update,
    /// Without a condition.
    UpdateAll,
    Delete,
    /// Without a condition.
    DeleteAll,
    Truncate,
    CopyIn,
    CopyServer,
    Create,
}

/// Where in the tree something stood: the kind of the node around it. Findings are told apart by it.
pub type Around = String;

/// Of one statement.
#[derive(Debug, Default)]
pub struct Facts {
    /// The kind of the topmost node.
    pub kind: String,
    /// The first word of its command tag.
    pub tag: &'static str,
    pub writes: BTreeMap<(Write, Name), Around>,
    /// Relations whose rows are read.
    pub reads: BTreeMap<Name, Around>,
    /// Relations that are named in any role, those read and written too.
    pub relations: BTreeMap<Name, Around>,
    /// Relations that are named without ONLY where children come along.
    pub families: BTreeMap<Name, Around>,
    pub functions: BTreeMap<Name, Around>,
    /// Types that something is cast to.
    pub types: BTreeMap<Name, Around>,
    /// Types that are named anywhere.
    pub named_types: BTreeSet<Name>,
    /// Names that a column may have.
    pub columns: BTreeSet<String>,
    /// For a plain SELECT over relations: the columns in each item, without subqueries.
    pub items: Option<Vec<BTreeSet<String>>>,
    /// Settings that are set or reset.
    pub settings: BTreeSet<String>,
    /// What the session follows, in words: `commit`, `prepare x`, …
    pub effects: BTreeSet<String>,
    /// Names of objects that are dropped, the last part alone.
    pub drops: BTreeMap<String, Around>,
}

impl Facts {
    /// What code of the statement does as well.
    pub(super) fn add_code(&mut self, code: Facts) {
        self.writes.extend(code.writes);
        self.reads.extend(code.reads);
        self.relations.extend(code.relations);
        self.families.extend(code.families);
        self.functions.extend(code.functions);
        self.types.extend(code.types);
        self.named_types.extend(code.named_types);
        self.columns.extend(code.columns);
    }
}
