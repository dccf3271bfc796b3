//! The names in a statement's tree, each with the clause that it stands in.

use pg_query::protobuf::{CoercionForm, SetOperation};
use serde_json::Value;

use super::facts::{Clause, Names, Part};
use super::tree::{Fields, flag, list, node, number, string, text};

/// Of a whole statement.
pub(super) fn names(tree: &Value) -> Names {
    let mut names = Names::default();
    value(tree, Clause::None, &mut names);
    names
}

fn value(value: &Value, clause: Clause, names: &mut Names) {
    match value {
        Value::Array(values) => values.iter().for_each(|v| self::value(v, clause, names)),
        Value::Object(_) => {
            if let Some((kind, inner)) = node(value) {
                fields(kind, inner, clause, names);
            }
        }
        _ => {}
    }
}

fn strings(values: &[Value]) -> Vec<String> {
    values.iter().map(|part| string(part).unwrap_or("*").to_owned()).collect()
}

fn fields(kind: &str, fields: &Fields, clause: Clause, names: &mut Names) {
    match kind {
        "ColumnRef" => return names.add(clause, Part::Column(strings(list(fields, "fields")))),
        "TypeName" => return,
        "SelectStmt"
            if number(fields, "op") == SetOperation::SetopNone as i64
                && list(fields, "values_lists").is_empty() =>
        {
            names.add(clause, Part::Query);
        }
        "JoinExpr" => {
            if flag(fields, "is_natural") {
                names.add(Clause::From, Part::Natural);
            }
            let mut columns = strings(list(fields, "using_clause"));
            if !columns.is_empty() {
                // What the join calls them is told as we read it: behind them.
                let alias = fields.get("join_using_alias").and_then(Value::as_object);
                columns.extend(alias.map(|alias| text(alias, "aliasname").to_owned()));
                names.add(Clause::From, Part::Using(columns));
            }
        }
        // The others are words to us.
        "RangeTableSample" => {
            let method = strings(list(fields, "method"));
            if !matches!(&*method[0], "bernoulli" | "system") {
                names.add(clause, Part::Call(method));
            }
        }
        "CurrentOfExpr" => names.add(clause, Part::Column(vec![text(fields, "cursor_name").to_owned()])),
        "FuncCall" => {
            let name = strings(list(fields, "funcname"));
            let is_syntax = number(fields, "funcformat") == CoercionForm::CoerceSqlSyntax as i64;
            // Of ESCAPE and of JSON_OBJECT(…) the grammar makes calls that look like any other.
            let made = |name: &str| name.ends_with("_escape") || name == "json_object";
            let is_made = name.len() == 2 && name[0] == "pg_catalog" && made(&name[1]);
            if !is_syntax && !is_made {
                names.add(clause, Part::Call(name));
            }
        }
        "AIndirection" => {
            let parts = list(fields, "indirection").iter().filter_map(node);
            for (kind, field) in parts.filter(|(kind, _)| *kind != "AIndices") {
                let field = if kind == "AStar" { "*" } else { text(field, "sval") };
                names.add(clause, Part::Field(field.to_owned()));
            }
        }
        "CommonTableExpr" => {
            let columns = strings(list(fields, "aliascolnames"));
            names.add(Clause::None, Part::Alias(text(fields, "ctename").to_owned(), columns));
        }
        _ => {}
    }
    let alias = fields.get("alias").and_then(Value::as_object);
    let mut columns = alias.map_or_else(Vec::new, |alias| strings(list(alias, "colnames")));
    let defined = list(fields, "coldeflist").iter().filter_map(node);
    columns.extend(defined.map(|(_, column)| text(column, "colname").to_owned()));
    if alias.is_some() || !columns.is_empty() {
        let name = alias.map_or("", |alias| text(alias, "aliasname"));
        names.add(Clause::None, Part::Alias(name.to_owned(), columns));
    }
    for (key, inner) in fields {
        match (kind, &**key) {
            ("SelectStmt", "target_list") => items(inner, Clause::Item, names),
            (_, "returning_clause") => {
                let Some(clause) = inner.as_object() else { continue };
                let rows = list(clause, "options").iter().filter_map(node);
                // RETURNING_OPTION_OLD, RETURNING_OPTION_NEW
                let rows = rows.map(|(_, option)| {
                    let row = if number(option, "option") == 1 { "old" } else { "new" };
                    (text(option, "value").to_owned(), row)
                });
                names.rows.extend(rows);
                if let Some(list) = clause.get("exprs") {
                    items(list, Clause::Returning, names);
                }
                names.rows.clear();
            }
            (_, "returning_list") => items(inner, Clause::Returning, names),
            ("UpdateStmt" | "OnConflictClause" | "MergeWhenClause", "target_list")
            | ("InsertStmt", "cols") => {
                for (_, target) in inner.as_array().into_iter().flatten().filter_map(node) {
                    names.add(Clause::Set, Part::Target(text(target, "name").to_owned()));
                    for inner in ["indirection", "val"].iter().filter_map(|key| target.get(*key)) {
                        value(inner, Clause::Set, names);
                    }
                }
            }
            ("InsertStmt", "on_conflict_clause") => {
                if let Some(conflict) = inner.as_object() {
                    self::fields("OnConflictClause", conflict, Clause::None, names);
                }
            }
            // Which rows conflict, we read from the tokens.
            ("OnConflictClause", "infer") | (_, "alias") => {}
            // One row for several columns stands at each of them.
            ("MultiAssignRef", "source") if number(fields, "colno") != 1 => {}
            (_, key) => value(inner, clause_of(kind, key).unwrap_or(clause), names),
        }
    }
}

fn items(list: &Value, clause: fn(usize) -> Clause, names: &mut Names) {
    for (index, item) in list.as_array().into_iter().flatten().enumerate() {
        let Some((_, target)) = node(item) else { continue };
        let label = text(target, "name");
        if !label.is_empty() {
            names.add(clause(index), Part::Label(label.to_owned()));
        }
        if let Some(val) = target.get("val") {
            value(val, clause(index), names);
        }
    }
}

fn clause_of(kind: &str, key: &str) -> Option<Clause> {
    Some(match (kind, key) {
        (_, "from_clause" | "using_clause") => Clause::From,
        ("SelectStmt" | "UpdateStmt" | "DeleteStmt" | "OnConflictClause", "where_clause") => Clause::Where,
        (_, "group_clause") => Clause::Group,
        (_, "having_clause") => Clause::Having,
        (_, "window_clause") => Clause::Window,
        (_, "sort_clause") => Clause::Order,
        (_, "limit_count" | "limit_offset") => Clause::Limit,
        (_, "values_lists") | ("MergeWhenClause", "values") => Clause::Values,
        (_, "distinct_clause") => Clause::Distinct,
        _ => return None,
    })
}
