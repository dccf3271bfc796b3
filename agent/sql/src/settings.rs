//! What changes the meaning of a text from outside of it: the session's settings, and the limits.

use std::sync::Arc;

/// The session's settings that the reading of a text depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Settings {
    /// `standard_conforming_strings`: off makes `\` an escape in plain `'…'` strings.
    pub standard_conforming_strings: bool,
    /// `client_encoding` is UTF8. Otherwise only ASCII texts are read.
    pub utf8: bool,
    /// Where unqualified names are looked for.
    pub search_path: SearchPath,
    /// Who the session's role is and which schemas it may use, if that is known: what a SET of the search path comes to.
    pub reach: Option<Arc<Reach>>,
    /// A setting was changed in the transaction that is open, whose end may change it back.
    pub unsettled: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            standard_conforming_strings: true,
            utf8: true,
            search_path: SearchPath::Unknown,
            reach: None,
            unsettled: false,
        }
    }
}

/// What a role reaches.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reach {
    /// Its name, as the server stores it.
    pub role: String,
    /// The schemas for which it has the privilege USAGE.
    pub schemas: Vec<String>,
}

/// The effective schemas of the session.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SearchPath {
    /// As the server says.
    Known {
        /// In order, as `current_schemas(true)` gives them: `pg_catalog` and the session's `pg_temp_N` are in it.
        schemas: Vec<String>,
        /// Where an unqualified CREATE makes its object, as `current_schema()` gives it: the first that is listed
        /// and not implied. `pg_temp` where that is the session's temporary schema.
        creation: Option<String>,
    },
    /// Not known. An unqualified name is then never guessed: a statement that needs one resolved is opaque.
    Unknown,
}

impl SearchPath {
    /// A path in which `pg_catalog` is implied, and everything else is listed.
    pub fn listed(schemas: Vec<String>) -> Self {
        let creation = schemas.iter().find(|schema| *schema != "pg_catalog").cloned();
        SearchPath::Known { schemas, creation }
    }

    /// What `search_path` comes to where a statement sets it to these (`recomputeNamespacePath`). `made`: whether the session's
    /// own transaction has made a schema for certain, or may have. Of temporary schemas the path before tells.
    pub(crate) fn set_to(
        &self,
        list: &[String],
        reach: &Reach,
        made: impl Fn(&str) -> Option<bool>,
    ) -> SearchPath {
        let SearchPath::Known { schemas: before, .. } = self else { return SearchPath::Unknown };
        let temporary = || before.iter().filter(|schema| schema.starts_with("pg_temp")).cloned();
        let listed = |name: &str| list.iter().any(|listed| listed == name);
        let mut schemas: Vec<String> = Vec::new();
        if !listed("pg_temp") {
            schemas.extend(temporary());
        }
        if !listed("pg_catalog") {
            schemas.push("pg_catalog".to_owned());
        }
        let mut creation = None;
        for name in list.iter().map(|name| if name == "$user" { &reach.role } else { name }) {
            let usable = name == "pg_temp" || reach.schemas.contains(name);
            match if usable { Some(true) } else { made(name) } {
                None => continue,
                // Where it was not made after all, another comes first.
                Some(false) if list.len() > 1 => creation = creation.or(Some(None)),
                Some(_) => creation = creation.or(Some(Some(name.clone()))),
            }
            if name == "pg_temp" {
                schemas.extend(temporary());
            }
            schemas.push(name.clone());
        }
        SearchPath::Known { schemas, creation: creation.flatten() }
    }

    /// What `search_path` comes to where code sets it to these for itself. Schemas that are not there, or that the role may
    /// not use which runs the code, are passed over, and nobody can be asked of which this is so. So it is known only where
    /// there is one beside PostgreSQL's own.
    pub(crate) fn of_code(mut set: Vec<String>) -> Self {
        // The session's temporary relations are in sight wherever that stands.
        set.pop_if(|last| last == "pg_temp");
        if set.first().is_none_or(|first| first != "pg_catalog") {
            set.insert(0, "pg_catalog".to_owned());
        }
        match set.as_slice() {
            [_] | [_, _] => SearchPath::listed(set),
            _ => SearchPath::Unknown,
        }
    }
}

/// Bounds on what one text may ask of the reader. What goes beyond them is opaque, never cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Statements in one text.
    pub statements: usize,
    /// Tokens in one text.
    pub tokens: usize,
    /// Open parentheses and brackets at one place.
    pub nesting: usize,
    /// Nested `/* … */`. PostgreSQL itself needs quadratic time here: a low limit protects the server too.
    pub comment_depth: usize,
    /// Depth of the tree that operators, set operations and parentheses can make together.
    pub depth: usize,
    /// What the tree of one statement may weigh: about so many literals, a quarter as many names, a sixtieth of queries.
    pub weight: usize,
    /// Columns and names that may be gone through while names are resolved.
    pub work: usize,
    /// Bytes of bodies of functions that are looked through for all statements of one text, each time that one is called.
    pub bodies: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            statements: 20_000,
            tokens: 1_000_000,
            nesting: 150,
            comment_depth: 100,
            depth: 4_000,
            weight: 500_000,
            work: 10_000_000,
            bodies: 16 << 20,
        }
    }
}
