//! FROM: relations, subqueries, functions and joins become the items of a query level.

use std::rc::Rc;

use policy::Verb;
use sqlparser::ast::{
    Expr, FunctionArg, Join, JoinConstraint, JoinOperator, ObjectName, TableAlias, TableFactor, TableSample,
    TableSampleKind, TableSampleMethod, TableSampleModifier, TableSampleQuantity, TableWithJoins,
};

use super::Reader;
use super::access::Target;
use super::expr::COPY;
use super::expr::Typed;
use super::scope::{Item, Scope, has_system_columns};
use super::uses::{Told, Used};
use crate::flow::{Cell, Rows, add, constant};
use crate::name::Name;

/// An alias as written.
#[derive(Default)]
struct Alias {
    name: Option<String>,
    columns: Vec<String>,
}

impl Reader<'_> {
    /// Reads a FROM list into a new level around which lies `outer`.
    pub(super) fn from<'p>(&mut self, from: &[TableWithJoins], outer: Option<&'p Scope<'p>>) -> Scope<'p> {
        let mut scope = Scope::inside(outer);
        for table in from {
            self.table_with_joins(table, &mut scope);
        }
        scope
    }

    pub(super) fn table_with_joins(&mut self, table: &TableWithJoins, scope: &mut Scope<'_>) {
        let TableWithJoins { relation, joins } = table;
        let first = scope.items.len();
        self.factor(relation, scope);
        for Join { relation, global, join_operator } in joins {
            if *global {
                self.opaque("unsupported syntax of a join");
            }
            let right = scope.items.len();
            self.factor(relation, scope);
            match join_operator {
                JoinOperator::Join(constraint)
                | JoinOperator::Inner(constraint)
                | JoinOperator::Left(constraint)
                | JoinOperator::LeftOuter(constraint)
                | JoinOperator::Right(constraint)
                | JoinOperator::RightOuter(constraint)
                | JoinOperator::FullOuter(constraint)
                | JoinOperator::CrossJoin(constraint) => {
                    // It sees the two sides of the join and the levels around the query, but nothing beside the join: a name of
                    // what stands there would hide one of further out.
                    let sides = scope.items.split_off(first);
                    let beside = std::mem::replace(&mut scope.items, sides);
                    self.join_constraint(constraint, scope, right - first);
                    let sides = std::mem::replace(&mut scope.items, beside);
                    scope.items.extend(sides);
                }
                JoinOperator::Semi(_)
                | JoinOperator::LeftSemi(_)
                | JoinOperator::RightSemi(_)
                | JoinOperator::Anti(_)
                | JoinOperator::LeftAnti(_)
                | JoinOperator::RightAnti(_)
                | JoinOperator::CrossApply
                | JoinOperator::OuterApply
                | JoinOperator::AsOf { .. }
                | JoinOperator::StraightJoin(_)
                | JoinOperator::ArrayJoin
                | JoinOperator::LeftArrayJoin
                | JoinOperator::InnerArrayJoin => self.opaque("unsupported syntax of a join"),
            }
        }
    }

    /// `right`: where the right side's items begin.
    fn join_constraint(&mut self, constraint: &JoinConstraint, scope: &mut Scope<'_>, right: usize) {
        match constraint {
            JoinConstraint::On(condition) => self.condition(Some(condition), scope),
            JoinConstraint::Using(columns) => {
                let mut cells = Vec::with_capacity(columns.len());
                let mut alias = None;
                for column in columns {
                    let is_alias = self.is_join_alias(column);
                    let Some(name) = self.object_name(column, false) else { continue };
                    if is_alias {
                        alias = Some(name.name);
                    } else {
                        let lineage = self.merged(&name.name, scope);
                        cells.push(Cell { name: Some(name.name), lineage, typed: Typed::Unknown });
                    }
                }
                if alias.is_some() {
                    scope.items.push(item(Alias { name: alias, columns: Vec::new() }, Rows::Columns(cells)));
                }
                scope.merged = true;
            }
            JoinConstraint::Natural => {
                let fits = self.spend(COPY * scope.width());
                // What is not committed may have given either side a column that the other has.
                let known = fits && !self.names.may_hang_more();
                match scope.common(right).filter(|_| known) {
                    Some(common) => common.iter().for_each(|name| drop(self.merged(name, scope))),
                    None => {
                        // It may be by any.
                        for item in &scope.items {
                            item.read_every();
                            self.steer(item.rows.all());
                        }
                    }
                }
                scope.merged = true;
            }
            JoinConstraint::None => {}
        }
    }

    /// A column of both sides, by which they are joined.
    fn merged(&mut self, name: &str, scope: &Scope<'_>) -> policy::Lineage {
        let found = match self.spend(scope.width()) {
            true => scope.column(name, self.names.catalog),
            false => None,
        };
        let lineage = found.unwrap_or(policy::Lineage::Unknown);
        self.steer(lineage.clone());
        lineage
    }

    /// Whether this is the alias behind `USING (…) AS`, which the bridge puts among the columns.
    fn is_join_alias(&self, column: &ObjectName) -> bool {
        let ident = column.0.first().and_then(|part| part.as_ident());
        let before = ident.and_then(|ident| self.token_of(ident)).and_then(|at| at.checked_sub(1));
        before.is_some_and(|at| self.tokens[at].is(self.text, "as"))
    }

    fn alias(&mut self, alias: Option<&TableAlias>) -> Alias {
        let Some(TableAlias { explicit: _, name, columns, at }) = alias else { return Alias::default() };
        if at.is_some() {
            self.opaque("unsupported syntax of an alias");
        }
        let mut names = Vec::with_capacity(columns.len());
        for column in columns {
            names.push(self.name(&column.name));
            if let Some(data_type) = &column.data_type {
                self.data_type(data_type);
            }
        }
        Alias { name: Some(self.name(name)), columns: names }
    }

    fn factor(&mut self, factor: &TableFactor, scope: &mut Scope<'_>) {
        let item = match factor {
            TableFactor::Table {
                name,
                alias,
                args,
                with_hints,
                version: None,
                with_ordinality,
                partitions,
                json_path: None,
                sample,
                index_hints,
            } if with_hints.is_empty() && partitions.is_empty() && index_hints.is_empty() => {
                let alias = self.alias(alias.as_ref());
                match args {
                    None if !with_ordinality => {
                        let Some(name) = self.object_name(name, false) else { return };
                        let item = self.relation_item(&name, alias);
                        if let Some(sample) = sample {
                            self.sample(sample, scope);
                        }
                        item
                    }
                    Some(_) if sample.is_some() => {
                        self.opaque("unsupported syntax in FROM");
                        return;
                    }
                    Some(args) if args.settings.is_none() => {
                        self.function_item(name, &args.args, alias, scope)
                    }
                    None | Some(_) => {
                        self.opaque("unsupported syntax in FROM");
                        return;
                    }
                }
            }
            TableFactor::Function { lateral: _, name, args, with_ordinality: _, alias } => {
                let alias = self.alias(alias.as_ref());
                self.function_item(name, args, alias, scope)
            }
            TableFactor::Derived { lateral, subquery, alias, sample: None } => {
                let alias = self.alias(alias.as_ref());
                let rows = if *lateral {
                    self.query(subquery, Some(scope))
                } else {
                    self.query(subquery, scope.outer)
                };
                item(alias, rows)
            }
            TableFactor::UNNEST {
                alias,
                array_exprs,
                with_offset: false,
                with_offset_alias: None,
                with_ordinality: _,
            } => {
                let alias = self.alias(alias.as_ref());
                let lineage = self.exprs(array_exprs, scope);
                // It decides how many rows there are.
                self.steer(lineage.clone());
                item(alias, Rows::Any(lineage))
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => {
                // Its items are visible like any other's of this level.
                self.table_with_joins(table_with_joins, scope);
                return;
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                // An alias hides the items inside, which see those before it where they are LATERAL.
                let alias = self.alias(alias.as_ref());
                let (first, merged) = (scope.items.len(), scope.merged);
                self.table_with_joins(table_with_joins, scope);
                scope.merged = merged;
                let mut inside = constant();
                for item in scope.items.split_off(first) {
                    add(&mut inside, item.every_column().all());
                }
                item(alias, Rows::Any(inside))
            }
            TableFactor::Table { .. }
            | TableFactor::Derived { .. }
            | TableFactor::TableFunction { .. }
            | TableFactor::UNNEST { .. }
            | TableFactor::JsonTable { .. }
            | TableFactor::OpenJsonTable { .. }
            | TableFactor::Pivot { .. }
            | TableFactor::Unpivot { .. }
            | TableFactor::UnpivotExpr { .. }
            | TableFactor::MatchRecognize { .. }
            | TableFactor::XmlTable { .. }
            | TableFactor::SemanticView { .. } => {
                self.opaque("unsupported syntax in FROM");
                return;
            }
        };
        scope.items.push(item);
    }

    /// What decides which rows a sample has, as the bridge puts it: one expression in parentheses.
    fn sample(&mut self, sample: &TableSampleKind, scope: &Scope<'_>) {
        let TableSampleKind::AfterTableAlias(sample) = sample else {
            self.opaque("unsupported TABLESAMPLE");
            return;
        };
        let TableSample {
            modifier: TableSampleModifier::TableSample,
            name: Some(TableSampleMethod::System),
            quantity,
            seed: None,
            bucket: None,
            offset: None,
        } = &**sample
        else {
            self.opaque("unsupported TABLESAMPLE");
            return;
        };
        match quantity {
            Some(TableSampleQuantity { parenthesized: true, value, unit: None }) => {
                self.condition(Some(value), scope);
            }
            _ => self.opaque("unsupported TABLESAMPLE"),
        }
    }

    /// A WITH query of that name, else a relation, which is read.
    fn relation_item(&mut self, name: &Name, alias: Alias) -> Item {
        if name.schema.is_none()
            && self.spend(self.ctes.len().max(1))
            && let Some(at) = self.ctes.iter().rposition(|(cte, _)| *cte == name.name)
        {
            let fits = self.spend(COPY * self.ctes[at].1.size());
            let rows = if fits { self.ctes[at].1.clone() } else { Rows::Any(policy::Lineage::Unknown) };
            let name = alias.name.or_else(|| Some(name.name.clone()));
            return Item {
                name,
                schema: None,
                relation: None,
                system_columns: false,
                used: None,
                rows: rows.renamed(alias.columns),
            };
        }
        if self.names.is_transition_table(name) {
            let rows = Rows::Any(policy::Lineage::Unknown).renamed(alias.columns);
            let name = alias.name.or_else(|| Some(name.name.clone()));
            return Item { name, schema: None, relation: None, system_columns: false, used: None, rows };
        }
        let used = Used::by(false);
        let (schema, relation, rows) =
            match self.touch_telling(Verb::Select, name, &Told::Read(Rc::clone(&used))) {
                Target::Known(relation) => {
                    let fits = self.spend(COPY * relation.columns.len());
                    let rows =
                        if fits { Self::columns_of(relation) } else { Rows::Any(policy::Lineage::Unknown) };
                    (Some(relation.schema.clone()), Some(relation.oid), rows)
                }
                Target::Perhaps(_) | Target::Missing => (None, None, Rows::Any(policy::Lineage::Unknown)),
            };
        let aliased = alias.name.is_some();
        Item {
            name: alias.name.or_else(|| Some(name.name.clone())),
            schema: if aliased { None } else { schema },
            relation,
            system_columns: self.has_system_columns(relation),
            used: Some(used),
            rows: rows.renamed(alias.columns),
        }
    }

    fn has_system_columns(&self, relation: Option<policy::Oid>) -> bool {
        relation
            .and_then(|oid| self.names.catalog.relation(oid))
            .is_some_and(|relation| has_system_columns(relation.kind))
    }

    /// A function in FROM sees the items before it. Its columns' names and number are its own matter.
    fn function_item(
        &mut self,
        name: &sqlparser::ast::ObjectName,
        args: &[FunctionArg],
        alias: Alias,
        scope: &Scope<'_>,
    ) -> Item {
        let called = self.call_written(name);
        let mut lineage = called.carried;
        let keeps = called.keeps;
        self.given(name, args);
        for arg in args {
            let argument = self.argument(arg, scope);
            if keeps {
                self.store(argument.clone());
            }
            self.steer(argument.clone());
            add(&mut lineage, argument);
        }
        let own = name.0.last().and_then(|part| part.as_ident()).map(|ident| ident.value.clone());
        let alias = Alias { name: alias.name.or(own), columns: Vec::new() };
        item(alias, Rows::Any(lineage))
    }

    /// The target of a writing statement, with its own name for references.
    pub(super) fn target_item(
        &mut self,
        target: &Target<'_>,
        written: &Name,
        alias: Option<String>,
        used: &Rc<Used>,
    ) -> Item {
        let (schema, relation, rows) = match target {
            Target::Known(relation) => {
                let fits = self.spend(COPY * relation.columns.len());
                let rows =
                    if fits { Self::columns_of(relation) } else { Rows::Any(policy::Lineage::Unknown) };
                (Some(relation.schema.clone()), Some(relation.oid), rows)
            }
            Target::Perhaps(_) | Target::Missing => (None, None, Rows::Any(policy::Lineage::Unknown)),
        };
        let schema = if alias.is_some() { None } else { schema };
        let system_columns = self.has_system_columns(relation);
        let name = alias.or_else(|| Some(written.name.clone()));
        Item { name, schema, relation, system_columns, used: Some(Rc::clone(used)), rows }
    }

    /// The name and alias of a table that a statement writes; anything else in its place is opaque.
    pub(super) fn written_table(&mut self, factor: &TableFactor) -> Option<(Name, Option<String>)> {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                with_hints,
                version: None,
                with_ordinality: false,
                partitions,
                json_path: None,
                sample: None,
                index_hints,
            } if with_hints.is_empty() && partitions.is_empty() && index_hints.is_empty() => {
                let alias = self.alias(alias.as_ref());
                if !alias.columns.is_empty() {
                    self.opaque("unsupported syntax of an alias");
                }
                Some((self.object_name(name, false)?, alias.name))
            }
            _ => {
                self.opaque("unsupported target of a statement");
                None
            }
        }
    }

    /// Notes whether a condition chooses among the rows of a level's relations.
    pub(super) fn choose(&self, scope: &Scope<'_>, chosen: bool) {
        scope.items.iter().filter_map(|item| item.used.as_ref()).for_each(|used| used.choose(chosen));
    }

    pub(super) fn condition(&mut self, condition: Option<&Expr>, scope: &Scope<'_>) {
        if let Some(condition) = condition {
            let lineage = self.expr(condition, scope);
            self.steer(lineage);
        }
    }
}

fn item(alias: Alias, rows: Rows) -> Item {
    Item {
        name: alias.name,
        schema: None,
        relation: None,
        system_columns: false,
        used: None,
        rows: rows.renamed(alias.columns),
    }
}
