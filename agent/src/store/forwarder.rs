//! Ships records as long as the daemon lives, on a thread of its own: each within a second while the store is
//! there, and after its absence whatever has gathered.
//!
//! At least once: after each failure it asks the store how far it is, and goes on from there. Exactly once comes
//! of a record's place.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use evidence::{BootId, PublicKey};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::ingest::{Ingest, Taken};
use super::order::Order;
use super::{Backlog, Config, Connect, Error, Positions, Record, Source};

/// The first and the longest wait before the store is tried again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// The most that waits for records of other lanes, in batches.
const HELD_BATCHES: usize = 8;

/// After this many looks that found nothing new, what is held waits for records that will not come.
const QUIET_LOOKS: u32 = 2;

/// How often the source is told what was shipped, and the backlog is counted.
const SETTLE_EVERY: Duration = Duration::from_secs(1);

/// What is known of the running boot by heart.
#[derive(Debug, Clone, Copy)]
pub struct Own {
    /// Its id.
    pub boot: BootId,
    /// What its signatures verify with.
    pub key: PublicKey,
}

/// How the shipping is.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// Whether the store takes records now.
    pub connected: bool,
    /// Records that were shipped since the start.
    pub shipped: u64,
    /// What waits. Until the store was reached once, everything on disk.
    pub backlog: Backlog,
    /// Records in whose place the store has another one.
    pub conflicts: u64,
    /// Attempts that failed since the start.
    pub failures: u64,
    /// Why the last one failed, where none has succeeded since.
    pub last_error: Option<String>,
    /// Boots whose records the store refuses, and why; they are offered again at the next login.
    pub refused: BTreeMap<BootId, String>,
    /// When a batch was last stored.
    pub last_shipped: Option<SystemTime>,
}

/// The running forwarder.
#[derive(Debug)]
pub struct Forwarder {
    status: Arc<Mutex<Status>>,
    stop: watch::Sender<Option<Instant>>,
    done: watch::Receiver<bool>,
}

impl Forwarder {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread or runtime.
    pub fn start<T>(
        config: Config<T>,
        own: Own,
        connector: Arc<dyn Connect>,
        source: Box<dyn Source>,
    ) -> std::io::Result<Self> {
        let status = Arc::new(Mutex::new(Status::default()));
        let (stop, stopping) = watch::channel(None);
        let (finished, done) = watch::channel(false);
        // What the thread needs of the configuration; the connector has understood the rest.
        let Config { url, password_file, tls: _, batch_records, batch_bytes, interval_ms, timeout_seconds } =
            config;
        let config =
            Config { url, password_file, tls: (), batch_records, batch_bytes, interval_ms, timeout_seconds };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut shipping = Shipping {
            config,
            own,
            connector,
            source,
            status: Arc::clone(&status),
            stopping,
            next: Positions::new(),
            counted: None,
        };
        std::thread::Builder::new().name("store".to_owned()).spawn(move || {
            runtime.block_on(async {
                let deadline = deadline(shipping.stopping.clone());
                tokio::select! {
                    () = shipping.run() => {}
                    () = deadline => {}
                }
                shipping.count();
            });
            finished.send_replace(true);
        })?;
        Ok(Forwarder { status, stop, done })
    }

    /// How the shipping is.
    pub fn status(&self) -> Status {
        lock(&self.status).clone()
    }

    /// Ships what there is, until there is nothing more or `patience` is over; then the forwarder has ended. The
    /// status says what is left.
    pub async fn drain(&self, patience: Duration) -> Status {
        self.stop.send_replace(Some(Instant::now() + patience));
        let mut done = self.done.clone();
        // An error says that the thread is gone, which is as good.
        let _ = done.wait_for(|done| *done).await;
        self.status()
    }
}

/// Status is only ever set in whole fields: whoever panicked left nothing half-done.
fn lock(status: &Mutex<Status>) -> std::sync::MutexGuard<'_, Status> {
    status.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until the forwarder is told to stop, and then for as long as it is given.
async fn deadline(mut stopping: watch::Receiver<Option<Instant>>) {
    let at = match stopping.wait_for(Option::is_some).await {
        Ok(at) => *at,
        // Whoever could have given a deadline is gone.
        Err(_) => None,
    };
    if let Some(at) = at {
        sleep_until(at).await;
    }
}

struct Shipping {
    config: Config<()>,
    own: Own,
    connector: Arc<dyn Connect>,
    source: Box<dyn Source>,
    status: Arc<Mutex<Status>>,
    stopping: watch::Receiver<Option<Instant>>,
    /// What the store has, as far as is known.
    next: Positions,
    counted: Option<Instant>,
}

