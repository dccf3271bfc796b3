//! What an expression asks of the columns in it.
//!
//! A mask changes cells; what is computed beside them still happens. Whether a computation fails (`1 / (a = 'x')::int`), which
//! of two it comes to (`a = 'x' AND …`), and whether it comes to NULL (`nullif(a, 'x')`), a client sees whatever the cell is
//! changed to. So whatever may do one of these counts as asking, and what is listed here does not: it shows of its
//! columns where they are NULL and how long they are, as the masked columns themselves do.

use policy::{Catalog, Lineage};
use sqlparser::ast::{
    AccessExpr, BinaryOperator, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, ObjectName, Query, SelectItem, SelectItemQualifiedWildcardKind as QualifiedWildcard,
    SetExpr, Value,
};

use crate::flow::{may_be_json, may_not_fit};

/// PostgreSQL's own that take any value, and give one that tells nothing else of it.
const OF_ANY_VALUE: [&str; 31] = [
    "array_agg",
    "bit_length",
    "char_length",
    "character_length",
    "coalesce",
    "concat",
    "concat_ws",
    "count",
    "cume_dist",
    "dense_rank",
    "first_value",
    "initcap",
    "json_agg",
    "json_build_array",
    "jsonb_agg",
    "lag",
    "last_value",
    "lead",
    "left",
    "length",
    "lower",
    "md5",
    "octet_length",
    "percent_rank",
    "rank",
    "right",
    "row_number",
    "row_to_json",
    "string_agg",
    "to_json",
    "upper",
];

/// Whether the outermost step of an expression asks something of what it is made of. What its parts ask is their matter.
pub(super) fn asks(expr: &Expr) -> bool {
    match expr {
        Expr::Identifier(_)
        | Expr::CompoundIdentifier(_)
        | Expr::Nested(_)
        | Expr::Collate { .. }
        | Expr::Value(_)
        | Expr::TypedString(_)
        | Expr::Interval(_)
        | Expr::Tuple(_)
        | Expr::Array(_)
        | Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::BinaryOp { op: BinaryOperator::StringConcat, .. }
        // Which rows there are inside is asked there, and so is what CASE chooses by.
        | Expr::Subquery(_)
        | Expr::Exists { .. }
        | Expr::Case { .. } => false,
        Expr::CompoundFieldAccess { root: _, access_chain } => {
            !access_chain.iter().all(|access| matches!(access, AccessExpr::Dot(Expr::Identifier(_))))
        }
        Expr::Cast { data_type, .. } => !is_text(data_type),
        // Of a length below zero it fails.
        Expr::Substring { substring_from, substring_for, .. } => {
            ![substring_from, substring_for].into_iter().flatten().all(|bound| is_number(bound))
        }
        Expr::Function(function) => !takes_any_value(function),
        _ => true,
    }
}

/// Whether what it does with values of these types may fail, or come to NULL.
pub(super) fn is_told_by_type(expr: &Expr, lineage: &Lineage, catalog: &Catalog) -> bool {
    match expr {
        // Arrays of other dimensions do not go together.
        Expr::Array(_) | Expr::BinaryOp { op: BinaryOperator::StringConcat, .. } => {
            may_not_fit(lineage, catalog)
        }
        Expr::Function(function) => match own_name(&function.name) {
            _ if matches!(function.args, FunctionArguments::Subquery(_)) => may_not_fit(lineage, catalog),
            Some(name) => is_told_by_type_to(name, lineage, catalog),
            None => false,
        },
        _ => false,
    }
}

/// The same of PostgreSQL's own function of that name.
pub(super) fn is_told_by_type_to(function: &str, lineage: &Lineage, catalog: &Catalog) -> bool {
    match function {
        // The bound of a range may be none.
        "array_agg" | "lower" | "upper" => may_not_fit(lineage, catalog),
        // JSON may have what `jsonb` has not: `\u0000`, a number without bounds.
        "jsonb_agg" => may_be_json(lineage, catalog),
        _ => false,
    }
}

/// Whether EXISTS tells of the query no more than whether there are rows: its list only names what each of them has. What
/// chooses them is asked where it stands, the arguments of a function in FROM as well; one in the list may give none or many
/// for each.
pub(super) fn tells_of_rows_alone(query: &Query) -> bool {
    let SetExpr::Select(select) = &*query.body else { return false };
    select.projection.iter().all(|item| match item {
        SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(QualifiedWildcard::ObjectName(_), _) => true,
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
            matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Value(_))
        }
        SelectItem::QualifiedWildcard(QualifiedWildcard::Expr(_), _) | SelectItem::ExprWithAliases { .. } => {
            false
        }
    })
}

/// Whether every value of any type has a text like that, be it cut off.
const fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Text
            | DataType::Varchar(_)
            | DataType::CharVarying(_)
            | DataType::CharacterVarying(_)
            | DataType::Char(_)
            | DataType::Character(_)
    )
}

fn is_number(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(value.value, Value::Number(..)))
}

fn takes_any_value(function: &Function) -> bool {
    let Function {
        name,
        uses_odbc_syntax: _,
        parameters: _,
        args,
        within_group,
        filter,
        null_treatment,
        over: _,
    } = function;
    let FunctionArguments::List(FunctionArgumentList { duplicate_treatment, args, clauses }) = args else {
        // A word without parentheses; the array of a query's rows.
        return true;
    };
    // An order, DISTINCT or FILTER chooses.
    let is_bare = within_group.is_empty()
        && filter.is_none()
        && null_treatment.is_none()
        && duplicate_treatment.is_none()
        && clauses.is_empty();
    let Some(name) = own_name(name).filter(|_| is_bare) else { return false };
    match name {
        "substr" | "substring" => args
            .iter()
            .skip(1)
            .all(|arg| matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::Expr(bound)) if is_number(bound))),
        // Of another row, as far away as an argument says.
        "lag" | "lead" => args.len() == 1,
        // Of bytes in an encoding, which the second argument names: they may be none of its.
        "length" => args.len() == 1,
        name => OF_ANY_VALUE.binary_search(&name).is_ok(),
    }
}

/// Whether PostgreSQL's own of that name, given one value as `value.name`, tells nothing else of it. What makes a text of it
/// never fails.
pub(super) fn takes_any_value_alone(name: &str) -> bool {
    matches!(name, "bpchar" | "name" | "text" | "varchar") || OF_ANY_VALUE.binary_search(&name).is_ok()
}

/// The name of a function that is PostgreSQL's own, or stands for one of these and others.
pub(in crate::read) fn own_name(name: &ObjectName) -> Option<&str> {
    let part = |at: usize| name.0.get(at).and_then(|part| part.as_ident()).map(|ident| ident.value.as_str());
    match name.0.len() {
        1 => part(0),
        2 if part(0) == Some("pg_catalog") => part(1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_functions_stand_in_the_order_that_the_search_needs() {
        assert!(OF_ANY_VALUE.is_sorted());
    }
}
