//! Start, life and end of the daemon.

use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock, RwLock};
use std::time::{Duration, Instant};

use evidence::Digest;
use masking::HashKey;
use ring::rand::{SecureRandom, SystemRandom};
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::control::Answers;
use super::policies::tell_observed;
use super::protection::Protection;
use super::shipping;
use super::watch::{Watch, record_attempts};
use super::{Daemon, Error};
use crate::approvals::{Approvals, Server};
use crate::authority::Authority;
use crate::catalog::Catalogs;
use crate::config::{Config, LogConfig, LogFormat, Read, credentials, describe, read_policies};
use crate::identity::Identifier;
use crate::intercept::{Inherited, Interception};
use crate::names::{Names, System};
use crate::proxy::{Cancels, Counters, Message, Misnamed, Shared, SideConnector, Unmatched, Worker, accept};
use crate::recorder::{HostInfo, Recorder};
use crate::store::Forwarder;
use crate::{drain, recorder};

/// How long the store has at least for the last records, where the sessions have used up the time to drain.
const LAST_RECORDS: Duration = Duration::from_secs(5);

/// How long sessions have to say good-bye once the drain's deadline is over.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Runs the daemon until it is told to stop.
///
/// # Errors
///
/// Why it could not start, or could not go on.
pub fn run(path: &Path) -> Result<ExitCode, Error> {
    let Read { config, digest } = Config::read(path)?;
    log_to_stderr(&config.log)?;
    // Before the runtime opens its own: what is handed over is known by number.
    let inherited = Inherited::from_service_manager();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        let daemon = Arc::new(start(config, digest, inherited).await?);
        live(daemon).await
    });
    // Neither a name that hangs in the resolver nor a process on a file system that hangs is waited for.
    runtime.shutdown_background();
    ended
}

fn log_to_stderr(config: &LogConfig) -> Result<(), Error> {
    let filter = config
        .filter
        .parse::<tracing_subscriber::EnvFilter>()
        .map_err(|error| Error::Filter { filter: config.filter.clone(), message: error.to_string() })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match config.format {
        LogFormat::Text => builder.with_ansi(false).init(),
        LogFormat::Json => builder.json().init(),
    }
    Ok(())
}

/// Everything that can fail for a reason that the operator can mend happens before the first connection is
/// taken.
async fn start(config: Config, digest: Digest, inherited: Inherited) -> Result<Daemon, Error> {
    let (policy, documents) = read_policies(&config.base_policies, &config.policies)?;
    tell_observed(&policy);
    let written = describe(&config.resources, &policy)?;
    let credentials = Arc::new(RwLock::new(Arc::new(credentials(&config.resources)?)));
    let authority = Authority::open(&config.authority)?;
    if let Some(why) = authority.out_of_time() {
        // Those that look at no certificate are served all the same.
        tracing::error!(
            "clients with sslmode=verify-full or verify-ca refuse what the authority vouches for: {why}"
        );
    }
    let lanes = match config.sessions.workers {
        0 => std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32),
        workers => workers,
    };
    let host = HostInfo::of_this_host(Digest(policy.digest()), digest);
    let recorder = Arc::new(Recorder::open(&config.evidence, host, lanes)?);
    // Before the first packet is judged, it is known what the names stand for.
    let names = Names::new(&config.names, System);
    names.follow(&written.names());
    names.settled().await;
    let everywhere = config.intercept.everywhere();
    let mut protected = written.renewed(|name| names.addresses(name)).destinations();
    protected.extend(&everywhere);
    let interception = Interception::start(&config.intercept, &protected, inherited)?;
    let resources = Arc::new(RwLock::new(Arc::default()));
    let protection = Protection::new(names, everywhere, interception.protected(), Arc::clone(&resources));
    let connector = SideConnector {
        own_sockets: interception.own_sockets(),
        credentials: Arc::clone(&credentials),
        resources: Arc::clone(&resources),
        patience: Duration::from_secs(config.sessions.connect_seconds),
    };
    let shared = Arc::new(Shared {
        config: config.sessions.clone(),
        authority,
        own_sockets: interception.own_sockets(),
        credentials,
        catalogs: Catalogs::start(config.catalog.clone(), Arc::new(connector))?,
        approvals: Approvals::new(config.approvals.clone()),
        identifier: Identifier::new(Some(interception.cgroup_root()))
            .with_tokens(config.identity.tokens.clone()),
        clock: recorder.clock(),
        recorder: Arc::clone(&recorder),
        cancels: Cancels::default(),
        resources,
        unmatched: Unmatched::new(&config.intercept),
        policy: RwLock::new(Arc::new(policy)),
        key: random_key()?,
        counters: Counters::default(),
        misnamed: Arc::new(Misnamed::default()),
    });
    let mut workers = Vec::new();
    for number in 1..=lanes {
        let lane = recorder.lane(number).ok_or(recorder::Error::Stopped)?;
        workers.push(Worker::start(number, lane, Arc::clone(&shared))?);
    }
    let patience = Duration::from_secs(config.sessions.connect_seconds);
    let store = config.store.as_ref();
    let store = store.map(|store| shipping::start(store, &recorder, interception.own_sockets(), patience));
    let store = store.transpose()?;
    protection.switch(&written)?;
    Ok(Daemon {
        config,
        digest,
        begun: Instant::now(),
        interception,
        protection,
        shared,
        workers: Arc::new(workers),
        drain: drain::channel().0,
        detached: AtomicU64::new(0),
        store,
        documents: RwLock::new(documents),
        reloading: tokio::sync::Mutex::default(),
        stopping: OnceLock::new(),
    })
}

