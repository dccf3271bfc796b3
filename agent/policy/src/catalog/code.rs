//! What of a database runs code: bodies of functions, and what calls them without naming them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Oid;

/// What a function runs, as far as it can be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Body {
    /// Nothing that is asked for: C, or PostgreSQL's own. The call is all that is known.
    #[default]
    Foreign,
    /// `pg_proc.prosrc`, in SQL or PL/pgSQL.
    Text(Arc<str>),
    /// Of one that is stored as a tree, which `pg_depend` and the tree tell: the relations that it names.
    Tree {
        /// Relations (`pg_class.oid`), sorted.
        relations: Vec<Oid>,
        /// Functions (`pg_proc.oid`), sorted.
        functions: Vec<Oid>,
        /// It writes rows.
        writes: bool,
    },
    /// Of an aggregate: the functions that it is made of.
    Calls(Vec<Oid>),
    /// It is not read: another language, or a text that is too long.
    Unread,
}

/// One trigger of a user's (`pg_trigger`), enabled or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Trigger {
    /// `pg_trigger.tgfoid`.
    pub function: Oid,
    /// `pg_trigger.tgtype`.
    pub tgtype: i16,
}

/// `TRIGGER_TYPE_INSERT` and its like (src/include/catalog/pg_trigger.h).
impl Trigger {
    /// It runs when rows are inserted.
    pub const fn on_insert(&self) -> bool {
        self.tgtype & 4 != 0
    }

    /// It runs when rows are deleted.
    pub const fn on_delete(&self) -> bool {
        self.tgtype & 8 != 0
    }

    /// It runs when rows are updated.
    pub const fn on_update(&self) -> bool {
        self.tgtype & 16 != 0
    }

    /// It may change what is written: it runs for each row, before it or in its place.
    pub const fn fills(&self) -> bool {
        self.tgtype & 1 != 0 && self.tgtype & (2 | 64) != 0
    }

    /// It runs when the relation is truncated.
    pub const fn on_truncate(&self) -> bool {
        self.tgtype & 32 != 0
    }
}

/// What a foreign key of another relation does to that one's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Referential {
    /// Nothing: `NO ACTION`, `RESTRICT`.
    Nothing,
    /// `CASCADE`
    Cascade,
    /// `SET NULL`, `SET DEFAULT`
    Set,
}

impl Referential {
    /// From `pg_constraint.confdeltype` or `confupdtype`.
    pub const fn from_type(letter: u8) -> Self {
        match letter {
            b'c' => Referential::Cascade,
            b'n' | b'd' => Referential::Set,
            _ => Referential::Nothing,
        }
    }
}

/// A foreign key of another relation, or of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cascade {
    /// The referencing relation (`pg_constraint.conrelid`).
    pub relation: Oid,
    /// When a row is deleted that it refers to.
    pub on_delete: Referential,
    /// When the key is updated that it refers to.
    pub on_update: Referential,
}

/// What has a write looked up among the rows that are there, so that what comes of it tells of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lookup {
    /// A unique index.
    Key,
    /// The index of an exclusion constraint.
    Exclusion,
    /// A check over more columns than may be written at once.
    Check,
}

/// Columns whose new values are held against rows that are there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Probe {
    /// By what.
    pub by: Lookup,
    /// The columns (`pg_attribute.attnum`).
    pub columns: Vec<i16>,
}

/// What a write to a relation runs beside itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Writes {
    /// Sorted.
    pub triggers: Vec<Trigger>,
    /// Foreign keys of other relations (or itself) that refer to it, those too that carry no write on; sorted.
    pub cascades: Vec<Cascade>,
    /// Functions that its defaults, checks, generated columns, indexes and partition key call, and the domains of its
    /// columns (`pg_proc.oid`): users' that are not in C, and of PostgreSQL's own those that do more than to compute.
    /// Sorted.
    pub functions: Vec<Oid>,
    /// Those of them that its indexes and statistics call, which are computed again when it is rewritten or maintained; of an
    /// index its own. Sorted.
    pub kept: Vec<Oid>,
    /// What it is held against. Sorted.
    pub probes: Vec<Probe>,
}

/// A cast of a user's that calls a function.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cast {
    /// The name of the type that it gives.
    pub name: String,
    /// `pg_cast.castfunc`.
    pub function: Oid,
}

/// Functions that expressions call without naming them: of users' those that are not in C, and of PostgreSQL's own
/// all that an operator or a cast of a user's calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calls {
    /// Operators of users' by their names: schema and function.
    pub operators: BTreeMap<String, Vec<(String, Oid)>>,
    /// Casts that are written. Sorted.
    pub casts: Vec<Cast>,
    /// Types of users' whose values functions check, domains and what they are within, by their names: schema and
    /// function.
    pub types: BTreeMap<String, Vec<(String, Oid)>>,
    /// The same by the types' OIDs (`pg_type.oid`).
    pub values: BTreeMap<Oid, Vec<Oid>>,
    /// What checks the arguments and the result of a function (`pg_proc.oid`), any user's, one that makes ranges too, and what
    /// the defaults of its arguments call.
    pub arguments: BTreeMap<Oid, Vec<Oid>>,
    /// Those that nothing in a text tells: casts that apply by themselves, and orders of values. Sorted.
    pub unseen: Vec<Oid>,
}
