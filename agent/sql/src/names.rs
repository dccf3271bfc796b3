//! What a name means: relations, functions and types through `search_path` and the catalog (5.9.3, 10).
//!
//! It never guesses: with an unknown path a name counts only if no other schema has it too.

mod builtin;
mod extensions;
mod types;

pub(crate) use builtin::{Builtin, builtin, is_aggregate, is_builtin_operator, is_builtin_type};
pub(crate) use extensions::extension;
pub(crate) use types::TypeFound;

use policy::{Catalog, Function, Relation};

use std::sync::Arc;

use crate::before::Before;
use crate::inside::Inside;
use crate::name::{Name, is_same, is_temp};
use crate::values::Values;
use crate::{Reach, SearchPath};

/// Looks names up for one session.
pub(crate) struct Names<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) path: &'a SearchPath,
    /// What earlier statements of the same text have made uncertain.
    pub(crate) before: &'a Before<'a>,
    /// `standard_conforming_strings` is on, for certain.
    pub(crate) conforming: bool,
    /// What the session's role reaches, if that is known.
    pub(crate) reach: Option<&'a Arc<Reach>>,
    /// Values of the code that a statement stands in.
    pub(crate) values: &'a Values,
    pub(crate) inside: Inside,
}

const PG_CATALOG: &str = "pg_catalog";

impl<'a> Names<'a> {
    /// The schema that a written schema stands for: `pg_temp` is the session's own.
    fn schema<'s>(&'s self, written: &'s str) -> Option<&'s str> {
        if written != "pg_temp" {
            return Some(written);
        }
        match self.path {
            SearchPath::Known { schemas: path, .. } => path.iter().map(String::as_str).find(|s| is_temp(s)),
            SearchPath::Unknown => None,
        }
    }

