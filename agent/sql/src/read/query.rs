//! Queries: WITH, set operations, SELECT lists, and what each output column may carry.

use policy::{Action, Lineage, Verb};
use sqlparser::ast::{
    BinaryOperator, Cte, Distinct, Expr, GroupByExpr, GroupByWithModifier, LimitClause, NamedWindowExpr,
    OrderByKind, Query, Select, SelectFlavor, SelectInto, SelectItem, SetExpr, SetOperator, SetQuantifier,
    WildcardAdditionalOptions, With,
};

use super::Reader;
use super::condition::is_trivial;
use super::expr::COPY;
use super::scope::{Found, Scope};
use super::uses::Told;
use crate::cursor::Cursor;
use crate::flow::{self, Cell, Rows, add, constant};
use crate::lexer::Kind;

impl<'a> Reader<'a> {
    /// Reads a whole statement that is a query; gives its columns.
    pub(crate) fn top_query(&mut self, query: &Query) -> Rows {
        self.query(query, None)
    }

    /// Reads a query inside `outer`; gives its columns.
    pub(super) fn query(&mut self, query: &Query, outer: Option<&Scope<'_>>) -> Rows {
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
        let depth = self.ctes.len();
        if let Some(with) = with {
            self.with(with, outer);
        }
        let locks_rows = !locks.is_empty();
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
                        let key = self.sort_key(&item.expr, lineage, &rows);
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
        self.ctes.truncate(depth);
        rows
    }

    fn with(&mut self, with: &With, outer: Option<&Scope<'_>>) {
        let With { with_token: _, recursive, cte_tables } = with;
        let first = self.ctes.len();
        let around = self.recursive;
        self.recursive |= *recursive;
        if *recursive {
            // Each may refer to itself and to later ones; what they carry is then not followed.
            for cte in cte_tables {
                let name = cte.alias.name.value.clone();
                self.ctes.push((name, Rows::Any(Lineage::Unknown)));
            }
        }
        for (index, cte) in cte_tables.iter().enumerate() {
            let Cte { alias, query, from, materialized: _, closing_paren_token } = cte;
            if from.is_some() || alias.at.is_some() {
                self.opaque("unsupported WITH");
            }
            let name = self.name(&alias.name);
            let names: Vec<String> = alias.columns.iter().map(|c| self.name(&c.name)).collect();
            let mut rows = match recursive_arms(query) {
                // One inside another would be read again and again.
                Some(arms) if *recursive && !around => {
                    self.recursive_query(arms, first + index, names, outer)
                }
                Some(_) | None => self.query(query, outer).renamed(names),
            };
            let end = closing_paren_token.0.span.start.column as usize;
            if self.tokens.get(end).is_some_and(|t| t.is(self.text, "search") || t.is(self.text, "cycle")) {
                // They add columns, of rows of the query's own.
                rows = Rows::Any(rows.all());
                self.marks_of_cycle(end);
            }
            if *recursive {
                // Its own name stood for the unknown while it was read, so what is known now is sound.
                self.ctes[first + index].1 = rows;
            } else {
                self.ctes.push((name, rows));
            }
        }
        self.recursive = around;
    }

    /// Reads a query of WITH RECURSIVE that may name itself, as the one at `own` in sight: its second arm is read until
    /// what that adds is known of the name as well.
    fn recursive_query(
        &mut self,
        (left, right, keeps_all): (&SetExpr, &SetExpr, bool),
        own: usize,
        names: Vec<String>,
        outer: Option<&Scope<'_>>,
    ) -> Rows {
        let (first, _) = self.set_expr(left, outer, false);
        let mut known = first.renamed(names);
        for round in 1..=4 {
            if round == 4 {
                // Of columns that are handed on from one to the next each may carry what any does.
                known = known.mixed();
            }
            self.ctes[own].1 = known.clone();
            let (more, _) = self.set_expr(right, outer, false);
            let sum = known.clone().union(more, self.names.catalog);
            let is_all = sum == known;
            known = sum;
            if is_all {
                break;
            }
            if !self.spend(self.tokens.len()) {
                return Rows::Any(Lineage::Unknown);
            }
        }
        if !keeps_all {
            self.steer(known.all());
        }
        known
    }

