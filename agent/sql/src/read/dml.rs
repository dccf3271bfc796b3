//! INSERT, UPDATE, DELETE and MERGE: what they write, read and return.

use std::rc::Rc;

use policy::{Lineage, Verb};
use sqlparser::ast::{
    Assignment, AssignmentTarget, ConflictTarget, Delete, Expr, FromTable, Insert, ObjectName,
    OnConflictAction, OnInsert, SelectItem, Statement, TableObject, Update, UpdateTableFromKind,
};

use super::Reader;
use super::access::Target;
use super::condition::{Given, asked, chooses};
use super::scope::{Found, Item, Scope};
use super::uses::{Told, Used};
use crate::flow::Rows;
use crate::name::Name;

mod conflict;
mod merge;

/// The columns that are assigned to; `None` where one of them is no plain name.
fn assigned_names(assignments: &[Assignment]) -> Option<Rc<[String]>> {
    let names = assignments.iter().flat_map(|assignment| match &assignment.target {
        AssignmentTarget::ColumnName(name) => std::slice::from_ref(name),
        AssignmentTarget::Tuple(names) => names.as_slice(),
    });
    first_names(names)
}

/// The columns of names that may go on to a field.
fn first_names<'n>(names: impl IntoIterator<Item = &'n ObjectName>) -> Option<Rc<[String]>> {
    names.into_iter().map(|name| Some(name.0.first()?.as_ident()?.value.clone())).collect()
}

/// All columns of the target, where they are known.
fn every_name(target: &Target<'_>) -> Option<Rc<[String]>> {
    match target {
        Target::Known(relation) if !relation.columns.is_empty() => {
            Some(relation.columns.iter().map(|column| column.name.clone()).collect())
        }
        Target::Known(_) | Target::Perhaps(_) | Target::Missing => None,
    }
}

/// The rows of a statement that returns none.
const fn nothing() -> Rows {
    Rows::Columns(Vec::new())
}

impl<'a> Reader<'a> {
    /// What is known around a condition on rows of that relation.
    fn given_of<'g>(&self, relation: &'g Name, alias: Option<&'g str>) -> Given<'g>
    where
        'a: 'g,
    {
        let called = Some(alias.unwrap_or(&relation.name));
        Given { values: self.names.values, relation: self.names.relation(relation), called }
    }

    /// Reads a whole statement that writes rows; gives what RETURNING returns.
    pub(crate) fn top_writing(&mut self, statement: &Statement) -> Rows {
        self.writing(statement, None)
    }

