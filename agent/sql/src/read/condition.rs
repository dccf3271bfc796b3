//! Whether a WHERE holds for every row whatever the row is: then an UPDATE or DELETE is one of all rows.
//!
//! It errs to "every row": a condition that reads no column is no condition.

mod among;
mod opposite;

use sqlparser::ast::{
    AccessExpr, BinaryOperator, Expr, Ident, Query, SelectItem, SetExpr, TableWithJoins, UnaryOperator, Value,
};

use policy::Relation;

use self::among::{finds_itself, joins_itself, misses_itself};
use self::opposite::are_opposite;
use super::scope::{has_system_columns, is_system_column};
use crate::values::Values;

/// What is known around a condition.
#[derive(Clone, Copy)]
pub(super) struct Given<'g> {
    pub(super) values: &'g Values,
    /// The relation whose rows it chooses, if that is known.
    pub(super) relation: Option<&'g Relation>,
    /// How the statement calls that relation.
    pub(super) called: Option<&'g str>,
}

/// Whether the condition chooses some of the rows. They may be joined `with` other relations.
pub(super) fn chooses(condition: Option<&Expr>, with: &[&TableWithJoins], given: Given<'_>) -> bool {
    condition.is_some_and(|condition| {
        let (asked, _) = asked(condition, given);
        !asked.is_empty() && !joins_itself(&asked, with, given)
    })
}

/// The parts of a condition that AND joins: those that ask something, and those that hold for every row.
pub(super) fn asked<'e>(condition: &'e Expr, given: Given<'_>) -> (Vec<&'e Expr>, Vec<&'e Expr>) {
    let mut parts = Vec::new();
    let mut rest = vec![condition];
    while let Some(expr) = rest.pop() {
        match expr {
            Expr::Nested(inner) => rest.push(inner),
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                rest.push(right);
                rest.push(left);
            }
            other => parts.push(other),
        }
    }
    parts.into_iter().partition(|part| !holds(part, given))
}

/// Whether the condition selects every row (or there is none).
pub(super) fn is_trivial(condition: Option<&Expr>, given: Given<'_>) -> bool {
    condition.is_none_or(|condition| holds(condition, given))
}

/// Whether the condition selects no row.
pub(super) fn is_never(condition: &Expr, given: Given<'_>) -> bool {
    never(condition, given)
}

fn holds(expr: &Expr, given: Given<'_>) -> bool {
    match expr {
        Expr::Nested(inner) | Expr::IsTrue(inner) | Expr::IsNotFalse(inner) => holds(inner, given),
        Expr::BinaryOp { left, op: BinaryOperator::Or, right } => {
            holds(left, given) || holds(right, given) || are_opposite(bare(left), bare(right), given)
        }
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => holds(left, given) && holds(right, given),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::Eq | BinaryOperator::GtEq | BinaryOperator::LtEq,
            right,
        } => {
            same(left, right, given)
                || (fixed(left, given) && fixed(right, given))
                || (is_true(left) && holds(right, given))
                || (is_true(right) && holds(left, given))
        }
        Expr::BinaryOp { left, op: BinaryOperator::PGRegexMatch | BinaryOperator::PGRegexIMatch, right }
            if is_any_text(right) =>
        {
            true
        }
        Expr::BinaryOp { left, right, .. } => fixed(left, given) && fixed(right, given),
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => never(expr, given),
        Expr::IsFalse(inner) | Expr::IsNotTrue(inner) => never(inner, given),
        Expr::IsNotDistinctFrom(left, right) => {
            same(left, right, given) || (fixed(left, given) && fixed(right, given))
        }
        found if finds_itself(found, given) => true,
        Expr::Exists { subquery, negated: false } if is_a_row(subquery, given) => true,
        Expr::Subquery(subquery) if only_value(subquery).is_some_and(|value| holds(value, given)) => true,
        Expr::InList { expr: item, list, negated: false } if list.iter().any(|e| same(item, e, given)) => {
            true
        }
        Expr::Between { expr: item, negated: false, low, high }
            if same(item, low, given) && same(item, high, given) =>
        {
            true
        }
        Expr::IsNotNull(inner) if is_never_null(bare(inner), given) => true,
        Expr::IsDistinctFrom(left, right)
            if (is_null(right) && is_never_null(bare(left), given))
                || (is_null(left) && is_never_null(bare(right), given)) =>
        {
            true
        }
        Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. }
            if is_in_array(left, right, given) =>
        {
            true
        }
        Expr::AllOp { left, compare_op: BinaryOperator::Eq, right }
            if is_all_of_array(left, right, given) =>
        {
            true
        }
        Expr::AllOp { right, .. } if is_array_with(right, |_| false) => true,
        Expr::Like { any: true, pattern, .. } | Expr::ILike { any: true, pattern, .. }
            if is_array_with(pattern, is_percent) =>
        {
            true
        }
        Expr::Like { negated: false, expr: text, pattern, .. } if same(text, pattern, given) => true,
        Expr::Like { negated: false, pattern, .. }
        | Expr::ILike { negated: false, pattern, .. }
        | Expr::SimilarTo { negated: false, pattern, .. } => is_percent(pattern) || fixed(expr, given),
        // Whichever it comes to.
        Expr::Case { conditions, else_result: Some(otherwise), .. } => {
            (conditions.iter().all(|when| holds(&when.result, given)) && holds(otherwise, given))
                || fixed(expr, given)
        }
        other => fixed(other, given) && !is_false(other),
    }
}

