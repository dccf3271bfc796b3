//! PostgreSQL's keywords by class (appendix C), and which words `sqlparser` is told to be keywords at all.
//!
//! `sqlparser` knows the keywords of many dialects; a word that is none in PostgreSQL's queries and DML reaches
//! it as a plain identifier, so that it cannot take `SELECT top(x)` or `UPDATE replace t` for something else.

/// Reserved: never a name without quotes, except as a label after AS (or bare, for most) and after a dot.
#[rustfmt::skip]
pub(crate) const RESERVED: &[&str] = &[
    "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "both", "case", "cast",
    "check", "collate", "column", "constraint", "create", "current_catalog", "current_date", "current_role",
    "current_time", "current_timestamp", "current_user", "default", "deferrable", "desc", "distinct", "do",
    "else", "end", "except", "false", "fetch", "for", "foreign", "from", "grant", "group", "having", "in",
    "initially", "intersect", "into", "lateral", "leading", "limit", "localtime", "localtimestamp", "not",
    "null", "offset", "on", "only", "or", "order", "placing", "primary", "references", "returning",
    "select", "session_user", "some", "symmetric", "system_user", "table", "then", "to", "trailing", "true",
    "union", "unique", "user", "using", "variadic", "when", "where", "window", "with",
];

/// Reserved except as the name of a function or type.
#[rustfmt::skip]
const TYPE_FUNCTION_NAME: &[&str] = &[
    "authorization", "binary", "collation", "concurrently", "cross", "current_schema", "freeze", "full",
    "ilike", "inner", "is", "isnull", "join", "left", "like", "natural", "notnull", "outer", "overlaps",
    "right", "similar", "tablesample", "verbose",
];

/// Never the name of a function or type without quotes, but of columns and tables.
#[rustfmt::skip]
const COLUMN_NAME: &[&str] = &[
    "between", "bigint", "bit", "boolean", "char", "character", "coalesce", "dec", "decimal", "exists",
    "extract", "float", "greatest", "grouping", "inout", "int", "integer", "interval", "json", "json_array",
    "json_arrayagg", "json_exists", "json_object", "json_objectagg", "json_query", "json_scalar",
    "json_serialize", "json_table", "json_value", "least", "merge_action", "national", "nchar", "none",
    "normalize", "nullif", "numeric", "out", "overlay", "position", "precision", "real", "row", "setof",
    "smallint", "substring", "time", "timestamp", "treat", "trim", "values", "varchar", "xmlattributes",
    "xmlconcat", "xmlelement", "xmlexists", "xmlforest", "xmlnamespaces", "xmlparse", "xmlpi", "xmlroot",
    "xmlserialize", "xmltable",
];

/// Unreserved: a name anywhere, and a word of the grammar somewhere (those of version 18).
#[rustfmt::skip]
const UNRESERVED: &[&str] = &[
    "abort", "absent", "absolute", "access", "action", "add", "admin", "after", "aggregate", "also", "alter",
    "always", "asensitive", "assertion", "assignment", "at", "atomic", "attach", "attribute", "backward",
    "before", "begin", "breadth", "by", "cache", "call", "called", "cascade", "cascaded", "catalog", "chain",
    "characteristics", "checkpoint", "class", "close", "cluster", "columns", "comment", "comments", "commit",
    "committed", "compression", "conditional", "configuration", "conflict", "connection", "constraints",
    "content", "continue", "conversion", "copy", "cost", "csv", "cube", "current", "cursor", "cycle", "data",
    "database", "day", "deallocate", "declare", "defaults", "deferred", "definer", "delete", "delimiter",
    "delimiters", "depends", "depth", "detach", "dictionary", "disable", "discard", "document", "domain",
    "double", "drop", "each", "empty", "enable", "encoding", "encrypted", "enforced", "enum", "error",
    "escape", "event", "exclude", "excluding", "exclusive", "execute", "explain", "expression", "extension",
    "external", "family", "filter", "finalize", "first", "following", "force", "format", "forward",
    "function", "functions", "generated", "global", "granted", "groups", "handler", "header", "hold", "hour",
    "identity", "if", "immediate", "immutable", "implicit", "import", "include", "including", "increment",
    "indent", "index", "indexes", "inherit", "inherits", "inline", "input", "insensitive", "insert",
    "instead", "invoker", "isolation", "keep", "key", "keys", "label", "language", "large", "last",
    "leakproof", "level", "listen", "load", "local", "location", "lock", "locked", "logged", "mapping",
    "match", "matched", "materialized", "maxvalue", "merge", "method", "minute", "minvalue", "mode", "month",
    "move", "name", "names", "nested", "new", "next", "nfc", "nfd", "nfkc", "nfkd", "no", "normalized",
    "nothing", "notify", "nowait", "nulls", "object", "objects", "of", "off", "oids", "old", "omit",
    "operator", "option", "options", "ordinality", "others", "over", "overriding", "owned", "owner",
    "parallel", "parameter", "parser", "partial", "partition", "passing", "password", "path", "period",
    "plan", "plans", "policy", "preceding", "prepare", "prepared", "preserve", "prior", "privileges",
    "procedural", "procedure", "procedures", "program", "publication", "quote", "quotes", "range", "read",
    "reassign", "recursive", "ref", "referencing", "refresh", "reindex", "relative", "release", "rename",
    "repeatable", "replace", "replica", "reset", "restart", "restrict", "return", "returns", "revoke", "role",
    "rollback", "rollup", "routine", "routines", "rows", "rule", "savepoint", "scalar", "schema", "schemas",
    "scroll", "search", "second", "security", "sequence", "sequences", "serializable", "server", "session",
    "set", "sets", "share", "show", "simple", "skip", "snapshot", "source", "sql", "stable", "standalone",
    "start", "statement", "statistics", "stdin", "stdout", "storage", "stored", "strict", "string", "strip",
    "subscription", "support", "sysid", "system", "tables", "tablespace", "target", "temp", "template",
    "temporary", "text", "ties", "transaction", "transform", "trigger", "truncate", "trusted", "type",
    "types", "uescape", "unbounded", "uncommitted", "unconditional", "unencrypted", "unknown", "unlisten",
    "unlogged", "until", "update", "vacuum", "valid", "validate", "validator", "value", "varying", "version",
    "view", "views", "virtual", "volatile", "whitespace", "within", "without", "work", "wrapper", "write",
    "xml", "year", "yes", "zone",
];