    /// A writing statement at the top or in WITH; gives what RETURNING returns.
    pub(super) fn writing(&mut self, statement: &Statement, outer: Option<&Scope<'_>>) -> Rows {
        match statement {
            Statement::Insert(insert) => self.insert(insert, outer),
            Statement::Update(update) => self.update(update, outer),
            Statement::Delete(delete) => self.delete(delete, outer),
            Statement::Merge(merge) => self.merge(merge, outer),
            Statement::Analyze(_)
            | Statement::Set(_)
            | Statement::Truncate(_)
            | Statement::Msck(_)
            | Statement::Query(_)
            | Statement::Install { .. }
            | Statement::Load { .. }
            | Statement::Directory { .. }
            | Statement::Case(_)
            | Statement::If(_)
            | Statement::While(_)
            | Statement::Raise(_)
            | Statement::Call(_)
            | Statement::Copy { .. }
            | Statement::CopyIntoSnowflake { .. }
            | Statement::Open(_)
            | Statement::Close { .. }
            | Statement::CreateView(_)
            | Statement::CreateTable(_)
            | Statement::CreateVirtualTable { .. }
            | Statement::CreateIndex(_)
            | Statement::CreateRole(_)
            | Statement::CreateSecret { .. }
            | Statement::CreateServer(_)
            | Statement::CreatePolicy(_)
            | Statement::CreateConnector(_)
            | Statement::CreateOperator(_)
            | Statement::CreateOperatorFamily(_)
            | Statement::CreateOperatorClass(_)
            | Statement::CreateTextSearch(_)
            | Statement::AlterTable(_)
            | Statement::AlterSchema(_)
            | Statement::AlterIndex { .. }
            | Statement::AlterView { .. }
            | Statement::AlterFunction(_)
            | Statement::AlterType(_)
            | Statement::AlterCollation(_)
            | Statement::AlterOperator(_)
            | Statement::AlterOperatorFamily(_)
            | Statement::AlterOperatorClass(_)
            | Statement::AlterTextSearch(_)
            | Statement::AlterRole { .. }
            | Statement::AlterPolicy(_)
            | Statement::AlterConnector { .. }
            | Statement::AlterSession { .. }
            | Statement::AttachDatabase { .. }
            | Statement::AttachDuckDBDatabase { .. }
            | Statement::DetachDuckDBDatabase { .. }
            | Statement::Drop { .. }
            | Statement::DropFunction(_)
            | Statement::DropDomain(_)
            | Statement::DropProcedure { .. }
            | Statement::DropSecret { .. }
            | Statement::DropPolicy(_)
            | Statement::DropConnector { .. }
            | Statement::Declare { .. }
            | Statement::CreateExtension(_)
            | Statement::CreateCollation(_)
            | Statement::DropExtension(_)
            | Statement::DropOperator(_)
            | Statement::DropOperatorFamily(_)
            | Statement::DropOperatorClass(_)
            | Statement::Fetch { .. }
            | Statement::Flush { .. }
            | Statement::Discard { .. }
            | Statement::ShowFunctions { .. }
            | Statement::ShowVariable { .. }
            | Statement::ShowStatus { .. }
            | Statement::ShowVariables { .. }
            | Statement::ShowCreate { .. }
            | Statement::ShowColumns { .. }
            | Statement::ShowCatalogs { .. }
            | Statement::ShowDatabases { .. }
            | Statement::ShowProcessList { .. }
            | Statement::ShowSchemas { .. }
            | Statement::ShowCharset(_)
            | Statement::ShowObjects(_)
            | Statement::ShowTables { .. }
            | Statement::ShowViews { .. }
            | Statement::ShowCollation { .. }
            | Statement::Use(_)
            | Statement::StartTransaction { .. }
            | Statement::Comment { .. }
            | Statement::Commit { .. }
            | Statement::Rollback { .. }
            | Statement::CreateSchema { .. }
            | Statement::CreateDatabase { .. }
            | Statement::CreateFunction(_)
            | Statement::CreateTrigger(_)
            | Statement::DropTrigger(_)
            | Statement::CreateProcedure { .. }
            | Statement::CreateMacro { .. }
            | Statement::CreateStage { .. }
            | Statement::CreateFileFormat { .. }
            | Statement::CreateWarehouse(_)
            | Statement::Assert { .. }
            | Statement::Grant(_)
            | Statement::Deny(_)
            | Statement::Revoke(_)
            | Statement::Deallocate { .. }
            | Statement::Execute { .. }
            | Statement::Prepare { .. }
            | Statement::Kill { .. }
            | Statement::ExplainTable { .. }
            | Statement::Explain { .. }
            | Statement::Savepoint { .. }
            | Statement::ReleaseSavepoint { .. }
            | Statement::Cache { .. }
            | Statement::UNCache { .. }
            | Statement::CreateSequence { .. }
            | Statement::CreateDomain(_)
            | Statement::CreateType { .. }
            | Statement::Pragma { .. }
            | Statement::Lock(_)
            | Statement::LockTables { .. }
            | Statement::UnlockTables
            | Statement::Unload { .. }
            | Statement::OptimizeTable { .. }
            | Statement::LISTEN { .. }
            | Statement::UNLISTEN { .. }
            | Statement::NOTIFY { .. }
            | Statement::LoadData { .. }
            | Statement::RenameTable(_)
            | Statement::List(_)
            | Statement::Put { .. }
            | Statement::Remove(_)
            | Statement::RaisError { .. }
            | Statement::Throw(_)
            | Statement::Print(_)
            | Statement::WaitFor(_)
            | Statement::Return(_)
            | Statement::ExportData(_)
            | Statement::CreateUser(_)
            | Statement::AlterUser(_)
            | Statement::Vacuum(_)
            | Statement::Reset(_) => {
                self.opaque("unsupported statement");
                Rows::Any(Lineage::Unknown)
            }
        }
    }