/// Whether the condition is false, or unequal to itself, for every row: under NOT it holds for all.
fn never(expr: &Expr, given: Given<'_>) -> bool {
    match expr {
        Expr::Nested(inner) => never(inner, given),
        Expr::IsNull(inner) if is_never_null(bare(inner), given) => true,
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => never(left, given) || never(right, given),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::NotEq | BinaryOperator::Lt | BinaryOperator::Gt,
            right,
        } => same(left, right, given) || (fixed(left, given) && fixed(right, given)),
        Expr::IsDistinctFrom(left, right) => same(left, right, given),
        Expr::InList { expr: item, list, negated: true } if list.iter().any(|e| same(item, e, given)) => true,
        missed if misses_itself(missed, given) => true,
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => holds(expr, given),
        other => fixed(other, given),
    }
}

fn is_in_array(item: &Expr, array: &Expr, given: Given<'_>) -> bool {
    matches!(bare(array), Expr::Array(array) if array.elem.iter().any(|e| same(item, e, given)))
}

fn is_all_of_array(item: &Expr, array: &Expr, given: Given<'_>) -> bool {
    matches!(bare(array), Expr::Array(array) if array.elem.iter().all(|e| same(item, e, given)))
}

/// Whether it is a column that is never NULL, or a row of such. One of another relation with that name errs to more.
fn is_never_null(expr: &Expr, given: Given<'_>) -> bool {
    if let Expr::Tuple(parts) = expr {
        return parts.iter().all(|part| is_never_null(bare(part), given));
    }
    let name = column_names(expr, given).and_then(|names| names.last().copied());
    let column = name.and_then(|name| given.relation?.column(&name.value));
    match (column, name, given.relation) {
        (Some(column), ..) => column.not_null,
        (None, Some(name), Some(relation)) => {
            has_system_columns(relation.kind) && is_system_column(&name.value)
        }
        _ => false,
    }
}

fn is_true(expr: &Expr) -> bool {
    matches!(bare(expr), Expr::Value(v) if v.value == Value::Boolean(true))
}

fn is_null(expr: &Expr) -> bool {
    matches!(bare(expr), Expr::Value(v) if v.value == Value::Null)
}

/// Whether it is a regular expression that is found in every text. `%` is taken for one as well: what decides by a literal has
/// to decide alike by the literal that matches the most, in which shapes are compared.
fn is_any_text(expr: &Expr) -> bool {
    let Expr::Value(value) = bare(expr) else { return false };
    let Value::SingleQuotedString(pattern) = &value.value else { return false };
    let pattern = pattern.trim_matches('\'');
    matches!(pattern.strip_prefix('^').unwrap_or(pattern).trim_end_matches('$'), "" | ".*" | "%")
}

