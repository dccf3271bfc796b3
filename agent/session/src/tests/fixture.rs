//! The shop that all tests are about: its catalog, and policies by name.

use std::sync::Arc;

use policy::{
    Catalog, Column, Document, Function, Oid, Policy, Principal, Relation, RelationKind, Subject,
    SubjectPolicy, Volatility,
};

pub(crate) const TEXT: Oid = 25;

/// Everything may be done, what is not understood too.
pub(crate) const ALL: &str = r#"
  - { name: all, actions: ["*", opaque], decision: allow }
"#;

/// The same but for deletions, which are held, and what is dropped, which is denied.
pub(crate) const GUARDED: &str = r#"
  - { name: all, actions: ["*"], decision: allow }
  - { name: hold-deletes, actions: [delete, delete-all], decision: hold }
  - { name: no-drops, actions: [drop], decision: deny }
"#;

/// Everything that is understood, but customers' ssn is masked.
pub(crate) const MASKED: &str = r#"
  - { name: all, actions: ["*", predicate], decision: allow }
  - { name: hold-deletes, actions: [delete, delete-all], decision: hold }
  - { name: mask-ssn, mask: public.customers.ssn }
"#;

pub(crate) fn policy(rules: &str) -> Arc<SubjectPolicy> {
    let text = format!("version: 1\nrules:\n{rules}");
    let policy = Arc::new(Policy::parse(&[Document { name: "test", text: &text }]).unwrap());
    let principal = Principal::plain();
    Arc::new(policy.for_subject(&Subject { principal: &principal, resource: "shop", database: "shop" }))
}

/// Schema, name, OID and columns of every table.
pub(crate) const TABLES: [(&str, &str, Oid, &[&str]); 4] = [
    ("public", "customers", 20_001, &["id", "ssn", "name"]),
    ("public", "orders", 20_002, &["id", "note"]),
    ("vault", "orders", 20_003, &["id", "note"]),
    ("public", "notes", 20_004, &["id", "note"]),
];

pub(crate) fn relation(oid: Oid, schema: &str, name: &str, columns: &[&str]) -> Relation {
    let columns = columns.iter().zip(1..);
    Relation {
        columns: columns
            .map(|(name, attnum)| Column {
                attnum,
                name: (*name).to_owned(),
                type_oid: TEXT,
                generated: false,
                not_null: false,
            })
            .collect(),
        ..Relation::bare(oid, schema, name, RelationKind::Table)
    }
}

pub(crate) fn settle() -> Function {
    Function {
        oid: 21_000,
        schema: "public".to_owned(),
        name: "settle".to_owned(),
        volatility: Volatility::Volatile,
        security_definer: false,
        language: "sql".to_owned(),
        procedure: false,
        body: policy::catalog::Body::Foreign,
        config: Vec::new(),
    }
}

pub(crate) fn catalog(generation: u64) -> Arc<Catalog> {
    let relations = TABLES.map(|(schema, name, oid, columns)| relation(oid, schema, name, columns));
    let schemas = ["pg_catalog", "public", "vault"].map(str::to_owned);
    Arc::new(Catalog::new(generation, schemas, relations, [settle()]))
}