    /// RETURNING reads the target, which is the first of the items.
    fn returning(&mut self, items: Option<&[SelectItem]>, target: &Target<'a>, scope: Scope<'_>) -> Rows {
        let Some(items) = items else { return nothing() };
        if let Some(used) = scope.items.first().and_then(|item| item.used.clone()) {
            self.touch_target(Verb::Select, target, &Told::Read(used));
        }
        // Its row as it was and as it is (6.4, since version 18), where nothing else is called so.
        let row = |name: &str| {
            let target = scope.items.first()?;
            let (name, rows) = (Some(name.to_owned()), target.rows.clone());
            let (relation, system_columns, used) =
                (target.relation, target.system_columns, target.used.clone());
            Some(Item { name, schema: None, relation, system_columns, used, rows })
        };
        let around = Scope {
            outer: scope.outer,
            items: ["old", "new"].into_iter().filter_map(row).collect(),
            ..Scope::inside(None)
        };
        self.select_items(items, &Scope { outer: Some(&around), ..scope })
    }

    /// What is read of a target is selected, as PostgreSQL asks for the privilege: a condition, a value or a conflict on
    /// one of its columns shows what is there, be it by an error.
    fn read_target(&mut self, target: &Target<'a>, used: &Rc<Used>) {
        if used.is_read() {
            self.touch_target(Verb::Select, target, &Told::Read(Rc::clone(used)));
        }
    }

    fn insert(&mut self, insert: &Insert, outer: Option<&Scope<'_>>) -> Rows {
        let Insert {
            insert_token: _,
            optimizer_hints,
            or,
            ignore,
            into,
            table,
            table_alias,
            columns,
            overwrite,
            source,
            assignments,
            partitioned,
            after_columns,
            has_table_keyword,
            on,
            returning,
            output,
            replace_into,
            priority,
            insert_alias,
            settings,
            format_clause,
            multi_table_insert_type,
            multi_table_into_clauses,
            multi_table_when_clauses,
            multi_table_else_clause,
        } = insert;
        let foreign = !optimizer_hints.is_empty()
            || or.is_some()
            || *ignore
            || !*into
            || *overwrite
            || !assignments.is_empty()
            || partitioned.is_some()
            || !after_columns.is_empty()
            || *has_table_keyword
            || output.is_some()
            || *replace_into
            || priority.is_some()
            || insert_alias.is_some()
            || settings.is_some()
            || format_clause.is_some()
            || multi_table_insert_type.is_some()
            || !multi_table_into_clauses.is_empty()
            || !multi_table_when_clauses.is_empty()
            || multi_table_else_clause.is_some();
        let TableObject::TableName(name) = table else {
            self.opaque("unsupported target of a statement");
            return Rows::Any(Lineage::Unknown);
        };
        if foreign {
            self.opaque("unsupported clause of an INSERT");
        }
        let alias = table_alias.as_ref().map(|alias| self.name(&alias.alias));
        let Some(name) = self.object_name(name, false) else { return Rows::Any(Lineage::Unknown) };
        let target = self.target(&name);
        let written = match (columns.as_slice(), source) {
            ([], None) => Some(Rc::default()),
            ([], Some(_)) => every_name(&target),
            (columns, _) => first_names(columns),
        };
        let around = std::mem::replace(&mut self.on_conflict, on.is_some());
        self.touch_target(Verb::Insert, &target, &Told::Written { columns: written, condition: None });
        self.on_conflict = around;
        for column in columns {
            self.object_name(column, false);
        }
        if let Some(source) = source {
            let rows = self.query(source, outer);
            self.store(rows.all());
        }
        // Its rows are those that it inserts, or conflicts with.
        let used = Used::by(true);
        let mut item = self.target_item(&target, &name, alias.clone(), &used);
        let mut scope = Scope::inside(outer);
        match on {
            None => {}
            Some(OnInsert::OnConflict(conflict)) => {
                match &conflict.conflict_target {
                    None => {}
                    Some(ConflictTarget::Columns(columns)) => {
                        let at = self.stands_for_tokens(columns);
                        if let Some(at) = at {
                            item = self.conflict_expressions(at, item, outer);
                        }
                        for column in columns.iter().filter(|_| at.is_none()) {
                            let column = self.name(column);
                            // Whether there is such a row already shows.
                            match Scope::column_of(&item, &column, self.names.catalog) {
                                Found::Column(lineage) | Found::Perhaps(lineage) => self.steer(lineage),
                                Found::None => item.read_every(),
                            }
                        }
                    }
                    Some(ConflictTarget::OnConstraint(constraint)) => {
                        self.object_name(constraint, false);
                        item.read_every();
                    }
                }
                if let OnConflictAction::DoUpdate(update) = &conflict.action {
                    let told =
                        Told::Written { columns: assigned_names(&update.assignments), condition: Some(true) };
                    self.touch_target(Verb::Update, &target, &told);
                    let excluded = Item {
                        name: Some(conflict::EXCLUDED.to_owned()),
                        schema: None,
                        relation: item.relation,
                        // It is no row that is stored: it has none.
                        system_columns: false,
                        // To read it is to read the columns of the table.
                        used: item.used.clone(),
                        rows: item.rows.clone(),
                    };
                    scope.items.push(item);
                    scope.items.push(excluded);
                    self.assignments(&update.assignments, &scope, true);
                    self.condition(update.selection.as_ref(), &scope);
                    scope.items.truncate(1);
                    self.read_target(&target, &used);
                    return self.returning(returning.as_deref(), &target, scope);
                }
            }
            // The enum is marked non-exhaustive: what a later version adds is not PostgreSQL's either.
            Some(OnInsert::DuplicateKeyUpdate(_) | _) => self.opaque("unsupported clause of an INSERT"),
        }
        scope.items.push(item);
        self.read_target(&target, &used);
        self.returning(returning.as_deref(), &target, scope)
    }