fn is_false(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(v) if v.value == Value::Boolean(false))
}

fn is_percent(pattern: &Expr) -> bool {
    let Expr::Value(value) = bare(pattern) else { return false };
    matches!(&value.value, Value::SingleQuotedString(s) if s.trim_matches(['\'', '%']).is_empty())
}

/// Whether one in a written array is such, or there is none at all, which ALL of them fit. Of one that is a string either may be:
/// literals do not decide.
fn is_array_with(array: &Expr, is_such: fn(&Expr) -> bool) -> bool {
    match bare(array) {
        Expr::Value(value) => matches!(value.value, Value::SingleQuotedString(_)),
        Expr::Array(array) => array.elem.is_empty() || array.elem.iter().any(is_such),
        Expr::Cast { expr, .. } => is_array_with(expr, is_such),
        _ => false,
    }
}

/// Without what says the same again: parentheses, a plus, and a subquery of one value (`(SELECT id)`).
fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Nested(inner) | Expr::UnaryOp { op: UnaryOperator::Plus, expr: inner } => bare(inner),
        Expr::Subquery(query) => only_value(query).map_or(expr, bare),
        other => other,
    }
}

/// The value of a query that has no FROM and nothing else.
fn only_value(query: &Query) -> Option<&Expr> {
    let Query { with: None, body, limit_clause: None, fetch: None, .. } = query else { return None };
    let SetExpr::Select(select) = &**body else { return None };
    let [SelectItem::UnnamedExpr(value) | SelectItem::ExprWithAlias { expr: value, .. }] =
        select.projection.as_slice()
    else {
        return None;
    };
    let alone = select.from.is_empty() && select.selection.is_none() && select.having.is_none();
    alone.then_some(value)
}

/// Whether it is a row without any FROM, whatever it is of: `EXISTS (SELECT t.id)`.
fn is_a_row(query: &Query, given: Given<'_>) -> bool {
    let Query { with: None, body, limit_clause: None, fetch: None, .. } = query else { return false };
    match &**body {
        SetExpr::Select(select) => {
            select.from.is_empty()
                && select.having.is_none()
                && select.selection.as_ref().is_none_or(|condition| holds(condition, given))
        }
        SetExpr::Values(_) => true,
        _ => false,
    }
}

/// The names of a column, of which the last is its own: `id`, `t.id`, `(t).id`.
fn column_names<'e>(expr: &'e Expr, given: Given<'_>) -> Option<Vec<&'e Ident>> {
    match bare(expr) {
        Expr::Identifier(name) => Some(vec![name]),
        Expr::CompoundIdentifier(parts) => Some(parts.iter().collect()),
        Expr::CompoundFieldAccess { root, access_chain } => {
            // Of a column it is a field, which may be called as a column is.
            let (Expr::Identifier(row), [AccessExpr::Dot(Expr::Identifier(name))]) =
                (bare(root), access_chain.as_slice())
            else {
                return None;
            };
            given.called.is_some_and(|called| row.value == called).then(|| vec![row, name])
        }
        _ => None,
    }
}

/// The same column, or the same in any other words: sqlparser's equality takes no notice of places. A name without its
/// table's, or a schema's, would not be certain, did two tables have a column of that name. `id = NEW.id` compares with a
/// variable's field, unless the relation's name stands before it: `public.t.id` is no field of a variable `public`.
fn same(left: &Expr, right: &Expr, given: Given<'_>) -> bool {
    let is_variables = |parts: &[&Ident]| {
        parts.split_last().is_some_and(|(_, row)| {
            row.first().is_some_and(|first| is_value(first, given.values))
                && given.called.is_some_and(|called| row.iter().all(|part| part.value != called))
        })
    };
    if let (Some(left), Some(right)) = (column_names(left, given), column_names(right, given)) {
        return match (left.as_slice(), right.as_slice()) {
            ([left], [right]) => left == right,
            ([name], parts) | (parts, [name]) => parts.last() == Some(name) && !is_variables(parts),
            (left, right) => left.ends_with(right) || right.ends_with(left),
        };
    }
    match (bare(left), bare(right)) {
        (
            Expr::Cast { expr: left, data_type: of, kind, format },
            Expr::Cast { expr: right, data_type: to, kind: by, format: shape },
        ) => (of, kind, format) == (to, by, shape) && same(left, right, given),
        (left, right) => left == right,
    }
}

