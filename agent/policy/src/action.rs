//! What a statement does, in PostgreSQL's words.

use std::fmt;

use crate::Oid;

mod detail;

pub use detail::{Detail, Renaming, Undefined};

/// What is done. Each verb's name in documents is its kebab-case form, as [`Verb::name`] gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    /// Rows of a relation are read: FROM, TABLE, COPY … TO's source, a subquery, `FOR UPDATE`'s target as well. Also of the
    /// target of INSERT, UPDATE, DELETE and MERGE, as PostgreSQL asks for the privilege: where a column of it is read
    /// (WHERE, the values of SET, ON CONFLICT, RETURNING), and always of MERGE's.
    Select,
    /// Rows are chosen, joined, grouped or put in order by columns that are masked for the subject (WHERE, JOIN, GROUP BY,
    /// HAVING, ORDER BY, DISTINCT, set operations, windows), something is computed of one that may fail, choose or come to
    /// NULL, or a value is written that is held against one (ON CONFLICT, exclusion constraints, checks): what the mask hides can
    /// be found out so. `*` does not include it.
    Predicate,
    /// INSERT, MERGE's insert, COPY … FROM's target.
    Insert,
    /// UPDATE with a condition that is not trivially true (which is a `select` too); also ON CONFLICT DO UPDATE and MERGE's update.
    Update,
    /// UPDATE of every row: no WHERE, or one that is trivially true.
    UpdateAll,
    /// DELETE with a condition that is not trivially true (which is a `select` too); also MERGE's delete.
    Delete,
    /// DELETE of every row.
    DeleteAll,
    /// TRUNCATE.
    Truncate,
    /// LOCK TABLE but in ACCESS SHARE MODE, and a locking clause (`FOR UPDATE`, `FOR SHARE`, …).
    Lock,
    /// COPY … FROM STDIN.
    CopyIn,
    /// COPY … TO STDOUT.
    CopyOut,
    /// COPY from or to a file of the server.
    CopyServer,
    /// COPY from or to a program, which the server runs: a shell on its machine, whatever relation it is for.
    CopyProgram,
    /// REFERENCES of a foreign key: rows of the relation are looked up, and may not go while they are referred to.
    References,
    /// CREATE of any kind of object; SELECT INTO and CREATE TABLE AS create too.
    Create,
    /// ALTER of any kind of object, COMMENT, SECURITY LABEL, and what reads as an alteration.
    Alter,
    /// DROP of any kind of object.
    Drop,
    /// VACUUM, ANALYZE, CLUSTER, REINDEX, REFRESH MATERIALIZED VIEW, CHECKPOINT.
    Maintain,
    /// GRANT, and ALTER DEFAULT PRIVILEGES … GRANT.
    Grant,
    /// REVOKE, and ALTER DEFAULT PRIVILEGES … REVOKE.
    Revoke,
    /// CREATE, ALTER, DROP ROLE / USER / GROUP, REASSIGN OWNED, DROP OWNED.
    Role,
    /// SET ROLE, SET SESSION AUTHORIZATION and their RESET.
    SetRole,
    /// SET, RESET, `set_config`, DISCARD: settings of the session.
    Set,
    /// SHOW.
    Show,
    /// BEGIN, COMMIT, ROLLBACK, SAVEPOINT, RELEASE, SET TRANSACTION, SET CONSTRAINTS, two-phase commit.
    Transaction,
    /// PREPARE, DEALLOCATE (what EXECUTE runs is judged as the prepared statement).
    Prepare,
    /// FETCH, MOVE, CLOSE (DECLARE is judged as its query).
    Cursor,
    /// LISTEN, NOTIFY, UNLISTEN.
    Notify,
    /// CALL of a procedure.
    Call,
    /// A function call that is not on the list of harmless built-ins; operators and casts that call one too.
    Function,
    /// DO: a block of a procedural language.
    Do,
    /// EXPLAIN without ANALYZE (what it explains is judged too).
    Explain,
    /// ALTER SYSTEM, LOAD, and what changes the server itself.
    System,
    /// A replication connection, and each of its commands: it gives everything, as it is written. `*` does not include it.
    Replicate,
    /// What could not be understood in full. `*` does not include it.
    Opaque,
}

