//! The task that keeps one database's catalog up to date.
//!
//! It owns the side connection. It answers requests one after another: a look at the server answers all those
//! that were asked before it began. When no session is left it lets the connection go and keeps what it knows: a
//! database with a connection cannot be dropped, renamed or copied, and whoever wants to do so has left it before.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use policy::{Catalog, Changes};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until, timeout};
use tokio_postgres::{Client, NoTls, config::SslMode};
use tracing::{debug, info, warn};

use super::read::{self, Memory};
use super::{Error, Key, Shared, Way};

/// What is asked of a keeper.
#[derive(Debug)]
pub(super) enum Request {
    /// A view of the catalog, for a session that begins.
    Get(oneshot::Sender<Result<View, Error>>),
    /// A catalog that is not older than this request.
    Refresh(oneshot::Sender<Result<Arc<Catalog>, Error>>),
}

/// What a session gets.
#[derive(Debug)]
pub(super) struct View {
    pub(super) catalog: watch::Receiver<Arc<Catalog>>,
    /// Nobody has looked at the server since it was let go.
    pub(super) unchecked: bool,
    /// The way of the last login.
    pub(super) way: Way,
}

/// The first and the longest pause before connecting again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(5));

/// The pause where somebody asks: a server that is back is not kept waiting for, nor one that is away tried without end.
const ASKED: Duration = Duration::from_millis(100);

/// How long the connection is kept for the next session: those of a script follow one another, while DROP DATABASE
/// waits five seconds for others to leave.
const KEPT: Duration = Duration::from_millis(250);

/// After how long without a session a database of another network namespace is forgotten at most.
const ELSEWHERE_IDLE: Duration = Duration::from_secs(5);

/// How often is looked whether a database without a connection is to be forgotten.
const IDLE_LOOK: Duration = Duration::from_secs(1);

/// The keeper of one database.
pub(super) struct Keeper {
    shared: Arc<Shared>,
    key: Key,
    queue: mpsc::Receiver<Request>,
    /// What ended a time without connection; it is answered when there is one, before the queue, or when none could be made.
    waiting: Option<Request>,
    known: Option<Known>,
    /// The way by which the last login came through.
    way: Way,
}

/// Why a keeper needs its connection no more.
enum End {
    /// There is no session.
    Unused,
    /// Nobody can ask any more, or the database is to be forgotten.
    Over,
}

/// What has been read.
struct Known {
    catalog: watch::Sender<Arc<Catalog>>,
    memory: Memory,
    /// When it was last known to be right, while there is no connection.
    lost: Option<Instant>,
    /// Since when no session has a view of it.
    idle: Option<Instant>,
}

/// A logged-in side connection.
struct Side {
    client: Client,
    driver: JoinHandle<Result<(), tokio_postgres::Error>>,
}

impl Drop for Side {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Keeper {
    pub(super) fn new(shared: Arc<Shared>, key: Key, queue: mpsc::Receiver<Request>) -> Self {
        Keeper { shared, key, queue, waiting: None, known: None, way: Way::First }
    }

    /// Runs until the database could not be read the first time or has been idle for long.
    pub(super) async fn keep(mut self) {
        let (first, longest) = PAUSES;
        let mut pause = first;
        loop {
            match self.open().await {
                Ok(mut side) => {
                    pause = first;
                    let error = match self.serve(&mut side).await {
                        Ok(End::Over) => break,
                        Ok(End::Unused) => {
                            drop(side);
                            if self.rest().await.is_break() {
                                break;
                            }
                            continue;
                        }
                        Err(error) => error,
                    };
                    warn!(database = %self.key, %error, "the catalog's connection is lost");
                    if let Some(known) = &mut self.known {
                        known.lost = Some(Instant::now());
                    }
                }
                Err(error) => {
                    debug!(database = %self.key, %error, "the catalog cannot be read");
                    // What nobody uses is read again by who comes next: the database may be another by then, or gone.
                    if !self.is_used() {
                        self.refuse_all(&error);
                        return;
                    }
                }
            }
            if self.pause(pause).await.is_break() {
                break;
            }
            pause = (pause * 2).min(longest);
            // The database may be gone, and nobody asks for it: the next session brings the connection back.
            if self.is_unused() && self.rest().await.is_break() {
                break;
            }
        }
        info!(database = %self.key, "the catalog is no longer used");
    }

    /// Connects, logs in and reads. Requests wait meanwhile.
    async fn open(&mut self) -> Result<Side, Error> {
        let limit = Duration::from_secs(self.shared.config.connect_seconds);
        let mut side = match timeout(limit, self.login()).await {
            Ok(side) => side?,
            Err(_) => return Err(Error::Slow { key: self.key.clone(), doing: "connecting", limit }),
        };
        self.update(&mut side).await?;
        Ok(side)
    }

