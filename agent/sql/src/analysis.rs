//! What is known of a statement once it has been read.

use std::ops::Range;

use policy::catalog::Provisional;
use policy::{Action, Catalog, Lineage, ObjectKind, Oid, Output, Verb};

use crate::{Reach, SearchPath};

/// A whole text, read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Analysis {
    /// In the order in which PostgreSQL would execute them.
    pub statements: Vec<Statement>,
    /// Where each of them stands in the text.
    pub places: Vec<Place>,
}

/// Where a statement stands in its text, and what in it is a literal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// Its bytes in the text, without the semicolon and the space and comments around it.
    pub range: Range<usize>,
    /// Every literal's bytes in the text (strings, numbers, bit strings), quotes included.
    pub constants: Vec<Range<usize>>,
    /// Literals that must never be recorded: passwords and whatever may hold one.
    pub secrets: Vec<Range<usize>>,
}

/// What one statement means, wherever it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// PostgreSQL's word for the kind, for people: `SELECT`, `CREATE TABLE`, …; empty where it is not known.
    pub tag: &'static str,
    /// What it does, without repetition, in the order in which it was found.
    pub actions: Vec<Action>,
    /// How many of them are done at once. The others are those of the code that it defines (a function, a rule), which
    /// may run whenever somebody calls it; they are judged like the first, for who may define may else do anything by
    /// other hands.
    pub at_once: usize,
    /// What its rows are made of. For PREPARE and DECLARE, which give back none: what the rows of the statement
    /// that they name are made of, for the EXECUTE or FETCH that comes.
    pub output: Output,
    /// What the values may carry that it stores or hands on other than as rows: written columns, a created table's
    /// contents, a file, the arguments of functions that are not harmless. A masked column in here leaves the
    /// reach of its mask.
    pub written: Lineage,
    /// What decides which rows there are, how many and in which order: WHERE, JOIN, GROUP BY, HAVING, ORDER BY, DISTINCT and
    /// their like. Who may choose the condition finds out by it what a mask does not show.
    pub steers: Lineage,
    /// Every relation that is named or implied, a view's bases too; sorted, without repetition.
    pub relations: Vec<Oid>,
    /// What the session must follow.
    pub effects: Effects,
    /// What it would take to understand more of it. The session can ask for these and read the text again.
    pub wants: Wants,
}

/// What was missing where a statement was not understood.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wants {
    /// An unqualified name (of a relation or a function) met [`crate::SearchPath::Unknown`].
    pub search_path: bool,
    /// A relation or function is not in the catalog: it may have been created since that was read.
    pub catalog: bool,
    /// It sets the search path, and [`crate::Settings::reach`] is not known.
    pub reach: bool,
}

impl Statement {
    /// A statement that could not be understood. It may have changed anything that a session follows.
    pub fn opaque(reason: impl Into<String>) -> Self {
        Statement {
            tag: "",
            actions: vec![Action::opaque(reason)],
            at_once: 1,
            output: Output::Unknown,
            written: Lineage::Unknown,
            steers: Lineage::Unknown,
            relations: Vec::new(),
            effects: Effects::anything(),
            wants: Wants::default(),
        }
    }
}

impl Statement {
    /// What is done when it is executed.
    pub fn done(&self) -> &[Action] {
        self.actions.get(..self.at_once).unwrap_or(&self.actions)
    }

    /// Whether an unqualified name behind it may be looked for in other schemas than before.
    pub fn moves_path(&self) -> bool {
        // The effective path holds only schemas that are there and may be used.
        let path = |a: &Action| {
            a.object.kind == ObjectKind::Schema || matches!(a.verb, Verb::Role | Verb::Grant | Verb::Revoke)
        };
        self.effects.search_path || self.effects.temp || self.done().iter().any(path)
    }

    /// Whether behind it the role may be another, or may use other schemas than before, those left aside that it makes.
    pub(crate) fn moves_reach(&self, path: &SearchPath, reach: Option<&Reach>) -> bool {
        let usable = |schema: &String| {
            reach.is_some_and(|reach| reach.schemas.contains(schema))
                || matches!(path, SearchPath::Known { schemas, .. } if schemas.contains(schema))
        };
        (self.effects.search_path && self.effects.sets_path.is_none())
            || self.done().iter().any(|action| match (action.verb, action.object.kind) {
                (Verb::Role, _) => self.tag != "CREATE ROLE",
                (Verb::Grant, ObjectKind::Schema) => !usable(&action.object.name),
                (Verb::Grant | Verb::Revoke, ObjectKind::Role) => true,
                (Verb::Create, ObjectKind::Schema) => false,
                (_, ObjectKind::Schema) => true,
                _ => false,
            })
    }

