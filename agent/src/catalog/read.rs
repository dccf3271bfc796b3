//! Reads of a database's catalog, in one snapshot, what is other than it was.
//!
//! Rows become `policy`'s values here and nowhere else. What cannot be read is an error, never left out: a
//! relation that is missing would be a relation without masks.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use policy::catalog::{
    Base, Body, Calls, Cascade, Cast, Dependent, Dependents, Lookup, Probe, Referential, Thing, Trigger,
    Writes,
};
use policy::{
    Catalog, Changes, Column, ColumnRef, FIRST_NORMAL_OBJECT_ID, Function, Oid, Relation, RelationKind,
    TypeKind, Volatility,
};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, IsolationLevel, Row, Transaction};

use super::keeper::server;
use super::marks::{Marks, Stale, State, Wanted};
use super::view;
use super::{Error, Key, queries};

/// What is remembered of a look beside the catalog, so that the next one reads only what has changed since.
#[derive(Debug, Default)]
pub(super) struct Memory {
    marks: Marks,
    /// By their OIDs: a relation or a function has the name of its schema or language, not its number.
    names: Names,
    types: BTreeMap<Oid, (String, String, TypeKind)>,
    /// Relations writing to which runs functions unseen.
    unseen: BTreeSet<Oid>,
    /// What a write to them runs beside itself, without triggers.
    writes: BTreeMap<Oid, Writes>,
}

/// Schemas and languages, as `pg_namespace` and `pg_language` have them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Names {
    schemas: BTreeMap<Oid, String>,
    /// Who may use each of the schemas, in some form.
    usable: BTreeMap<Oid, String>,
    languages: BTreeMap<Oid, String>,
}

/// The settings of the session, to be run first.
pub(super) fn settings(timeout_seconds: u64) -> String {
    // At most what the setting holds (milliseconds in an int4).
    queries::SETTINGS.replace("{}", &timeout_seconds.clamp(1, 2_000_000).to_string())
}

/// Whether nothing at all was written since, which is cheap to know where it is so.
pub(super) async fn unchanged(client: &Client, memory: &Memory) -> Result<bool, tokio_postgres::Error> {
    Ok(State::read(client).await?.proves_unchanged(&memory.marks))
}

/// What differs from `known`, in one REPEATABLE READ READ ONLY transaction, and what to remember of it. `known` is a
/// catalog with what was remembered of it, or empty with an empty memory. `salt` is the same for all reads of a keeper's.
pub(super) async fn changes(
    client: &mut Client,
    key: &Key,
    (limit, salt): (u64, i64),
    (known, memory): (&Catalog, &Memory),
) -> Result<(Changes, Memory), Error> {
    let failed = |error| server(key, error);
    let transaction =
        client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
    let transaction = transaction.start().await.map_err(failed)?;
    let marks = Marks::read(&transaction, salt).await.map_err(failed)?;
    // Before any row of them is asked for: all rows of one query stand in memory at once.
    if let Some((table, rows)) = marks.beyond(limit) {
        return Err(Error::Large { key: key.clone(), table: table.to_owned(), rows, limit });
    }
    let reader = Reader { transaction };
    let read = reader.read(marks, known, memory).await.map_err(failed)?;
    reader.transaction.commit().await.map_err(failed)?;
    Ok(read)
}

/// One transaction.
struct Reader<'a> {
    transaction: Transaction<'a>,
}