    async fn login(&mut self) -> Result<Side, Error> {
        let (side, way) = match self.try_login(Way::First).await {
            Err(Error::Server { source, .. })
                if is_of_login(&source) && self.shared.connector.has_other_way(&self.key) =>
            {
                (self.try_login(Way::Other).await?, Way::Other)
            }
            tried => (tried?, Way::First),
        };
        self.way = way;
        Ok(side)
    }

    async fn try_login(&self, way: Way) -> Result<Side, Error> {
        let server = |error| self.server(error);
        let connected = self.shared.connector.connect(&self.key, way).await;
        let connected = connected.map_err(|source| Error::Connect { key: self.key.clone(), source })?;
        let mut config = tokio_postgres::Config::new();
        config
            .user(&connected.role)
            .dbname(&connected.database)
            .application_name("portreeve catalog")
            // TLS, if any, is the stream's.
            .ssl_mode(SslMode::Disable);
        let (client, connection) = config.connect_raw(connected.stream, NoTls).await.map_err(server)?;
        let side = Side { client, driver: tokio::spawn(connection) };
        side.client.batch_execute(&read::settings(self.shared.config.read_seconds)).await.map_err(server)?;
        Ok(side)
    }

    /// Answers requests and looks for changes until the connection fails (an error) or is not needed.
    async fn serve(&mut self, side: &mut Side) -> Result<End, Error> {
        match self.waiting.take() {
            Some(Request::Get(reply)) => self.give(reply, false),
            Some(Request::Refresh(reply)) => self.refresh(side, reply).await?,
            None => {}
        }
        let every = Duration::from_secs(self.shared.config.check_seconds.max(1));
        let mut tick = interval_at(Instant::now() + every, every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                request = self.queue.recv() => match request {
                    None => return Ok(End::Over),
                    Some(Request::Get(reply)) => self.give(reply, false),
                    Some(Request::Refresh(reply)) => self.refresh(side, reply).await?,
                },
                ended = &mut side.driver => {
                    return Err(match ended {
                        Ok(Err(error)) => self.server(error),
                        Ok(Ok(())) | Err(_) => Error::Stale { key: self.key.clone(), lost: Duration::ZERO },
                    });
                }
                () = unused(self.known.as_ref()) => return Ok(End::Unused),
                _ = tick.tick() => drop(self.update(side).await?),
            }
        }
    }

    /// Waits without a connection for the next request. Breaks when the database is to be forgotten.
    async fn rest(&mut self) -> ControlFlow<()> {
        if let Some(known) = &mut self.known {
            // Until the connection is back, it is as old as if the connection had been lost, if it was not.
            known.lost.get_or_insert_with(Instant::now);
        }
        loop {
            if self.is_idle() {
                return ControlFlow::Break(());
            }
            match timeout(IDLE_LOOK, self.queue.recv()).await {
                Ok(None) => return ControlFlow::Break(()),
                Ok(Some(request)) => {
                    match request {
                        // While it logs in, we do. It asks before its first statement is judged.
                        Request::Get(reply) if self.staleness().is_none() => self.give(reply, true),
                        request => self.waiting = Some(request),
                    }
                    return ControlFlow::Continue(());
                }
                Err(_) => {}
            }
        }
    }

    /// One look for `first` and for all who have asked by now.
    async fn refresh(
        &mut self,
        side: &mut Side,
        first: oneshot::Sender<Result<Arc<Catalog>, Error>>,
    ) -> Result<(), Error> {
        let mut waiting = vec![first];
        while let Ok(request) = self.queue.try_recv() {
            match request {
                Request::Get(reply) => self.give(reply, false),
                Request::Refresh(reply) => waiting.push(reply),
            }
        }
        let result = self.update(side).await;
        for reply in waiting {
            let _ = reply.send(result.clone());
        }
        result.map(drop)
    }

    /// Looks whether something changed and reads the catalog again if so.
    async fn update(&mut self, side: &mut Side) -> Result<Arc<Catalog>, Error> {
        // A little more than the server's own limit: the server should be the one to say it.
        let limit = Duration::from_secs(self.shared.config.read_seconds.saturating_add(5));
        match timeout(limit, self.look(side)).await {
            Ok(result) => result,
            Err(_) => Err(Error::Slow { key: self.key.clone(), doing: "reading", limit }),
        }
    }

    async fn look(&mut self, side: &mut Side) -> Result<Arc<Catalog>, Error> {
        if let Some(known) = &mut self.known
            && read::unchanged(&side.client, &known.memory).await.map_err(|e| server(&self.key, e))?
        {
            known.lost = None;
            return Ok(known.catalog.borrow().clone());
        }
        let (empty, nothing) = (Arc::<Catalog>::default(), Memory::default());
        let (before, memory) = match &self.known {
            Some(known) => (known.catalog.borrow().clone(), &known.memory),
            None => (empty, &nothing),
        };
        let bounds = (self.shared.config.rows, self.shared.salt);
        let read = read::changes(&mut side.client, &self.key, bounds, (&before, memory)).await?;
        Ok(self.take(&before, read))
    }

