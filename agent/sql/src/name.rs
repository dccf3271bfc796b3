//! A name as the server stores it.

/// A name with or without its schema, as the server stores it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
}

impl Name {
    /// `[[database.]schema.]name`: the server takes no other database's name than its own, before a schema of which it stands
    /// for nothing.
    pub(crate) fn of(parts: Vec<String>) -> Option<Self> {
        let mut parts = parts.into_iter().rev();
        let name = parts.next()?;
        let schema = parts.next();
        (parts.len() <= 1).then_some(Name { schema, name })
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// Whether it is a session's own, in which no function or operator is looked for.
pub(crate) fn is_temp(schema: &str) -> bool {
    schema.starts_with("pg_temp_")
}

/// Whether both are the same schema, where neither is another session's.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    let own = |schema: &str| schema == "pg_temp" || is_temp(schema);
    one == other || (own(one) && own(other))
}
