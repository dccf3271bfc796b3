//! MERGE: a target that each of its clauses may write in its own way.

use std::rc::Rc;

use policy::{Lineage, Verb};
use sqlparser::ast::{
    Merge, MergeAction, MergeClause, MergeClauseKind, MergeInsertKind, MergeUpdateKind, OutputClause,
    TableWithJoins,
};

use super::super::Reader;
use super::super::condition::{chooses, is_never};
use super::super::scope::Scope;
use super::super::uses::{Told, Used};
use super::{assigned_names, every_name, first_names, nothing};
use crate::flow::Rows;

impl Reader<'_> {
    pub(super) fn merge(&mut self, merge: &Merge, outer: Option<&Scope<'_>>) -> Rows {
        let Merge { merge_token: _, optimizer_hints, into, table, source, on, clauses, output } = merge;
        if !optimizer_hints.is_empty() || !*into {
            self.opaque("unsupported clause of a MERGE");
        }
        let Some((name, alias)) = self.written_table(table) else { return Rows::Any(Lineage::Unknown) };
        let target = self.target(&name);
        // Whatever its clauses do, its rows are joined with the source's.
        let given = self.given_of(&name, alias.as_deref());
        let used = Used::by(false);
        self.touch_target(Verb::Select, &target, &Told::Read(Rc::clone(&used)));
        let mut scope = Scope::inside(outer);
        scope.items.push(self.target_item(&target, &name, alias.clone(), &used));
        let source = TableWithJoins { relation: source.clone(), joins: Vec::new() };
        self.table_with_joins(&source, &mut scope);
        let everything =
            !self.looks_at_target(Some(on), &mut scope, given) || !chooses(Some(on), &[&source], given);
        used.choose(!everything);
        for clause in clauses {
            let MergeClause { when_token: _, clause_kind, predicate, action } = clause;
            let looks = self.looks_at_target(predicate.as_ref(), &mut scope, given);
            // BY SOURCE takes the rows for which the condition does not hold.
            let every = match clause_kind {
                MergeClauseKind::NotMatchedBySource => is_never(on, given),
                MergeClauseKind::Matched
                | MergeClauseKind::NotMatched
                | MergeClauseKind::NotMatchedByTarget => everything,
            };
            let all = every && (!looks || !chooses(predicate.as_ref(), &[], given));
            let (verb, columns) = match action {
                MergeAction::Insert(insert) => {
                    for column in &insert.columns {
                        self.object_name(column, false);
                    }
                    match &insert.kind {
                        MergeInsertKind::Values(values) => {
                            for expr in values.rows.iter().flat_map(|row| &row.content) {
                                let lineage = self.expr(expr, &scope);
                                self.store(lineage);
                            }
                        }
                        // INSERT DEFAULT VALUES is not read by sqlparser at all.
                        MergeInsertKind::Row | MergeInsertKind::Wildcard => {
                            self.opaque("unsupported clause of a MERGE");
                        }
                    }
                    if insert.insert_predicate.is_some() {
                        self.opaque("unsupported clause of a MERGE");
                    }
                    let columns = match insert.columns.as_slice() {
                        [] => every_name(&target),
                        columns => first_names(columns),
                    };
                    (Verb::Insert, columns)
                }
                MergeAction::Update(update) => {
                    match &update.kind {
                        MergeUpdateKind::Set(assignments) => self.assignments(assignments, &scope, false),
                        MergeUpdateKind::Wildcard => self.opaque("unsupported clause of a MERGE"),
                    }
                    if update.update_predicate.is_some() || update.delete_predicate.is_some() {
                        self.opaque("unsupported clause of a MERGE");
                    }
                    let columns = match &update.kind {
                        MergeUpdateKind::Set(assignments) => assigned_names(assignments),
                        MergeUpdateKind::Wildcard => None,
                    };
                    (if all { Verb::UpdateAll } else { Verb::Update }, columns)
                }
                MergeAction::Delete { delete_token: _ } => {
                    (if all { Verb::DeleteAll } else { Verb::Delete }, None)
                }
                MergeAction::DoNothing { .. } => continue,
            };
            let condition = (verb != Verb::Insert).then_some(!all);
            self.touch_target(verb, &target, &Told::Written { columns, condition });
        }
        match output {
            None => nothing(),
            Some(OutputClause::Returning { returning_token: _, select_items }) => {
                // `*` gives the source's columns and the target's, in an order of its own.
                let rows = self.returning(Some(select_items), &target, scope);
                Rows::Any(rows.all())
            }
            Some(OutputClause::Output { .. }) => {
                self.opaque("unsupported clause of a MERGE");
                Rows::Any(Lineage::Unknown)
            }
        }
    }
}
