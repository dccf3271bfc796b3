//! MERGE: a target that each of its clauses may write in its own way.

use policy::{Lineage, Verb};
use sqlparser::ast::{
    Merge, MergeAction, MergeClause, MergeInsertKind, MergeUpdateKind, OutputClause, TableWithJoins,
};

use super::super::Reader;
use super::super::access::Target;
use super::super::condition::is_trivial;
use super::super::scope::Scope;
use super::nothing;
use crate::flow::Rows;

impl Reader<'_> {
    pub(super) fn merge(&mut self, merge: &Merge, outer: Option<&Scope<'_>>) -> Rows {
        let Merge { merge_token: _, optimizer_hints, into, table, source, on, clauses, output } = merge;
        if !optimizer_hints.is_empty() || !*into {
            self.opaque("unsupported clause of a MERGE");
        }
        let Some((name, alias)) = self.written_table(table) else { return Rows::Any(Lineage::Unknown) };
        let target = self.target(&name);
        let mut scope = Scope::inside(outer);
        scope.items.push(self.target_item(&target, &name, alias));
        self.table_with_joins(&TableWithJoins { relation: source.clone(), joins: Vec::new() }, &mut scope);
        self.expr(on, &scope);
        let everything = is_trivial(Some(on));
        for clause in clauses {
            let MergeClause { when_token: _, clause_kind: _, predicate, action } = clause;
            self.condition(predicate.as_ref(), &scope);
            let all = everything && is_trivial(predicate.as_ref());
            let verb = match action {
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
                    Verb::Insert
                }
                MergeAction::Update(update) => {
                    match &update.kind {
                        MergeUpdateKind::Set(assignments) => self.assignments(assignments, &scope),
                        MergeUpdateKind::Wildcard => self.opaque("unsupported clause of a MERGE"),
                    }
                    if update.update_predicate.is_some() || update.delete_predicate.is_some() {
                        self.opaque("unsupported clause of a MERGE");
                    }
                    if all { Verb::UpdateAll } else { Verb::Update }
                }
                MergeAction::Delete { delete_token: _ } => {
                    if all {
                        Verb::DeleteAll
                    } else {
                        Verb::Delete
                    }
                }
                MergeAction::DoNothing { .. } => continue,
            };
            match &target {
                Target::Known(relation) => self.touch_known(verb, relation),
                Target::Created(name) => {
                    let name = name.clone();
                    self.touch(verb, &name);
                }
                Target::Missing => {}
            }
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
