//! Queries: set operations, SELECT lists, and what each output column may carry.

use policy::{Action, Lineage, Verb};
use sqlparser::ast::{
    BinaryOperator, Distinct, Expr, GroupByExpr, GroupByWithModifier, LimitClause, NamedWindowExpr,
    OrderByKind, Query, Select, SelectFlavor, SelectInto, SelectItem, SetExpr, SetOperator, SetQuantifier,
    Value, WildcardAdditionalOptions,
};

use super::Reader;
use super::condition::{Given, is_trivial};
use super::expr::COPY;
use super::scope::{Found, Scope};
use super::uses::Told;
use crate::flow::{self, Cell, Rows, add, constant};

impl Reader<'_> {
    /// Reads a whole statement that is a query; gives its columns.
    pub(crate) fn top_query(&mut self, query: &Query) -> Rows {
        self.query(query, None)
    }

    /// Reads a query inside `outer`; gives its columns.
    pub(super) fn query(&mut self, query: &Query, outer: Option<&Scope<'_>>) -> Rows {
        let depth = self.ctes.len();
        let read_around = self.unasked.len();
        let (rows, _) = self.query_in_sight(query, outer, false);
        self.ctes.truncate(depth);
        // What it hands on is what the expression around it reads.
        self.unasked.truncate(read_around);
        rows
    }

    /// The same, and what is in sight in it: its WITH queries are left so, for what stands behind its parentheses.
    fn query_in_sight<'p>(
        &mut self,
        query: &Query,
        outer: Option<&'p Scope<'p>>,
        locks_rows: bool,
    ) -> (Rows, Scope<'p>) {
        let Query {
            with,
            body,
            order_by,
            limit_clause,
            fetch,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        if for_clause.is_some() || settings.is_some() || format_clause.is_some() || !pipe_operators.is_empty()
        {
            self.opaque("unsupported clause of a query");
        }
        if let Some(with) = with {
            self.with(with, outer);
        }
        let locks_rows = locks_rows || !locks.is_empty();
        let (rows, scope) = self.set_expr(body, outer, locks_rows);
        for lock in locks {
            if let Some(of) = &lock.of {
                // The relations of FROM are locked all alike: naming some says less.
                self.object_name(of, false);
            }
        }
        if let Some(order_by) = order_by {
            if order_by.interpolate.is_some() {
                self.opaque("unsupported clause of a query");
            }
            match &order_by.kind {
                OrderByKind::Expressions(exprs) => {
                    for item in exprs {
                        let lineage = self.order_by_exprs(std::slice::from_ref(item), &scope);
                        let key = self.sort_key(&item.expr, lineage, &rows, &scope);
                        self.steer(key);
                    }
                }
                OrderByKind::All(_) => self.opaque("unsupported ORDER BY"),
            }
        }
        match limit_clause {
            None => {}
            Some(LimitClause::LimitOffset { limit, offset, limit_by }) => {
                if !limit_by.is_empty() {
                    self.opaque("unsupported LIMIT");
                }
                self.condition(limit.as_ref(), &scope);
                if let Some(rows) = limit.as_ref().and_then(|limit| self.literal_count(limit)) {
                    self.limits(&scope, rows);
                }
                self.condition(offset.as_ref().map(|o| &o.value), &scope);
            }
            Some(LimitClause::OffsetCommaLimit { .. }) => self.opaque("unsupported LIMIT"),
        }
        if let Some(fetch) = fetch {
            if fetch.percent {
                self.opaque("unsupported FETCH");
            }
            self.condition(fetch.quantity.as_ref(), &scope);
            // Without a number it is one row; WITH TIES may be more than any.
            let rows = fetch.quantity.as_ref().map_or(Some(1), |quantity| self.literal_count(quantity));
            if let Some(rows) = rows.filter(|_| !fetch.with_ties) {
                self.limits(&scope, rows);
            }
        }
        (rows, scope)
    }

    /// One arm of a set operation; gives its columns.
    pub(super) fn arm(&mut self, body: &SetExpr, outer: Option<&Scope<'_>>, locks_rows: bool) -> Rows {
        let depth = self.ctes.len();
        let (rows, _) = self.set_expr(body, outer, locks_rows);
        self.ctes.truncate(depth);
        rows
    }

    /// Gives the columns and the scope that ORDER BY and LIMIT see.
    fn set_expr<'p>(
        &mut self,
        body: &SetExpr,
        outer: Option<&'p Scope<'p>>,
        locks_rows: bool,
    ) -> (Rows, Scope<'p>) {
        match body {
            SetExpr::Select(select) => self.select(select, outer, locks_rows),
            // ORDER BY, LIMIT and locks behind the parentheses of a query are those of the query itself.
            SetExpr::Query(query) => self.query_in_sight(query, outer, locks_rows),
            SetExpr::SetOperation { left, op, set_quantifier, right } => {
                match op {
                    SetOperator::Union | SetOperator::Except | SetOperator::Intersect => {}
                    SetOperator::Minus => self.opaque("unsupported set operation"),
                }
                match set_quantifier {
                    SetQuantifier::All | SetQuantifier::Distinct | SetQuantifier::None => {}
                    SetQuantifier::ByName | SetQuantifier::AllByName | SetQuantifier::DistinctByName => {
                        self.opaque("unsupported set operation");
                    }
                }
                let left = self.arm(left, outer, locks_rows);
                let right = self.arm(right, outer, locks_rows);
                self.converts_rows(&left, &right);
                let keeps_all = *op == SetOperator::Union && *set_quantifier == SetQuantifier::All;
                let rows = left.union(right, self.names.catalog);
                if !keeps_all {
                    // Which rows there are depends on which are equal.
                    self.steer(rows.all());
                }
                (rows, Scope::inside(outer))
            }
            SetExpr::Values(values) => {
                let scope = Scope::inside(outer);
                if values.explicit_row || values.value_keyword {
                    self.opaque("unsupported VALUES");
                }
                let mut rows: Option<Rows> = None;
                for row in &values.rows {
                    if row.content.iter().any(|expr| self.is_starred(expr)) {
                        let sum = Rows::Any(self.exprs(&row.content, &scope));
                        rows = Some(match rows {
                            Some(rows) => {
                                self.converts_rows(&rows, &sum);
                                rows.union(sum, self.names.catalog)
                            }
                            None => sum,
                        });
                        continue;
                    }
                    let cells = row
                        .content
                        .iter()
                        .enumerate()
                        .map(|(index, expr)| Cell {
                            name: Some(format!("column{}", index + 1)),
                            lineage: self.expr(expr, &scope),
                            typed: self.typed,
                        })
                        .collect();
                    let cells = Rows::Columns(cells);
                    rows = Some(match rows {
                        Some(rows) => {
                            self.converts_rows(&rows, &cells);
                            rows.union(cells, self.names.catalog)
                        }
                        None => cells,
                    });
                }
                (rows.unwrap_or(Rows::Any(Lineage::Unknown)), scope)
            }
            SetExpr::Insert(statement)
            | SetExpr::Update(statement)
            | SetExpr::Delete(statement)
            | SetExpr::Merge(statement) => (self.writing(statement, outer), Scope::inside(outer)),
            SetExpr::Table(_) => {
                self.opaque("unsupported TABLE");
                (Rows::Any(Lineage::Unknown), Scope::inside(outer))
            }
        }
    }

    fn select<'p>(
        &mut self,
        select: &Select,
        outer: Option<&'p Scope<'p>>,
        locks_rows: bool,
    ) -> (Rows, Scope<'p>) {
        let Select {
            select_token: _,
            optimizer_hints,
            distinct,
            select_modifiers,
            top,
            top_before_distinct: _,
            projection,
            exclude,
            into,
            from,
            lateral_views,
            prewhere,
            selection,
            connect_by,
            group_by,
            cluster_by,
            distribute_by,
            sort_by,
            having,
            named_window,
            qualify,
            window_before_qualify: _,
            value_table_mode,
            flavor,
        } = select;
        let foreign = !optimizer_hints.is_empty()
            || select_modifiers.is_some()
            || top.is_some()
            || exclude.is_some()
            || !lateral_views.is_empty()
            || prewhere.is_some()
            || !connect_by.is_empty()
            || !cluster_by.is_empty()
            || !distribute_by.is_empty()
            || !sort_by.is_empty()
            || qualify.is_some()
            || value_table_mode.is_some()
            || !matches!(flavor, SelectFlavor::Standard);
        if foreign {
            self.opaque("unsupported clause of a SELECT");
        }
        let before = self.actions.len();
        let mut scope = self.from(from, outer);
        if locks_rows {
            // Every relation of FROM is locked, those that a named one brings along too.
            let locked: Vec<Action> = self.actions[before..]
                .iter()
                .filter(|a| a.verb == Verb::Select)
                .map(|a| Action { verb: Verb::Lock, ..a.clone() })
                .collect();
            for item in scope.items.iter().filter_map(|item| item.relation) {
                if let Some(relation) = self.names.catalog.relation(item) {
                    self.touch_known(Verb::Lock, relation, &Told::Nothing);
                }
            }
            for action in locked {
                self.act(action);
            }
        }
        self.condition(selection.as_ref(), &scope);
        self.choose(
            &scope,
            !is_trivial(
                selection.as_ref(),
                Given { values: self.names.values, relation: None, called: None },
            ),
        );
        let mut keys = Vec::new();
        match group_by {
            GroupByExpr::All(_) => self.opaque("unsupported GROUP BY"),
            GroupByExpr::Expressions(exprs, modifiers) => {
                keys.extend(exprs.iter().map(|expr| (expr, self.expr(expr, &scope))));
                for modifier in modifiers {
                    match modifier {
                        GroupByWithModifier::Rollup
                        | GroupByWithModifier::Cube
                        | GroupByWithModifier::Totals
                        | GroupByWithModifier::GroupingSets(_) => self.opaque("unsupported GROUP BY"),
                    }
                }
            }
        }
        self.condition(having.as_ref(), &scope);
        if having.is_some() || !is_ungrouped(group_by) {
            scope.gather();
        }
        for window in named_window {
            self.name(&window.0);
            match &window.1 {
                NamedWindowExpr::NamedWindow(name) => {
                    self.name(name);
                }
                NamedWindowExpr::WindowSpec(spec) => {
                    let lineage = self.window(spec, &scope);
                    self.steer(lineage.clone());
                    scope.windows.push((window.0.value.clone(), lineage));
                }
            }
        }
        match distinct {
            None | Some(Distinct::All | Distinct::Distinct) => {}
            Some(Distinct::On(exprs)) => {
                keys.extend(exprs.iter().map(|expr| (expr, self.expr(expr, &scope))));
            }
        }
        let chosen = self.setting_chosen(&scope, selection.as_ref());
        let around = std::mem::replace(&mut self.chosen_setting, chosen);
        let rows = self.select_items(projection, &scope);
        self.chosen_setting = around;
        for (expr, lineage) in keys {
            let key = self.sort_key(expr, lineage, &rows, &scope);
            self.steer(key);
        }
        if matches!(distinct, Some(Distinct::Distinct)) {
            self.steer(rows.all());
        }
        if let Some(into) = into {
            self.store(rows.all());
            self.select_into(into, outer.is_some());
            return (Rows::Columns(Vec::new()), scope);
        }
        (rows, scope)
    }

    /// The setting that `FROM pg_settings WHERE name = 'x'` chooses, as pg_dump does: so it can say which one it sets only
    /// where the server has it.
    fn setting_chosen(&self, scope: &Scope<'_>, selection: Option<&Expr>) -> Option<String> {
        let [item] = scope.items.as_slice() else { return None };
        let relation = item.relation.and_then(|oid| self.names.catalog.relation(oid))?;
        let Some(Expr::BinaryOp { left, op: BinaryOperator::Eq, right }) = selection else { return None };
        let (Expr::Identifier(column), Expr::Value(value)) = (&**left, &**right) else { return None };
        if relation.schema != "pg_catalog" || relation.name != "pg_settings" || column.value != "name" {
            return None;
        }
        // An alias may give the name to another of its columns.
        let own = relation.columns.iter().find(|c| c.name == "name")?;
        let found = Scope::column_of(item, "name", self.names.catalog);
        if found != Found::Column(flow::own(relation.oid, own.attnum)) {
            return None;
        }
        let token = self.tokens.get((value.span.start.column as usize).checked_sub(1)?)?;
        token.plain_string(self.text).map(std::borrow::Cow::into_owned)
    }

    /// What a key of ORDER BY, GROUP BY or DISTINCT ON carries: of a number or the name of an output column, that column.
    fn sort_key(&mut self, expr: &Expr, lineage: Lineage, rows: &Rows, scope: &Scope<'_>) -> Lineage {
        match expr {
            // Parentheses leave nothing behind; a row, or a grouping set, is made of keys.
            Expr::Nested(inner) => self.sort_key(inner, lineage, rows, scope),
            Expr::Tuple(keys) => self.sort_keys(keys.iter(), lineage, rows, scope),
            Expr::Rollup(sets) | Expr::Cube(sets) | Expr::GroupingSets(sets) => {
                self.sort_keys(sets.iter().flatten(), lineage, rows, scope)
            }
            Expr::Value(value) if matches!(value.value, Value::Number(..)) => {
                let number = self.literal_count(expr).and_then(|number| usize::try_from(number).ok());
                match (number.and_then(|number| number.checked_sub(1)), rows) {
                    (Some(at), Rows::Columns(cells)) => {
                        cells.get(at).map_or(lineage, |cell| cell.lineage.clone())
                    }
                    // Which column it is, or, since version 16, how the number is written, is not known.
                    _ => rows.all(),
                }
            }
            Expr::Identifier(ident) => {
                let name = self.part(ident);
                let (mut named, of_output) = match rows {
                    Rows::Any(all) => (all.clone(), true),
                    Rows::Columns(cells) => {
                        let of_name = || {
                            cells.iter().filter(|cell| cell.name.as_ref().is_none_or(|known| *known == name))
                        };
                        let mut sum = constant();
                        of_name().for_each(|cell| add(&mut sum, cell.lineage.clone()));
                        (sum, of_name().any(|cell| cell.name.is_some()))
                    }
                };
                // The name of one of FROM's columns, too: which of both counts depends on the clause.
                let is_output_alone = of_output
                    && lineage == Lineage::Unknown
                    && self.spend(scope.width())
                    && scope.column(&name, self.names.catalog).is_none();
                if !is_output_alone {
                    add(&mut named, lineage);
                }
                named
            }
            _ => lineage,
        }
    }

    /// The sum of some keys; `lineage` is what all of them read.
    fn sort_keys<'e>(
        &mut self,
        keys: impl Iterator<Item = &'e Expr>,
        lineage: Lineage,
        rows: &Rows,
        scope: &Scope<'_>,
    ) -> Lineage {
        let mut sum = lineage;
        for key in keys {
            let more = self.sort_key(key, constant(), rows, scope);
            add(&mut sum, more);
        }
        sum
    }

    /// The columns of a SELECT or RETURNING list.
    pub(super) fn select_items(&mut self, items: &[SelectItem], scope: &Scope<'_>) -> Rows {
        let mut rows = Rows::Columns(Vec::with_capacity(items.len()));
        for item in items {
            let more = match item {
                // `x.*` under a label is still all of its columns.
                SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, alias: _ }
                    if self.is_starred(expr) =>
                {
                    if let SelectItem::ExprWithAlias { expr: _, alias } = item {
                        self.label(alias);
                    }
                    self.starred(expr, scope)
                }
                SelectItem::UnnamedExpr(expr) => {
                    let lineage = self.expr(expr, scope);
                    Rows::Columns(vec![Cell { name: figure_name(expr), lineage, typed: self.typed }])
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    let lineage = self.expr(expr, scope);
                    let typed = self.typed;
                    Rows::Columns(vec![Cell { name: Some(self.label(alias)), lineage, typed }])
                }
                SelectItem::ExprWithAliases { .. } => {
                    self.opaque("unsupported alias");
                    Rows::Any(Lineage::Unknown)
                }
                SelectItem::Wildcard(options) => {
                    self.wildcard_options(options);
                    let size: usize = scope.items.iter().map(|item| item.rows.size()).sum();
                    if self.spend(COPY * size) { scope.wildcard() } else { Rows::Any(Lineage::Unknown) }
                }
                // The bridge makes them references that end in a star.
                SelectItem::QualifiedWildcard(..) => {
                    self.opaque("unsupported wildcard");
                    Rows::Any(Lineage::Unknown)
                }
            };
            rows.append(more);
        }
        rows
    }

    /// Notes that no more rows than this are given. It says nothing where one row may be made of many, nor of a query
    /// that may run many times: one inside another runs for each of that one's rows.
    fn limits(&self, scope: &Scope<'_>, rows: u64) {
        if scope.outer.is_none() && self.recursive == 0 && !scope.gathers.get() {
            scope.items.iter().filter_map(|item| item.used.as_ref()).for_each(|used| used.limit(rows));
        }
    }

    /// The count that LIMIT has as a plain number.
    fn literal_count(&self, expr: &Expr) -> Option<u64> {
        let Expr::Value(value) = expr else { return None };
        let token = self.tokens.get((value.span.start.column as usize).checked_sub(1)?)?;
        let written = (token.kind == crate::lexer::Kind::Integer).then(|| token.written(self.text))?;
        written.parse().ok()
    }

    fn wildcard_options(&mut self, options: &WildcardAdditionalOptions) {
        let WildcardAdditionalOptions {
            wildcard_token: _,
            opt_ilike,
            opt_exclude,
            opt_except,
            opt_replace,
            opt_rename,
            opt_alias,
        } = options;
        if opt_ilike.is_some()
            || opt_exclude.is_some()
            || opt_except.is_some()
            || opt_replace.is_some()
            || opt_rename.is_some()
            || opt_alias.is_some()
        {
            self.opaque("unsupported wildcard");
        }
    }

    /// SELECT … INTO creates its target.
    fn select_into(&mut self, into: &SelectInto, nested: bool) {
        let SelectInto { temporary, unlogged: _, table: _, targets } = into;
        let parts = match targets.as_slice() {
            [Expr::Identifier(ident)] => vec![ident.clone()],
            [Expr::CompoundIdentifier(parts)] => parts.clone(),
            _ => Vec::new(),
        };
        if nested || parts.is_empty() {
            self.opaque("unsupported SELECT INTO");
            return;
        }
        let Some(name) = self.object_name(&parts.into(), false) else { return };
        self.create("table", name, *temporary);
    }
}

fn is_ungrouped(group_by: &GroupByExpr) -> bool {
    matches!(group_by, GroupByExpr::Expressions(exprs, modifiers) if exprs.is_empty() && modifiers.is_empty())
}

/// The column's own name, where PostgreSQL's `FigureColname` is sure to give it.
fn figure_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(ident) => Some(ident.value.clone()),
        Expr::CompoundIdentifier(parts) => parts.last().map(|ident| ident.value.clone()),
        _ => None,
    }
}