    /// `on_conflict`: they are those of DO UPDATE.
    fn assignments(&mut self, assignments: &[Assignment], scope: &Scope<'_>, on_conflict: bool) {
        for Assignment { target, value } in assignments {
            let names = match target {
                AssignmentTarget::ColumnName(name) => std::slice::from_ref(name),
                AssignmentTarget::Tuple(names) => names.as_slice(),
            };
            for name in names {
                // A field of a composite column has more parts than a name of a relation.
                for (index, part) in name.0.iter().enumerate() {
                    match part.as_ident() {
                        Some(ident) if index == 0 => {
                            self.name(ident);
                        }
                        Some(ident) => {
                            self.part(ident);
                        }
                        None => self.opaque("unsupported target of an assignment"),
                    }
                }
            }
            let lineage = self.expr(value, scope);
            if !(on_conflict && conflict::keeps_its_column(target, value)) {
                self.store(lineage);
            }
        }
    }

    fn update(&mut self, update: &Update, outer: Option<&Scope<'_>>) -> Rows {
        let Update {
            update_token: _,
            optimizer_hints,
            table,
            assignments,
            from,
            selection,
            returning,
            output,
            or,
            order_by,
            limit,
        } = update;
        if !optimizer_hints.is_empty()
            || output.is_some()
            || or.is_some()
            || !order_by.is_empty()
            || limit.is_some()
            || !table.joins.is_empty()
        {
            self.opaque("unsupported clause of an UPDATE");
        }
        let Some((name, alias)) = self.written_table(&table.relation) else {
            return Rows::Any(Lineage::Unknown);
        };
        let with: Vec<_> = match from {
            None => Vec::new(),
            Some(UpdateTableFromKind::AfterSet(tables) | UpdateTableFromKind::BeforeSet(tables)) => {
                tables.iter().collect()
            }
        };
        let given = self.given_of(&name, alias.as_deref());
        let chosen = chooses(selection.as_ref(), &with, given);
        let verb = if chosen { Verb::Update } else { Verb::UpdateAll };
        let told = Told::Written { columns: assigned_names(assignments), condition: Some(chosen) };
        let target = self.touch_telling(verb, &name, &told);
        let used = Used::by(chosen);
        let mut scope = Scope::inside(outer);
        scope.items.push(self.target_item(&target, &name, alias.clone(), &used));
        match from {
            None => {}
            Some(UpdateTableFromKind::AfterSet(tables)) => {
                for table in tables {
                    self.table_with_joins(table, &mut scope);
                }
            }
            Some(UpdateTableFromKind::BeforeSet(_)) => self.opaque("unsupported clause of an UPDATE"),
        }
        self.assignments(assignments, &scope, false);
        let all = Told::Written { columns: assigned_names(assignments), condition: Some(false) };
        self.choose_written(selection.as_ref(), &mut scope, chosen, (&target, given), (Verb::UpdateAll, all));
        self.read_target(&target, &used);
        self.returning(returning.as_deref(), &target, scope)
    }

