//! The database that statements are about.

use std::sync::{Arc, OnceLock};

use policy::catalog::Body;
use policy::{Catalog, Column, Function, Oid, Relation, RelationKind, Volatility};

const TABLES: [(&str, &str, Oid, &[&str]); 3] = [
    ("public", "customers", 20_001, &["id", "ssn", "name"]),
    ("public", "orders", 20_002, &["id", "note"]),
    ("vault", "orders", 20_003, &["id", "note"]),
];

/// Three tables and a function.
pub fn catalog() -> Arc<Catalog> {
    static CATALOG: OnceLock<Arc<Catalog>> = OnceLock::new();
    Arc::clone(CATALOG.get_or_init(|| {
        let relations = TABLES.map(|(schema, name, oid, columns)| Relation {
            columns: columns
                .iter()
                .zip(1..)
                .map(|(name, attnum)| Column {
                    attnum,
                    name: (*name).to_owned(),
                    type_oid: 25,
                    generated: false,
                    not_null: *name == "id",
                })
                .collect(),
            ..Relation::bare(oid, schema, name, RelationKind::Table)
        });
        let function = Function {
            oid: 21_000,
            schema: "public".to_owned(),
            name: "settle".to_owned(),
            volatility: Volatility::Volatile,
            security_definer: false,
            language: "sql".to_owned(),
            procedure: false,
            body: Body::Foreign,
            config: Vec::new(),
        };
        let schemas = ["pg_catalog", "public", "vault"].map(str::to_owned);
        Arc::new(Catalog::new(1, schemas, relations, [function]))
    }))
}