/// Whether no column is read: constants, parameters and what is made of them.
fn fixed(expr: &Expr, given: Given<'_>) -> bool {
    match expr {
        Expr::Value(_) | Expr::TypedString(_) => true,
        // A variable, or a column that is called so: then the more it is taken for is what errs to more.
        Expr::Identifier(ident) => is_value(ident, given.values),
        Expr::CompoundIdentifier(parts) => parts.first().is_some_and(|part| is_value(part, given.values)),
        Expr::CompoundFieldAccess { root, .. } => fixed(root, given),
        Expr::Nested(e)
        | Expr::IsNull(e)
        | Expr::IsNotNull(e)
        | Expr::IsTrue(e)
        | Expr::IsNotTrue(e)
        | Expr::IsFalse(e)
        | Expr::IsNotFalse(e)
        | Expr::IsUnknown(e)
        | Expr::IsNotUnknown(e)
        | Expr::UnaryOp { expr: e, .. }
        | Expr::Cast { expr: e, .. } => fixed(e, given),
        Expr::BinaryOp { left, right, .. }
        | Expr::IsDistinctFrom(left, right)
        | Expr::IsNotDistinctFrom(left, right) => fixed(left, given) && fixed(right, given),
        Expr::Between { expr, low, high, .. } => {
            fixed(expr, given) && fixed(low, given) && fixed(high, given)
        }
        Expr::InList { expr, list, .. } => fixed(expr, given) && list.iter().all(|e| fixed(e, given)),
        Expr::Like { expr, pattern, .. } | Expr::ILike { expr, pattern, .. } => {
            fixed(expr, given) && fixed(pattern, given)
        }
        Expr::AnyOp { left, right, .. } | Expr::AllOp { left, right, .. } => {
            fixed(left, given) && fixed(right, given)
        }
        Expr::Array(array) => array.elem.iter().all(|e| fixed(e, given)),
        Expr::Tuple(list) => list.iter().all(|e| fixed(e, given)),
        Expr::Case { operand, conditions, else_result, .. } => {
            operand.as_deref().is_none_or(|e| fixed(e, given))
                && conditions.iter().all(|w| fixed(&w.condition, given) && fixed(&w.result, given))
                && else_result.as_deref().is_none_or(|e| fixed(e, given))
        }
        Expr::Function(function) => {
            use sqlparser::ast::{FunctionArg, FunctionArgExpr, FunctionArguments};
            match &function.args {
                FunctionArguments::None => true,
                FunctionArguments::Subquery(_) => false,
                FunctionArguments::List(list) => list.args.iter().all(|arg| match arg {
                    FunctionArg::Named { arg, .. }
                    | FunctionArg::ExprNamed { arg, .. }
                    | FunctionArg::Unnamed(arg) => {
                        matches!(arg, FunctionArgExpr::Expr(e) if fixed(e, given))
                    }
                }),
            }
        }
        // An EXISTS or a subquery without a look at the row: its own FROM decides, not the row.
        Expr::Exists { subquery, .. } | Expr::Subquery(subquery) => is_plain(subquery, given),
        _ => false,
    }
}

fn is_value(ident: &Ident, values: &Values) -> bool {
    values.has(&ident.value)
}

/// `SELECT 1` and its like: no FROM and no condition on anything outside.
fn is_plain(query: &Query, given: Given<'_>) -> bool {
    match &*query.body {
        SetExpr::Select(select) => {
            select.from.is_empty()
                && select.selection.as_ref().is_none_or(|e| fixed(e, given))
                && select.projection.iter().all(|item| match item {
                    SelectItem::UnnamedExpr(e) | SelectItem::ExprWithAlias { expr: e, .. } => fixed(e, given),
                    SelectItem::ExprWithAliases { .. }
                    | SelectItem::QualifiedWildcard(..)
                    | SelectItem::Wildcard(_) => false,
                })
        }
        _ => false,
    }
}
