//! Which cells of a result to change, and how, in every type and format.
//!
//! [`MaskSet`] is what a principal's masks mean for one catalog, [`RowPlan`] what they mean for one result,
//! [`value`] what a masked cell looks like, and [`literal`] how a value is recorded that must not be read.
//! Nothing here decides who is masked, reads SQL, or knows of a session.
//!
//! What masking of results cannot see, and what the judgement of statements has to refuse: a statement that
//! copies a masked column into one that is not (`UPDATE … SET name = ssn`, `CREATE TABLE … AS`), and one that
//! tells a masked value by its condition, its order or its error.

#![forbid(unsafe_code)]

pub mod key;
pub mod literal;
pub mod plan;
pub mod set;
pub mod value;

pub use key::HashKey;
pub use literal::{digest, keyed_digest, redact_literals};
pub use plan::{Error, RowPlan};
pub use policy::MaskMethod;
pub use set::{MaskSet, Verdict};