/// Words that are keywords to `sqlparser`: those above that queries and DML are made of, PostgreSQL's
/// unreserved ones with a meaning there, and types that may stand before a literal (`date '…'`). Sorted.
#[rustfmt::skip]
const PASSED_ON: &[&str] = &[
    "all", "and", "any", "array", "as", "asc", "at", "between", "bigint", "bit", "bool", "boolean", "both",
    "by", "bytea", "case", "cast", "char", "character", "collate", "conflict", "constraint", "cross",
    "cube", "current", "current_catalog", "current_date", "current_time", "current_timestamp",
    "current_user", "date", "day", "dec", "decimal", "default", "delete", "desc", "distinct", "do",
    "double", "else", "end", "escape", "except", "exists", "extract", "false", "fetch", "filter", "first",
    "float", "float4", "float8", "following", "for", "from", "full", "group", "grouping", "groups",
    "having", "hour", "ilike", "in", "inner", "insert", "int", "int2", "int4", "int8", "integer",
    "intersect", "interval", "into", "is", "isnull", "join", "json", "jsonb", "last", "lateral", "leading",
    "left", "like", "limit", "localtime", "localtimestamp", "locked", "matched", "materialized", "merge",
    "minute", "month", "natural", "next", "no", "not", "nothing", "notnull", "nowait", "null", "nulls",
    "numeric", "of", "offset", "on", "only", "or", "order", "ordinality", "outer", "over", "overlaps",
    "overlay", "partition", "placing", "position", "preceding", "precision", "range", "real", "recursive",
    "returning", "right", "rollup", "row", "rows", "second", "select", "session_user", "set", "sets",
    "share", "similar", "skip", "smallint", "some", "substring", "symmetric", "table", "temp", "temporary",
    "text", "then", "ties", "time", "timestamp", "timestamptz", "to", "trailing", "trim", "true",
    "unbounded", "union", "unique", "unknown", "unlogged", "update", "user", "using", "uuid", "values",
    "varchar", "varying", "when", "where", "window", "with", "within", "without", "year", "zone",
];

/// Whether this folded word is reserved.
pub(crate) fn is_reserved(word: &str) -> bool {
    RESERVED.binary_search(&word).is_ok()
}

/// Whether this folded word may name a function without quotes.
pub(crate) fn may_name_function(word: &str) -> bool {
    !is_reserved(word) && COLUMN_NAME.binary_search(&word).is_err()
}

/// Whether this folded word may name a column or a table without quotes (`ColId`).
pub(crate) fn may_name_column(word: &str) -> bool {
    !is_reserved(word) && TYPE_FUNCTION_NAME.binary_search(&word).is_err()
}

/// Whether this folded word is one of PostgreSQL's keywords.
pub(crate) fn is_keyword(word: &str) -> bool {
    [UNRESERVED, RESERVED, COLUMN_NAME, TYPE_FUNCTION_NAME]
        .iter()
        .any(|list| list.binary_search(&word).is_ok())
}

/// Whether this folded word is a keyword to `sqlparser`.
pub(crate) fn is_passed_on(word: &str) -> bool {
    PASSED_ON.binary_search(&word).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_list_is_sorted() {
        for list in [RESERVED, TYPE_FUNCTION_NAME, COLUMN_NAME, UNRESERVED, PASSED_ON] {
            assert!(list.is_sorted(), "{list:?}");
        }
    }
}