fn random_key() -> Result<HashKey, Error> {
    let mut bytes = [0; 32];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| std::io::Error::other("the system gives no random numbers"))?;
    let key = HashKey::new(&bytes);
    bytes.fill(0);
    Ok(key)
}

async fn live(daemon: Arc<Daemon>) -> Result<ExitCode, Error> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hangup = signal(SignalKind::hangup())?;
    let server = Server::bind(&daemon.config.approvals, daemon.shared.approvals.clone())?;
    // It answers until the end, so that a stop can be followed.
    let (closing, closed) = drain::channel();
    let control = tokio::spawn(server.serve(Arc::new(Answers(Arc::clone(&daemon))), closed));
    let mut accepting = tokio::spawn(accept(
        daemon.interception.listener(),
        Arc::clone(&daemon.shared),
        Arc::clone(&daemon.workers),
        daemon.drain.watch(),
    ));
    let attempts = tokio::spawn(record_attempts(Arc::clone(&daemon)));
    daemon.sweep();
    tell_systemd(NotifyState::Ready);
    tracing::info!(boot = %daemon.shared.recorder.boot(), "ready");
    let mut beat = interval(Duration::from_secs(1));
    beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut watch = Watch::default();
    let reason = loop {
        tokio::select! {
            _ = terminate.recv() => break "SIGTERM",
            _ = interrupt.recv() => break "SIGINT",
            _ = hangup.recv() => {
                let daemon = Arc::clone(&daemon);
                tokio::spawn(async move {
                    if let Err(error) = daemon.reload().await {
                        tracing::error!("{error}");
                    }
                });
            }
            _ = beat.tick() => watch.tick(&daemon),
            ended = &mut accepting => {
                if let Err(error) = ended {
                    tracing::error!(%error, "connections can no longer be taken");
                }
                break "the listener failed";
            }
        }
    };
    stop(&daemon, reason, accepting).await;
    attempts.abort();
    closing.signal();
    drop(tokio::time::timeout(LAST_WORDS, control).await);
    Ok(if reason.starts_with("SIG") { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Connections first, then sessions, then the record; interception stays.
async fn stop(daemon: &Daemon, reason: &str, accepting: JoinHandle<()>) {
    tell_systemd(NotifyState::Stopping);
    let patience = Duration::from_secs(daemon.config.drain_seconds);
    let deadline = Instant::now() + patience;
    // There is one stop: nobody has set it before.
    let _ = daemon.stopping.set(deadline);
    let sessions = daemon.drain.sessions();
    tracing::info!(reason, sessions, "stopping");
    tell_systemd(NotifyState::Status(&format!(
        "draining {sessions} sessions for {} s at most",
        patience.as_secs()
    )));
    let tell = |now| {
        for worker in daemon.workers.iter() {
            worker.tell(Message::Drain { now });
        }
    };
    // What has arrived is served; what comes now waits for the next daemon.
    daemon.interception.stop_listening();
    if !accepting.is_finished() {
        drop(tokio::time::timeout(LAST_WORDS, accepting).await);
    }
    daemon.drain.signal();
    tell(false);
    let left = daemon.drain.drain(patience).await;
    if left > 0 {
        tracing::warn!(sessions = left, "sessions are cut off: the time to drain is over");
        tell(true);
        daemon.drain.drain(LAST_WORDS).await;
    }
    daemon.shared.unmatched.flush(&daemon.shared.recorder, true);
    if let Err(error) = daemon.shared.recorder.stop(reason) {
        tracing::error!(%error, "the record has no end: it will show as having fallen silent");
    }
    if let Some(store) = &daemon.store {
        ship_the_rest(store, deadline.saturating_duration_since(Instant::now()).max(LAST_RECORDS)).await;
    }
}

async fn ship_the_rest(store: &Forwarder, patience: Duration) {
    let status = store.drain(patience).await;
    if status.backlog.records == 0 {
        tracing::info!(shipped = status.shipped, "the store has everything");
    } else {
        tracing::warn!(
            records = status.backlog.records,
            bytes = status.backlog.bytes,
            error = status.last_error.unwrap_or_default(),
            "records are left on disk; the next start ships them"
        );
    }
}

fn tell_systemd(state: NotifyState<'_>) {
    // Without systemd there is nobody to tell.
    drop(sd_notify::notify(&[state]));
}