impl Verb {
    /// Every verb, in the order of their declaration.
    pub const ALL: [Verb; 35] = [
        Verb::Select,
        Verb::Predicate,
        Verb::Insert,
        Verb::Update,
        Verb::UpdateAll,
        Verb::Delete,
        Verb::DeleteAll,
        Verb::Truncate,
        Verb::Lock,
        Verb::CopyIn,
        Verb::CopyOut,
        Verb::CopyServer,
        Verb::CopyProgram,
        Verb::References,
        Verb::Create,
        Verb::Alter,
        Verb::Drop,
        Verb::Maintain,
        Verb::Grant,
        Verb::Revoke,
        Verb::Role,
        Verb::SetRole,
        Verb::Set,
        Verb::Show,
        Verb::Transaction,
        Verb::Prepare,
        Verb::Cursor,
        Verb::Notify,
        Verb::Call,
        Verb::Function,
        Verb::Do,
        Verb::Explain,
        Verb::System,
        Verb::Replicate,
        Verb::Opaque,
    ];

    /// Whether nothing but its own name allows it, and no name where anything is masked or denied: it may be, or give,
    /// anything.
    pub const fn is_anything(self) -> bool {
        matches!(self, Verb::Replicate | Verb::Opaque)
    }

    /// Whether it is ever done to an object of that kind.
    pub(crate) const fn may_be_done_to(self, kind: ObjectKind) -> bool {
        match self {
            Verb::Select
            | Verb::Predicate
            | Verb::Insert
            | Verb::Update
            | Verb::UpdateAll
            | Verb::Delete
            | Verb::DeleteAll
            | Verb::Truncate
            | Verb::Lock
            | Verb::References => matches!(kind, ObjectKind::Relation),
            Verb::Call | Verb::Function => matches!(kind, ObjectKind::Function),
            Verb::SetRole => matches!(kind, ObjectKind::Role),
            Verb::Set | Verb::Show => matches!(kind, ObjectKind::Setting),
            Verb::CopyIn
            | Verb::CopyOut
            | Verb::CopyServer
            | Verb::Create
            | Verb::Alter
            | Verb::Drop
            | Verb::Maintain
            | Verb::Grant
            | Verb::Revoke
            | Verb::Role
            | Verb::System => true,
            Verb::CopyProgram
            | Verb::Transaction
            | Verb::Prepare
            | Verb::Cursor
            | Verb::Notify
            | Verb::Do
            | Verb::Explain
            | Verb::Replicate
            | Verb::Opaque => matches!(kind, ObjectKind::Other),
        }
    }

    /// Whether `*` leaves it out.
    pub const fn must_be_named(self) -> bool {
        self.is_anything() || matches!(self, Verb::Predicate)
    }

    /// The verb's name in documents and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Verb::Select => "select",
            Verb::Predicate => "predicate",
            Verb::Insert => "insert",
            Verb::Update => "update",
            Verb::UpdateAll => "update-all",
            Verb::Delete => "delete",
            Verb::DeleteAll => "delete-all",
            Verb::Truncate => "truncate",
            Verb::Lock => "lock",
            Verb::CopyIn => "copy-in",
            Verb::CopyOut => "copy-out",
            Verb::CopyServer => "copy-server",
            Verb::CopyProgram => "copy-program",
            Verb::References => "references",
            Verb::Create => "create",
            Verb::Alter => "alter",
            Verb::Drop => "drop",
            Verb::Maintain => "maintain",
            Verb::Grant => "grant",
            Verb::Revoke => "revoke",
            Verb::Role => "role",
            Verb::SetRole => "set-role",
            Verb::Set => "set",
            Verb::Show => "show",
            Verb::Transaction => "transaction",
            Verb::Prepare => "prepare",
            Verb::Cursor => "cursor",
            Verb::Notify => "notify",
            Verb::Call => "call",
            Verb::Function => "function",
            Verb::Do => "do",
            Verb::Explain => "explain",
            Verb::System => "system",
            Verb::Replicate => "replicate",
            Verb::Opaque => "opaque",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The kinds of objects that an action may be done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ObjectKind {
    /// Table, partition, view, materialised view, foreign table, sequence: whatever `pg_class` names.
    Relation,
    /// Function, procedure, aggregate.
    Function,
    /// Schema.
    Schema,
    /// Role.
    Role,
    /// Configuration parameter.
    Setting,
    /// Any other kind (type, extension, publication, …), or none.
    Other,
}

/// The kind of what a class of objects names, where that is always the same.
pub(crate) fn kind_of_class(class: &str) -> Option<ObjectKind> {
    match class {
        "table" | "view" | "materialized view" | "foreign table" | "sequence" | "index" => {
            Some(ObjectKind::Relation)
        }
        "function" | "procedure" | "aggregate" => Some(ObjectKind::Function),
        "schema" => Some(ObjectKind::Schema),
        "role" => Some(ObjectKind::Role),
        _ => None,
    }
}

/// What an action is done to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Object {
    /// The kind that rules select by.
    pub kind: ObjectKind,
    /// PostgreSQL's own word for the kind in lower case (`table`, `index`, `view`, `extension`, …);
    /// empty where the verb says all.
    pub class: &'static str,
    /// The schema that it was resolved to; `None` for kinds without one.
    pub schema: Option<String>,
    /// The name, folded and truncated as PostgreSQL does; empty where there is none. For [`Verb::Opaque`] it
    /// is what could not be understood.
    pub name: String,
    /// `pg_class.oid` or `pg_proc.oid` where the catalog knows it.
    pub oid: Option<Oid>,
}

