//! Connections that were taken and that no resource names.
//!
//! As the configuration has it they are refused, in PostgreSQL's own words, or carried to where they were going.
//! Either is recorded first, and what cannot be recorded is refused. Nothing of what is said over them is looked at
//! but the packets that open a connection, and those only of one that is refused.

mod ledger;
mod refusal;
mod relay;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use evidence::Incident;
use policy::Principal;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{timeout, timeout_at};

use super::frontend::{self, Opened};
use super::local::{Listed, Local, Signal, drained};
use crate::authority::Names;
use crate::drain;
use crate::intercept::{self, Route, Unmatched as Mode};
use crate::recorder::{self, Recorder};

use ledger::{Entry, Ledger, NoteError, What};
use refusal::Why;

/// What becomes of them, and the account that is kept of it.
#[derive(Debug)]
pub struct Unmatched {
    mode: Mode,
    ports: Vec<u16>,
    ledger: Ledger,
}

/// One of them, on its worker.
pub(super) struct Stray {
    pub(super) frontend: TcpStream,
    pub(super) destination: SocketAddr,
    pub(super) route: Route,
    pub(super) principal: Principal,
    pub(super) signals: UnboundedReceiver<Signal>,
    pub(super) listed: Listed,
    pub(super) counted: drain::Session,
}

impl Unmatched {
    /// As the configuration has it.
    pub fn new(config: &intercept::Config) -> Self {
        Unmatched {
            mode: config.unmatched,
            ports: config.ports.iter().map(|port| port.get()).collect(),
            ledger: Ledger::default(),
        }
    }

    /// Records what has been added up for long enough, or at the end all of it.
    pub fn flush(&self, recorder: &Recorder, all: bool) {
        self.ledger.flush(Instant::now(), all, |entry| record(recorder, entry));
    }

    /// What becomes of a connection, which is recorded when this returns; or why it is refused.
    fn decide(&self, recorder: &Recorder, who: &Principal, to: SocketAddr) -> Result<(), Why> {
        let passes = match self.mode {
            // One that was protected a moment ago, on a port that is not ours to pass.
            Mode::Pass if !self.ports.contains(&to.port()) => Err(Why::NotNamed),
            Mode::Pass if !recorder.accepts_sessions() => Err(Why::Unrecorded),
            Mode::Pass => Ok(()),
            Mode::Refuse => Err(Why::NotNamed),
        };
        let note = |what| self.ledger.note(Instant::now(), what, who, to, |entry| record(recorder, entry));
        let Err(why) = passes.and_then(|()| {
            note(What::Passed).map_err(|error| match error {
                NoteError::Crowded => Why::Crowded,
                NoteError::Unrecorded => Why::Unrecorded,
            })
        }) else {
            return Ok(());
        };
        // An error is of what passes alone.
        let _ = note(What::Refused);
        Err(why)
    }
}

/// The one place where any of it is written.
fn record(recorder: &Recorder, entry: &Entry<'_>) -> Result<(), recorder::Error> {
    let (kind, detail) = (entry.what.kind(), entry.to_string());
    let mut incident = Incident::new(kind, &detail).times(entry.count);
    incident.principal = entry.who.map(Cow::Borrowed);
    incident.destination = entry.to;
    let written = recorder.incident(incident);
    match &written {
        Ok(()) => tracing::warn!(count = entry.count, "{kind}: {detail}"),
        Err(error) => tracing::error!(%error, count = entry.count, "not recorded: {kind}: {detail}"),
    }
    written
}

/// Serves one until it ends.
pub(super) async fn serve(local: Rc<Local>, stray: Stray) {
    let Stray {
        mut frontend,
        destination,
        route,
        principal,
        mut signals,
        listed: _listed,
        counted: _counted,
    } = stray;
    let shared = &local.shared;
    shared.counters.unmatched.fetch_add(1, Ordering::Relaxed);
    let why = match shared.unmatched.decide(&shared.recorder, &principal, destination) {
        Ok(()) => match pass(&local, &mut frontend, (&route, destination), &principal, &mut signals).await {
            Ok(()) => return,
            Err(why) => why,
        },
        Err(why) => {
            if matches!(why, Why::Unrecorded) {
                shared.counters.unrecorded.fetch_add(1, Ordering::Relaxed);
            }
            why
        }
    };
    let patience = Duration::from_secs(shared.config.startup_seconds);
    let refused = async {
        let deadline = tokio::time::Instant::now() + patience;
        let names = Names { asked: None, known: Vec::new(), address: destination.ip() };
        match timeout_at(deadline, frontend::open(frontend, &shared.authority, names)).await {
            Ok(Ok(Opened { mut stream, read, .. })) => {
                refusal::refuse(&mut stream, &read, destination, &why, deadline).await;
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, %destination, "a client is not told that it is refused")
            }
            Err(_) => {}
        }
    };
    tokio::select! {
        // Nothing is lost with it.
        () = drained(&mut signals, false) => {}
        () = refused => {}
    }
}

/// Carries bytes both ways until both sides are done, one fails, or the daemon has to stop.
async fn pass(
    local: &Local,
    frontend: &mut TcpStream,
    (route, destination): (&Route, SocketAddr),
    principal: &Principal,
    signals: &mut UnboundedReceiver<Signal>,
) -> Result<(), Why> {
    let shared = &local.shared;
    let patience = Duration::from_secs(shared.config.connect_seconds);
    let (sent, received) = (Cell::new(0), Cell::new(0));
    let carried = async {
        let connected = timeout(patience, shared.own_sockets.connect(route, destination)).await;
        let slow = || std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer in time");
        let mut backend = connected.unwrap_or_else(|_| Err(slow())).map_err(Why::Unreachable)?;
        backend.set_nodelay(true).map_err(Why::Unreachable)?;
        let (from_job, to_job) = frontend.split();
        let (from_server, to_server) = backend.split();
        let gone = Notify::new();
        let forth = async {
            let carried = relay::carry(&local.buffer, from_job, to_server, &sent).await;
            gone.notify_one();
            carried
        };
        // An error of either side's is the end of both.
        let both =
            async { tokio::try_join!(forth, relay::carry(&local.buffer, from_server, to_job, &received)) };
        let abandoned = async {
            // Whoever is elsewhere and has its socket from there is served on.
            gone.notified().await;
            route.abandoned().await;
        };
        tokio::select! {
            done = both => {
                if let Err(error) = done {
                    tracing::debug!(%error, %destination, "a connection that was let through broke");
                }
            }
            () = abandoned => {}
        }
        Ok(())
    };
    shared.counters.passing.fetch_add(1, Ordering::Relaxed);
    let ended = tokio::select! {
        () = drained(signals, true) => Ok(()),
        ended = carried => ended,
    };
    shared.counters.passing.fetch_sub(1, Ordering::Relaxed);
    let what = What::Ended { sent: sent.get(), received: received.get() };
    let write = |entry: &Entry<'_>| record(&shared.recorder, entry);
    // An error is of what passes alone.
    let _ = shared.unmatched.ledger.note(Instant::now(), what, principal, destination, write);
    ended
}