    fn delete(&mut self, delete: &Delete, outer: Option<&Scope<'_>>) -> Rows {
        let Delete {
            delete_token: _,
            optimizer_hints,
            tables,
            from,
            using,
            selection,
            returning,
            output,
            order_by,
            limit,
        } = delete;
        if !optimizer_hints.is_empty()
            || !tables.is_empty()
            || output.is_some()
            || !order_by.is_empty()
            || limit.is_some()
        {
            self.opaque("unsupported clause of a DELETE");
        }
        let table = match from {
            FromTable::WithFromKeyword(tables) => match tables.as_slice() {
                [table] if table.joins.is_empty() => Some(&table.relation),
                _ => None,
            },
            FromTable::WithoutKeyword(_) => None,
        };
        let Some(table) = table else {
            self.opaque("unsupported target of a statement");
            return Rows::Any(Lineage::Unknown);
        };
        let Some((name, alias)) = self.written_table(table) else { return Rows::Any(Lineage::Unknown) };
        let with: Vec<_> = using.iter().flatten().collect();
        let given = self.given_of(&name, alias.as_deref());
        let chosen = chooses(selection.as_ref(), &with, given);
        let verb = if chosen { Verb::Delete } else { Verb::DeleteAll };
        let told = Told::Written { columns: None, condition: Some(chosen) };
        let target = self.touch_telling(verb, &name, &told);
        let used = Used::by(chosen);
        let mut scope = Scope::inside(outer);
        scope.items.push(self.target_item(&target, &name, alias.clone(), &used));
        for table in using.iter().flatten() {
            self.table_with_joins(table, &mut scope);
        }
        let all = Told::Written { columns: None, condition: Some(false) };
        self.choose_written(selection.as_ref(), &mut scope, chosen, (&target, given), (Verb::DeleteAll, all));
        self.read_target(&target, &used);
        self.returning(returning.as_deref(), &target, scope)
    }

    /// Reads a condition on rows of the first item, which a statement writes, and gives whether it looks at them. One that
    /// looks at others' alone (`UPDATE t … FROM u WHERE u.id = 1`, a join that was forgotten) takes every row or none.
    /// What holds for every row (`t.id = t.id AND u.id = 1`) asks nothing of them.
    fn looks_at_target(&mut self, condition: Option<&Expr>, scope: &mut Scope<'_>, given: Given<'_>) -> bool {
        let (asked, rest) = condition.map_or_else(Default::default, |condition| asked(condition, given));
        for part in rest {
            self.condition(Some(part), scope);
        }
        let own = Used::by(false);
        let whole = scope.items.first_mut().and_then(|item| item.used.replace(Rc::clone(&own)));
        for part in asked {
            self.condition(Some(part), scope);
        }
        let looks = whole.as_ref().is_none_or(|whole| whole.take_in(&own));
        if let Some(item) = scope.items.first_mut() {
            item.used = whole;
        }
        looks
    }

    /// Reads the condition of an UPDATE or DELETE. `chosen`: it was told as a write of the rows that the condition chooses,
    /// which may be one of all, as `all` tells it.
    fn choose_written(
        &mut self,
        condition: Option<&Expr>,
        scope: &mut Scope<'_>,
        chosen: bool,
        (target, given): (&Target<'a>, Given<'_>),
        (verb, all): (Verb, Told),
    ) {
        let looks = self.looks_at_target(condition, scope, given);
        self.choose(scope, chosen && looks);
        if chosen && !looks {
            self.touch_target(verb, target, &all);
        }
    }
}
