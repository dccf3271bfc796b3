//! The names in a tree that we read a statement from, each with the clause that it stands in, beside those in PostgreSQL's
//! own: a name that is taken for a word of the grammar, or a word for a name, moves what is around it.
//!
//! The tree is walked as JSON, as [`crate::oracle`] walks PostgreSQL's: no kind of node can be forgotten.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use sqlparser::ast::Statement;

use crate::compare::Finding;
use crate::oracle::{Clause, Names, Part};

/// Whether each name of the one tree stands in the other as often, in the same clause.
pub fn compare(ours: &Statement, theirs: &Names, found: &mut Vec<Finding>) {
    let Ok(tree) = serde_json::to_value(ours) else {
        return found.push(Finding::dangerous("a tree that cannot be walked", ""));
    };
    let mut ours = Names::default();
    value(&tree, Clause::None, &mut ours);
    less(&ours, theirs, "missing", found);
    let called = |(_, part): &(Clause, Part)| match part {
        Part::Call(name) => name.last().cloned(),
        _ => None,
    };
    let calls: BTreeSet<String> = ours.all.keys().filter_map(called).collect();
    // ROWS FROM (f(), …) is read as f() AS f.
    let is_call = |part: &Part| matches!(part, Part::Alias(name, columns) if columns.is_empty() && calls.contains(name));
    ours.all.retain(|(_, part), _| !is_ours_alone(part) && !is_call(part));
    less(theirs, &ours, "too many", found);
}

/// What there is less of in the one than in the other.
fn less(these: &Names, those: &Names, what: &str, found: &mut Vec<Finding>) {
    for (name, count) in &those.all {
        if these.all.get(name).is_none_or(|there| there < count) {
            let (clause, part) = name;
            found
                .push(Finding::dangerous(format!("{} {what} in {clause}", part.kind()), format!("{part:?}")));
        }
    }
}

fn ident(value: &Value) -> Option<String> {
    let ident = value.as_object().filter(|i| i.contains_key("quote_style"))?;
    ident.get("value")?.as_str().map(str::to_owned)
}

/// A name's parts.
fn parts(value: Option<&Value>) -> Vec<String> {
    let part = |part: &Value| ident(part).or_else(|| ident(part.get("Identifier")?));
    value.and_then(Value::as_array).into_iter().flatten().filter_map(part).collect()
}

fn value(value: &Value, clause: Clause, names: &mut Names) {
    match value {
        Value::Array(values) => values.iter().for_each(|v| self::value(v, clause, names)),
        Value::Object(fields) => object(fields, clause, names),
        _ => {}
    }
}

fn object(fields: &Map<String, Value>, clause: Clause, names: &mut Names) {
    let has = |key: &str| fields.contains_key(key);
    // What an alias calls something, with names for its columns.
    if has("explicit") && has("columns") {
        let columns = fields["columns"].as_array().into_iter().flatten();
        let columns = columns.filter_map(|c| ident(c.get("name")?)).collect();
        names.add(Clause::None, Part::Alias(ident(&fields["name"]).unwrap_or_default(), columns));
        return;
    }
    if let Some(root) = fields.get("root").filter(|_| has("access_chain")) {
        return accessed(root, fields["access_chain"].as_array().map_or(&[], Vec::as_slice), clause, names);
    }
    if has("table_alias") {
        if let Some(alias) = fields["table_alias"].get("alias").and_then(ident) {
            names.add(Clause::None, Part::Alias(alias, Vec::new()));
        }
        targets(&fields["columns"], names);
    }
    // INSERT of MERGE.
    if has("insert_predicate") {
        targets(&fields["columns"], names);
    }
    if has("args") && has("name") && has("alias") && !fields["args"].is_null() {
        names.add(clause, Part::Call(parts(fields.get("name"))));
    }
    if has("substring_from")
        && (fields["special"] == true
            || fields["substring_from"].is_null() && fields["substring_for"].is_null())
    {
        names.add(clause, Part::Call(vec!["substring".to_owned()]));
    }
    for (key, inner) in fields {
        match &**key {
            "Select" => {
                names.add(clause, Part::Query);
                value(inner, clause, names);
            }
            // TABLE x is SELECT * FROM x.
            "Table" if inner.get("table_name").is_some() => {
                names.add(clause, Part::Query);
                names.add(Clause::Item(0), Part::Column(vec!["*".to_owned()]));
            }
            "join_operator" => {
                let mut constraints = inner.as_object().into_iter().flat_map(Map::values);
                if constraints.any(|constraint| constraint == "Natural") {
                    names.add(Clause::From, Part::Natural);
                }
                value(inner, clause, names);
            }
            "Using" if inner.is_array() => {
                let columns = inner.as_array().into_iter().flatten();
                let columns: Vec<_> = columns.filter_map(|c| parts(Some(c)).into_iter().next()).collect();
                // ORDER BY has operators there.
                if !columns.is_empty() {
                    names.add(Clause::From, Part::Using(columns));
                }
            }
            "Identifier" if is_word(inner, &VALUES) => {}
            "Identifier" => names.add(clause, Part::Column(ident(inner).into_iter().collect())),
            "CompoundIdentifier" => names.add(clause, Part::Column(parts(Some(inner)))),
            "Wildcard" => names.add(clause, Part::Column(vec!["*".to_owned()])),
            "QualifiedWildcard" => names.add(clause, Part::Column(vec!["?".to_owned()])),
            "projection" => items(inner, Clause::Item, names),
            "returning" | "select_items" => items(inner, Clause::Returning, names),
            "Function" => {
                // That in FROM has been told.
                if inner.get("alias").is_none() {
                    names.add(clause, Part::Call(parts(inner.get("name"))));
                }
                value(inner, clause, names);
            }
            "ColumnName" => targets(&Value::Array(vec![inner.clone()]), names),
            "Tuple"
                if fields.len() == 1 && !inner.as_array().into_iter().flatten().all(|v| v.is_object()) =>
            {
                targets(inner, names)
            }
            "assignments" | "Set" => value(inner, Clause::Set, names),
            "columns" if has("table_alias") || has("insert_predicate") => {}
            "conflict_target" | "into" | "locks" | "name" | "TableName" | "data_type" | "select_token"
            | "with_token" | "span" | "token" => {}
            _ => value(inner, clause_of(key, fields).unwrap_or(clause), names),
        }
    }
}

