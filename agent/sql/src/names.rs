//! What a name means: relations, functions and types through `search_path` and the catalog (5.9.3, 10).
//!
//! It never guesses: with an unknown path a name counts only if no other schema has it too.

mod builtin;

pub(crate) use builtin::{Builtin, builtin, is_aggregate, is_builtin_operator, is_builtin_type};

use policy::catalog::TypeKind;
use policy::{Catalog, Function, Relation};

use crate::SearchPath;
use crate::before::{Before, Made};
use crate::statement::Inside;
use crate::values::Values;

/// A name with or without its schema, as the server stores it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// What a name of a type turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TypeFound {
    /// Making a value of it runs nothing but PostgreSQL's own code. Casts that users made are told by themselves.
    Harmless,
    /// A type of a user, of which the same holds: its schema.
    Plain(String),
    /// A type of a user, with its schema: its checks may run their code.
    User(String),
    /// Not in the catalog, or not certain which.
    Missing,
}

/// Looks names up for one session.
pub(crate) struct Names<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) path: &'a SearchPath,
    /// What earlier statements of the same text have made uncertain.
    pub(crate) before: &'a Before<'a>,
    /// `standard_conforming_strings` is on, for certain.
    pub(crate) conforming: bool,
    /// Values of the code that a statement stands in.
    pub(crate) values: &'a Values,
    pub(crate) inside: Inside,
}

const PG_CATALOG: &str = "pg_catalog";

fn is_temp(schema: &str) -> bool {
    schema.starts_with("pg_temp_")
}

