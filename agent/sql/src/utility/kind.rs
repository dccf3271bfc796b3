//! The kinds of objects that CREATE, ALTER, DROP, COMMENT and GRANT name, by their words.

use policy::ObjectKind;

use crate::cursor::Cursor;

/// One kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ObjectType {
    /// PostgreSQL's words, lower case.
    pub(super) class: &'static str,
    pub(super) kind: ObjectKind,
}

const fn of(class: &'static str, kind: ObjectKind) -> ObjectType {
    ObjectType { class, kind }
}

/// Longer ones first, so that the words before a shorter one are not taken for it.
const TYPES: &[(&[&str], ObjectType)] = {
    use ObjectKind::{Function, Other, Relation, Role, Schema};
    &[
        (&["access", "method"], of("access method", Other)),
        (&["event", "trigger"], of("event trigger", Other)),
        (&["foreign", "data", "wrapper"], of("foreign data wrapper", Other)),
        (&["foreign", "table"], of("foreign table", Relation)),
        (&["large", "object"], of("large object", Other)),
        (&["materialized", "view"], of("materialized view", Relation)),
        (&["operator", "class"], of("operator class", Other)),
        (&["operator", "family"], of("operator family", Other)),
        (&["procedural", "language"], of("language", Other)),
        (&["trusted", "language"], of("language", Other)),
        (&["trusted", "procedural", "language"], of("language", Other)),
        (&["text", "search", "configuration"], of("text search configuration", Other)),
        (&["text", "search", "dictionary"], of("text search dictionary", Other)),
        (&["text", "search", "parser"], of("text search parser", Other)),
        (&["text", "search", "template"], of("text search template", Other)),
        (&["user", "mapping"], of("user mapping", Other)),
        (&["constraint", "trigger"], of("trigger", Other)),
        (&["aggregate"], of("aggregate", Function)),
        (&["cast"], of("cast", Other)),
        (&["collation"], of("collation", Other)),
        (&["column"], of("column", Relation)),
        (&["constraint"], of("constraint", Other)),
        (&["conversion"], of("conversion", Other)),
        (&["database"], of("database", Other)),
        (&["domain"], of("domain", Other)),
        (&["extension"], of("extension", Other)),
        (&["function"], of("function", Function)),
        (&["group"], of("role", Role)),
        (&["index"], of("index", Relation)),
        (&["language"], of("language", Other)),
        (&["operator"], of("operator", Other)),
        (&["policy"], of("policy", Other)),
        (&["procedure"], of("procedure", Function)),
        (&["publication"], of("publication", Other)),
        (&["role"], of("role", Role)),
        (&["routine"], of("function", Function)),
        (&["rule"], of("rule", Other)),
        (&["schema"], of("schema", Schema)),
        (&["sequence"], of("sequence", Relation)),
        (&["server"], of("server", Other)),
        (&["statistics"], of("statistics", Other)),
        (&["subscription"], of("subscription", Other)),
        (&["table"], of("table", Relation)),
        (&["tablespace"], of("tablespace", Other)),
        (&["transform"], of("transform", Other)),
        (&["trigger"], of("trigger", Other)),
        (&["type"], of("type", Other)),
        (&["user"], of("role", Role)),
        (&["view"], of("view", Relation)),
    ]
};

/// Steps over the words of a kind.
pub(super) fn object_type(cursor: &mut Cursor<'_>) -> Option<ObjectType> {
    TYPES.iter().find(|(words, _)| cursor.eat_all(words)).map(|(_, object_type)| *object_type)
}

/// The kind with that class.
pub(super) fn by_class(class: &str) -> Option<ObjectType> {
    TYPES.iter().map(|(_, object_type)| *object_type).find(|object_type| object_type.class == class)
}