impl Shipping {
    /// Until everything was shipped after the word to stop.
    async fn run(&mut self) {
        let mut pause = PAUSES.0;
        loop {
            let Err(error) = self.ship(&mut pause).await else { return };
            let was_connected = {
                let mut status = lock(&self.status);
                status.failures += 1;
                status.last_error = Some(error.to_string());
                std::mem::replace(&mut status.connected, false)
            };
            if was_connected || pause == PAUSES.0 {
                tracing::warn!(%error, "records wait on disk: the store does not take them");
            } else {
                tracing::debug!(%error, "the store still does not take records");
            }
            self.count();
            self.wait(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// One login. Ends without an error once everything was shipped after the word to stop.
    async fn ship(&mut self, pause: &mut Duration) -> Result<(), Error> {
        let patience = Duration::from_secs(self.config.timeout_seconds.max(1));
        let boots = self.source.boots().map_err(Error::Source)?;
        let mut ingest = Ingest::open(&self.connector, &self.config.url, self.own, patience).await?;
        self.next = ingest.next(&boots).await?;
        self.source.rewind(&self.next);
        self.source.shipped(&self.next);
        let mut order = Order::new(self.next.clone());
        self.connected();
        let mut quiet = 0;
        loop {
            // Heard before the look: what was recorded until then is seen by it.
            let stopping = self.stopping.borrow_and_update().is_some();
            let is_full = order.bytes() >= self.config.batch_bytes.saturating_mul(HELD_BATCHES);
            let read = if is_full {
                Vec::new()
            } else {
                self.source.read(self.config.batch_bytes.max(1)).map_err(Error::Source)?
            };
            quiet = if read.is_empty() { quiet + 1 } else { 0 };
            read.into_iter().for_each(|record| order.push(record));
            let all = is_full || quiet >= QUIET_LOOKS;
            let batch = order.take(self.config.batch_records.max(1), self.config.batch_bytes.max(1), all);
            if let Some(first) = batch.first() {
                let boot = first.header.boot;
                match ingest.ship(&batch).await {
                    Ok(taken) => {
                        *pause = PAUSES.0;
                        self.shipped(&batch, &taken);
                    }
                    // The other boots' records must not wait for it.
                    Err(error) if error.is_about_boot() => {
                        order.set_aside(boot);
                        self.refused(boot, &error);
                    }
                    Err(error) => return Err(error),
                }
                continue;
            }
            self.settle();
            if stopping && quiet > 0 && order.is_empty() {
                self.source.shipped(&self.next);
                return Ok(());
            }
            if quiet > 0 && !is_full {
                self.wait(Duration::from_millis(self.config.interval_ms.clamp(1, 1000))).await;
            }
        }
    }

    fn connected(&mut self) {
        let had_failed = {
            let mut status = lock(&self.status);
            status.connected = true;
            status.refused.clear();
            status.last_error.take().is_some()
        };
        if had_failed {
            tracing::info!(store = %self.config.url, "the store takes records again");
        } else {
            tracing::info!(store = %self.config.url, "records are shipped");
        }
        self.count();
    }

    fn refused(&self, boot: BootId, error: &Error) {
        tracing::error!(%boot, %error, "the store refuses a boot's records; the others are shipped");
        let mut status = lock(&self.status);
        status.failures += 1;
        status.refused.insert(boot, error.to_string());
    }

    fn shipped(&mut self, batch: &[Record], taken: &[Taken]) {
        for record in batch {
            self.next.insert(record.lane(), record.header.sequence.saturating_add(1));
        }
        if let Some(boot) = batch.first().map(|record| record.header.boot) {
            for (lane, sequence) in taken {
                tracing::error!(%boot, lane, sequence, "the store has another record in this one's place");
                self.source.conflict(boot, *lane, *sequence);
            }
        }
        {
            let mut status = lock(&self.status);
            status.shipped += batch.len() as u64;
            status.conflicts += taken.len() as u64;
            status.last_shipped = Some(SystemTime::now());
        }
        self.settle();
    }

    /// Says from time to time what the store has, and counts what it has not: both look at all segments.
    fn settle(&mut self) {
        if self.counted.is_none_or(|at| at.elapsed() >= SETTLE_EVERY) {
            self.source.shipped(&self.next);
            self.count();
        }
    }

    fn count(&mut self) {
        let backlog = self.source.backlog(&self.next);
        lock(&self.status).backlog = backlog;
        self.counted = Some(Instant::now());
    }

    /// Waits, but no longer than until the word to stop comes.
    async fn wait(&mut self, pause: Duration) {
        if self.stopping.borrow_and_update().is_some() {
            // There is a deadline now: shorter, and not woken by it.
            sleep(pause.min(PAUSES.0)).await;
            return;
        }
        tokio::select! {
            () = sleep(pause) => {}
            heard = self.stopping.changed() => {
                if heard.is_err() {
                    // Nobody is left who could say it.
                    sleep(pause).await;
                }
            }
        }
    }
}