/// Whether both are the same schema, where neither is another session's.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    let own = |schema: &str| schema == "pg_temp" || is_temp(schema);
    one == other || (own(one) && own(other))
}

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
        if self.before.moved {
            return None;
        }
        if let Some(schema) = &name.schema {
            return self.relation_in(self.schema(schema)?, &name.name)?;
        }
        let mut found = match self.path {
            SearchPath::Known { schemas: path, .. } => {
                return path.iter().find_map(|s| self.relation_in(s, &name.name))?;
            }
            SearchPath::Unknown => self.catalog.schemas().filter_map(|s| self.relation_in(s, &name.name)),
        };
        let first = found.next()?;
        if found.next().is_some() { None } else { first }
    }

    /// Every relation that a name in a body may mean, without a guess; an error where it cannot be told.
    pub(crate) fn mentioned(&self, path: &SearchPath, name: &Name) -> Result<Vec<&'a Relation>, ()> {
        if self.before.moved {
            return Err(());
        }
        let told = |found: Option<&'a Relation>| found.map(|relation| vec![relation]).ok_or(());
        if let Some(schema) = &name.schema {
            let schema = self.schema(schema).unwrap_or(schema);
            return self.relation_in(schema, &name.name).map_or(Ok(Vec::new()), told);
        }
        match path {
            SearchPath::Known { schemas, .. } => {
                schemas.iter().find_map(|s| self.relation_in(s, &name.name)).map_or(Ok(Vec::new()), told)
            }
            SearchPath::Unknown => {
                let found = self.catalog.schemas().filter_map(|s| self.relation_in(s, &name.name));
                found.map(|found| found.ok_or(())).collect()
            }
        }
    }

    /// Whether what stands on an object may be more than the catalog says: what is not committed may have made it.
    pub(crate) fn may_hang_more(&self) -> bool {
        self.before.defines || self.catalog.has_uncommitted()
    }

    /// What that name stands for in that schema: nothing, a relation, or `Some(None)` where it cannot be told.
    fn relation_in(&self, schema: &str, name: &str) -> Option<Option<&'a Relation>> {
        if self.before.is_uncertain(schema, name) || self.catalog.is_uncertain(schema, name) {
            return Some(None);
        }
        self.catalog.relation_named(schema, name).map(Some)
    }

    /// Every relation that the catalog has by that name, wherever it might be looked for.
    pub(crate) fn every_relation(&self, name: &Name) -> Vec<&'a Relation> {
        if let Some(schema) = &name.schema {
            let schema = self.schema(schema).unwrap_or(schema);
            return self.catalog.relation_named(schema, &name.name).into_iter().collect();
        }
        match self.path {
            SearchPath::Known { schemas, .. } => {
                schemas.iter().filter_map(|s| self.catalog.relation_named(s, &name.name)).collect()
            }
            SearchPath::Unknown => {
                self.catalog.schemas().filter_map(|s| self.catalog.relation_named(s, &name.name)).collect()
            }
        }
    }

    /// Whether a call by that name may reach a function that is made or altered by what is not committed: whether the
    /// code of each of them has been read where it was made.
    pub(crate) fn altered(&self, name: &Name) -> Option<bool> {
        let searched = |schema: Option<&str>| match (&name.schema, schema) {
            (_, None) => true,
            (Some(written), Some(schema)) => self.schema(written).is_some_and(|s| is_same(s, schema)),
            (None, Some(schema)) => match self.path {
                SearchPath::Known { schemas, .. } => schemas.iter().any(|s| s == schema),
                SearchPath::Unknown => true,
            },
        };
        let here = self.before.functions(&name.name).filter(|(schema, _)| searched(*schema));
        // It runs with the path of whoever calls it.
        let same = |made: &Made| {
            self.before.names_are_as_before()
                && made.path == *self.path
                && matches!(self.path, SearchPath::Known { .. })
        };
        let here = here.map(|(_, made)| made.is_some_and(same)).reduce(|one, other| one && other);
        if self.catalog.functions_uncertain(&name.name).any(searched) { Some(false) } else { here }
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

    /// What a type's name means.
    pub(crate) fn type_of(&self, name: &Name) -> TypeFound {
        if let Some(schema) = &name.schema {
            let Some(schema) = self.schema(schema) else { return TypeFound::Missing };
            return self.type_in(schema, &name.name).unwrap_or(TypeFound::Missing);
        }
        match self.path {
            SearchPath::Known { schemas: path, .. } => {
                path.iter().find_map(|s| self.type_in(s, &name.name)).unwrap_or(TypeFound::Missing)
            }
            SearchPath::Unknown => {
                let mut found = self
                    .catalog
                    .schemas()
                    .filter(|s| *s != PG_CATALOG)
                    .chain([PG_CATALOG])
                    .filter_map(|s| self.type_in(s, &name.name));
                match (found.next(), found.next()) {
                    (Some(first), None) => first,
                    _ => TypeFound::Missing,
                }
            }
        }
    }

    fn type_in(&self, schema: &str, name: &str) -> Option<TypeFound> {
        // `_int4` is the array of int4.
        let element = name.strip_prefix('_').unwrap_or(name);
        if schema == PG_CATALOG {
            return is_builtin_type(element).then_some(TypeFound::Harmless);
        }
        let kind = self.catalog.type_named(schema, name).or_else(|| self.catalog.type_named(schema, element));
        let user = || TypeFound::User(schema.to_owned());
        // What it checks, or what is within it, the catalog tells.
        let made_of_others = || match self.may_hang_more() || self.is_checked(schema, name, element) {
            true => user(),
            false => TypeFound::Plain(schema.to_owned()),
        };
        if let Some(kind) = kind {
            return Some(match kind {
                TypeKind::Enum => TypeFound::Harmless,
                // The input of a base type is in C, and comes with an extension, as operators do.
                TypeKind::Base
                | TypeKind::Composite
                | TypeKind::Domain
                | TypeKind::Range
                | TypeKind::Multirange => made_of_others(),
                TypeKind::Pseudo => user(),
            });
        }
        // A relation's row type.
        self.catalog.relation_named(schema, name).map(|_| made_of_others())
    }

    /// Whether values of that type, by its own name or its elements', are checked by functions.
    fn is_checked(&self, schema: &str, name: &str, element: &str) -> bool {
        let checks = &self.catalog.calls().types;
        let of = |name| checks.get(name).into_iter().flatten().any(|(of, _)| of == schema);
        of(name) || of(element)
    }

    /// The schema in which an unqualified CREATE makes its object.
    pub(crate) fn creation_schema(&self) -> Option<&str> {
        match self.path {
            SearchPath::Known { creation, .. } => creation.as_deref(),
            SearchPath::Unknown => None,
        }
    }
}