impl Reader<'_> {
    async fn read(
        &self,
        marks: Marks,
        known: &Catalog,
        memory: &Memory,
    ) -> Result<(Changes, Memory), tokio_postgres::Error> {
        let mut stale = marks.since(&memory.marks);
        let mut changes = Changes::default();
        let mut names = memory.names.clone();
        if stale.names {
            names = self.names().await?;
            if names.schemas != memory.names.schemas {
                changes.schemas = Some(names.seen_schemas());
            }
            if names.usable() != memory.names.usable() {
                changes.usable = Some(names.usable());
            }
            if names.renames(&memory.names) {
                stale = Stale::ALL;
            }
        }
        let mut unseen = Cow::Borrowed(&memory.unseen);
        let mut writes = Cow::Borrowed(&memory.writes);
        if stale.unseen {
            let now = self.writes().await?;
            let differs = |oid: &&Oid| now.get(oid) != memory.writes.get(oid);
            stale.relations.add(now.keys().chain(memory.writes.keys()).filter(differs));
            let run = unseen_by(&now, self.triggered().await?);
            stale.relations.add(run.symmetric_difference(&memory.unseen));
            (unseen, writes) = (Cow::Owned(run), Cow::Owned(now));
        }
        if !stale.relations.is_nothing() {
            let read = self.relations(&stale.relations, &unseen, &writes).await?;
            let there: HashSet<Oid> = read.iter().map(|relation| relation.oid).collect();
            changes.relations_gone = gone(&stale.relations, &there, known.relations().map(|r| r.oid));
            changes.relations = read.into_iter().filter(|read| !is_as(read, known)).collect();
        }
        if !stale.functions.is_nothing() {
            let read = self.functions(&stale.functions).await?;
            let there: HashSet<Oid> = read.iter().map(|function| function.oid).collect();
            changes.functions_gone = gone(&stale.functions, &there, known.functions().map(|f| f.oid));
            changes.functions =
                read.into_iter().filter(|read| known.function(read.oid) != Some(read)).collect();
        }
        if stale.hidden {
            let (hidden, events) = self.hidden().await?;
            changes.hidden_calls = (hidden != known.has_hidden_calls()).then_some(hidden);
            changes.event_triggers = (events != known.has_event_triggers()).then_some(events);
            let calls = self.calls().await?;
            changes.calls = (calls != *known.calls()).then_some(calls);
        }
        if stale.dependents {
            let dependents = self.dependents().await?;
            changes.dependents = (dependents != *known.dependents()).then_some(dependents);
        }
        let mut types = memory.types.clone();
        if !stale.types.is_nothing() {
            types.retain(|oid, _| !stale.types.has(*oid));
            types.extend(self.types(&stale.types).await?);
            if types != memory.types {
                changes.types = Some(types.values().cloned().collect());
            }
        }
        let (unseen, writes) = (unseen.into_owned(), writes.into_owned());
        Ok((changes, Memory { marks, names, types, unseen, writes }))
    }

    async fn names(&self) -> Result<Names, tokio_postgres::Error> {
        let mut names = Names::default();
        for row in self.transaction.query_typed(queries::SCHEMAS, &[]).await? {
            names.schemas.insert(row.try_get(0)?, row.try_get(1)?);
            names.usable.insert(row.try_get(0)?, row.try_get(2)?);
        }
        for row in self.transaction.query_typed(queries::LANGUAGES, &[]).await? {
            names.languages.insert(row.try_get(0)?, row.try_get(1)?);
        }
        Ok(names)
    }

    /// The relations that have triggers.
    async fn triggered(&self) -> Result<BTreeSet<Oid>, tokio_postgres::Error> {
        self.rows(queries::TRIGGERS, &Wanted::All).await?.iter().map(|row| row.try_get(0)).collect()
    }

    async fn writes(&self) -> Result<BTreeMap<Oid, Writes>, tokio_postgres::Error> {
        let mut all: BTreeMap<Oid, Writes> = BTreeMap::new();
        for row in self.transaction.query_typed(queries::WRITES, &[]).await? {
            let writes = all.entry(row.try_get(0)?).or_default();
            let (relation, function): (Oid, Oid) = (row.try_get(1)?, row.try_get(4)?);
            let action =
                |at| row.try_get(at).map(|letter: i8| Referential::from_type(letter.cast_unsigned()));
            match function {
                0 => writes.cascades.push(Cascade { relation, on_delete: action(2)?, on_update: action(3)? }),
                function if row.try_get::<_, i8>(2)? == KEPT => writes.kept.push(function),
                function => writes.functions.push(function),
            }
        }
        Ok(all)
    }

    /// Functions that expressions call without naming them.
    async fn calls(&self) -> Result<Calls, tokio_postgres::Error> {
        let mut calls = Calls::default();
        for row in self.transaction.query_typed(queries::CALLS, &[]).await? {
            let (kind, schema): (&str, String) = (row.try_get(0)?, row.try_get(1)?);
            let (name, function): (String, Oid) = (row.try_get(2)?, row.try_get(3)?);
            match kind {
                "o" => calls.operators.entry(name).or_default().push((schema, function)),
                "c" => calls.casts.push(Cast { name, function }),
                "t" => {
                    calls.types.entry(name).or_default().push((schema, function));
                    calls.values.entry(row.try_get(4)?).or_default().push(function);
                }
                "a" => calls.arguments.entry(row.try_get(4)?).or_default().push(function),
                _ => calls.unseen.push(function),
            }
        }
        calls.unseen.sort_unstable();
        calls.unseen.dedup();
        Ok(calls)
    }

    /// What stands on what.
    async fn dependents(&self) -> Result<Dependents, tokio_postgres::Error> {
        let mut dependents = Dependents::default();
        for row in self.transaction.query_typed(&queries::dependents(), &[]).await? {
            let thing = |at: usize| -> Result<Thing, tokio_postgres::Error> {
                let (class, schema, name): (&str, &str, &str) =
                    (row.try_get(at)?, row.try_get(at + 1)?, row.try_get(at + 2)?);
                Ok(Thing::new(class, Some(schema).filter(|schema| !schema.is_empty()), name))
            };
            let base = match row.try_get(0)? {
                0 => Base::Thing(thing(1)?),
                relation => Base::Relation(relation),
            };
            let relation: Oid = row.try_get(5)?;
            let dependent = match row.try_get(4)? {
                "r" => Dependent::Relation(relation),
                "p" => Dependent::Part { relation, class: row.try_get(6)?, name: row.try_get(8)? },
                "t" => Dependent::Thing(thing(6)?),
                "q" => Dependent::PartOf(thing(6)?),
                _ => Dependent::Unknown,
            };
            dependents.add(base, dependent);
        }
        for row in self.transaction.query_typed(queries::OWNED, &[]).await? {
            let column = ColumnRef { relation: row.try_get(1)?, attnum: row.try_get(2)? };
            dependents.add_owner(row.try_get(0)?, column);
        }
        Ok(dependents)
    }

    /// Whether expressions call functions of users' unseen, and whether every DDL does.
    async fn hidden(&self) -> Result<(bool, bool), tokio_postgres::Error> {
        let rows = self.transaction.query_typed(queries::HIDDEN, &[]).await?;
        // A single row, which a server that answers at all gives.
        rows.first().map_or(Ok((true, true)), |row| Ok((row.try_get(0)?, row.try_get(1)?)))
    }

    async fn relations(
        &self,
        wanted: &Wanted,
        unseen: &BTreeSet<Oid>,
        writes: &BTreeMap<Oid, Writes>,
    ) -> Result<Vec<Relation>, tokio_postgres::Error> {
        let mut relations = Relations::default();
        for row in self.rows(queries::RELATIONS, wanted).await? {
            if let Some(mut relation) = relation(&row)? {
                relation.has_triggers |= unseen.contains(&relation.oid);
                relation.writes = writes.get(&relation.oid).cloned().unwrap_or_default();
                relations.place.insert(relation.oid, relations.list.len());
                relations.list.push(relation);
            }
        }
        for row in self.rows(queries::COLUMNS, wanted).await? {
            if let Some(relation) = relations.of(&row)? {
                relation.columns = columns(&row)?;
            }
        }
        for row in self.rows(queries::BASES, wanted).await? {
            let base = ColumnRef { relation: row.try_get(1)?, attnum: row.try_get(2)? };
            match relations.of(&row)? {
                Some(relation) if base.attnum < 0 => relation.functions.push(base.relation),
                Some(relation) => relation.bases.push(base),
                None => {}
            }
        }
        for row in self.rows(queries::VIEWS, wanted).await? {
            if let Some(relation) = relations.of(&row)? {
                relation.view = view::read(row.try_get(1)?);
            }
        }
        for row in self.rows(queries::VIEW_FUNCTIONS, wanted).await? {
            let function = row.try_get(1)?;
            if let Some(relation) = relations.of(&row)? {
                relation.functions.push(function);
            }
        }
        for row in self.rows(queries::TRIGGERS, wanted).await? {
            let trigger = Trigger { function: row.try_get(1)?, tgtype: row.try_get(2)? };
            if let Some(relation) = relations.of(&row)? {
                relation.writes.triggers.push(trigger);
            }
        }
        for row in self.rows(queries::PROBES, wanted).await? {
            let by = match row.try_get(1)? {
                "u" => Lookup::Key,
                "x" => Lookup::Exclusion,
                _ => Lookup::Check,
            };
            let probe = Probe { by, columns: row.try_get(2)? };
            if let Some(relation) = relations.of(&row)? {
                relation.writes.probes.push(probe);
            }
        }
        for row in self.rows(queries::INHERITS, wanted).await? {
            let parent = row.try_get(1)?;
            if let Some(relation) = relations.of(&row)? {
                relation.parents.push(parent);
            }
        }
        Ok(relations.list)
    }

    async fn functions(&self, wanted: &Wanted) -> Result<Vec<Function>, tokio_postgres::Error> {
        let rows = self.rows(queries::FUNCTIONS, wanted).await?;
        let mut functions = rows.iter().map(function).collect::<Result<Vec<_>, _>>()?;
        let mut trees = HashMap::new();
        for row in self.rows(queries::TREES, wanted).await? {
            let oid: Oid = row.try_get(0)?;
            let (relations, functions) = (row.try_get(1)?, row.try_get(2)?);
            trees.insert(oid, Body::Tree { relations, functions, writes: row.try_get(3)? });
        }
        for function in &mut functions {
            if let Some(tree) = trees.remove(&function.oid) {
                function.body = tree;
            }
        }
        Ok(functions)
    }

    async fn types(
        &self,
        wanted: &Wanted,
    ) -> Result<Vec<(Oid, (String, String, TypeKind))>, tokio_postgres::Error> {
        let mut types = Vec::new();
        for row in self.rows(queries::TYPES, wanted).await? {
            let kind: i8 = row.try_get(3)?;
            // A kind that did not exist when this was written stays unknown, and casts to it opaque.
            if let Some(kind) = TypeKind::from_typtype(kind.cast_unsigned()) {
                types.push((row.try_get(0)?, (row.try_get(1)?, row.try_get(2)?, kind)));
            }
        }
        Ok(types)
    }

    /// The rows of a query for what is wanted.
    async fn rows(&self, query: &str, wanted: &Wanted) -> Result<Vec<Row>, tokio_postgres::Error> {
        self.transaction.query_typed(query, &[(&wanted.oids(), Type::OID_ARRAY)]).await
    }
}

