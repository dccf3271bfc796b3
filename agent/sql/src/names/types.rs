//! What a name of a type means, and whether making a value of it runs code.

use policy::catalog::TypeKind;

use super::{Names, PG_CATALOG, is_builtin_type, is_temp};
use crate::SearchPath;
use crate::name::Name;

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

impl Names<'_> {
    /// What a type's name means.
    pub(crate) fn type_of(&self, name: &Name) -> TypeFound {
        if let Some(schema) = &name.schema {
            let Some(schema) = self.schema(schema) else { return TypeFound::Missing };
            return self.type_in(schema, &name.name).unwrap_or(TypeFound::Missing);
        }
        match self.path {
            SearchPath::Known { schemas: path, .. } => {
                let mut found = TypeFound::Missing;
                for schema in path {
                    let Some(of) = self.type_in(schema, &name.name) else { continue };
                    // Of several that it may mean, one that runs code counts.
                    if !matches!(found, TypeFound::User(_)) {
                        found = of;
                    }
                    if self.is_type_settled(schema, &name.name) {
                        break;
                    }
                }
                found
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

    /// Whether a name certainly means PostgreSQL's own type.
    pub(crate) fn is_own_type(&self, name: &Name) -> bool {
        let is_free = |schema: &str| {
            self.type_in(schema, &name.name).is_none() && self.is_type_settled(schema, &name.name)
        };
        if let Some(schema) = &name.schema {
            return schema == PG_CATALOG;
        }
        // The session's temporary schema comes before all others, and is in no path that is known while it is being made.
        is_free("pg_temp")
            && match self.path {
                SearchPath::Known { schemas, .. } => {
                    let first = schemas.iter().find(|schema| *schema == PG_CATALOG || !is_free(schema));
                    first.is_some_and(|schema| schema == PG_CATALOG)
                }
                SearchPath::Unknown => {
                    self.catalog.schemas().filter(|schema| *schema != PG_CATALOG).all(is_free)
                }
            }
    }

    /// The schema of the type that a name means.
    pub(crate) fn schema_of_type<'n>(&'n self, name: &'n Name) -> Option<&'n str> {
        if let Some(schema) = &name.schema {
            return self.schema(schema);
        }
        let SearchPath::Known { schemas, .. } = self.path else { return None };
        let found = |schema: &&str| self.catalog.type_named(schema, &name.name).is_some();
        schemas.iter().map(String::as_str).find(found)
    }

    /// The schemas of users' types that `name(x)` may make a value of: where no function takes what it is given as it is, a call
    /// of one value is a cast (10.3). Never one to a row type, nor, without a schema, to a temporary one.
    pub(crate) fn cast_by_call(&self, name: &Name) -> Vec<String> {
        let is_cast = |schema: &&str| {
            let element = || name.name.strip_prefix('_').map(|name| self.catalog.type_named(schema, name));
            match self.catalog.type_named(schema, &name.name) {
                Some(kind) => kind != TypeKind::Composite,
                None => element().flatten().is_some(),
            }
        };
        let mut found = Vec::new();
        if let Some(schema) = &name.schema {
            let schema = self.schema(schema).filter(|schema| *schema != PG_CATALOG);
            found.extend(schema.filter(is_cast).map(str::to_owned));
            return found;
        }
        match self.path {
            SearchPath::Known { schemas, .. } => {
                for schema in schemas.iter().map(String::as_str).filter(|schema| !is_temp(schema)) {
                    if schema == PG_CATALOG {
                        let element = name.name.strip_prefix('_').unwrap_or(&name.name);
                        if is_builtin_type(element) {
                            break;
                        }
                    } else if is_cast(&schema) {
                        found.push(schema.to_owned());
                        if self.is_type_settled(schema, &name.name) {
                            break;
                        }
                    }
                }
            }
            SearchPath::Unknown => {
                let users = self.catalog.schemas().filter(|schema| *schema != PG_CATALOG && !is_temp(schema));
                found.extend(users.filter(is_cast).map(str::to_owned));
            }
        }
        found
    }

    /// Whether a type of that name in that schema, or of its elements, is what the database has.
    fn is_type_settled(&self, schema: &str, name: &str) -> bool {
        let element = name.strip_prefix('_').unwrap_or(name);
        let made = self.catalog.type_named(schema, name).is_none() && self.is_made(schema, name);
        !made && [name, element].iter().all(|name| self.catalog.is_type_settled(schema, name))
    }

    fn type_in(&self, schema: &str, name: &str) -> Option<TypeFound> {
        // `_int4` is the array of int4.
        let element = name.strip_prefix('_').unwrap_or(name);
        if schema == PG_CATALOG {
            return is_builtin_type(element).then_some(TypeFound::Harmless);
        }
        let kind = self.catalog.type_named(schema, name).or_else(|| self.catalog.type_named(schema, element));
        let user = || TypeFound::User(schema.to_owned());
        // What it checks, or what is within it, the catalog tells, but for what is not committed.
        let checked = !self.catalog.hung().is_empty() || self.is_checked(schema, name, element);
        let made_of_others = |known: bool| match known && !checked {
            true => TypeFound::Plain(schema.to_owned()),
            false => user(),
        };
        if let Some(kind) = kind {
            return Some(match kind {
                TypeKind::Enum => TypeFound::Harmless,
                // The input of a base type is in C, and comes with an extension, as operators do.
                TypeKind::Base => made_of_others(true),
                TypeKind::Composite | TypeKind::Domain | TypeKind::Range | TypeKind::Multirange => {
                    made_of_others(self.is_type_settled(schema, name))
                }
                TypeKind::Pseudo => user(),
            });
        }
        // A relation's row type.
        self.catalog.relation_named(schema, name).map(|_| made_of_others(self.is_type_settled(schema, name)))
    }

    /// Whether values of that type, by its own name or its elements', are checked by functions.
    fn is_checked(&self, schema: &str, name: &str, element: &str) -> bool {
        let checks = &self.catalog.calls().types;
        let of = |name| checks.get(name).into_iter().flatten().any(|(of, _)| of == schema);
        of(name) || of(element)
    }
}