    /// `CYCLE … TO value DEFAULT value USING`, from SEARCH or CYCLE on: the types of the two are used.
    fn marks_of_cycle(&mut self, at: usize) {
        let mut cursor = Cursor::new(self.text, &self.tokens[at..]);
        if cursor.eat("search") {
            cursor.eat_one(&["depth", "breadth"]);
            cursor.eat_all(&["first", "by"]);
            columns_set(&mut cursor);
        }
        if !cursor.eat("cycle") {
            return;
        }
        columns_set(&mut cursor);
        if !cursor.eat("to") {
            return;
        }
        for end in ["default", "using"] {
            let Some(length) = cursor.rest.iter().position(|token| token.is(self.text, end)) else { return };
            self.inner_expression(&cursor.rest[..length], &Scope::inside(None));
            cursor.rest = &cursor.rest[length + 1..];
        }
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
            SetExpr::Query(query) => (self.query(query, outer), Scope::inside(outer)),
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
                let (left, _) = self.set_expr(left, outer, locks_rows);
                let (right, _) = self.set_expr(right, outer, locks_rows);
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
                            Some(rows) => rows.union(sum, self.names.catalog),
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
                        })
                        .collect();
                    let cells = Rows::Columns(cells);
                    rows = Some(match rows {
                        Some(rows) => rows.union(cells, self.names.catalog),
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
        self.choose(&scope, !is_trivial(selection.as_ref()));
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
            let key = self.sort_key(expr, lineage, &rows);
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
    fn sort_key(&mut self, expr: &Expr, lineage: Lineage, rows: &Rows) -> Lineage {
        let Rows::Columns(cells) = rows else {
            let mut inner = expr;
            while let Expr::Nested(within) = inner {
                inner = within;
            }
            let named = matches!(
                inner,
                Expr::Identifier(_)
                    | Expr::Value(_)
                    | Expr::Tuple(_)
                    | Expr::Rollup(_)
                    | Expr::Cube(_)
                    | Expr::GroupingSets(_)
            );
            return if named { rows.all() } else { lineage };
        };
        match expr {
            // Parentheses leave nothing behind; a row, or a grouping set, is made of keys.
            Expr::Nested(inner) => self.sort_key(inner, lineage, rows),
            Expr::Tuple(keys) => self.sort_keys(keys.iter(), lineage, rows),
            Expr::Rollup(sets) | Expr::Cube(sets) | Expr::GroupingSets(sets) => {
                self.sort_keys(sets.iter().flatten(), lineage, rows)
            }
            Expr::Value(_) => {
                let number = self.literal_count(expr).and_then(|number| usize::try_from(number).ok());
                let cell = number.and_then(|number| cells.get(number.checked_sub(1)?));
                cell.map_or(lineage, |cell| cell.lineage.clone())
            }
            Expr::Identifier(ident) => {
                let name = self.part(ident);
                let mut named =
                    cells.iter().filter(|cell| cell.name.as_ref().is_none_or(|known| *known == name));
                // The name of one of FROM's columns, too: which of both counts depends on the clause.
                let of_output = named.clone().any(|cell| cell.name.is_some());
                let mut sum = if of_output && lineage == Lineage::Unknown { constant() } else { lineage };
                named.by_ref().for_each(|cell| add(&mut sum, cell.lineage.clone()));
                sum
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
    ) -> Lineage {
        let mut sum = lineage;
        for key in keys {
            let more = self.sort_key(key, constant(), rows);
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
                    Rows::Columns(vec![Cell { name: figure_name(expr), lineage }])
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    let lineage = self.expr(expr, scope);
                    Rows::Columns(vec![Cell { name: Some(self.label(alias)), lineage }])
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
        if scope.outer.is_none() && !self.recursive && !scope.gathers.get() {
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

/// The arms of a query of WITH RECURSIVE that may name itself in the second one, and whether all rows are kept.
fn recursive_arms(query: &Query) -> Option<(&SetExpr, &SetExpr, bool)> {
    let is_bare = query.with.is_none()
        && query.order_by.is_none()
        && query.limit_clause.is_none()
        && query.fetch.is_none()
        && query.locks.is_empty()
        && query.for_clause.is_none()
        && query.settings.is_none()
        && query.format_clause.is_none()
        && query.pipe_operators.is_empty();
    match &*query.body {
        SetExpr::SetOperation { left, op: SetOperator::Union, set_quantifier, right } if is_bare => {
            let keeps_all = match set_quantifier {
                SetQuantifier::All => true,
                SetQuantifier::Distinct | SetQuantifier::None => false,
                SetQuantifier::ByName | SetQuantifier::AllByName | SetQuantifier::DistinctByName => {
                    return None;
                }
            };
            Some((left, right, keeps_all))
        }
        _ => None,
    }
}

/// Steps over `column, … SET column`.
fn columns_set(cursor: &mut Cursor<'_>) {
    while cursor.name().is_some() && cursor.eat_kind(Kind::Comma) {}
    if cursor.eat("set") {
        cursor.name();
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