impl Names {
    /// All schemas but those of TOAST tables.
    fn seen_schemas(&self) -> Vec<String> {
        self.schemas.values().filter(|name| is_seen(name)).cloned().collect()
    }

    /// Who may use which of them.
    fn usable(&self) -> String {
        let seen = self.schemas.iter().filter(|(_, name)| is_seen(name));
        let usable = |(oid, name)| format!("{name} {}\n", self.usable.get(oid).map_or("", String::as_str));
        seen.map(usable).collect()
    }

    /// Whether something that is known by one of these names is known by another now.
    fn renames(&self, before: &Names) -> bool {
        let renamed = |now: &BTreeMap<Oid, String>, before: &BTreeMap<Oid, String>| {
            before.iter().any(|(oid, name)| now.get(oid).is_some_and(|now| now != name))
        };
        renamed(&self.schemas, &before.schemas) || renamed(&self.languages, &before.languages)
    }
}

/// Whether it is no schema of TOAST tables.
fn is_seen(schema: &str) -> bool {
    !schema.starts_with("pg_toast")
}

/// `set_config`, the only one of PostgreSQL's own that changes settings.
const SET_CONFIG: Oid = 2078;

/// What [`queries::WRITES`] tells an index's functions by.
const KEPT: i8 = b'k'.cast_signed();

