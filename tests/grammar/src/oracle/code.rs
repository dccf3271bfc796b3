//! Code in strings: bodies of functions, and of DO, as PostgreSQL's own compilers cut it.

use pg_query::ParserOptions;
use serde_json::Value;

/// The trees of all SQL in the code of a statement: of functions in SQL and PL/pgSQL, and of DO.
pub(super) fn trees(text: &str, tree: &Value) -> Vec<Value> {
    let Some((kind, fields)) =
        tree.get("node").and_then(Value::as_object).and_then(|node| node.iter().next())
    else {
        return Vec::new();
    };
    if !matches!(&**kind, "CreateFunctionStmt" | "DoStmt") {
        return Vec::new();
    }
    let options = ["options", "args"].iter().filter_map(|key| fields.get(*key)?.as_array()).flatten();
    let (mut language, mut bodies) =
        (String::from(if kind == "DoStmt" { "plpgsql" } else { "" }), Vec::new());
    for option in options {
        let mut strings = Vec::new();
        values(option, "sval", &mut strings);
        let strings: Vec<&str> = strings.into_iter().filter_map(Value::as_str).collect();
        let mut names = Vec::new();
        values(option, "defname", &mut names);
        match names.first().and_then(|name| name.as_str()) {
            Some("language") => language = strings.first().copied().unwrap_or_default().to_owned(),
            Some("as") => bodies = strings.into_iter().map(str::to_owned).collect(),
            _ => {}
        }
    }
    match (&*language, bodies.as_slice()) {
        ("sql", [body]) => parsed(body),
        ("plpgsql", [_]) => {
            let Ok(functions) = pg_query::parse_plpgsql(text) else { return Vec::new() };
            let mut pieces = Vec::new();
            values(&functions, "PLpgSQL_expr", &mut pieces);
            pieces.into_iter().filter_map(piece).flat_map(|sql| parsed(&sql)).collect()
        }
        _ => Vec::new(),
    }
}

fn parsed(sql: &str) -> Vec<Value> {
    let parsed = pg_query::parse(sql, ParserOptions::DEFAULT);
    let statements = parsed.into_iter().flat_map(|parsed| parsed.protobuf.stmts);
    statements.filter_map(|raw| serde_json::to_value(raw.stmt?).ok()).collect()
}

/// A piece of SQL as a statement: by its `RawParseMode` it is one, what follows a SELECT, or an assignment.
fn piece(expression: &Value) -> Option<String> {
    let query = expression.get("query")?.as_str()?;
    Some(match expression.get("parseMode").and_then(Value::as_i64).unwrap_or_default() {
        0 => query.to_owned(),
        2 => format!("SELECT {query}"),
        _ => format!("SELECT {}", &query[query.find('=')? + 1..]),
    })
}

/// All values of that key, wherever they stand.
fn values<'v>(value: &'v Value, key: &str, found: &mut Vec<&'v Value>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| self::values(value, key, found)),
        Value::Object(fields) => {
            for (name, value) in fields {
                if name == key {
                    found.push(value);
                }
                values(value, key, found);
            }
        }
        _ => {}
    }
}