/// The classes that rules may name after a verb (`drop table`): PostgreSQL's words for the kinds of objects,
/// as its commands have them. `user` and `group` are roles, `routine` is a function.
pub const CLASSES: [&str; 43] = [
    "access method",
    "aggregate",
    "cast",
    "collation",
    "conversion",
    "constraint",
    "column",
    "database",
    "default privileges",
    "domain",
    "event trigger",
    "extension",
    "foreign data wrapper",
    "foreign table",
    "function",
    "index",
    "language",
    "large object",
    "materialized view",
    "operator",
    "operator class",
    "operator family",
    "policy",
    "procedure",
    "publication",
    "role",
    "rule",
    "schema",
    "sequence",
    "server",
    "statistics",
    "subscription",
    "table",
    "tablespace",
    "text search configuration",
    "text search dictionary",
    "text search parser",
    "text search template",
    "transform",
    "trigger",
    "type",
    "user mapping",
    "view",
];

/// The name for all settings, as SHOW ALL has it, or for one that is not known: what keeps any from being shown is about it.
pub const ALL_SETTINGS: &str = "all";

/// Classes of objects that no rule names.
const OTHER_CLASSES: [&str; 2] = ["channel", "library"];

/// The class of that name.
pub fn known_class(name: &str) -> Option<&'static str> {
    CLASSES.iter().chain(&OTHER_CLASSES).copied().find(|class| *class == name)
}

impl Object {
    /// No object: the verb says it all.
    pub const fn none() -> Self {
        Object { kind: ObjectKind::Other, class: "", schema: None, name: String::new(), oid: None }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.class.is_empty() {
            f.write_str(self.class)?;
            if !self.name.is_empty() {
                f.write_str(" ")?;
            }
        }
        self.write_name(f)
    }
}

impl Object {
    /// The name without the class.
    fn write_name(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{schema}.")?;
        }
        f.write_str(&self.name)
    }
}

/// One thing that a statement does.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Action {
    /// What is done.
    pub verb: Verb,
    /// To what.
    pub object: Object,
    /// True where it was not asked for but comes along: by inheritance or partitioning, by CASCADE, by what hangs on a
    /// relation that is written, or by the body of a function that is called. Rules that deny or hold apply to it; it
    /// needs no rule of its own that allows it.
    pub implied: bool,
    /// More about it, for rules with conditions.
    pub detail: Detail,
}

impl Action {
    /// An action on no object.
    pub const fn bare(verb: Verb) -> Self {
        Action { verb, object: Object::none(), implied: false, detail: Detail::NONE }
    }

    /// The action of a statement that could not be understood, with what was not (never the text itself).
    pub fn opaque(reason: impl Into<String>) -> Self {
        Action {
            verb: Verb::Opaque,
            object: Object {
                kind: ObjectKind::Other,
                class: "",
                schema: None,
                name: reason.into(),
                oid: None,
            },
            implied: false,
            detail: Detail::NONE,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.verb.fmt(f)?;
        if !self.object.class.is_empty() || !self.object.name.is_empty() {
            if self.verb == Verb::Opaque {
                write!(f, " ({})", self.object.name)?;
            } else if self.object.class == self.verb.name() {
                f.write_str(" ")?;
                self.object.write_name(f)?;
            } else {
                write!(f, " {}", self.object)?;
            }
        }
        // Which columns it is about says why it is told at all.
        match &self.detail.columns {
            Some(columns) if self.verb == Verb::Predicate => write!(f, " ({})", columns.join(", ")),
            _ => Ok(()),
        }
    }
}
