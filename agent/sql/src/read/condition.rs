//! Whether a WHERE holds for every row whatever the row is: then an UPDATE or DELETE is one of all rows.
//!
//! It errs to "every row": a condition that reads no column is no condition.

use sqlparser::ast::{BinaryOperator, Expr, Ident, UnaryOperator, Value};

use crate::values::Values;

/// Whether the condition selects every row (or there is none).
pub(super) fn is_trivial(condition: Option<&Expr>, values: &Values) -> bool {
    condition.is_none_or(|condition| holds(condition, values))
}

/// Whether the condition selects no row.
pub(super) fn is_never(condition: &Expr, values: &Values) -> bool {
    never(condition, values)
}

fn holds(expr: &Expr, values: &Values) -> bool {
    match expr {
        Expr::Nested(inner) | Expr::IsTrue(inner) | Expr::IsNotFalse(inner) => holds(inner, values),
        Expr::BinaryOp { left, op: BinaryOperator::Or, right } => {
            holds(left, values) || holds(right, values) || are_opposite(bare(left), bare(right))
        }
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            holds(left, values) && holds(right, values)
        }
        Expr::BinaryOp {
            left,
            op: BinaryOperator::Eq | BinaryOperator::GtEq | BinaryOperator::LtEq,
            right,
        } => same(left, right) || (fixed(left, values) && fixed(right, values)),
        Expr::BinaryOp { left, right, .. } => fixed(left, values) && fixed(right, values),
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => never(expr, values),
        Expr::IsFalse(inner) | Expr::IsNotTrue(inner) => never(inner, values),
        Expr::IsNotDistinctFrom(left, right) => {
            same(left, right) || (fixed(left, values) && fixed(right, values))
        }
        Expr::InList { expr: item, list, negated: false } if list.iter().any(|e| same(item, e)) => true,
        Expr::Between { expr: item, negated: false, low, high } if same(item, low) && same(item, high) => {
            true
        }
        Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } if is_in_array(left, right) => true,
        Expr::Like { negated: false, pattern, .. } | Expr::ILike { negated: false, pattern, .. } => {
            matches!(&**pattern, Expr::Value(v) if is_percent(&v.value)) || fixed(expr, values)
        }
        other => fixed(other, values) && !is_false(other),
    }
}

/// Whether the condition is false, or unequal to itself, for every row: under NOT it holds for all.
fn never(expr: &Expr, values: &Values) -> bool {
    match expr {
        Expr::Nested(inner) => never(inner, values),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            never(left, values) || never(right, values)
        }
        Expr::BinaryOp {
            left,
            op: BinaryOperator::NotEq | BinaryOperator::Lt | BinaryOperator::Gt,
            right,
        } => same(left, right) || (fixed(left, values) && fixed(right, values)),
        Expr::IsDistinctFrom(left, right) => same(left, right),
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => holds(expr, values),
        other => fixed(other, values),
    }
}

/// One of both holds, for NULL as well.
fn are_opposite(left: &Expr, right: &Expr) -> bool {
    match (left, right) {
        (Expr::IsNull(a), Expr::IsNotNull(b))
        | (Expr::IsNotNull(a), Expr::IsNull(b))
        | (Expr::IsTrue(a), Expr::IsNotTrue(b))
        | (Expr::IsNotTrue(a), Expr::IsTrue(b))
        | (Expr::IsFalse(a), Expr::IsNotFalse(b))
        | (Expr::IsNotFalse(a), Expr::IsFalse(b)) => same(a, b),
        _ => false,
    }
}

fn is_in_array(item: &Expr, array: &Expr) -> bool {
    matches!(bare(array), Expr::Array(array) if array.elem.iter().any(|e| same(item, e)))
}

fn is_false(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(v) if v.value == Value::Boolean(false))
}

fn is_percent(value: &Value) -> bool {
    matches!(value, Value::SingleQuotedString(s) if s.trim_matches(['\'', '%']).is_empty())
}

fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Nested(inner) => bare(inner),
        other => other,
    }
}

/// The same column, or the same in any other words: sqlparser's equality takes no notice of places.
fn same(left: &Expr, right: &Expr) -> bool {
    bare(left) == bare(right)
}

/// Whether no column is read: constants, parameters and what is made of them.
fn fixed(expr: &Expr, values: &Values) -> bool {
    match expr {
        Expr::Value(_) | Expr::TypedString(_) => true,
        // A variable, or a column that is called so: then the more it is taken for is what errs to more.
        Expr::Identifier(ident) => is_value(ident, values),
        Expr::CompoundIdentifier(parts) => parts.first().is_some_and(|part| is_value(part, values)),
        Expr::CompoundFieldAccess { root, .. } => fixed(root, values),
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
        | Expr::Cast { expr: e, .. } => fixed(e, values),
        Expr::BinaryOp { left, right, .. }
        | Expr::IsDistinctFrom(left, right)
        | Expr::IsNotDistinctFrom(left, right) => fixed(left, values) && fixed(right, values),
        Expr::Between { expr, low, high, .. } => {
            fixed(expr, values) && fixed(low, values) && fixed(high, values)
        }
        Expr::InList { expr, list, .. } => fixed(expr, values) && list.iter().all(|e| fixed(e, values)),
        Expr::Like { expr, pattern, .. } | Expr::ILike { expr, pattern, .. } => {
            fixed(expr, values) && fixed(pattern, values)
        }
        Expr::AnyOp { left, right, .. } | Expr::AllOp { left, right, .. } => {
            fixed(left, values) && fixed(right, values)
        }
        Expr::Array(array) => array.elem.iter().all(|e| fixed(e, values)),
        Expr::Tuple(list) => list.iter().all(|e| fixed(e, values)),
        Expr::Case { operand, conditions, else_result, .. } => {
            operand.as_deref().is_none_or(|e| fixed(e, values))
                && conditions.iter().all(|w| fixed(&w.condition, values) && fixed(&w.result, values))
                && else_result.as_deref().is_none_or(|e| fixed(e, values))
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
                        matches!(arg, FunctionArgExpr::Expr(e) if fixed(e, values))
                    }
                }),
            }
        }
        // An EXISTS or a subquery without a look at the row: its own FROM decides, not the row.
        Expr::Exists { subquery, .. } | Expr::Subquery(subquery) => is_plain(subquery, values),
        _ => false,
    }
}

fn is_value(ident: &Ident, values: &Values) -> bool {
    values.has(&ident.value)
}

/// `SELECT 1` and its like: no FROM and no condition on anything outside.
fn is_plain(query: &sqlparser::ast::Query, values: &Values) -> bool {
    use sqlparser::ast::{SelectItem, SetExpr};
    match &*query.body {
        SetExpr::Select(select) => {
            select.from.is_empty()
                && select.selection.as_ref().is_none_or(|e| fixed(e, values))
                && select.projection.iter().all(|item| match item {
                    SelectItem::UnnamedExpr(e) | SelectItem::ExprWithAlias { expr: e, .. } => {
                        fixed(e, values)
                    }
                    SelectItem::ExprWithAliases { .. }
                    | SelectItem::QualifiedWildcard(..)
                    | SelectItem::Wildcard(_) => false,
                })
        }
        _ => false,
    }
}
