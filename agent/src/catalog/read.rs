//! Reads a database's catalog in one snapshot.
//!
//! Rows become `policy`'s values here and nowhere else. What cannot be read is an error, never left out: a
//! relation that is missing would be a relation without masks.

use std::collections::HashMap;
use std::sync::Arc;

use policy::{Catalog, Column, ColumnRef, Function, Oid, Relation, RelationKind, TypeKind, Volatility};
use tokio_postgres::types::{FromSql, Type};
use tokio_postgres::{Client, GenericClient, IsolationLevel, Row, Transaction};

use super::keeper::server;
use super::{Error, Key, queries};

/// What tells two states of the system catalogs apart: name, rows and sum of writers of each.
pub(super) type Fingerprint = Vec<(String, i64, Option<String>)>;

/// SHA-256 over all that was read, in its order.
pub(super) type Digest = [u8; 32];

/// What views and rules stand on. Reading it takes longer than all the rest, because the server has to read every
/// rule's tree; it is another only where a rule is.
pub(super) struct Bases {
    /// What the fingerprint said of the rules.
    rules: Option<(String, i64, Option<String>)>,
    digest: Digest,
    list: Vec<(Oid, ColumnRef)>,
}

/// One read.
pub(super) struct Snapshot {
    /// Of the same snapshot as the content.
    pub(super) fingerprint: Fingerprint,
    /// Of the content.
    pub(super) digest: Digest,
    /// What was read.
    pub(super) contents: Contents,
    /// For the next read.
    pub(super) bases: Arc<Bases>,
}

/// The rows as values.
#[derive(Default)]
pub(super) struct Contents {
    schemas: Vec<String>,
    usable: String,
    hidden: bool,
    events: bool,
    relations: Vec<Relation>,
    functions: Vec<Function>,
    types: Vec<(String, String, TypeKind)>,
}

impl Contents {
    /// As a catalog of that generation.
    pub(super) fn catalog(self, generation: u64) -> Catalog {
        Catalog::new(generation, self.schemas, self.relations, self.functions)
            .with_types(self.types)
            .with_usable(self.usable)
            .with_hidden_calls(self.hidden)
            .with_event_triggers(self.events)
    }
}

/// The settings of the session, to be run first.
pub(super) fn settings(timeout_seconds: u64) -> String {
    // At most what the setting holds (milliseconds in an int4).
    queries::SETTINGS.replace("{}", &timeout_seconds.clamp(1, 2_000_000).to_string())
}

/// The fingerprint as of now, or as of the transaction's snapshot.
pub(super) async fn fingerprint(client: &impl GenericClient) -> Result<Fingerprint, tokio_postgres::Error> {
    let rows = client.query_typed(queries::FINGERPRINT, &[]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))).collect()
}

/// Reads everything in one REPEATABLE READ READ ONLY transaction, but for what is known to be as it was `before`.
pub(super) async fn snapshot(
    client: &mut Client,
    key: &Key,
    limit: u64,
    before: Option<Arc<Bases>>,
) -> Result<Snapshot, Error> {
    let failed = |error| server(key, error);
    let transaction =
        client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
    let transaction = transaction.start().await.map_err(failed)?;
    let fingerprint = fingerprint(&transaction).await.map_err(failed)?;
    // Before any row of them is asked for: all rows of one query stand in memory at once.
    if let Some((table, rows, _)) =
        fingerprint.iter().find(|(_, rows, _)| u64::try_from(*rows).is_ok_and(|rows| rows > limit))
    {
        return Err(Error::Large { key: key.clone(), table: table.clone(), rows: *rows, limit });
    }
    let mut reader = Reader { transaction, digest: Sum::new() };
    let rules = fingerprint.iter().find(|(table, ..)| table == "pg_rewrite").cloned();
    let bases = match before.filter(|before| before.rules.is_some() && before.rules == rules) {
        Some(before) => before,
        None => Arc::new(reader.bases(rules).await.map_err(failed)?),
    };
    let contents = reader.contents(&bases).await.map_err(failed)?;
    let Reader { transaction, digest } = reader;
    transaction.commit().await.map_err(failed)?;
    Ok(Snapshot { fingerprint, digest: digest.finish(), contents, bases })
}

/// The digest of rows.
struct Sum(ring::digest::Context);

impl Sum {
    fn new() -> Self {
        Sum(ring::digest::Context::new(&ring::digest::SHA256))
    }

    fn take(&mut self, rows: &[Row]) -> Result<(), tokio_postgres::Error> {
        self.0.update(&(rows.len() as u64).to_be_bytes());
        for row in rows {
            for column in 0..row.len() {
                let Raw(value) = row.try_get(column)?;
                self.0.update(&(value.len() as u64).to_be_bytes());
                self.0.update(value);
            }
        }
        Ok(())
    }

    fn finish(self) -> Digest {
        let mut sum = [0; 32];
        sum.copy_from_slice(self.0.finish().as_ref());
        sum
    }
}

/// One transaction, and the digest of what came out of it.
struct Reader<'a> {
    transaction: Transaction<'a>,
    digest: Sum,
}

