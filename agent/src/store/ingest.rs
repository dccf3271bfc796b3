//! One login of an agent: what it asks of the store, which is three functions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use evidence::{Body, BootId, Kind};
use tokio::time::timeout;
use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;

use super::connect::{Login, log_in};
use super::{Address, Connect, Error, Own, Positions, Record, facts};

const REGISTER: &str = "SELECT portreeve.register($1::text::uuid, $2, $3, $4, $5, $6, $7)";
const INGEST: &str = "SELECT taken_lane, taken_sequence FROM portreeve.ingest($1::text::uuid, $2, $3, $4, \
                      $5::text[]::uuid[], $6, $7, $8, $9, $10)";
const NEXT: &str = "SELECT its_boot::text, its_lane, next FROM portreeve.next_sequences($1::text[]::uuid[])";

/// The end of the year 9999 in microseconds since 1970: no host's clock is later, and PostgreSQL's is not either.
pub(super) const LATEST_US: u64 = 253_402_300_799_999_999;

/// A place that the store has another record in.
pub(super) type Taken = (u32, u64);

/// A login that records can be shipped by.
#[derive(Debug)]
pub(super) struct Ingest {
    login: Login,
    address: Address,
    patience: Duration,
    register: Statement,
    ingest: Statement,
    registered: BTreeSet<BootId>,
    own: Own,
}

impl Ingest {
    pub(super) async fn open(
        connector: &Arc<dyn Connect>,
        address: &Address,
        own: Own,
        patience: Duration,
    ) -> Result<Self, Error> {
        let login = log_in(connector.as_ref(), address, "portreeve", patience).await?;
        let prepared = async {
            // The server's own limit should be the one that speaks.
            let limit = patience.as_millis().saturating_sub(500).clamp(1, i32::MAX as u128);
            login.client.batch_execute(&format!("SET statement_timeout = {limit}")).await?;
            Ok((login.client.prepare(REGISTER).await?, login.client.prepare(INGEST).await?))
        };
        let (register, ingest) = within(address, patience, prepared).await?;
        let (address, registered) = (address.clone(), BTreeSet::new());
        Ok(Ingest { login, address, patience, register, ingest, registered, own })
    }

    /// How far the store has the lanes of these boots.
    pub(super) async fn next(&self, boots: &[BootId]) -> Result<Positions, Error> {
        let names: Vec<String> = boots.iter().map(ToString::to_string).collect();
        let rows = within(&self.address, self.patience, self.login.client.query(NEXT, &[&names])).await?;
        let mut next = BTreeMap::new();
        for row in &rows {
            let read =
                || Ok((row.try_get::<_, String>(0)?, row.try_get::<_, i32>(1)?, row.try_get::<_, i64>(2)?));
            let (boot, lane, sequence) = read().map_err(|error| Error::server(&self.address, error))?;
            // The store says these in the form that we gave them in.
            if let (Ok(boot), Ok(lane), Ok(sequence)) =
                (boot.parse(), u32::try_from(lane), u64::try_from(sequence))
            {
                next.insert((boot, lane), sequence);
            }
        }
        Ok(next)
    }

    /// Stores records of one boot, all or none, and says which places other records have. Those that are in the
    /// store already stay as they are.
    pub(super) async fn ship(&mut self, records: &[Record]) -> Result<Vec<Taken>, Error> {
        let Some(first) = records.first() else { return Ok(Vec::new()) };
        let boot = first.header.boot;
        if self.registered.contains(&boot) {
            return match self.store(boot, records, true).await {
                Err(error) if error.is_about_content() => self.one_by_one(boot, records).await,
                result => result,
            };
        }
        // In one transaction: a boot that the store knows has records.
        self.control("BEGIN").await?;
        let stored = match self.register(boot, records).await {
            Ok(()) => self.store(boot, records, true).await,
            Err(error) => Err(error),
        };
        let taken = match stored {
            Ok(taken) => {
                self.control("COMMIT").await?;
                taken
            }
            Err(error) => {
                self.control("ROLLBACK").await?;
                if !error.is_about_content() {
                    return Err(error);
                }
                self.register(boot, records).await?;
                self.one_by_one(boot, records).await?
            }
        };
        self.registered.insert(boot);
        Ok(taken)
    }

    async fn control(&self, command: &str) -> Result<(), Error> {
        within(&self.address, self.patience, self.login.client.batch_execute(command)).await
    }

