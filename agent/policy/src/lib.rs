//! The vocabulary of judgement, the policy documents, and the one place that can permit a statement.
//!
//! This crate knows PostgreSQL's words (relations, columns, roles, actions) and ours (principal, resource,
//! rule, decision). It does no I/O and reads no clock: documents come in as text, decisions go out as values.

#![forbid(unsafe_code)]

pub mod action;
pub mod catalog;
pub mod lineage;
pub mod principal;

pub use action::{Action, Object, ObjectKind, Verb};
pub use catalog::{Catalog, Column, Function, Relation, RelationKind, Volatility};
pub use lineage::{ColumnRef, Lineage, Output};
pub use principal::Principal;

/// A PostgreSQL object identifier.
pub type Oid = u32;
