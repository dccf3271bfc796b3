//! What tokens alone tell: operators, types that are cast to, and functions that run a text which they are given.

use crate::lexer::{Kind, Token};

/// PostgreSQL's own that run a query, or read relations, by a text or a name that they are given.
pub(crate) fn runs_text(function: &str) -> bool {
    // Of a whole schema or database no text tells what is read.
    matches!(function, "ts_stat" | "ts_rewrite")
        || ["query_to_xml", "schema_to_xml", "database_to_xml"]
            .iter()
            .any(|known| function.starts_with(known))
}

/// Those of extensions, which run it here or elsewhere.
pub(super) fn runs_text_elsewhere(function: &str) -> bool {
    function.starts_with("crosstab")
        || matches!(
            function,
            "check_foreign_key"
                | "check_primary_key"
                | "connectby"
                | "dblink"
                | "dblink_exec"
                | "dblink_open"
                | "dblink_send_query"
                | "xpath_table"
        )
}

/// PostgreSQL's own that read a relation which they are given.
pub(crate) fn reads_relation(function: &str) -> bool {
    function.starts_with("table_to_xml")
}

/// PostgreSQL's own that use a sequence which they are given.
pub(crate) fn takes_sequence(function: &str) -> bool {
    matches!(function, "nextval" | "currval" | "setval")
}

/// The operators that these tokens may use, by PostgreSQL's names for them: words of the grammar stand for some.
pub(super) fn operators<'t>(text: &'t str, tokens: &[Token]) -> Vec<&'t str> {
    const WORDS: &[(&str, &[&str])] = &[
        ("like", &["~~", "!~~"]),
        ("ilike", &["~~*", "!~~*"]),
        ("similar", &["~", "!~"]),
        ("in", &["=", "<>"]),
        ("case", &["="]),
        ("distinct", &["="]),
        ("nullif", &["="]),
        ("using", &["="]),
        ("natural", &["="]),
        ("between", &["<", "<=", ">", ">="]),
    ];
    let mut found: Vec<&str> = Vec::new();
    for token in tokens {
        match token.kind {
            Kind::Operator => found.push(match token.written(text) {
                "!=" => "<>",
                operator => operator,
            }),
            Kind::Word => {
                let of_word = WORDS.iter().find(|(word, _)| token.is(text, word));
                found.extend(of_word.into_iter().flat_map(|(_, operators)| operators.iter()));
            }
            _ => {}
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// The names of types that these tokens may cast to, as `pg_type` has them: every word in a text that casts at all.
pub(super) fn cast_types(text: &str, tokens: &[Token]) -> Vec<String> {
    let casts = tokens.iter().any(|token| token.kind == Kind::ColonColon || token.is(text, "cast"));
    if !casts {
        return Vec::new();
    }
    let mut types: Vec<String> = Vec::new();
    for token in tokens.iter().filter(|token| token.kind.is_name()) {
        let name = token.name(text);
        let names: &[&str] = match &*name {
            "int" | "integer" => &["int4"],
            "bigint" => &["int8"],
            "smallint" => &["int2"],
            "boolean" => &["bool"],
            "real" => &["float4"],
            "double" | "float" => &["float8", "float4"],
            "decimal" | "dec" => &["numeric"],
            "character" | "char" | "nchar" | "national" => &["bpchar", "varchar"],
            "timestamp" => &["timestamp", "timestamptz"],
            "time" => &["time", "timetz"],
            "bit" => &["bit", "varbit"],
            other => &[other],
        };
        types.extend(names.iter().map(|name| (*name).to_owned()));
    }
    types
}

/// Whether what this function does is told by a literal that it is given.
pub(crate) fn is_told_by_literal(function: &str) -> bool {
    function == "set_config" || runs_text(function) || reads_relation(function) || takes_sequence(function)
}
