//! WITH queries, recursive ones among them.

use policy::Lineage;
use sqlparser::ast::{Cte, Query, SetExpr, SetOperator, SetQuantifier, With};

use super::Reader;
use super::scope::Scope;
use crate::cursor::Cursor;
use crate::flow::Rows;
use crate::lexer::Kind;

/// So many queries of WITH RECURSIVE are followed one inside another: what each adds is read by each that is around it, and
/// drivers ask for types by one inside another.
const NESTED: usize = 2;

impl<'a> Reader<'a> {
    /// Puts the queries of WITH in sight.
    pub(super) fn with(&mut self, with: &With, outer: Option<&Scope<'_>>) {
        let With { with_token: _, recursive, cte_tables } = with;
        let first = self.ctes.len();
        let around = self.recursive;
        self.recursive += usize::from(*recursive);
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
                // One inside another is read again with each round of that one.
                Some(arms) if *recursive && around < NESTED => {
                    self.recursive_query(arms, first + index, names, outer)
                }
                Some(_) | None => self.query(query, outer).renamed(names),
            };
            let end = closing_paren_token.0.span.start.column as usize;
            if self.tokens.get(end).is_some_and(|t| t.is(self.text, "search") || t.is(self.text, "cycle")) {
                self.marks_of_cycle(end, &rows);
                // They add columns, of rows of the query's own.
                rows = Rows::Any(rows.all());
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
        let first = self.arm(left, outer, false);
        let mut known = first.renamed(names);
        for round in 1..=4 {
            if round == 4 {
                // Of columns that are handed on from one to the next each may carry what any does.
                known = known.mixed();
            }
            self.ctes[own].1 = known.clone();
            let more = self.arm(right, outer, false);
            self.converts_rows(&known, &more);
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

    /// `CYCLE columns SET … TO value DEFAULT value USING`, from SEARCH or CYCLE on: by these columns of the query's `rows` it goes
    /// on or not, and the types of the two values are used.
    fn marks_of_cycle(&mut self, at: usize, rows: &Rows) {
        let mut cursor = Cursor::new(self.text, &self.tokens[at..]);
        if cursor.eat("search") {
            cursor.eat_one(&["depth", "breadth"]);
            cursor.eat_all(&["first", "by"]);
            columns_set(&mut cursor);
        }
        if !cursor.eat("cycle") {
            return;
        }
        let columns = columns_set(&mut cursor);
        match rows {
            Rows::Columns(cells) => {
                let is_one = |name: &Option<String>| name.as_ref().is_none_or(|name| columns.contains(name));
                cells
                    .iter()
                    .filter(|cell| is_one(&cell.name))
                    .for_each(|cell| self.steer(cell.lineage.clone()));
            }
            Rows::Any(all) => self.steer(all.clone()),
        }
        if !cursor.eat("to") {
            return;
        }
        for end in ["default", "using"] {
            let Some(length) = cursor.rest.iter().position(|token| token.is(self.text, end)) else { return };
            self.inner_expression(&cursor.rest[..length], &Scope::inside(None));
            cursor.rest = &cursor.rest[length + 1..];
        }
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

/// Steps over `column, … SET column`; gives the names of the first.
fn columns_set(cursor: &mut Cursor<'_>) -> Vec<String> {
    let mut columns = Vec::new();
    while let Some(column) = cursor.name() {
        columns.push(column.into());
        if !cursor.eat_kind(Kind::Comma) {
            break;
        }
    }
    if cursor.eat("set") {
        cursor.name();
    }
    columns
}