fn items(list: &Value, clause: fn(usize) -> Clause, names: &mut Names) {
    for (index, item) in list.as_array().into_iter().flatten().enumerate() {
        let clause = clause(index);
        match item.get("ExprWithAlias") {
            Some(labelled) => {
                names.add(clause, Part::Label(labelled.get("alias").and_then(ident).unwrap_or_default()));
                value(&labelled["expr"], clause, names);
            }
            None => value(item, clause, names),
        }
    }
}

fn clause_of(key: &str, fields: &Map<String, Value>) -> Option<Clause> {
    Some(match key {
        "from" | "using" => Clause::From,
        "selection" => Clause::Where,
        "group_by" => Clause::Group,
        "having" => Clause::Having,
        "named_window" => Clause::Window,
        "order_by" if fields.contains_key("body") => Clause::Order,
        "limit_clause" | "fetch" => Clause::Limit,
        "Values" | "rows" if fields.len() == 1 || fields.contains_key("explicit_row") => Clause::Values,
        "distinct" => Clause::Distinct,
        _ => return None,
    })
}

/// Columns that are written: of a name with a field the first part.
fn targets(columns: &Value, names: &mut Names) {
    for column in columns.as_array().into_iter().flatten() {
        let first = parts(Some(column)).into_iter().next();
        names.add(Clause::Set, Part::Target(first.unwrap_or_default()));
    }
}

/// A value with subscripts and fields behind it. Those directly behind a name are part of it.
fn accessed(root: &Value, chain: &[Value], clause: Clause, names: &mut Names) {
    let mut column = match (root.get("Identifier"), root.get("CompoundIdentifier")) {
        (Some(word), _) => ident(word).map(|word| vec![word]),
        (_, Some(words)) => Some(parts(Some(words))),
        _ => None,
    };
    let (mut fields, mut ended) = (Vec::new(), false);
    for access in chain {
        match (access.get("Dot").and_then(|dot| ident(dot.get("Identifier")?)), &mut column) {
            (Some(field), Some(column)) if !ended => column.push(field),
            (Some(field), _) => fields.push(Part::Field(field)),
            (None, _) => {
                value(access, clause, names);
                ended = true;
            }
        }
    }
    match column {
        Some(column) => names.add(clause, Part::Column(column)),
        None => value(root, clause, names),
    }
    fields.into_iter().for_each(|field| names.add(clause, field));
}

fn is_word(value: &Value, words: &[&str]) -> bool {
    value.get("quote_style").is_some_and(Value::is_null)
        && value
            .get("value")
            .and_then(Value::as_str)
            .is_some_and(|word| words.contains(&&*word.to_ascii_lowercase()))
}

/// Words that are values of their own to PostgreSQL's grammar.
#[rustfmt::skip]
const VALUES: [&str; 13] = [
    "current_catalog", "current_date", "current_role", "current_schema", "current_time", "current_timestamp", "current_user",
    "default", "localtime", "localtimestamp", "session_user", "system_user", "user",
];

/// Whether PostgreSQL's grammar has a node of its own for what looks like a call to `sqlparser`.
fn is_ours_alone(part: &Part) -> bool {
    let name = match part {
        // = ANY (VALUES …) is read as a query from it.
        Part::Query => return true,
        // So is LIKE ALL (SELECT …).
        Part::Column(name) if matches!(&name[..], [star] if star == "*") => return true,
        // The form of Unicode in normalize(…).
        Part::Column(name) if matches!(&name[..], [form] if form.starts_with("nf")) => return true,
        Part::Call(name) if name.len() == 1 => &*name[0],
        _ => return false,
    };
    VALUES.contains(&name)
        || name.starts_with("json_")
        || name.starts_with("xml")
        || CONSTRUCTS.contains(&name)
}

/// Words that look like calls to `sqlparser`, or that we make calls.
#[rustfmt::skip]
const CONSTRUCTS: [&str; 12] = [
    "array", "pg_collation_for", "substring", "coalesce", "greatest", "grouping", "json",
    "least", "merge_action", "normalize", "nullif", "row",
];
