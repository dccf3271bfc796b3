//! Conditions that look for a row among all rows of its own relation, where it is always found.

use sqlparser::ast::{
    BinaryOperator, Expr, FunctionArguments, Query, Select, SelectItem, SetExpr, TableFactor, TableWithJoins,
};

use super::{Given, bare, column_names, only_value, same};

/// Whether a row is found among all rows, or in itself, in any of the forms that ask for that: IN, `= ANY`, EXISTS.
pub(super) fn finds_itself(expr: &Expr, given: Given<'_>) -> bool {
    match expr {
        Expr::InSubquery { expr: item, subquery, negated: false } => is_among_all_rows(item, subquery, given),
        Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } => {
            subquery_of(right).is_some_and(|query| is_among_all_rows(left, query, given))
        }
        Expr::Exists { subquery, negated: false } => is_itself_among_all_rows(subquery, given),
        _ => false,
    }
}

/// Whether a row is to be missing where it is found: the negations of the same, NOT IN, `<> ALL`, NOT EXISTS.
pub(super) fn misses_itself(expr: &Expr, given: Given<'_>) -> bool {
    match expr {
        Expr::InSubquery { expr: item, subquery, negated: true } => is_among_all_rows(item, subquery, given),
        Expr::AllOp { left, compare_op: BinaryOperator::NotEq, right } => {
            subquery_of(right).is_some_and(|query| is_among_all_rows(left, query, given))
        }
        Expr::Exists { subquery, negated: true } => is_itself_among_all_rows(subquery, given),
        _ => false,
    }
}

/// The query that is compared with: `(SELECT …)` itself, or what `ARRAY(SELECT …)` makes of it.
fn subquery_of(expr: &Expr) -> Option<&Query> {
    match expr {
        Expr::Nested(inner) => subquery_of(inner),
        Expr::Subquery(query) => Some(query),
        Expr::Function(function) => match &function.args {
            FunctionArguments::Subquery(query) => Some(query),
            FunctionArguments::None | FunctionArguments::List(_) => None,
        },
        _ => None,
    }
}

/// Whether a column, or several in a row, is looked for in that very column of all rows (`id IN (SELECT id FROM t)`), or in
/// itself (`id IN (SELECT id)`).
fn is_among_all_rows(item: &Expr, query: &Query, given: Given<'_>) -> bool {
    if only_value(query).is_some_and(|value| same(item, value, given)) {
        return true;
    }
    let Some(select) = of_all_rows(query, given) else { return false };
    let items = match bare(item) {
        Expr::Tuple(items) => items.as_slice(),
        other => std::slice::from_ref(other),
    };
    let is_of_it = |(item, column): (&Expr, &SelectItem)| match column {
        SelectItem::UnnamedExpr(column) | SelectItem::ExprWithAlias { expr: column, .. } => {
            is_one_column(item, column, given)
        }
        _ => false,
    };
    let all_of_it =
        items.len() == select.projection.len() && items.iter().zip(&select.projection).all(is_of_it);
    select.selection.is_none() && all_of_it
}

/// Whether the row is looked for among all rows by a column: `EXISTS (SELECT FROM t c WHERE c.id = t.id)`.
fn is_itself_among_all_rows(query: &Query, given: Given<'_>) -> bool {
    let condition = of_all_rows(query, given).and_then(|select| select.selection.as_ref());
    let Some(Expr::BinaryOp { left, op: BinaryOperator::Eq, right }) = condition.map(bare) else {
        return false;
    };
    is_one_column(left, right, given)
}

/// The SELECT of a query from the relation whose rows are chosen and nothing else, which gives all of its rows but for its
/// WHERE.
fn of_all_rows<'q>(query: &'q Query, given: Given<'_>) -> Option<&'q Select> {
    let Query { with: None, body, limit_clause: None, fetch: None, .. } = query else { return None };
    let SetExpr::Select(select) = &**body else { return None };
    let [table] = select.from.as_slice() else { return None };
    let all = select.having.is_none() && select.qualify.is_none();
    (all && is_of_all_rows(table, given)).then_some(&**select)
}

/// Whether it is a plain relation with all its rows, or a subquery that gives them, and the one whose rows are chosen. Without a
/// schema, another of that name errs to more.
fn is_of_all_rows(table: &TableWithJoins, given: Given<'_>) -> bool {
    let TableWithJoins { relation, joins } = table;
    let name = match relation {
        TableFactor::Table { name, args: None, sample: None, .. } => name,
        TableFactor::Derived { subquery, .. } => {
            return joins.is_empty()
                && of_all_rows(subquery, given).is_some_and(|select| select.selection.is_none());
        }
        _ => return false,
    };
    let parts: Vec<&str> =
        name.0.iter().map(|part| part.as_ident().map_or("", |ident| ident.value.as_str())).collect();
    let (Some((named, before)), Some(relation)) = (parts.split_last(), given.relation) else { return false };
    let schema = before.last().copied();
    joins.is_empty()
        && *named == relation.name
        && schema.is_none_or(|schema| schema == relation.schema || schema == "pg_temp")
}

/// Whether the rows are joined with all rows of their own relation by a column, and nothing else is asked: each finds itself
/// (`DELETE FROM t USING t c WHERE c.id = t.id`).
pub(super) fn joins_itself(asked: &[&Expr], with: &[&TableWithJoins], given: Given<'_>) -> bool {
    let by_itself = |part: &Expr| {
        let Expr::BinaryOp { left, op: BinaryOperator::Eq, right } = bare(part) else { return false };
        is_one_column(left, right, given)
    };
    matches!(with, [table] if is_of_all_rows(table, given)) && asked.iter().all(|part| by_itself(part))
}

/// Whether both are columns of one name, whatever their tables are called.
fn is_one_column(left: &Expr, right: &Expr, given: Given<'_>) -> bool {
    let name = |expr| column_names(expr, given).and_then(|names| names.last().copied());
    name(left).is_some() && name(left) == name(right)
}