impl Reader<'_> {
    async fn bases(
        &self,
        rules: Option<(String, i64, Option<String>)>,
    ) -> Result<Bases, tokio_postgres::Error> {
        let rows = self.transaction.query_typed(queries::BASES, &[]).await?;
        let mut digest = Sum::new();
        digest.take(&rows)?;
        let base = |row: &Row| {
            Ok((row.try_get(0)?, ColumnRef { relation: row.try_get(1)?, attnum: row.try_get(2)? }))
        };
        Ok(Bases { rules, digest: digest.finish(), list: rows.iter().map(base).collect::<Result<_, _>>()? })
    }

    async fn contents(&mut self, bases: &Bases) -> Result<Contents, tokio_postgres::Error> {
        let mut contents = Contents::default();
        for row in self.rows(queries::SCHEMAS).await? {
            contents.schemas.push(row.try_get(0)?);
            let usable: &str = row.try_get(1)?;
            contents.usable.push_str(usable);
            contents.usable.push('\n');
        }
        let mut relations = Relations::default();
        for row in self.rows(queries::RELATIONS).await? {
            if let Some(relation) = relation(&row)? {
                relations.place.insert(relation.oid, relations.list.len());
                relations.list.push(relation);
            }
        }
        for row in self.rows(queries::COLUMNS).await? {
            let column = Column {
                attnum: row.try_get(1)?,
                name: row.try_get(2)?,
                type_oid: row.try_get(3)?,
                generated: row.try_get(4)?,
            };
            if let Some(relation) = relations.of(&row)? {
                relation.columns.push(column);
            }
        }
        self.digest.0.update(&bases.digest);
        for (oid, base) in &bases.list {
            match relations.with(*oid) {
                Some(relation) if base.attnum < 0 => relation.functions.push(base.relation),
                Some(relation) => relation.bases.push(*base),
                None => {}
            }
        }
        for row in self.rows(queries::VIEW_FUNCTIONS).await? {
            let function = row.try_get(1)?;
            if let Some(relation) = relations.of(&row)? {
                relation.functions.push(function);
            }
        }
        for row in self.rows(queries::INHERITS).await? {
            let parent = row.try_get(1)?;
            if let Some(relation) = relations.of(&row)? {
                relation.parents.push(parent);
            }
        }
        contents.relations = relations.list;
        for row in self.rows(queries::FUNCTIONS).await? {
            contents.functions.push(function(&row)?);
        }
        for row in self.rows(queries::HIDDEN).await? {
            (contents.hidden, contents.events) = (row.try_get(0)?, row.try_get(1)?);
        }
        for row in self.rows(queries::TYPES).await? {
            let kind: i8 = row.try_get(2)?;
            // A kind that did not exist when this was written stays unknown, and casts to it opaque.
            if let Some(kind) = TypeKind::from_typtype(kind.cast_unsigned()) {
                contents.types.push((row.try_get(0)?, row.try_get(1)?, kind));
            }
        }
        Ok(contents)
    }

    /// The rows of a query, taken into the digest.
    async fn rows(&mut self, query: &str) -> Result<Vec<Row>, tokio_postgres::Error> {
        let rows = self.transaction.query_typed(query, &[]).await?;
        self.digest.take(&rows)?;
        Ok(rows)
    }
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
        Ok(self.with(row.try_get(0)?))
    }

    fn with(&mut self, oid: Oid) -> Option<&mut Relation> {
        self.place.get(&oid).and_then(|at| self.list.get_mut(*at))
    }
}

/// A value's bytes as they came. None of the queries gives a NULL.
struct Raw<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Raw(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A row of [`queries::RELATIONS`]; `None` for a kind that did not exist when this was written: what is unknown
/// is not in the catalog, and statements on it are opaque.
fn relation(row: &Row) -> Result<Option<Relation>, tokio_postgres::Error> {
    let kind: i8 = row.try_get(3)?;
    let Some(kind) = RelationKind::from_relkind(kind.cast_unsigned()) else { return Ok(None) };
    Ok(Some(Relation {
        oid: row.try_get(0)?,
        schema: row.try_get(1)?,
        name: row.try_get(2)?,
        kind,
        columns: Vec::new(),
        bases: Vec::new(),
        functions: Vec::new(),
        parents: Vec::new(),
        children: Vec::new(),
        has_rules: row.try_get(4)?,
        has_triggers: row.try_get(5)?,
    }))
}

/// A row of [`queries::FUNCTIONS`].
fn function(row: &Row) -> Result<Function, tokio_postgres::Error> {
    let volatility: i8 = row.try_get(3)?;
    let kind: i8 = row.try_get(6)?;
    Ok(Function {
        oid: row.try_get(0)?,
        schema: row.try_get(1)?,
        name: row.try_get(2)?,
        volatility: match volatility.cast_unsigned() {
            b'i' => Volatility::Immutable,
            b's' => Volatility::Stable,
            // What is not known may do anything.
            _ => Volatility::Volatile,
        },
        security_definer: row.try_get(4)?,
        language: row.try_get(5)?,
        procedure: kind.cast_unsigned() == b'p',
    })
}
