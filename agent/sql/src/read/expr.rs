//! Expressions: every call, cast and subquery in them, and the columns that their value may carry.
//!
//! The match names every variant; what PostgreSQL does not have makes the statement opaque (guard 4).

use policy::{Lineage, Verb};
use sqlparser::ast::{BinaryOperator, DataType, Expr, UnaryOperator, Value, ValueWithSpan};

use self::columns::reference;
use super::Reader;
use super::call::Called;
use super::scope::{Item, Scope};
use super::uses::Used;
use crate::flow::{Cell, Rows, add, constant, is_text};
use crate::name::Name;

mod arguments;
mod asking;
mod columns;
mod operators;
mod typed;

/// Whether a function of that name gives rows: none, or many.
fn returns_rows(function: &str) -> bool {
    const OTHERS: [&str; 10] = [
        "aclexplode",
        "generate_series",
        "generate_subscripts",
        "regexp_matches",
        "regexp_split_to_table",
        "string_to_table",
        "ts_debug",
        "ts_parse",
        "ts_token_type",
        "unnest",
    ];
    const OF_JSON: [&str; 7] = [
        "_array_elements",
        "_array_elements_text",
        "_each",
        "_each_text",
        "_object_keys",
        "_populate_recordset",
        "_to_recordset",
    ];
    OTHERS.contains(&function)
        || matches!(function, "jsonb_path_query" | "jsonb_path_query_tz")
        || ["json", "jsonb"]
            .iter()
            .any(|kind| function.strip_prefix(kind).is_some_and(|rest| OF_JSON.contains(&rest)))
}

/// What the names in an expression that stands alone mean.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Over<'o> {
    /// Nothing.
    Nothing,
    /// Columns of a relation.
    Relation(&'o Name),
    /// Columns of a relation's rows as they were and as they will be, NEW and OLD.
    Rows(&'o Name),
    /// Columns of a relation that is being made; `more`: it may have others.
    New { name: &'o Name, columns: &'o [String], more: bool },
}

/// A relation that is being made. Its columns carry nothing yet.
fn new_item(name: &Name, columns: &[String], more: bool) -> Item {
    let cell =
        |column: &String| Cell { name: Some(column.clone()), lineage: constant(), typed: Typed::Unknown };
    let rows = if more { Rows::Any(constant()) } else { Rows::Columns(columns.iter().map(cell).collect()) };
    Item {
        name: Some(name.name.clone()),
        schema: name.schema.clone(),
        relation: None,
        system_columns: true,
        used: None,
        rows,
    }
}

pub(super) use arguments::is_value_word;
pub(super) use asking::own_name;
use asking::{asks, is_told_by_type, tells_of_rows_alone};
pub(crate) use typed::Typed;

/// What copying a column takes, beside looking at its name.
pub(super) const COPY: usize = 16;

/// Whether a literal is a string of some kind, as a type before it needs.
const fn is_string(value: &Value) -> bool {
    !matches!(value, Value::Placeholder(_) | Value::Number(..) | Value::Boolean(_) | Value::Null)
}

/// Whether the value is what stands in the expression, as it is.
const fn is_passed_on(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::Identifier(_)
            | Expr::CompoundIdentifier(_)
            | Expr::Nested(_)
            | Expr::Collate { .. }
            | Expr::Subquery(_)
    )
}

/// Whether a type is text of any length.
const fn is_any_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Text
            | DataType::Varchar(None)
            | DataType::CharVarying(None)
            | DataType::CharacterVarying(None)
    )
}

