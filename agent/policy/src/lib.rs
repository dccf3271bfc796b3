//! The vocabulary of judgement, the policy documents, and the one place that can permit a statement.
//!
//! This crate knows PostgreSQL's words (relations, columns, roles, actions) and ours (principal, resource,
//! rule, decision). It does no I/O and reads no clock: documents come in as text, decisions go out as values.
//!
//! # How a statement is judged
//!
//! Every action of a statement is judged alone. All rules are considered whose who, except, resources and
//! databases match the subject and whose actions and objects match the action; the most severe decision wins
//! (deny over hold over allow), and among equals the first in document order, the base's first, is the one that is
//! named. An
//! action that no rule matches is denied, by the rule named `default`. An action that is only implied (kin by
//! inheritance of a relation that was named) is looked at by rules that deny or hold alone; if none matches it
//! is allowed. An opaque action matches only rules that name `opaque`; what such a rule decides is raised to a
//! denial where any rule denies anything to that subject or masks any column for it, and to a hold where any
//! rule holds anything: what is not understood may be just that. To a subject with masks, what would carry a
//! masked value past its mask is denied whichever rule allows or holds it: a COPY out of the server; an insert or
//! a creation in a statement that reads a relation with a masked column; an update or an alteration in such a
//! statement or of such a relation. A mask holds for every subject that its rule's who, except, resources and
//! databases match, whichever rule decided. What is not known of a principal (its executable, after it has gone)
//! or of an object (its schema) matches rules that deny, hold or mask, and does not match rules that allow. The
//! statement takes the most severe decision of its actions; without actions it is allowed.
//!
//! # Layers
//!
//! A document is the base's (`layer: base`) or a team's. Each layer decides for itself and the more severe decision
//! counts; a layer without a rule about an action leaves it to the other. So what the base denies, holds or masks no
//! team's file makes milder, what the base allows a team may restrict, and where the base is silent teams decide.
//!
//! # Observing
//!
//! A rule in `mode: observe` does not decide: the action is decided as if the rule were not there, and where that comes
//! out otherwise, the finding says what would have been ([`Finding::would`]). On a resource in that mode nothing is
//! refused or held. A secret is never shown: masks hold in any mode, and so does the refusal of what would carry a
//! masked value past its mask.

#![forbid(unsafe_code)]

pub mod action;
pub mod cases;
pub mod catalog;
pub mod decision;
pub mod document;
pub mod judge;
pub mod judgement;
pub mod lineage;
pub mod mask;
pub mod pattern;
pub mod permit;
pub mod principal;
pub mod remarks;
pub mod resource;
pub mod rule;
mod who;
mod window;

pub use action::{
    ALL_SETTINGS, Action, CLASSES, Detail, Object, ObjectKind, Renaming, Undefined, Verb, known_class,
};
pub use cases::{Case, CaseFile, Masked, Mismatch};
pub use catalog::{
    Catalog, Changes, Column, Function, Provisional, Relation, RelationKind, TypeKind, Volatility,
};
pub use decision::Decision;
pub use document::{Document, DocumentError, schema};
pub use judge::{Considered, Policy, SubjectPolicy};
pub use judgement::{Cause, Finding, Judgement};
pub use lineage::{ColumnRef, Lineage, Output};
pub use mask::{MaskMethod, Masks};
pub use pattern::ColumnPattern;
pub use permit::{Answer, Binding, Grant, Pending, Permit, Verdict, VerdictError};
pub use principal::{Ancestor, Principal, Subject};
pub use remarks::Remark;
pub use resource::{Address, Host, Resource};
pub use rule::{Layer, Place, Rule};
pub use window::{Moment, TimeError};

/// A PostgreSQL object identifier.
pub type Oid = u32;

/// Objects below are PostgreSQL's own, as initdb makes them (`src/include/access/transam.h`).
pub const FIRST_NORMAL_OBJECT_ID: Oid = 16_384;