    /// Takes over what was read. The generation rises only if the content is another one.
    fn take(&mut self, before: &Catalog, (changes, memory): (Changes, Memory)) -> Arc<Catalog> {
        let next = |changes| {
            let generation = self.shared.generation.fetch_add(1, Ordering::Relaxed) + 1;
            debug!(database = %self.key, generation, "the catalog was read");
            Arc::new(before.changed(generation, changes))
        };
        match &mut self.known {
            None => {
                let catalog = next(changes);
                let sender = watch::Sender::new(catalog.clone());
                self.known = Some(Known { catalog: sender, memory, lost: None, idle: None });
                catalog
            }
            Some(known) => {
                known.lost = None;
                known.memory = memory;
                if !changes.is_empty() {
                    known.catalog.send_replace(next(changes));
                }
                known.catalog.borrow().clone()
            }
        }
    }

    /// Gives a view to a session that begins, if what is known is not too old.
    fn give(&mut self, reply: oneshot::Sender<Result<View, Error>>, unchecked: bool) {
        let stale = self.staleness();
        let Some(known) = &mut self.known else { return };
        known.idle = None;
        let answer = match stale {
            Some(lost) => Err(Error::Stale { key: self.key.clone(), lost }),
            None => Ok(View { catalog: known.catalog.subscribe(), unchecked, way: self.way }),
        };
        let _ = reply.send(answer);
    }

    /// For how long nobody has looked, where that is too long for a session that begins.
    fn staleness(&self) -> Option<Duration> {
        let lost = self.known.as_ref()?.lost?.elapsed();
        (lost > Duration::from_secs(self.shared.config.stale_seconds)).then_some(lost)
    }

    /// Answers who has waited for a connection, and waits before connecting again: not for long once somebody asks.
    /// Breaks when the database is idle.
    async fn pause(&mut self, pause: Duration) -> ControlFlow<()> {
        while let Some(request) = self.waiting.take().or_else(|| self.queue.try_recv().ok()) {
            self.answer_without(request);
        }
        if self.is_idle() {
            return ControlFlow::Break(());
        }
        let begun = Instant::now();
        match timeout(pause, self.queue.recv()).await {
            Err(_) => return ControlFlow::Continue(()),
            Ok(None) => return ControlFlow::Break(()),
            Ok(Some(request)) => self.waiting = Some(request),
        }
        sleep_until(begun + ASKED).await;
        ControlFlow::Continue(())
    }

    /// Answers while there is no connection.
    fn answer_without(&mut self, request: Request) {
        match request {
            Request::Get(reply) => self.give(reply, true),
            Request::Refresh(reply) => {
                let lost = self.known.as_ref().and_then(|known| known.lost);
                let lost = lost.map_or(Duration::ZERO, |at| at.elapsed());
                let _ = reply.send(Err(Error::Stale { key: self.key.clone(), lost }));
            }
        }
    }

    /// Whether a session has a view of what is known.
    fn is_used(&self) -> bool {
        self.known.as_ref().is_some_and(|known| known.catalog.receiver_count() > 0)
    }

    /// Whether no session has a view and none asks for one.
    fn is_unused(&self) -> bool {
        !self.is_used() && self.waiting.is_none() && self.queue.is_empty()
    }

    /// Whether no session has had a view for the configured time.
    fn is_idle(&mut self) -> bool {
        let mut limit = Duration::from_secs(self.shared.config.idle_seconds);
        if self.key.netns.is_some() {
            limit = limit.min(ELSEWHERE_IDLE);
        }
        let Some(known) = &mut self.known else { return true };
        if known.catalog.receiver_count() > 0 || !self.queue.is_empty() {
            known.idle = None;
            return false;
        }
        known.idle.get_or_insert_with(Instant::now).elapsed() >= limit
    }

    /// Ends with an answer for everybody who waits.
    fn refuse_all(&mut self, error: &Error) {
        self.queue.close();
        while let Some(request) = self.waiting.take().or_else(|| self.queue.try_recv().ok()) {
            match request {
                Request::Get(reply) => drop(reply.send(Err(error.clone()))),
                Request::Refresh(reply) => drop(reply.send(Err(error.clone()))),
            }
        }
    }

    fn server(&self, error: tokio_postgres::Error) -> Error {
        server(&self.key, error)
    }
}

/// Waits until no session has had a view for a moment.
async fn unused(known: Option<&Known>) {
    match known {
        Some(known) => {
            known.catalog.closed().await;
            sleep(KEPT).await;
        }
        None => std::future::pending().await,
    }
}

/// The server's refusal, or the end of the connection.
pub(super) fn server(key: &Key, error: tokio_postgres::Error) -> Error {
    Error::Server { key: key.clone(), source: Arc::new(error) }
}

/// Whether the server refuses the login itself: `invalid_authorization_specification`, as where `pg_hba.conf` asks for TLS
/// or for none.
fn is_of_login(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| code.code().starts_with("28"))
}