/// Relations writing to which runs functions that may change settings: those with triggers, those whose defaults and
/// checks call such a function, and those that a foreign key refers to which carries a write on to one of them.
fn unseen_by(writes: &BTreeMap<Oid, Writes>, mut found: BTreeSet<Oid>) -> BTreeSet<Oid> {
    let moves = |function: &Oid| *function >= FIRST_NORMAL_OBJECT_ID || *function == SET_CONFIG;
    found.extend(writes.iter().filter(|(_, w)| w.functions.iter().any(moves)).map(|(oid, _)| *oid));
    loop {
        let before = found.len();
        let carries = |cascade: &&Cascade| {
            (cascade.on_delete, cascade.on_update) != (Referential::Nothing, Referential::Nothing)
        };
        let reaches = |w: &Writes| w.cascades.iter().filter(carries).any(|c| found.contains(&c.relation));
        let reached: Vec<Oid> = writes.iter().filter(|(_, w)| reaches(w)).map(|(oid, _)| *oid).collect();
        found.extend(reached);
        if found.len() == before {
            return found;
        }
    }
}

/// Of those that were known, those that were wanted and are not there.
fn gone(wanted: &Wanted, there: &HashSet<Oid>, known: impl Iterator<Item = Oid>) -> Vec<Oid> {
    known.filter(|oid| wanted.has(*oid) && !there.contains(oid)).collect()
}

