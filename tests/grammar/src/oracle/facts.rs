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

/// A clause of a query or a statement that writes rows; of several the innermost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Clause {
    /// Another one, or of no interest.
    None,
    /// The item of SELECT's list.
    Item(usize),
    /// The item of RETURNING's list.
    Returning(usize),
    Distinct,
    From,
    Where,
    Group,
    Having,
    Window,
    Order,
    Limit,
    Values,
    Set,
}

/// A name, and what it is the name of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// A column or a whole row, with what stands before it.
    Column(Vec<String>),
    /// A field of a value.
    Field(String),
    /// A function that is called.
    Call(Vec<String>),
    /// What an item is called.
    Label(String),
    /// What a relation or a query is called, and its columns.
    Alias(String, Vec<String>),
    /// A column that is written.
    Target(String),
    /// The columns by which a join takes rows together.
    Using(Vec<String>),
    /// All that two relations have in common.
    Natural,
    /// A query of its own, but for VALUES.
    Query,
}

impl std::fmt::Display for Clause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            // Findings of all items are of one class.
            Clause::Item(_) => f.write_str("Item"),
            Clause::Returning(_) => f.write_str("Returning"),
            clause => write!(f, "{clause:?}"),
        }
    }
}

impl Part {
    /// What it is the name of.
    pub fn kind(&self) -> &'static str {
        match self {
            Part::Column(_) => "column",
            Part::Field(_) => "field",
            Part::Call(_) => "call",
            Part::Label(_) => "label",
            Part::Alias(..) => "alias",
            Part::Target(_) => "target",
            Part::Using(_) => "USING",
            Part::Natural => "NATURAL",
            Part::Query => "query",
        }
    }
}

/// How often each name stands where.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Names {
    pub all: BTreeMap<(Clause, Part), usize>,
    /// What the list at hand calls the rows `old` and `new`.
    pub(super) rows: Vec<(String, &'static str)>,
}

impl Names {
    pub fn add(&mut self, clause: Clause, mut part: Part) {
        // Alone it is a row that we take for anything.
        if let Part::Column(parts) = &mut part
            && parts.len() > 1
            && let Some(row) = parts.first_mut()
            && let Some((_, of)) = self.rows.iter().find(|(name, _)| name == row)
        {
            (*of).clone_into(row);
        }
        *self.all.entry((clause, part)).or_default() += 1;
    }
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
    /// Of a query or a statement that writes rows.
    pub names: Option<Names>,
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
