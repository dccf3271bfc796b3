//! Whether a WHERE holds for every row whatever the row is: then an UPDATE or DELETE is one of all rows.
//!
//! It errs to "every row": a condition that reads no column is no condition.

use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, Value};

/// Whether the condition selects every row (or there is none).
pub(super) fn is_trivial(condition: Option<&Expr>) -> bool {
    condition.is_none_or(holds)
}

/// Whether the condition selects no row.
pub(super) fn is_never(condition: &Expr) -> bool {
    never(condition)
}

fn holds(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) | Expr::IsTrue(inner) | Expr::IsNotFalse(inner) => holds(inner),
        Expr::BinaryOp { left, op: BinaryOperator::Or, right } => holds(left) || holds(right),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => holds(left) && holds(right),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::Eq | BinaryOperator::GtEq | BinaryOperator::LtEq,
            right,
        } => same(left, right) || (fixed(left) && fixed(right)),
        Expr::BinaryOp { left, right, .. } => fixed(left) && fixed(right),
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => never(expr),
        Expr::IsFalse(inner) | Expr::IsNotTrue(inner) => never(inner),
        Expr::IsNotDistinctFrom(left, right) => same(left, right) || (fixed(left) && fixed(right)),
        Expr::Like { negated: false, pattern, .. } | Expr::ILike { negated: false, pattern, .. } => {
            matches!(&**pattern, Expr::Value(v) if is_percent(&v.value)) || fixed(expr)
        }
        other => fixed(other) && !is_false(other),
    }
}

/// Whether the condition is false, or unequal to itself, for every row: under NOT it holds for all.
fn never(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => never(inner),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => never(left) || never(right),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::NotEq | BinaryOperator::Lt | BinaryOperator::Gt,
            right,
        } => same(left, right) || (fixed(left) && fixed(right)),
        Expr::IsDistinctFrom(left, right) => same(left, right),
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => holds(expr),
        other => fixed(other),
    }
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
fn fixed(expr: &Expr) -> bool {
    match expr {
        Expr::Value(_) | Expr::TypedString(_) => true,
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
        | Expr::Cast { expr: e, .. } => fixed(e),
        Expr::BinaryOp { left, right, .. }
        | Expr::IsDistinctFrom(left, right)
        | Expr::IsNotDistinctFrom(left, right) => fixed(left) && fixed(right),
        Expr::Between { expr, low, high, .. } => fixed(expr) && fixed(low) && fixed(high),
        Expr::InList { expr, list, .. } => fixed(expr) && list.iter().all(fixed),
        Expr::Like { expr, pattern, .. } | Expr::ILike { expr, pattern, .. } => fixed(expr) && fixed(pattern),
        Expr::Tuple(list) => list.iter().all(fixed),
        Expr::Case { operand, conditions, else_result, .. } => {
            operand.as_deref().is_none_or(fixed)
                && conditions.iter().all(|w| fixed(&w.condition) && fixed(&w.result))
                && else_result.as_deref().is_none_or(fixed)
        }
        Expr::Function(function) => {
            use sqlparser::ast::{FunctionArg, FunctionArgExpr, FunctionArguments};
            match &function.args {
                FunctionArguments::None => true,
                FunctionArguments::Subquery(_) => false,
                FunctionArguments::List(list) => list.args.iter().all(|arg| match arg {
                    FunctionArg::Named { arg, .. }
                    | FunctionArg::ExprNamed { arg, .. }
                    | FunctionArg::Unnamed(arg) => matches!(arg, FunctionArgExpr::Expr(e) if fixed(e)),
                }),
            }
        }
        // An EXISTS or a subquery without a look at the row: its own FROM decides, not the row.
        Expr::Exists { subquery, .. } | Expr::Subquery(subquery) => is_plain(subquery),
        _ => false,
    }
}

/// `SELECT 1` and its like: no FROM and no condition on anything outside.
fn is_plain(query: &sqlparser::ast::Query) -> bool {
    use sqlparser::ast::{SelectItem, SetExpr};
    match &*query.body {
        SetExpr::Select(select) => {
            select.from.is_empty()
                && select.selection.as_ref().is_none_or(fixed)
                && select.projection.iter().all(|item| match item {
                    SelectItem::UnnamedExpr(e) | SelectItem::ExprWithAlias { expr: e, .. } => fixed(e),
                    SelectItem::ExprWithAliases { .. }
                    | SelectItem::QualifiedWildcard(..)
                    | SelectItem::Wildcard(_) => false,
                })
        }
        _ => false,
    }
}
