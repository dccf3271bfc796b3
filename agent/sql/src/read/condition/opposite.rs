//! Two conditions of which one holds for every row: `a = 1 OR a <> 1`.

use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator};

use super::{Given, bare, fixed, same};

/// One of both holds: for NULL as well, or for whatever is not NULL, which errs to more.
pub(super) fn are_opposite(left: &Expr, right: &Expr, given: Given<'_>) -> bool {
    // Literals do not decide: `id = 5 OR id <> 6` counts as what it looks like.
    let alike = |a, b| same(a, b, given) || (fixed(a, given) && fixed(b, given));
    if let (Some((a, b, equal)), Some((c, d, other))) = (equality(left), equality(right)) {
        return equal != other && ((alike(a, c) && alike(b, d)) || (alike(a, d) && alike(b, c)));
    }
    match (left, right) {
        (Expr::IsNull(a), Expr::IsNotNull(b))
        | (Expr::IsNotNull(a), Expr::IsNull(b))
        | (Expr::IsTrue(a), Expr::IsNotTrue(b))
        | (Expr::IsNotTrue(a), Expr::IsTrue(b))
        | (Expr::IsFalse(a), Expr::IsNotFalse(b))
        | (Expr::IsNotFalse(a), Expr::IsFalse(b))
        | (Expr::IsUnknown(a), Expr::IsNotUnknown(b))
        | (Expr::IsNotUnknown(a), Expr::IsUnknown(b)) => same(a, b, given),
        _ => false,
    }
}

/// What is compared, and whether for being equal: `a = b`, `a <> b`, `NOT a = b`.
fn equality(expr: &Expr) -> Option<(&Expr, &Expr, bool)> {
    match bare(expr) {
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => Some((left, right, true)),
        Expr::BinaryOp { left, op: BinaryOperator::NotEq, right } => Some((left, right, false)),
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => {
            equality(expr).map(|(left, right, equal)| (left, right, !equal))
        }
        _ => None,
    }
}