impl Reader<'_> {
    /// What all of these carry.
    pub(super) fn exprs<'e>(
        &mut self,
        exprs: impl IntoIterator<Item = &'e Expr>,
        scope: &Scope<'_>,
    ) -> Lineage {
        let mut sum = constant();
        for expr in exprs {
            add(&mut sum, self.expr(expr, scope));
        }
        sum
    }

    pub(super) fn unsupported(&mut self, what: &str) -> Lineage {
        self.opaque(format!("unsupported expression: {what}"));
        Lineage::Unknown
    }

    /// An expression that stands alone: what it carries, and whether it reads a column of what it is over.
    pub(crate) fn lone_expression(&mut self, expr: &Expr, over: Over<'_>) -> (Lineage, bool) {
        let mut scope = Scope::inside(None);
        let used = Used::by(false);
        match over {
            Over::Nothing => {}
            Over::Relation(name) => {
                let target = self.target(name);
                scope.items.push(self.target_item(&target, name, None, &used));
            }
            Over::Rows(name) => {
                for row in ["new", "old"] {
                    let target = self.target(name);
                    scope.items.push(self.target_item(&target, name, Some(row.to_owned()), &used));
                }
            }
            Over::New { name, columns, more } => scope.items.push(new_item(name, columns, more)),
        }
        let lineage = self.expr(expr, &scope);
        (lineage, used.is_read())
    }

    /// What the expression's value may carry.
    pub(super) fn expr(&mut self, expr: &Expr, scope: &Scope<'_>) -> Lineage {
        let start = self.unasked.len();
        // What is made of parts by none of these is not known.
        let mut typed = None;
        let mut converts = false;
        let lineage = match expr {
            Expr::Identifier(ident) => self.column_reference(ident, scope),
            // A whole row.
            Expr::CompoundIdentifier(parts) if self.is_starred(expr) => {
                let whole = self.starred_item(parts, scope).map_or(Lineage::Unknown, Item::whole);
                self.read_in_expression(&whole);
                whole
            }
            Expr::CompoundIdentifier(parts) => self.qualified_reference(parts, scope),
            Expr::CompoundFieldAccess { root, access_chain } => {
                let (parts, rest) = reference(root, access_chain);
                let mut sum = match parts.as_slice() {
                    [] | [_] => self.expr(root, scope),
                    parts => self.qualified_reference(parts, scope),
                };
                for access in rest {
                    let lineage = self.access(access, &sum, scope);
                    add(&mut sum, lineage);
                }
                sum
            }
            Expr::IsFalse(e)
            | Expr::IsNotFalse(e)
            | Expr::IsTrue(e)
            | Expr::IsNotTrue(e)
            | Expr::IsNull(e)
            | Expr::IsNotNull(e)
            | Expr::IsUnknown(e)
            | Expr::IsNotUnknown(e)
            | Expr::IsJson { expr: e, .. }
            | Expr::IsNormalized { expr: e, .. } => self.expr(e, scope),
            Expr::Nested(e) => {
                let lineage = self.expr(e, scope);
                typed = Some(self.typed);
                lineage
            }
            Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => {
                self.exprs([&**left, &**right], scope)
            }
            Expr::InList { expr, list, negated: _ } => {
                let mut sum = self.expr(expr, scope);
                add(&mut sum, self.exprs(list, scope));
                sum
            }
            Expr::InSubquery { expr, subquery, negated: _ } => {
                let mut sum = self.expr(expr, scope);
                let rows = self.query(subquery, Some(scope)).all();
                self.read_in_expression(&rows);
                add(&mut sum, rows);
                sum
            }
            Expr::Between { expr, low, high, negated: _ } => self.exprs([&**expr, &**low, &**high], scope),
            Expr::BinaryOp { left, op: op @ BinaryOperator::StringConcat, right } => {
                let (mut sum, parts) = self.parts([&**left, &**right], scope);
                // Of arrays; of texts each has one.
                self.converts(&parts);
                typed = parts.iter().any(|(typed, _)| *typed == Typed::TEXT).then_some(Typed::TEXT);
                add(&mut sum, self.binary_operator(op));
                sum
            }
            Expr::BinaryOp { left, op, right } => {
                let mut sum = self.exprs([&**left, &**right], scope);
                add(&mut sum, self.binary_operator(op));
                sum
            }
            Expr::AnyOp { left, compare_op, right, is_some: _ } | Expr::AllOp { left, compare_op, right } => {
                let mut sum = self.exprs([&**left, &**right], scope);
                add(&mut sum, self.binary_operator(compare_op));
                sum
            }
            Expr::Like { expr, pattern, escape_char, negated: _, any: _ }
            | Expr::ILike { expr, pattern, escape_char, negated: _, any: _ }
            | Expr::SimilarTo { expr, pattern, escape_char, negated: _ } => {
                let mut sum = self.exprs([&**expr, &**pattern], scope);
                add(&mut sum, self.exprs(escape_char.as_deref(), scope));
                sum
            }
            Expr::UnaryOp { op, expr } => {
                let lineage = self.expr(expr, scope);
                let is_sign = matches!(op, UnaryOperator::Plus | UnaryOperator::Minus);
                typed = Some(Typed::Literal).filter(|literal| is_sign && self.typed == *literal);
                match op {
                    UnaryOperator::AtDashAt
                    | UnaryOperator::BitwiseNot
                    | UnaryOperator::DoubleAt
                    | UnaryOperator::Hash
                    | UnaryOperator::Plus
                    | UnaryOperator::Minus
                    | UnaryOperator::Not
                    | UnaryOperator::PGAbs
                    | UnaryOperator::PGCubeRoot
                    | UnaryOperator::PGSquareRoot
                    | UnaryOperator::PGPrefixFactorial
                    | UnaryOperator::QuestionDash
                    | UnaryOperator::QuestionPipe => lineage,
                    UnaryOperator::BangNot | UnaryOperator::PGPostfixFactorial => {
                        self.unsupported("operator")
                    }
                }
            }
            Expr::Cast { kind: _, expr, data_type, format: None } => {
                self.data_type(data_type);
                let lineage = self.expr(expr, scope);
                // A user's type of that name may take no value, or not any.
                let is_own = self.is_own_type(data_type);
                converts = !is_own;
                self.typed = if is_own { Typed::of_cast(data_type) } else { Typed::Unknown };
                typed = Some(self.typed);
                // Between text and varchar without a length nothing is converted: they are stored alike.
                if is_own && is_any_text(data_type) && is_text(&lineage, self.names.catalog) {
                    return lineage;
                }
                lineage
            }
            Expr::AtTimeZone { timestamp, time_zone } => self.exprs([&**timestamp, &**time_zone], scope),
            Expr::Extract { field, syntax: _, expr } => {
                if let sqlparser::ast::DateTimeField::Custom(ident) = field {
                    // The field may also be written as a string.
                    if ident.quote_style != Some('\'') {
                        self.label(ident);
                    }
                }
                self.expr(expr, scope)
            }
            Expr::Position { expr, r#in } => self.exprs([&**expr, &**r#in], scope),
            Expr::Substring { expr, substring_from, substring_for, special, shorthand } => {
                let mut sum = self.expr(expr, scope);
                add(&mut sum, self.exprs(substring_from.as_deref(), scope));
                add(&mut sum, self.exprs(substring_for.as_deref(), scope));
                // With commas, or of one value, it is a call like any other, of a user's function where the types fit that better.
                let alone = substring_from.is_none() && substring_for.is_none();
                if *special || *shorthand || alone {
                    let name = if *shorthand { "substr" } else { "substring" };
                    let called = self.call(Verb::Function, &Name { schema: None, name: name.to_owned() });
                    if called.keeps {
                        self.store(sum.clone());
                    }
                    if called.asks {
                        self.ask(start);
                    }
                    add(&mut sum, called.carried);
                }
                sum
            }
            Expr::Trim { trim_where: _, trim_what, expr, trim_characters } => {
                let mut sum = self.expr(expr, scope);
                add(&mut sum, self.exprs(trim_what.as_deref(), scope));
                add(&mut sum, self.exprs(trim_characters.iter().flatten(), scope));
                sum
            }
            Expr::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
                let mut sum = self.exprs([&**expr, &**overlay_what, &**overlay_from], scope);
                add(&mut sum, self.exprs(overlay_for.as_deref(), scope));
                sum
            }
            Expr::Collate { expr, collation } => {
                self.object_name(collation, true);
                let lineage = self.expr(expr, scope);
                typed = Some(self.typed);
                lineage
            }
            Expr::Value(value) => {
                // A parameter's type says who binds it.
                typed = (!matches!(value.value, Value::Placeholder(_))).then_some(Typed::Literal);
                self.value(value)
            }
            Expr::TypedString(literal) => {
                self.data_type(&literal.data_type);
                typed = self.is_own_type(&literal.data_type).then(|| Typed::of_cast(&literal.data_type));
                // `a[date:1]` is a slice from the column date, and no date of a parameter called `:1`.
                if literal.uses_odbc_syntax || !is_string(&literal.value.value) {
                    return self.unsupported("literal");
                }
                self.value(&literal.value)
            }
            Expr::Function(function) => {
                let lineage = self.function(function, scope);
                typed = Some(self.typed);
                lineage
            }
            Expr::Case { case_token: _, end_token: _, operand, conditions, else_result } => {
                let mut sum = self.exprs(operand.as_deref(), scope);
                let mut chooses = sum.clone();
                let mut results = Vec::new();
                for when in conditions {
                    add(&mut chooses, self.expr(&when.condition, scope));
                    let lineage = self.expr(&when.result, scope);
                    results.push((self.typed, lineage.clone()));
                    add(&mut sum, lineage);
                }
                add(&mut sum, chooses.clone());
                // Which of the results is computed at all shows, where one of them fails.
                self.steer(chooses);
                if let Some(result) = else_result {
                    let lineage = self.expr(result, scope);
                    results.push((self.typed, lineage.clone()));
                    add(&mut sum, lineage);
                }
                self.converts(&results);
                typed = Some(Typed::of_all(&results));
                sum
            }
            Expr::Exists { subquery, negated: _ } => match self.query(subquery, Some(scope)).all() {
                Lineage::Unknown => Lineage::Unknown,
                _ if tells_of_rows_alone(subquery) => constant(),
                lineage => lineage,
            },
            Expr::Subquery(subquery) => {
                let value = self.query(subquery, Some(scope)).value();
                self.read_in_expression(&value);
                value
            }
            Expr::GroupingSets(sets) | Expr::Cube(sets) | Expr::Rollup(sets) => {
                self.exprs(sets.iter().flatten(), scope)
            }
            Expr::Tuple(list) => self.exprs(list, scope),
            Expr::Array(array) => {
                let (sum, parts) = self.parts(&array.elem, scope);
                self.converts(&parts);
                typed = Some(Typed::of_all(&parts));
                sum
            }
            // Before anything but a string the word is a column's name (`SELECT interval b` labels it).
            Expr::Interval(interval) => match &*interval.value {
                // `a[interval:1]` is a slice from that column, and no interval of a parameter called `:1`.
                Expr::Value(value) if is_string(&value.value) => self.value(value),
                _ => self.unsupported("a column called interval"),
            },
            Expr::Cast { kind: _, expr: _, data_type: _, format: Some(_) } => self.unsupported("cast"),
            Expr::JsonAccess { .. }
            | Expr::InUnnest { .. }
            | Expr::RLike { .. }
            | Expr::Convert { .. }
            | Expr::Ceil { .. }
            | Expr::Floor { .. }
            | Expr::Prefixed { .. }
            | Expr::Struct { .. }
            | Expr::Named { .. }
            | Expr::Dictionary(_)
            | Expr::Map(_)
            | Expr::MatchAgainst { .. }
            | Expr::Wildcard(_)
            | Expr::QualifiedWildcard(..)
            | Expr::OuterJoin(_)
            | Expr::Prior(_)
            | Expr::Lambda(_)
            | Expr::MemberOf(_) => self.unsupported("not one of PostgreSQL's"),
        };
        if converts || asks(expr) || is_told_by_type(expr, &lineage, self.names.catalog) {
            self.ask(start);
        }
        if matches!(expr, Expr::Function(_)) {
            // What it gives, of whatever it is made, something around it may ask.
            self.read_in_expression(&lineage);
        }
        self.typed = typed.unwrap_or_else(|| Typed::of_own(&lineage, self.names.catalog));
        if is_passed_on(expr) { lineage } else { lineage.derived() }
    }

    /// What all of these carry, and each of them, with its type.
    fn parts<'e>(
        &mut self,
        exprs: impl IntoIterator<Item = &'e Expr>,
        scope: &Scope<'_>,
    ) -> (Lineage, Vec<(Typed, Lineage)>) {
        let (mut sum, mut parts) = (constant(), Vec::new());
        for expr in exprs {
            let lineage = self.expr(expr, scope);
            parts.push((self.typed, lineage.clone()));
            add(&mut sum, lineage);
        }
        (sum, parts)
    }

    fn value(&mut self, value: &ValueWithSpan) -> Lineage {
        match &value.value {
            Value::Number(..)
            | Value::SingleQuotedString(_)
            | Value::DollarQuotedString(_)
            | Value::EscapedStringLiteral(_)
            | Value::UnicodeStringLiteral(_)
            | Value::SingleQuotedByteStringLiteral(_)
            | Value::NationalStringLiteral(_)
            | Value::HexStringLiteral(_)
            | Value::Boolean(_)
            | Value::Null
            | Value::Placeholder(_) => constant(),
            Value::TripleSingleQuotedString(_)
            | Value::TripleDoubleQuotedString(_)
            | Value::DoubleQuotedByteStringLiteral(_)
            | Value::TripleSingleQuotedByteStringLiteral(_)
            | Value::TripleDoubleQuotedByteStringLiteral(_)
            | Value::SingleQuotedRawStringLiteral(_)
            | Value::DoubleQuotedRawStringLiteral(_)
            | Value::TripleSingleQuotedRawStringLiteral(_)
            | Value::TripleDoubleQuotedRawStringLiteral(_)
            | Value::QuoteDelimitedStringLiteral(_)
            | Value::NationalQuoteDelimitedStringLiteral(_)
            | Value::DoubleQuotedString(_) => self.unsupported("literal"),
        }
    }

    /// A function by its written name. What it is given is told by [`Self::given`].
    pub(super) fn call_written(&mut self, name: &sqlparser::ast::ObjectName) -> Called {
        match self.object_name(name, true) {
            Some(Name { schema: None, name }) if !self.is_callable(&name) => Called {
                carried: self.unsupported("a word in the place of a function"),
                keeps: true,
                gathers: true,
                asks: true,
            },
            Some(name) => self.call_told(Verb::Function, &name, true),
            None => Called { carried: Lineage::Unknown, keeps: true, gathers: true, asks: true },
        }
    }
}