/// Whether a relation is known just as it was read. Its children are what others say of it.
fn is_as(read: &Relation, known: &Catalog) -> bool {
    let Some(known) = known.relation(read.oid) else { return false };
    let Relation {
        oid,
        schema,
        name,
        kind,
        columns,
        bases,
        functions,
        parents,
        children: _,
        has_rules,
        has_triggers,
        writes,
        view,
        table,
        policies_look_beyond,
    } = known;
    read.oid == *oid
        && read.schema == *schema
        && read.name == *name
        && read.kind == *kind
        && read.columns == *columns
        && read.bases == *bases
        && read.functions == *functions
        && read.parents == *parents
        && read.writes == *writes
        && read.view == *view
        && read.table == *table
        && read.policies_look_beyond == *policies_look_beyond
        && (read.has_rules, read.has_triggers) == (*has_rules, *has_triggers)
}

/// Relations by their OID while they are being filled.
#[derive(Default)]
struct Relations {
    list: Vec<Relation>,
    place: HashMap<Oid, usize>,
}

impl Relations {
    /// The relation whose OID is the row's first column; `None` for one of TOAST's schemas or of no known kind.
    fn of(&mut self, row: &Row) -> Result<Option<&mut Relation>, tokio_postgres::Error> {
        let oid: Oid = row.try_get(0)?;
        Ok(self.place.get(&oid).and_then(|at| self.list.get_mut(*at)))
    }
}

/// A row of [`queries::RELATIONS`]; `None` for a kind that did not exist when this was written: what is unknown
/// is not in the catalog, and statements on it are opaque.
fn relation(row: &Row) -> Result<Option<Relation>, tokio_postgres::Error> {
    let kind: i8 = row.try_get(3)?;
    let Some(kind) = RelationKind::from_relkind(kind.cast_unsigned()) else { return Ok(None) };
    let (oid, schema, name): (Oid, String, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    Ok(Some(Relation {
        has_rules: row.try_get(4)?,
        has_triggers: row.try_get(5)?,
        table: row.try_get(6)?,
        policies_look_beyond: row.try_get(7)?,
        ..Relation::bare(oid, schema, name, kind)
    }))
}

/// A row of [`queries::COLUMNS`].
fn columns(row: &Row) -> Result<Vec<Column>, tokio_postgres::Error> {
    let numbers: Vec<i16> = row.try_get(1)?;
    let names: Vec<String> = row.try_get(2)?;
    let types: Vec<Oid> = row.try_get(3)?;
    let generated: Vec<bool> = row.try_get(4)?;
    let not_null: Vec<bool> = row.try_get(5)?;
    let mut columns: Vec<Column> = numbers
        .into_iter()
        .zip(names)
        .zip(types)
        .zip(generated.into_iter().zip(not_null))
        .map(|(((attnum, name), type_oid), (generated, not_null))| Column {
            attnum,
            name,
            type_oid,
            generated,
            not_null,
        })
        .collect();
    columns.sort_unstable_by_key(|column| column.attnum);
    Ok(columns)
}

/// A row of [`queries::FUNCTIONS`].
fn function(row: &Row) -> Result<Function, tokio_postgres::Error> {
    let volatility: i8 = row.try_get(3)?;
    let kind: i8 = row.try_get(6)?;
    let oid: Oid = row.try_get(0)?;
    let language: String = row.try_get(5)?;
    let schema: String = row.try_get(1)?;
    let text: Option<String> = row.try_get(7)?;
    let members: Option<Vec<Oid>> = row.try_get(9)?;
    let body = match (text, members) {
        (Some(text), _) => Body::Text(text.into()),
        (None, Some(members)) => Body::Calls(members),
        // PostgreSQL's own do what their documentation says, and those in C come with extensions.
        (None, None) if oid < FIRST_NORMAL_OBJECT_ID && schema != "information_schema" => Body::Foreign,
        (None, None) if matches!(language.as_str(), "c" | "internal") => Body::Foreign,
        (None, None) => Body::Unread,
    };
    let config: Option<Vec<String>> = row.try_get(8)?;
    Ok(Function {
        oid,
        schema,
        name: row.try_get(2)?,
        volatility: match volatility.cast_unsigned() {
            b'i' => Volatility::Immutable,
            b's' => Volatility::Stable,
            // What is not known may do anything.
            _ => Volatility::Volatile,
        },
        security_definer: row.try_get(4)?,
        language,
        procedure: kind.cast_unsigned() == b'p',
        body,
        config: config.unwrap_or_default(),
    })
}
