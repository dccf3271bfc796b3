//! What auditors read: records in the order of boots, lanes and sequences, out of one snapshot.

use std::time::Duration;

use evidence::{BootId, Header, PublicKey, SessionId};
use tokio::time::timeout;
use tokio_postgres::types::ToSql;
use tokio_postgres::{IsolationLevel, Transaction};

use super::connect::{Login, log_in};
use super::{Address, Connect, Error, facts};

/// Rows that are fetched at a time: a body may be long.
const FETCH: i32 = 100;

/// How long the server may take for the next rows.
const PATIENCE: Duration = Duration::from_secs(120);

const BOOTS: &str = "SELECT b.boot::text, b.day::text, b.public_key FROM portreeve.boot b ORDER BY b.boot";

/// Those too that have records and no entry, or records of another day than theirs: an agent makes none such.
const BOOTS_AND_STRAYS: &str = "SELECT p.boot::text, p.day::text, b.public_key
     FROM (SELECT boot, day FROM portreeve.boot UNION SELECT boot, day FROM portreeve.record) p
     LEFT JOIN portreeve.boot b ON b.boot = p.boot AND b.day = p.day ORDER BY p.boot, p.day";

const OF_SESSION: &str = "SELECT DISTINCT r.boot::text, r.day::text, NULL::bytea
     FROM portreeve.record r WHERE r.session = $1::text::uuid ORDER BY 1";

const CONFLICTS: &str = "SELECT c.header, c.body FROM portreeve.conflict c WHERE c.boot = $1::text::uuid
     ORDER BY c.lane, c.sequence, c.header";

/// The columns that are told of a record, for whoever holds them to the record's bytes.
const COLUMNS: &str = "r.header, r.body, r.lane, r.sequence, r.kind, r.session::text, r.session_sequence, \
     (extract(epoch FROM r.wall) * 1000000)::bigint, \
     jsonb_strip_nulls(to_jsonb(r) - ARRAY['day', 'boot', 'lane', 'sequence', 'kind', 'session', \
     'session_sequence', 'wall', 'header', 'body'])::text";

/// One boot as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boot {
    /// Its id.
    pub boot: BootId,
    /// The key that it first arrived with.
    pub public_key: Option<PublicKey>,
    day: String,
}

/// One record as the store has it.
#[derive(Debug, Clone)]
pub struct Row {
    /// The header's bytes.
    pub header: Vec<u8>,
    /// The body's bytes; empty where it was erased.
    pub body: Vec<u8>,
    /// Whether the columns beside it say what its bytes say.
    pub columns_agree: bool,
}

/// A login of an auditor.
#[derive(Debug)]
pub struct Reader {
    login: Login,
    address: Address,
}

impl Reader {
    /// Logs in.
    ///
    /// # Errors
    /// The store cannot be reached, or lets nobody in by that name.
    pub async fn open(connector: &dyn Connect, address: &Address) -> Result<Self, Error> {
        let login = log_in(connector, address, "portreeve audit", PATIENCE).await?;
        Ok(Reader { login, address: address.clone() })
    }

    /// Gives all records, or one session's.
    ///
    /// # Errors
    /// What `take` says, and whatever keeps the records from being read.
    pub async fn read<E: From<Error>>(
        &mut self,
        session: Option<SessionId>,
        take: &mut dyn FnMut(Row) -> Result<(), E>,
    ) -> Result<(), E> {
        let Reader { login, address } = self;
        let snapshot = snapshot(login, address).await?;
        let boots = match session {
            None => snapshot.boots(BOOTS, &[]).await?,
            Some(session) => snapshot.boots(OF_SESSION, &[&session.to_string()]).await?,
        };
        for boot in boots {
            snapshot.records(&boot, session, take).await?;
        }
        Ok(())
    }

    /// Gives all that a verification needs, of one moment: each boot, then its records, then those that came for
    /// places that other records have.
    ///
    /// # Errors
    /// Whatever keeps the records from being read.
    pub async fn read_to_verify(
        &mut self,
        boot: &mut dyn FnMut(&Boot),
        record: &mut dyn FnMut(&Boot, Row),
    ) -> Result<(), Error> {
        let Reader { login, address } = self;
        let snapshot = snapshot(login, address).await?;
        for one in snapshot.boots(BOOTS_AND_STRAYS, &[]).await? {
            boot(&one);
            snapshot
                .records::<Error>(&one, None, &mut |row| {
                    record(&one, row);
                    Ok(())
                })
                .await?;
            for row in snapshot.query(CONFLICTS, &[&one.boot.to_string()]).await? {
                let read =
                    || Ok((row.try_get(0)?, row.try_get::<_, Option<Vec<u8>>>(1)?.unwrap_or_default()));
                let (header, body) = read().map_err(|error| Error::server(address, error))?;
                record(&one, Row { header, body, columns_agree: true });
            }
        }
        Ok(())
    }
}

