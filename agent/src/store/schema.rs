//! The store's schema: made once by an administrator, and brought up to date by running it again.

use std::time::Duration;

use tokio_postgres::Client;

use super::connect::log_in;
use super::{Address, Connect, Error};

/// Roles, the schema itself, and the table of versions. Harmless where they are there.
const ROLES: &str = include_str!("schema/roles.sql");

/// What makes each version out of the one before.
const VERSIONS: [&str; 2] = [include_str!("schema/1.sql"), include_str!("schema/2.sql")];

/// How long the whole may take: it waits for whoever reads the tables that it changes.
const PATIENCE: Duration = Duration::from_secs(300);

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Initialized {
    /// The version that was there; 0 where there was none.
    pub before: i32,
    /// The version that is there now.
    pub now: i32,
}

/// Makes the schema, the roles `portreeve_owner`, `portreeve_agent` and `portreeve_auditor`, or brings them up to
/// date: all of it, or nothing. Run again it changes nothing.
///
/// # Errors
/// The store cannot be reached, the role may not do this, or a later Portreeve was here.
pub async fn init(connector: &dyn Connect, address: &Address) -> Result<Initialized, Error> {
    let mut login = log_in(connector, address, "portreeve store init", PATIENCE).await?;
    let initialized = tokio::time::timeout(PATIENCE, apply(&mut login.client, address)).await;
    initialized.unwrap_or_else(|_| Err(Error::Slow { address: address.clone(), patience: PATIENCE }))
}

async fn apply(client: &mut Client, address: &Address) -> Result<Initialized, Error> {
    // Not through `Error::server`: here a missing schema is no reason to run this.
    let failed = |source| Error::Server { address: address.clone(), source: Box::new(source) };
    let transaction = client.transaction().await.map_err(failed)?;
    let encoding: String = transaction
        .query_one("SELECT current_setting('server_encoding')", &[])
        .await
        .and_then(|row| row.try_get(0))
        .map_err(failed)?;
    if encoding != "UTF8" {
        return Err(Error::Encoding { address: address.clone(), encoding });
    }
    // Two at once would both find nothing.
    transaction
        .batch_execute("SELECT pg_advisory_xact_lock(hashtextextended('portreeve.schema', 0))")
        .await
        .map_err(failed)?;
    transaction.batch_execute(ROLES).await.map_err(failed)?;
    let before: i32 = transaction
        .query_one("SELECT coalesce(max(version), 0) FROM portreeve.schema_version", &[])
        .await
        .and_then(|row| row.try_get(0))
        .map_err(failed)?;
    let mut now = 0;
    for (version, text) in (1..).zip(VERSIONS) {
        now = version;
        if version > before {
            transaction.batch_execute(text).await.map_err(failed)?;
            transaction
                .execute("INSERT INTO portreeve.schema_version (version) VALUES ($1)", &[&version])
                .await
                .map_err(failed)?;
        }
    }
    if before > now {
        return Err(Error::Later { found: before, known: now });
    }
    transaction.commit().await.map_err(failed)?;
    Ok(Initialized { before, now })
}
