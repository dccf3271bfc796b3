//! How the tree is read as JSON: its nodes, their fields, and names.

use serde_json::{Map, Value};

use super::facts::Name;

pub(super) type Fields = Map<String, Value>;

/// A node with its kind: those in lists tell it, those in fields of one kind are known by what they hold.
pub(super) fn node(value: &Value) -> Option<(&str, &Fields)> {
    let fields = value.as_object()?;
    if let Some(inner) = fields.get("node") {
        let (kind, inner) = inner.as_object()?.iter().next()?;
        return Some((kind, inner.as_object()?));
    }
    let has = |key: &str| fields.contains_key(key);
    let kind = if has("relname") && has("relpersistence") {
        "RangeVar"
    } else if has("distinct_clause") && has("larg") {
        "SelectStmt"
    } else if has("typmods") && has("names") {
        "TypeName"
    } else if has("funcname") && has("agg_star") {
        "FuncCall"
    } else if has("ctes") {
        "WithClause"
    } else if has("rel") && has("on_commit") {
        "IntoClause"
    } else if has("is_grant") && has("grantees") {
        "GrantStmt"
    } else if has("kind") && has("args") && has("is_local") {
        "VariableSetStmt"
    } else {
        ""
    };
    Some((kind, fields))
}

pub(super) fn text<'a>(fields: &'a Fields, key: &str) -> &'a str {
    fields.get(key).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn number(fields: &Fields, key: &str) -> i64 {
    fields.get(key).and_then(Value::as_i64).unwrap_or_default()
}

pub(super) fn flag(fields: &Fields, key: &str) -> bool {
    fields.get(key).and_then(Value::as_bool).unwrap_or_default()
}

pub(super) fn list<'a>(fields: &'a Fields, key: &str) -> &'a [Value] {
    fields.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

pub(super) fn is_there(fields: &Fields, key: &str) -> bool {
    fields.get(key).is_some_and(|value| !value.is_null())
}

pub(super) fn string(value: &Value) -> Option<&str> {
    match node(value)? {
        ("String", fields) => Some(text(fields, "sval")),
        _ => None,
    }
}

/// A list of strings as a name; one with a database's name in front has no schema here.
pub(super) fn qualified(parts: &[Value]) -> Option<Name> {
    let parts: Vec<&str> = parts.iter().filter_map(string).collect();
    let name = (*parts.last()?).to_owned();
    let schema = parts.len().checked_sub(2).map(|at| parts[at].to_owned());
    Some(Name { schema, name })
}

pub(super) fn range_var(fields: &Fields) -> Name {
    let schema = Some(text(fields, "schemaname")).filter(|s| !s.is_empty()).map(str::to_owned);
    // CREATE TEMP TABLE x; with another schema the server refuses it.
    let temporary = text(fields, "relpersistence") == "t";
    let schema = if temporary { Some("pg_temp".to_owned()) } else { schema };
    Name { schema, name: text(fields, "relname").to_owned() }
}

/// The name that the rest of the statement calls it by.
pub(super) fn alias(fields: &Fields) -> &str {
    let alias = fields.get("alias").and_then(Value::as_object);
    alias.map_or_else(|| text(fields, "relname"), |alias| text(alias, "aliasname"))
}