/// `CREATE`, `ALTER`, `DROP` before the class, for people.
pub(super) fn tag(verb: &str, class: &str) -> &'static str {
    #[rustfmt::skip]
    const TAGS: &[&str] = &[
        "CREATE ACCESS METHOD", "ALTER ACCESS METHOD", "DROP ACCESS METHOD", "CREATE AGGREGATE",
        "ALTER AGGREGATE", "DROP AGGREGATE", "CREATE CAST", "DROP CAST", "CREATE COLLATION", "ALTER COLLATION",
        "DROP COLLATION", "CREATE CONVERSION", "ALTER CONVERSION", "DROP CONVERSION", "CREATE DATABASE",
        "ALTER DATABASE", "DROP DATABASE", "CREATE DOMAIN", "ALTER DOMAIN", "DROP DOMAIN",
        "CREATE EVENT TRIGGER", "ALTER EVENT TRIGGER", "DROP EVENT TRIGGER", "CREATE EXTENSION",
        "ALTER EXTENSION", "DROP EXTENSION", "CREATE FOREIGN DATA WRAPPER", "ALTER FOREIGN DATA WRAPPER",
        "DROP FOREIGN DATA WRAPPER", "CREATE FOREIGN TABLE", "ALTER FOREIGN TABLE", "DROP FOREIGN TABLE",
        "CREATE FUNCTION", "ALTER FUNCTION", "DROP FUNCTION", "CREATE INDEX", "ALTER INDEX", "DROP INDEX",
        "CREATE LANGUAGE", "ALTER LANGUAGE", "DROP LANGUAGE", "ALTER LARGE OBJECT",
        "CREATE MATERIALIZED VIEW", "ALTER MATERIALIZED VIEW", "DROP MATERIALIZED VIEW", "CREATE OPERATOR",
        "ALTER OPERATOR", "DROP OPERATOR", "CREATE OPERATOR CLASS", "ALTER OPERATOR CLASS",
        "DROP OPERATOR CLASS", "CREATE OPERATOR FAMILY", "ALTER OPERATOR FAMILY", "DROP OPERATOR FAMILY",
        "CREATE POLICY", "ALTER POLICY", "DROP POLICY", "CREATE PROCEDURE", "ALTER PROCEDURE",
        "DROP PROCEDURE", "CREATE PUBLICATION", "ALTER PUBLICATION", "DROP PUBLICATION", "CREATE ROLE",
        "ALTER ROLE", "DROP ROLE", "CREATE RULE", "ALTER RULE", "DROP RULE", "CREATE SCHEMA", "ALTER SCHEMA",
        "DROP SCHEMA", "CREATE SEQUENCE", "ALTER SEQUENCE", "DROP SEQUENCE", "CREATE SERVER", "ALTER SERVER",
        "DROP SERVER", "CREATE STATISTICS", "ALTER STATISTICS", "DROP STATISTICS", "CREATE SUBSCRIPTION",
        "ALTER SUBSCRIPTION", "DROP SUBSCRIPTION", "CREATE TABLE", "ALTER TABLE", "DROP TABLE",
        "CREATE TABLESPACE", "ALTER TABLESPACE", "DROP TABLESPACE", "CREATE TEXT SEARCH CONFIGURATION",
        "ALTER TEXT SEARCH CONFIGURATION", "DROP TEXT SEARCH CONFIGURATION",
        "CREATE TEXT SEARCH DICTIONARY", "ALTER TEXT SEARCH DICTIONARY", "DROP TEXT SEARCH DICTIONARY",
        "CREATE TEXT SEARCH PARSER", "ALTER TEXT SEARCH PARSER", "DROP TEXT SEARCH PARSER",
        "CREATE TEXT SEARCH TEMPLATE", "ALTER TEXT SEARCH TEMPLATE", "DROP TEXT SEARCH TEMPLATE",
        "CREATE TRANSFORM", "DROP TRANSFORM", "CREATE TRIGGER", "ALTER TRIGGER", "DROP TRIGGER", "CREATE TYPE",
        "ALTER TYPE", "DROP TYPE", "CREATE USER MAPPING", "ALTER USER MAPPING", "DROP USER MAPPING",
        "CREATE VIEW", "ALTER VIEW", "DROP VIEW",
    ];
    let matches =
        |tag: &&&str| tag.split_once(' ').is_some_and(|(v, c)| v == verb && c.eq_ignore_ascii_case(class));
    TAGS.iter().find(matches).copied().unwrap_or("")
}
