//! Which columns an expression names, and what follows from it without a catalog.

use std::collections::BTreeSet;

use pg_query::protobuf::SetOperation;
use serde_json::Value;

use super::tree::{Fields, alias, is_there, list, node, number, string};

/// Columns outside of subqueries, as written: the last part, and what stands before it.
fn columns(value: &Value, found: &mut Vec<(Option<String>, String)>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| columns(value, found)),
        Value::Object(_) => match node(value) {
            Some(("ColumnRef", fields)) => {
                let parts = list(fields, "fields");
                let last = parts.last().map(|part| string(part).unwrap_or("*"));
                // Behind a schema's name as well it is not certain whose column it is.
                let before = match parts {
                    [item, _] => string(item).map(str::to_owned),
                    [_] => None,
                    _ => Some(String::new()),
                };
                if let Some(last) = last {
                    found.push((before, last.to_owned()));
                }
            }
            Some(("SubLink", fields)) => {
                if let Some(test) = fields.get("testexpr") {
                    columns(test, found);
                }
            }
            // The rows of JSON_ARRAY are a query's.
            Some(("TypeName" | "SelectStmt", _)) | None => {}
            Some((_, fields)) => fields.values().for_each(|value| columns(value, found)),
        },
        _ => {}
    }
}

/// Whether PostgreSQL asks for SELECT on the target, as far as it is certain without a catalog.
pub(super) fn reads_target(kind: &str, fields: &Fields, relation: &Fields) -> bool {
    let mut found = Vec::new();
    let parts: &[&str] = match kind {
        "MergeStmt" => &["join_condition"],
        "InsertStmt" => &["returning_clause", "returning_list"],
        _ => &["where_clause", "target_list", "returning_clause", "returning_list"],
    };
    for part in parts {
        match fields.get(*part) {
            // Of SET a = b only the b is read.
            Some(Value::Array(targets)) => {
                for target in targets {
                    if let Some(value) = node(target).and_then(|(_, target)| target.get("val")) {
                        columns(value, &mut found);
                    }
                }
            }
            Some(value) => columns(value, &mut found),
            None => {}
        }
    }
    let alone = list(fields, "from_clause").is_empty()
        && list(fields, "using_clause").is_empty()
        && kind != "MergeStmt";
    let target = alias(relation);
    let system = |name: &str| matches!(name, "ctid" | "tableoid" | "xmin" | "xmax" | "cmin" | "cmax");
    found.iter().any(|(before, name)| match before {
        Some(before) => before == target && !system(name),
        None => alone && name != "*" && !system(name),
    })
}

/// The columns in each item of a plain SELECT from relations; none where the rest could give them other meanings.
pub(super) fn items(kind: &str, fields: &Fields) -> Option<Vec<BTreeSet<String>>> {
    if kind != "SelectStmt"
        || number(fields, "op") != SetOperation::SetopNone as i64
        || is_there(fields, "with_clause")
        || is_there(fields, "into_clause")
        || !list(fields, "values_lists").is_empty()
    {
        return None;
    }
    let mut names = BTreeSet::new();
    if !list(fields, "from_clause").iter().all(|item| is_plain(item, &mut names)) || names.is_empty() {
        return None;
    }
    let mut items = Vec::new();
    for target in list(fields, "target_list") {
        let mut found = Vec::new();
        columns(target, &mut found);
        // Whole rows and stars are other questions.
        if found.iter().any(|(_, name)| name == "*" || names.contains(name)) {
            return None;
        }
        if found.iter().any(|(before, _)| before.as_ref().is_some_and(|before| !names.contains(before))) {
            return None;
        }
        items.push(found.into_iter().map(|(_, name)| name).collect());
    }
    Some(items)
}

fn is_plain(item: &Value, names: &mut BTreeSet<String>) -> bool {
    match node(item) {
        Some(("RangeVar", fields)) => {
            let renamed = fields.get("alias").and_then(Value::as_object);
            names.insert(alias(fields).to_owned());
            renamed.is_none_or(|alias| list(alias, "colnames").is_empty())
        }
        Some(("JoinExpr", fields)) => {
            !is_there(fields, "alias")
                && !is_there(fields, "join_using_alias")
                && ["larg", "rarg"].iter().all(|key| fields.get(*key).is_some_and(|arg| is_plain(arg, names)))
        }
        _ => false,
    }
}
