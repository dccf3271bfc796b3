//! Cases: what a policy is expected to decide, written beside it.
//!
//! A cases file has a small schema, principals by name, and statements with the decision and the rule that
//! they shall meet. Reading a statement is `sql`'s; so whoever runs the cases brings the two together, and this
//! module only says whether what came out is what was expected.
//!
//! ```yaml
//! version: 1
//! resource: shop                       # where all cases run, unless they say otherwise
//! database: shop
//! search_path: [public]                # the schemas after pg_catalog; `public` if left out
//! schema:
//!   public.customers: [id, name, ssn]  # a table and its columns
//!   public.names: { view: [id, name], of: [public.customers.id, public.customers.name] }
//!   public.customers_2026: { table: [id, name, ssn], parents: [public.customers] }
//! functions: [public.charge]
//! procedures: [public.settle]
//! types: { public.mood: enum }
//! principals:
//!   reporter: { user: reporter, uid: 1001 }
//! cases:
//!   - name: a reporter reads, and sees no ssn
//!     who: reporter                    # a principal's name, or its fields in place
//!     at: 2026-03-02T09:30:00Z         # when, for rules with a time; Monday, 2026-03-02, at noon UTC if absent
//!     statements: ["SELECT name, ssn FROM customers", "TABLE names"]
//!     expect: allow
//!     rule: reporter-reads
//!     masked: [2]                      # the result columns that come out masked, from 1, or `every`; not looked at if absent
//! ```

mod read;
mod schema;

use std::collections::BTreeSet;
use std::fmt;

use crate::catalog::Catalog;
use crate::decision::Decision;
use crate::document::{Document, DocumentError};
use crate::judgement::Judgement;
use crate::principal::{Principal, Subject};
use crate::rule::Place;
use crate::window::Moment;

/// A cases file, read.
#[derive(Debug, Clone)]
pub struct CaseFile {
    /// The schema, as a catalog.
    pub catalog: Catalog,
    /// The session's effective schemas, `pg_catalog` first.
    pub search_path: Vec<String>,
    /// In the file's order; one for each statement.
    pub cases: Vec<Case>,
}

impl CaseFile {
    /// Reads a cases file.
    ///
    /// # Errors
    /// Everything that is wrong with it, in its order.
    pub fn parse(document: &Document<'_>) -> Result<CaseFile, Vec<DocumentError>> {
        read::file(document, read::Asked::ForCases)
    }

    /// Reads a file for its schema alone: it may have no cases yet.
    ///
    /// # Errors
    /// Everything that is wrong with it, in its order.
    pub fn parse_schema(document: &Document<'_>) -> Result<CaseFile, Vec<DocumentError>> {
        read::file(document, read::Asked::ForSchema)
    }
}

/// The result columns that come out masked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Masked {
    /// These, by their position from 1.
    Columns(BTreeSet<usize>),
    /// All of them, however many: what they carry could not be told.
    Every,
}

impl fmt::Display for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Masked::Every => f.write_str("every column masked"),
            Masked::Columns(columns) if columns.is_empty() => f.write_str("no column masked"),
            Masked::Columns(columns) => {
                let columns: Vec<String> = columns.iter().map(usize::to_string).collect();
                write!(f, "masked: {}", columns.join(", "))
            }
        }
    }
}

/// One statement, and what is to become of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// A sentence.
    pub name: String,
    /// Where the statement stands.
    pub place: Place,
    /// Who sends it.
    pub principal: Principal,
    /// Where to.
    pub resource: String,
    /// To which database.
    pub database: String,
    /// When.
    pub at: Moment,
    /// One Query's text.
    pub statement: String,
    /// The expected decision.
    pub expect: Decision,
    /// The rule that is expected to decide.
    pub rule: String,
    /// The result columns that are expected to come out masked; `None` where it is not looked at.
    pub masked: Option<Masked>,
}

impl Case {
    /// Who asks, and where.
    pub fn subject(&self) -> Subject<'_> {
        Subject { principal: &self.principal, resource: &self.resource, database: &self.database }
    }

    /// Holds what came out against what was expected. `masked` are the result columns that came out masked.
    ///
    /// # Errors
    /// What came out instead.
    pub fn check(&self, judgement: &Judgement, masked: &Masked) -> Result<(), Box<Mismatch>> {
        let differs = judgement.decision() != self.expect
            || judgement.rule() != self.rule
            || self.masked.as_ref().is_some_and(|expected| expected != masked);
        if !differs {
            return Ok(());
        }
        Err(Box::new(Mismatch {
            place: self.place.clone(),
            name: self.name.clone(),
            statement: self.statement.clone(),
            expected: Outcome { decision: self.expect, rule: self.rule.clone(), masked: self.masked.clone() },
            got: Outcome {
                decision: judgement.decision(),
                rule: judgement.rule().to_owned(),
                masked: self.masked.as_ref().map(|_| masked.clone()),
            },
            because: judgement.message(),
        }))
    }
}

/// A case that came out otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    place: Place,
    name: String,
    statement: String,
    expected: Outcome,
    got: Outcome,
    because: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Outcome {
    decision: Decision,
    rule: String,
    masked: Option<Masked>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by rule \"{}\"", self.decision, self.rule)?;
        match &self.masked {
            None => Ok(()),
            Some(masked) => write!(f, ", {masked}"),
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.place, self.name)?;
        writeln!(f, "    statement: {}", self.statement)?;
        writeln!(f, "    expected:  {}", self.expected)?;
        writeln!(f, "    got:       {}", self.got)?;
        write!(f, "    because:   {}", self.because)
    }
}

impl std::error::Error for Mismatch {}

#[cfg(test)]
mod tests;
