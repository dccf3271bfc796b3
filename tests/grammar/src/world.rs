//! A catalog that knows every name that a text holds, so that names are no reason for not understanding it.
//!
//! Every relation has every column that the text names, and a child, so that what is read with its family can be told
//! from what is read alone. Functions and types are a user's, of which every use is an action: a function checks the values
//! of each type.

use std::collections::{BTreeMap, BTreeSet};

use policy::catalog::{Calls, Changes, TypeKind};
use policy::{Catalog, Column, Function, Oid, Relation, RelationKind, Volatility};
use sql::{SearchPath, Settings};

use crate::oracle::{Name, Reading};

/// Where an unqualified name is.
pub const PUBLIC: &str = "public";
/// The session's own.
pub const TEMP: &str = "pg_temp_3";
/// Behind the name of a relation: its child's.
pub const CHILD: &str = "~child";

/// The function that checks values.
const CHECKS: Oid = 899_999;

/// The catalog of one text.
pub struct World {
    /// What the reader is given.
    pub catalog: Catalog,
    columns: Vec<String>,
}

/// As a session has them that asked for nothing.
pub fn settings() -> Settings {
    Settings {
        standard_conforming_strings: true,
        utf8: true,
        search_path: SearchPath::Known {
            schemas: [TEMP, "pg_catalog", PUBLIC].map(str::to_owned).to_vec(),
            creation: Some(PUBLIC.to_owned()),
        },
        // Behind a SET of the path names stand for nothing: the grammar alone cannot tell what they would.
        reach: None,
        unsettled: false,
    }
}

/// The schema in which the world has what is called so.
pub fn schema(name: &Name) -> &str {
    match name.schema.as_deref() {
        None => PUBLIC,
        Some("pg_temp") => TEMP,
        Some(schema) => schema,
    }
}

/// The same for a relation: what is called as PostgreSQL's own are is one of them.
fn relation_schema(name: &Name) -> &str {
    match &name.schema {
        None if name.name.starts_with("pg_") => "pg_catalog",
        _ => schema(name),
    }
}

impl World {
    pub fn of(reading: &Reading) -> Self {
        let mut columns = BTreeSet::new();
        let mut schemas: BTreeSet<String> = [PUBLIC, TEMP, "pg_catalog"].map(str::to_owned).into();
        let (mut names, mut functions, mut types) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for statement in &reading.statements {
            let facts = &statement.facts;
            columns.extend(facts.columns.iter().filter(|name| !name.is_empty()).cloned());
            names.extend(
                facts.relations.keys().map(|name| (relation_schema(name).to_owned(), name.name.clone())),
            );
            functions.extend(facts.functions.keys().map(|name| (schema(name).to_owned(), name.name.clone())));
            let named = facts.types.keys().chain(&facts.named_types);
            types.extend(named.map(|name| (schema(name).to_owned(), name.name.clone())));
        }
        // A reference to a whole row is none to a column.
        for (_, name) in &names {
            columns.remove(name);
        }
        let columns: Vec<String> = columns.into_iter().take(1600).collect();
        for (schema, _) in names.iter().chain(&functions).chain(&types) {
            schemas.insert(schema.clone());
        }
        let mut relations = Vec::new();
        let mut oid: Oid = 20_000;
        let of_columns: Vec<Column> = columns
            .iter()
            .zip(1..)
            .map(|(name, attnum)| Column {
                attnum,
                name: name.clone(),
                type_oid: 25,
                generated: false,
                not_null: false,
            })
            .collect();
        for (schema, name) in &names {
            for (name, parents) in [(name.clone(), vec![]), (format!("{name}{CHILD}"), vec![oid])] {
                let of = if parents.is_empty() { oid } else { oid + 1 };
                relations.push(Relation {
                    columns: of_columns.clone(),
                    parents,
                    ..Relation::bare(of, schema.as_str(), name, RelationKind::Table)
                });
            }
            oid += 2;
        }
        let functions = functions.into_iter().zip(900_000..).map(|((schema, name), oid)| Function {
            oid,
            schema,
            name,
            volatility: Volatility::Volatile,
            security_definer: false,
            language: "plpgsql".to_owned(),
            procedure: false,
            body: policy::catalog::Body::Foreign,
            config: Vec::new(),
        });
        let types: Vec<_> = types.into_iter().filter(|name| name.0 != "pg_catalog").collect();
        let mut calls = Calls::default();
        for (schema, name) in &types {
            calls.types.entry(name.clone()).or_default().push((schema.clone(), CHECKS));
        }
        let checks = Function {
            oid: CHECKS,
            schema: "pg_catalog".to_owned(),
            name: "upper".to_owned(),
            volatility: Volatility::Immutable,
            security_definer: false,
            language: "internal".to_owned(),
            procedure: false,
            body: policy::catalog::Body::Foreign,
            config: Vec::new(),
        };
        let functions = functions.chain([checks]);
        // A relation's name is its row type's.
        let types = types.into_iter().filter(|name| !names.contains(name));
        let types: BTreeMap<(String, String), TypeKind> =
            types.map(|name| (name, TypeKind::Domain)).collect();
        let catalog = Catalog::new(1, schemas, relations, functions)
            .with_types(types.into_iter().map(|((schema, name), kind)| (schema, name, kind)))
            .changed(1, Changes { calls: Some(calls), ..Changes::default() });
        World { catalog, columns }
    }

    /// The schema in which a relation of that name is found: PostgreSQL's own come first.
    pub fn schema_of<'n>(&self, name: &'n Name) -> &'n str {
        let own = name.schema.is_none() && self.catalog.relation_named("pg_catalog", &name.name).is_some();
        if own { "pg_catalog" } else { relation_schema(name) }
    }

    /// The column of that number: every relation has the same.
    pub fn column(&self, attnum: i16) -> Option<&str> {
        let at = usize::try_from(attnum).ok()?.checked_sub(1)?;
        self.columns.get(at).map(String::as_str)
    }
}
