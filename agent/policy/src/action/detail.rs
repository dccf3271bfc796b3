//! What is known of an action beside what it is done to.

use std::fmt;

/// What is known of an action beside what it is done to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Detail {
    /// Names of the relation's columns that are read (select), written (insert, update), sorted and without repetition;
    /// `None` where they could not be told: any of them.
    pub columns: Option<Vec<String>>,
    /// Whether rows are chosen by a condition that is not trivially true; `None` where the verb has none or it could not
    /// be told.
    pub condition: Option<bool>,
    /// The most rows that the statement can touch or give, by a literal LIMIT or FETCH FIRST; `None` where there is none
    /// or it could not be told.
    pub limit: Option<u64>,
    /// Roles that gain or lose by it (GRANT, REVOKE, OWNER TO), folded; sorted.
    pub roles: Vec<String>,
    /// What it, or a column of it, is called behind it (RENAME, SET SCHEMA).
    pub renamings: Vec<Renaming>,
    /// Where in the text what was not understood stands, in characters from 1, as PostgreSQL's errors count; of
    /// [`Verb::Opaque`](super::Verb::Opaque) alone.
    pub position: Option<u32>,
    /// What is named that is certainly not there; of [`Verb::Opaque`](super::Verb::Opaque) alone.
    pub undefined: Option<Undefined>,
}

/// What a name stands for that the database does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Undefined {
    /// A table, view, sequence, index or composite type.
    Relation,
    /// A function, whatever its arguments.
    Function,
    /// A type or domain.
    Type,
}

impl Undefined {
    /// PostgreSQL's SQLSTATE where such a name is looked up in vain (appendix A, class 42).
    pub const fn sqlstate(self) -> &'static str {
        match self {
            Undefined::Relation => "42P01",
            Undefined::Function => "42883",
            Undefined::Type => "42704",
        }
    }
}

impl fmt::Display for Undefined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Undefined::Relation => "relation",
            Undefined::Function => "function",
            Undefined::Type => "type",
        })
    }
}

impl Detail {
    /// Nothing is known.
    pub const NONE: Detail = Detail {
        columns: None,
        condition: None,
        limit: None,
        roles: Vec::new(),
        renamings: Vec::new(),
        position: None,
        undefined: None,
    };
}

/// Another name of what is altered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Renaming {
    /// Of the object itself; the schema as far as it is known, and of kinds that have one.
    To {
        /// The schema that it is in then.
        schema: Option<String>,
        /// What it is called there.
        name: String,
    },
    /// Of a column of it.
    Column {
        /// What it was called.
        from: String,
        /// What it is called then.
        to: String,
    },
}

impl fmt::Display for Renaming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Renaming::To { schema: Some(schema), name } => write!(f, "becomes {schema}.{name}"),
            Renaming::To { schema: None, name } => write!(f, "becomes {name}"),
            Renaming::Column { from, to } => write!(f, "column {from} becomes {to}"),
        }
    }
}