    /// A column beside a record that the server does not take must keep neither the record nor others from it.
    async fn one_by_one(&self, boot: BootId, records: &[Record]) -> Result<Vec<Taken>, Error> {
        let mut taken = Vec::new();
        for record in records {
            let one = std::slice::from_ref(record);
            taken.extend(match self.store(boot, one, true).await {
                Err(error) if error.is_about_content() => {
                    tracing::warn!(%error, %boot, lane = record.header.lane, sequence = record.header.sequence,
                        "a record goes to the store without the columns beside it");
                    self.store(boot, one, false).await?
                }
                result => result?,
            });
        }
        Ok(taken)
    }

    async fn register(&self, boot: BootId, records: &[Record]) -> Result<(), Error> {
        let start = records.iter().find(|record| record.header.kind == Kind::HostStart);
        let body = start.and_then(|record| Body::decode(Kind::HostStart, &record.body_bytes).ok());
        let start = match &body {
            Some(Body::HostStart(start)) => Some(start),
            _ => None,
        };
        let text = |value: &str| value.replace('\0', "\u{fffd}");
        let host = start.map(|start| text(&start.host));
        let machine = start.and_then(|start| start.machine.as_deref().map(text));
        let kernel = start.map(|start| text(&start.kernel));
        let version = start.map(|start| text(&start.version));
        // Our own key from memory: the disk may be another's by now.
        let key =
            if boot == self.own.boot { Some(self.own.key) } else { start.map(|start| start.public_key) };
        let key = key.as_ref().map(|key| key.0.as_slice());
        let started = records
            .iter()
            .find(|record| record.header.kind == Kind::HostStart)
            .map(|record| wall(record.header.times.wall_us));
        let boot = boot.to_string();
        let parameters: [&(dyn ToSql + Sync); 7] =
            [&boot, &host, &machine, &kernel, &version, &key, &started];
        within(&self.address, self.patience, self.login.client.execute(&self.register, &parameters))
            .await
            .map(drop)
    }

    async fn store(&self, boot: BootId, records: &[Record], with_facts: bool) -> Result<Vec<Taken>, Error> {
        let bigint = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let lanes: Vec<i32> = column(records, |r| i32::try_from(r.header.lane).unwrap_or(i32::MAX));
        let sequences: Vec<i64> = column(records, |r| bigint(r.header.sequence));
        let kinds: Vec<&str> = column(records, |r| r.header.kind.name());
        let sessions: Vec<Option<String>> =
            column(records, |r| r.header.session.map(|(id, _)| id.to_string()));
        let in_session: Vec<Option<i64>> = column(records, |r| r.header.session.map(|(_, at)| bigint(at)));
        let walls: Vec<SystemTime> = column(records, |r| wall(r.header.times.wall_us));
        let headers: Vec<&[u8]> = column(records, |r| r.header_bytes.as_slice());
        let bodies: Vec<Option<&[u8]>> =
            column(records, |r| (!r.body_bytes.is_empty()).then_some(r.body_bytes.as_slice()));
        let facts: Vec<String> = column(records, |r| {
            let facts = if with_facts { facts::of(&r.header, &r.body_bytes) } else { serde_json::Map::new() };
            serde_json::Value::Object(facts).to_string()
        });
        let boot = boot.to_string();
        let parameters: [&(dyn ToSql + Sync); 10] =
            [&boot, &lanes, &sequences, &kinds, &sessions, &in_session, &walls, &headers, &bodies, &facts];
        let query = self.login.client.query(&self.ingest, &parameters);
        let rows = within(&self.address, self.patience, query).await?;
        let taken = rows.iter().map(|row| Ok((row.try_get::<_, i32>(0)?, row.try_get::<_, i64>(1)?)));
        let taken =
            taken.collect::<Result<Vec<_>, _>>().map_err(|error| Error::server(&self.address, error))?;
        Ok(taken
            .into_iter()
            .filter_map(|(lane, at)| Some((lane.try_into().ok()?, at.try_into().ok()?)))
            .collect())
    }
}

fn column<'r, T>(records: &'r [Record], value: impl Fn(&'r Record) -> T) -> Vec<T> {
    records.iter().map(value).collect()
}

fn wall(us: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(us.min(LATEST_US))
}

/// An answer of the server, or that there was none.
async fn within<T>(
    address: &Address,
    patience: Duration,
    answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Error> {
    match timeout(patience, answer).await {
        Ok(answer) => answer.map_err(|error| Error::server(address, error)),
        Err(_) => Err(Error::Slow { address: address.clone(), patience }),
    }
}