    /// The relation of that name, if the catalog has it and it is certain which.
    pub(crate) fn relation(&self, name: &Name) -> Option<&'a Relation> {
        match self.relations(name).as_slice() {
            [relation] if self.is_settled(relation) => Some(relation),
            _ => None,
        }
    }

    /// All that a name may stand for: more than one only where what is not committed has made, moved or dropped some of them.
    /// None where it cannot be told.
    pub(crate) fn relations(&self, name: &Name) -> Vec<&'a Relation> {
        self.along(self.path, name).unwrap_or_default()
    }

    /// Every relation that a name in a body may mean, without a guess; an error where it cannot be told.
    pub(crate) fn mentioned(&self, path: &SearchPath, name: &Name) -> Result<Vec<&'a Relation>, ()> {
        match (path, &name.schema) {
            (SearchPath::Unknown, None) if !self.before.moved => {
                Ok(self.catalog.schemas().flat_map(|schema| self.in_schema(schema, &name.name)).collect())
            }
            _ => self.along(path, name),
        }
    }

    fn along(&self, path: &SearchPath, name: &Name) -> Result<Vec<&'a Relation>, ()> {
        if self.before.moved {
            return Err(());
        }
        if let Some(schema) = &name.schema {
            return Ok(self.in_schema(self.schema(schema).unwrap_or(schema), &name.name).collect());
        }
        // Temporary relations come first, and that there are any may be news.
        let temporary = self.is_made("pg_temp", &name.name);
        let mut found: Vec<&Relation> = match temporary {
            true => self.in_schema("pg_temp", &name.name).collect(),
            false => Vec::new(),
        };
        match path {
            SearchPath::Known { schemas, .. } => {
                for schema in schemas.iter().filter(|schema| !temporary || *schema != "pg_temp") {
                    found.extend(self.in_schema(schema, &name.name));
                    if self.catalog.is_settled(schema, &name.name) {
                        break;
                    }
                }
            }
            SearchPath::Unknown => {
                let mut schemas = self.catalog.schemas().filter(|schema| *schema != "pg_temp");
                let has = |schema: &&str| self.catalog.relation_named(schema, &name.name).is_some();
                let first = schemas.find(has);
                if schemas.any(|schema| has(&schema)) {
                    return Err(());
                }
                found.extend(first.into_iter().flat_map(|schema| self.in_schema(schema, &name.name)));
            }
        }
        Ok(found)
    }

    /// Whether what the database has by that name would have been found, had it any.
    pub(crate) fn would_be_found(&self, name: &Name) -> bool {
        // TOAST's relations and other sessions' temporary ones are there, but not in the catalog.
        let known = |schema: &String| !schema.starts_with("pg_toast") && !is_temp(schema);
        let looked_for = match &name.schema {
            Some(schema) => known(schema),
            None => matches!(self.path, SearchPath::Known { .. }),
        };
        looked_for && !self.before.moved && self.catalog.generation() > 0
    }

    /// Whether the relation is what the database has, under the name that it has there, and no more than that.
    pub(crate) fn is_settled(&self, relation: &Relation) -> bool {
        self.catalog.is_settled(&relation.schema, &relation.name) && !self.catalog.is_altered(relation.oid)
    }

    /// Whether what is not committed has made a relation of that name.
    fn is_made(&self, schema: &str, name: &str) -> bool {
        self.catalog.relation_named(schema, name).is_some_and(|relation| self.catalog.is_made(relation.oid))
    }

    /// What that name stands for in that schema, or may.
    fn in_schema(&self, schema: &str, name: &str) -> impl Iterator<Item = &'a Relation> + use<'a> {
        let catalog: &'a Catalog = self.catalog;
        catalog.relations_named(schema, name)
    }

    /// Whether a name in a trigger's function can only be that of a transition table: there is no relation of that name
    /// anywhere. One that is made later is met when the trigger runs, as with any other name in a body.
    pub(crate) fn is_transition_table(&self, name: &Name) -> bool {
        self.values.transition_tables
            && name.schema.is_none()
            && !self.before.moved
            && !self.catalog.schemas().any(|schema| self.in_schema(schema, &name.name).next().is_some())
    }

    /// Whether what stands on an object may be more than the catalog says: what is not committed may have made it.
    pub(crate) fn may_hang_more(&self) -> bool {
        self.catalog.has_uncommitted()
    }

    /// Whether a call by that name may reach a function that is made or altered by what is not committed, and of which it is
    /// not known what it runs.
    pub(crate) fn is_altered(&self, name: &Name) -> bool {
        self.catalog.functions_uncertain(&name.name).any(|schema| match (&name.schema, schema) {
            (_, None) => true,
            (Some(written), Some(schema)) => self.schema(written).is_some_and(|s| is_same(s, schema)),
            (None, Some(schema)) => match self.path {
                SearchPath::Known { schemas, .. } => schemas.iter().any(|s| s == schema),
                SearchPath::Unknown => true,
            },
        })
    }

    /// Every function that a call by that name may reach. Temporary schemas are not searched (5.9.6).
    pub(crate) fn functions(&self, name: &Name) -> Vec<&'a Function> {
        self.functions_along(self.path, name)
    }

    /// The same along another path.
    pub(crate) fn functions_along(&self, path: &SearchPath, name: &Name) -> Vec<&'a Function> {
        if let Some(schema) = &name.schema {
            return match self.schema(schema) {
                Some(schema) => self.catalog.functions_named(schema, &name.name).collect(),
                None => Vec::new(),
            };
        }
        match path {
            SearchPath::Known { schemas: path, .. } => path
                .iter()
                .filter(|s| !is_temp(s))
                .flat_map(|s| self.catalog.functions_named(s, &name.name))
                .collect(),
            SearchPath::Unknown => {
                self.catalog.schemas().flat_map(|s| self.catalog.functions_named(s, &name.name)).collect()
            }
        }
    }

    /// The schema in which an unqualified CREATE makes its object.
    pub(crate) fn creation_schema(&self) -> Option<&str> {
        match self.path {
            SearchPath::Known { creation, .. } => creation.as_deref(),
            SearchPath::Unknown => None,
        }
    }
}
