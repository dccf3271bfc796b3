//! Columns, fields of them and whole rows, as expressions name them.

use policy::Lineage;
use sqlparser::ast::{AccessExpr, Expr, Ident, Subscript};

use super::asking::{is_told_by_type_to, takes_any_value_alone};
use super::{COPY, returns_rows};
use crate::flow::{Rows, add, constant};
use crate::lexer::Kind;
use crate::read::Reader;
use crate::read::call::Called;
use crate::read::scope::{Found, Item, Scope};

impl Reader<'_> {
    /// Whether it is `x.*` or `(x).*`, which a list takes for all the columns of `x`.
    pub(in crate::read) fn is_starred(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Nested(inner) => self.is_starred(inner),
            Expr::CompoundIdentifier(parts) => parts.last().is_some_and(|part| self.is_star(part)),
            Expr::CompoundFieldAccess { root: _, access_chain } => {
                matches!(access_chain.last(), Some(AccessExpr::Dot(Expr::Identifier(part))) if self.is_star(part))
            }
            _ => false,
        }
    }

    /// The columns that it is then.
    pub(in crate::read) fn starred(&mut self, expr: &Expr, scope: &Scope<'_>) -> Rows {
        match expr {
            Expr::Nested(inner) => self.starred(inner, scope),
            Expr::CompoundIdentifier(parts) => match self.starred_item(parts, scope) {
                Some(item) if self.spend(COPY * item.rows.size()) => item.every_column(),
                Some(_) => Rows::Any(Lineage::Unknown),
                None => Rows::Any(Lineage::Unknown),
            },
            expr => Rows::Any(self.expr(expr, scope)),
        }
    }

    /// What `item.*` or `[database.]schema.item.*` names.
    pub(super) fn starred_item<'s>(&mut self, parts: &[Ident], scope: &'s Scope<'_>) -> Option<&'s Item> {
        let mut names = Vec::with_capacity(parts.len());
        for (index, part) in parts.iter().enumerate() {
            names.push(if index == 0 { self.name(part) } else { self.part(part) });
        }
        if !self.spend(scope.width()) {
            return None;
        }
        match names.as_slice() {
            [item, _] => scope.item(None, item),
            [schema, item, _] | [_, schema, item, _] => scope.item(Some(schema), item),
            _ => {
                self.unsupported("a name of many parts");
                None
            }
        }
    }

    /// Whether the bridge made this name of a star.
    pub(super) fn is_star(&self, ident: &Ident) -> bool {
        self.token_of(ident).is_some_and(|at| self.tokens[at].kind == Kind::Operator)
    }

    pub(super) fn access(&mut self, access: &AccessExpr, value: &Lineage, scope: &Scope<'_>) -> Lineage {
        match access {
            // A field of a composite value, which the value already carries; or a call.
            AccessExpr::Dot(Expr::Identifier(ident)) if self.is_star(ident) => {
                self.part(ident);
                constant()
            }
            AccessExpr::Dot(Expr::Identifier(ident)) => {
                let name = self.part(ident);
                let Some(called) = self.call_as_attribute(&name) else { return constant() };
                if called.gathers {
                    scope.gather();
                }
                if called.keeps {
                    self.store(value.clone());
                }
                if called.asks || self.asks_as_attribute(&name, value) {
                    self.steer(value.clone());
                }
                called.carried
            }
            AccessExpr::Dot(_) => self.unsupported("field"),
            AccessExpr::Subscript(Subscript::Index { index }) => self.expr(index, scope),
            AccessExpr::Subscript(Subscript::Slice { lower_bound, upper_bound, stride: None }) => {
                let mut sum = self.exprs(lower_bound, scope);
                add(&mut sum, self.exprs(upper_bound, scope));
                sum
            }
            AccessExpr::Subscript(Subscript::Slice { stride: Some(_), .. }) => self.unsupported("slice"),
        }
    }

    /// Whether PostgreSQL's own function, called as `value.name`, asks something of the value.
    fn asks_as_attribute(&self, name: &str, value: &Lineage) -> bool {
        returns_rows(name)
            || !takes_any_value_alone(name)
            || is_told_by_type_to(name, value, self.names.catalog)
    }

    /// A name alone: a column, else a whole row, else a value that the grammar spells as a word.
    pub(super) fn column_reference(&mut self, ident: &sqlparser::ast::Ident, scope: &Scope<'_>) -> Lineage {
        if ident.quote_style.is_none() && matches!(&*ident.value, "current_role" | "default") {
            self.meet(ident);
            return constant();
        }
        if ident.quote_style.is_none() && ident.value == "current_schema" {
            self.meet(ident);
            return constant();
        }
        // A value since version 16, and a name as any other before: where there is a column called so, it may be that one.
        let may_be_value = ident.quote_style.is_none() && ident.value == "system_user";
        let name = if may_be_value { self.label(ident) } else { self.name(ident) };
        // Not found: the server will refuse it, or knows more than the catalog.
        if !self.spend(scope.width()) {
            return Lineage::Unknown;
        }
        let unknown = if may_be_value { constant() } else { Lineage::Unknown };
        let lineage = match (scope.column(&name, self.names.catalog), self.names.values.lineage(&name)) {
            (Some(mut column), Some(value)) => {
                add(&mut column, value);
                column
            }
            (found, value) => found.or(value).unwrap_or(unknown),
        };
        self.read_in_expression(&lineage);
        lineage
    }

    /// `item.column`, `[database.]schema.item.column`; what is no column of the item may be a call in attribute notation.
    pub(super) fn qualified_reference(
        &mut self,
        parts: &[sqlparser::ast::Ident],
        scope: &Scope<'_>,
    ) -> Lineage {
        let mut names = Vec::with_capacity(parts.len());
        for (index, part) in parts.iter().enumerate() {
            names.push(if index == 0 { self.name(part) } else { self.part(part) });
        }
        if !self.spend(scope.width()) {
            return Lineage::Unknown;
        }
        let (item, column) = match names.as_slice() {
            [item, column] => (scope.item(None, item), column),
            [schema, item, column] => (scope.item(Some(schema), item), column),
            [_, schema, item, column] => (scope.item(Some(schema), item), column),
            // `label.row.field.field`
            [first, .., column] if self.names.values.has(first) => (None, column),
            _ => return self.unsupported("a name of many parts"),
        };
        let value = names.first().and_then(|name| self.names.values.lineage(name));
        let mut sum = match item.map(|item| (item, Scope::column_of(item, column, self.names.catalog))) {
            Some((_, Found::Column(mut lineage))) => {
                if let Some(value) = value {
                    add(&mut lineage, value);
                }
                self.read_in_expression(&lineage);
                return lineage;
            }
            // Where it is not certain which columns there are, it may be either.
            Some((_, Found::Perhaps(lineage))) => lineage,
            Some((item, Found::None)) => item.whole(),
            None if value.is_none() => return Lineage::Unknown,
            None => constant(),
        };
        if let Some(value) = value {
            add(&mut sum, value);
        }
        self.read_in_expression(&sum);
        let Some(called) = self.call_as_attribute(column) else { return sum };
        let Called { carried, keeps, gathers, asks } = called;
        if gathers {
            scope.gather();
        }
        if keeps {
            let whole = item.map_or_else(constant, Item::whole);
            add(&mut sum, whole);
            self.store(sum.clone());
        }
        if asks || self.asks_as_attribute(column, &sum) {
            self.steer(sum.clone());
        }
        add(&mut sum, carried);
        sum
    }
}

/// The names with dots between at the head of `x.y[1]`, and what follows them: without parentheses they are a column
/// with what it is of, as they are without a subscript, and never a field of a column that is called `x`.
pub(super) fn reference<'e>(root: &Expr, chain: &'e [AccessExpr]) -> (Vec<Ident>, &'e [AccessExpr]) {
    let mut parts = match root {
        Expr::Identifier(ident) => vec![ident.clone()],
        Expr::CompoundIdentifier(parts) => parts.clone(),
        _ => return (Vec::new(), chain),
    };
    let mut rest = chain;
    while let [AccessExpr::Dot(Expr::Identifier(ident)), after @ ..] = rest {
        parts.push(ident.clone());
        rest = after;
    }
    (parts, rest)
}