struct Snapshot<'r> {
    transaction: Transaction<'r>,
    address: &'r Address,
}

async fn snapshot<'r>(login: &'r mut Login, address: &'r Address) -> Result<Snapshot<'r>, Error> {
    let begin = login
        .client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start();
    let transaction = within(address, begin).await?;
    Ok(Snapshot { transaction, address })
}

impl Snapshot<'_> {
    async fn query(
        &self,
        text: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<tokio_postgres::Row>, Error> {
        within(self.address, self.transaction.query(text, parameters)).await
    }

    async fn boots(&self, text: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Boot>, Error> {
        let rows = self.query(text, parameters).await?;
        let mut boots = Vec::new();
        for row in rows {
            let read =
                || Ok((row.try_get::<_, String>(0)?, row.try_get(1)?, row.try_get::<_, Option<Vec<u8>>>(2)?));
            let (boot, day, key) = read().map_err(|error| Error::server(self.address, error))?;
            let Ok(boot) = boot.parse() else { continue };
            let public_key = key.and_then(|key| key.try_into().ok()).map(PublicKey);
            boots.push(Boot { boot, public_key, day });
        }
        Ok(boots)
    }

    async fn records<E: From<Error>>(
        &self,
        boot: &Boot,
        session: Option<SessionId>,
        take: &mut dyn FnMut(Row) -> Result<(), E>,
    ) -> Result<(), E> {
        let (id, session) = (boot.boot.to_string(), session.map(|session| session.to_string()));
        // Named outright: only then does the server look into one partition.
        let mut text = format!(
            "SELECT {COLUMNS} FROM portreeve.record r WHERE r.day = $1::text::date AND r.boot = $2::text::uuid"
        );
        let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![&boot.day, &id];
        if let Some(session) = &session {
            text.push_str(" AND r.session = $3::text::uuid");
            parameters.push(session);
        }
        text.push_str(" ORDER BY r.lane, r.sequence");
        let statement = within(self.address, self.transaction.prepare(&text)).await?;
        let portal = within(self.address, self.transaction.bind(&statement, &parameters)).await?;
        loop {
            let rows = within(self.address, self.transaction.query_portal(&portal, FETCH)).await?;
            let count = rows.len();
            for row in rows {
                take(record(boot, &row).map_err(|error| Error::server(self.address, error))?)?;
            }
            if count < FETCH as usize {
                return Ok(());
            }
        }
    }
}

fn record(boot: &Boot, row: &tokio_postgres::Row) -> Result<Row, tokio_postgres::Error> {
    let header: Vec<u8> = row.try_get(0)?;
    let body: Vec<u8> = row.try_get::<_, Option<Vec<u8>>>(1)?.unwrap_or_default();
    let place: (i32, i64) = (row.try_get(2)?, row.try_get(3)?);
    let (kind, session, in_session): (String, Option<String>, Option<i64>) =
        (row.try_get(4)?, row.try_get(5)?, row.try_get(6)?);
    let wall: i64 = row.try_get(7)?;
    let beside: String = row.try_get(8)?;
    // A header that cannot be read is told as such.
    let columns_agree = Header::decode(&header).map_or(true, |told| {
        told.boot == boot.boot
            && (i64::from(told.lane), told.sequence) == (place.0.into(), place.1.cast_unsigned())
            && told.kind.name() == kind
            && told.session.map(|(id, _)| id.to_string()) == session
            && told.session.map(|(_, at)| at) == in_session.map(i64::cast_unsigned)
            && told.times.wall_us.min(super::ingest::LATEST_US) == wall.cast_unsigned()
            && (body.is_empty() || agree(&told, &body, &beside))
    });
    Ok(Row { header, body, columns_agree })
}

fn agree(header: &Header, body: &[u8], beside: &str) -> bool {
    let beside: Result<serde_json::Value, _> = serde_json::from_str(beside);
    beside.is_ok_and(|beside| facts::agree(header, body, &beside))
}

async fn within<T>(
    address: &Address,
    answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Error> {
    match timeout(PATIENCE, answer).await {
        Ok(answer) => answer.map_err(|error| Error::server(address, error)),
        Err(_) => Err(Error::Slow { address: address.clone(), patience: PATIENCE }),
    }
}