    /// Whether it makes a schema that is not there.
    pub(crate) fn makes_schema(&self, catalog: &Catalog) -> bool {
        let makes = |a: &Action| a.verb == Verb::Create && a.object.kind == ObjectKind::Schema;
        self.done().iter().any(|action| makes(action) && !catalog.has_schema(&action.object.name))
    }
}

/// What a statement changes beyond rows, as far as the session must follow it. "May have" counts as "has".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effects {
    /// The catalog may have changed.
    pub ddl: bool,
    /// `search_path`, or the role that `"$user"` in it stands for, may have changed.
    pub search_path: bool,
    /// The search path is set to these, and nothing else that it depends on has changed.
    pub sets_path: Option<SetPath>,
    /// A setting that strings are read by may have changed (`standard_conforming_strings`,
    /// `client_encoding`, `backslash_quote`, …).
    pub string_syntax: bool,
    /// It opens, closes or marks a transaction.
    pub transaction: Option<TransactionEffect>,
    /// PREPARE of this name.
    pub prepares: Option<String>,
    /// EXECUTE of this name: the actions of what was prepared are to be judged as well.
    pub executes: Option<String>,
    /// DEALLOCATE of this name, or of all where it is `None`.
    pub deallocates: Option<Option<String>>,
    /// DECLARE of a cursor of this name.
    pub declares: Option<String>,
    /// That cursor outlives its transaction.
    pub holds: bool,
    /// FETCH or MOVE from the cursor of this name.
    pub fetches: Option<String>,
    /// COPY between client and server.
    pub copy: Option<CopyDirection>,
    /// It creates a temporary relation.
    pub temp: bool,
    /// Names of relations may stand for others afterwards, and it cannot be told which.
    pub renames: bool,
    /// Code may hang on relations afterwards, and change settings when one is read or written.
    pub hangs_code: bool,
    /// Code may have closed cursors of the session, and opened others in their names.
    pub reopens: bool,
    /// What is known of what it does to names, beside the relations that its actions create. "May have" counts as "has" here
    /// too.
    pub names: Vec<Provisional>,
}

/// SET of the search path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetPath {
    /// The names that are written; `$user` stands for the role.
    pub list: Vec<String>,
    /// Until the end of the transaction.
    pub local: bool,
}

impl Effects {
    /// Of a statement that was not understood: every setting and the catalog may have changed.
    pub fn anything() -> Self {
        let (ddl, search_path, string_syntax, hangs_code, reopens) = (true, true, true, true, true);
        Effects { ddl, search_path, string_syntax, hangs_code, reopens, ..Effects::default() }
    }

    /// Whether names of the session's prepared statements and cursors are changed or used.
    pub fn changes_names(&self) -> bool {
        self.prepares.is_some()
            || self.declares.is_some()
            || self.deallocates.is_some()
            || self.executes.is_some()
            || self.fetches.is_some()
    }
}

impl TransactionEffect {
    /// Whether it may put settings and relations back to what they were, or take what only the transaction had.
    pub fn takes_back(&self) -> bool {
        match self {
            TransactionEffect::Commit { .. }
            | TransactionEffect::Rollback { .. }
            | TransactionEffect::RollbackTo(_)
            | TransactionEffect::Prepare => true,
            TransactionEffect::Begin
            | TransactionEffect::Savepoint(_)
            | TransactionEffect::Release(_)
            | TransactionEffect::Prepared => false,
        }
    }
}

/// What a statement does to the session's transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransactionEffect {
    /// BEGIN, START TRANSACTION.
    Begin,
    /// COMMIT, END; `chain` opens the next one at once.
    Commit {
        /// AND CHAIN.
        chain: bool,
    },
    /// ROLLBACK, ABORT; `chain` opens the next one at once.
    Rollback {
        /// AND CHAIN.
        chain: bool,
    },
    /// SAVEPOINT of this name.
    Savepoint(String),
    /// RELEASE SAVEPOINT of this name.
    Release(String),
    /// ROLLBACK TO SAVEPOINT of this name.
    RollbackTo(String),
    /// PREPARE TRANSACTION: the transaction leaves the session.
    Prepare,
    /// COMMIT PREPARED, ROLLBACK PREPARED: another transaction ends.
    Prepared,
}

/// The direction of a COPY between client and server, as the server sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyDirection {
    /// COPY … FROM STDIN.
    In,
    /// COPY … TO STDOUT.
    Out,
}
