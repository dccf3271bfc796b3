//! What is looked at every second, and what the kernel side tells: that the hooks are in force, and who tried to get
//! around them. All of it is recorded.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evidence::Incident;

use super::Daemon;
use crate::intercept::{Attempt, AttemptKind, Content, Counters, Fault};
use crate::proxy::kernel_peer;
use crate::recorder::Recorder;

/// What is remembered from one look to the next.
#[derive(Default)]
pub(super) struct Watch {
    counters: Option<Counters>,
    faults: Vec<(&'static str, Fault)>,
    beat_failed: bool,
}

impl Watch {
    pub(super) fn tick(&mut self, daemon: &Arc<Daemon>) {
        let recorder = &daemon.shared.recorder;
        match recorder.beat() {
            Ok(()) => self.beat_failed = false,
            Err(error) if !self.beat_failed => {
                self.beat_failed = true;
                tracing::error!(%error, "the sign of life could not be recorded");
            }
            Err(_) => {}
        }
        if daemon.protection.tick(recorder) {
            daemon.sweep();
        }
        daemon.shared.unmatched.flush(recorder, false);
        self.hooks(daemon);
        self.losses(daemon);
    }

    /// Whether the hooks are as they should be. What stays wrong is told once.
    fn hooks(&mut self, daemon: &Daemon) {
        let faults = daemon.interception.mend();
        for (program, fault) in faults.iter().filter(|fault| !self.faults.contains(fault)) {
            let (kind, told) = match fault {
                Fault::Reattached => {
                    ("reattached-program", "was taken off and is back: what it guards was open")
                }
                Fault::Detached => ("detached-program", "is not attached: what it guards is open"),
                Fault::Repinned => ("repinned-program", "had lost its pin"),
                Fault::Overruled => {
                    ("overruled-program", "is followed by another program, which may undo what it decides")
                }
            };
            tracing::error!(program, "a program {told}");
            incident(&daemon.shared.recorder, Incident::new(kind, format!("{program} {told}")));
        }
        // What was mended may happen again; what lasts is known.
        let lasts = |(_, fault): &(_, Fault)| matches!(fault, Fault::Detached | Fault::Overruled);
        self.faults = faults.into_iter().filter(lasts).collect();
        let open = self.faults.iter().filter(|(_, fault)| *fault == Fault::Detached).count();
        daemon.detached.store(open as u64, std::sync::atomic::Ordering::Relaxed);
    }

    /// What only counters tell.
    fn losses(&mut self, daemon: &Daemon) {
        let Ok(counters) = daemon.interception.counters() else { return };
        let before = self.counters.replace(counters).unwrap_or(counters);
        for (kind, told, now, then) in [
            (
                "unknown-connection",
                "to the listener itself, closed",
                counters.closed_unrecorded,
                before.closed_unrecorded,
            ),
            ("lost-events", "of the kernel side's found no room", counters.events_lost, before.events_lost),
            (
                "namespaces-full",
                "network namespaces found no room",
                counters.namespaces_full,
                before.namespaces_full,
            ),
        ] {
            if now > then {
                incident(&daemon.shared.recorder, Incident::new(kind, told).times(now - then));
            }
        }
    }
}

/// Attempts that look alike are recorded once in this time, with their number.
const ALIKE: Duration = Duration::from_secs(10);

/// What makes two attempts alike.
type Alike = (AttemptKind, Option<(u32, u64)>, Option<SocketAddr>);

/// So many destinations of one kind and workload are told apart in this time; the others are told of together.
const MOST_DESTINATIONS: usize = 32;

/// What is recorded, and how often it has happened since.
type Waiting = HashMap<Alike, (Instant, Attempt, u64)>;

fn alike(waiting: &Waiting, attempt: &Attempt) -> Alike {
    let who = attempt.peer.as_ref().map(|peer| (peer.uid, peer.cgroup_id));
    let own = (attempt.kind, who, attempt.destination);
    let others = waiting.keys().filter(|(kind, whose, _)| (*kind, *whose) == (attempt.kind, who)).count();
    match others >= MOST_DESTINATIONS && !waiting.contains_key(&own) {
        true => (attempt.kind, who, None),
        false => own,
    }
}

/// Records attempts until the interception ends.
pub(super) async fn record_attempts(daemon: Arc<Daemon>) {
    let attempts = daemon.interception.attempts();
    let mut waiting = Waiting::new();
    loop {
        match tokio::time::timeout(ALIKE / 10, attempts.next()).await {
            Ok(None) => return,
            Ok(Some(attempt)) => {
                adopt(&daemon, &attempt);
                let alike = alike(&waiting, &attempt);
                match waiting.get_mut(&alike) {
                    Some((_, last, count)) => {
                        *last = attempt;
                        *count += 1;
                    }
                    None => {
                        record_aside(&daemon, attempt.clone(), 1).await;
                        waiting.insert(alike, (Instant::now(), attempt, 0));
                    }
                }
            }
            Err(_) => {}
        }
        let over: Waiting = waiting.extract_if(|_, (since, ..)| since.elapsed() >= ALIKE).collect();
        for (_, last, count) in over.into_values().filter(|(.., count)| *count > 0) {
            record_aside(&daemon, last, count).await;
        }
    }
}

/// Protects what speaks PostgreSQL unprotected, where the configuration says so.
fn adopt(daemon: &Daemon, attempt: &Attempt) {
    if attempt.kind == AttemptKind::Opening
        && daemon.config.intercept.content == Content::Adopt
        && let Some(destination) = attempt.destination
    {
        match daemon.protection.adopt(destination) {
            Ok(()) => tracing::warn!(%destination, "adopted: it is protected from the next connection on"),
            Err(error) => {
                tracing::error!(%error, %destination, "it cannot be adopted");
                let told = Incident::new("not-adopted", error.to_string()).towards(destination);
                incident(&daemon.shared.recorder, told);
            }
        }
    }
}

/// Off the thread that accepts: to look at a process takes a while.
async fn record_aside(daemon: &Arc<Daemon>, attempt: Attempt, count: u64) {
    let daemon = Arc::clone(daemon);
    // A panic there is a defect that has been told already.
    drop(tokio::task::spawn_blocking(move || record(&daemon, &attempt, count)).await);
}

impl Daemon {
    /// Looks for connections that are older than the protection of where they go. Beside everything else: it takes a
    /// while where there are many network namespaces.
    pub(super) fn sweep(self: &Arc<Self>) {
        let daemon = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            let (found, failed) = daemon.interception.sweep();
            for attempt in &found {
                record(&daemon, attempt, 1);
            }
            for why in failed {
                tracing::error!(why, "older connections cannot be looked for");
                incident(&daemon.shared.recorder, Incident::new("unswept-namespace", &why));
            }
        });
    }
}

fn record(daemon: &Daemon, attempt: &Attempt, count: u64) {
    let kind = attempt.kind.name();
    let detail = describe(attempt, daemon.config.intercept.content);
    let principal = attempt.peer.clone().map(|peer| {
        let peer = kernel_peer(peer);
        match peer.ktime_ns {
            // When it was seen is not known, so that nothing shows that an entry of /proc is the same process.
            0 => daemon.shared.identifier.carried(&peer),
            _ => daemon.shared.identifier.identify(&peer),
        }
    });
    let who = principal.as_ref().map_or("nobody known", |principal| principal.comm.as_str());
    let pid = principal.as_ref().map_or(0, |principal| principal.pid);
    tracing::warn!(kind, count, who, pid, destination = ?attempt.destination, "{detail}");
    let mut told = Incident::new(kind, detail).times(count);
    if let Some(principal) = &principal {
        told = told.by(principal);
    }
    if let Some(destination) = attempt.destination {
        told = told.towards(destination);
    }
    incident(&daemon.shared.recorder, told);
}

/// What happened, in words; who and where to are told beside it.
fn describe(attempt: &Attempt, content: Content) -> String {
    let mut said = match attempt.kind {
        AttemptKind::Held => "a connection waits: no listener of Portreeve is where it goes".to_owned(),
        AttemptKind::Guard => "a packet past the listener was dropped, and its connection ended".to_owned(),
        AttemptKind::Raw => "a raw socket's packet was dropped".to_owned(),
        AttemptKind::Bind => "a bind to the listener's port was refused".to_owned(),
        AttemptKind::Opening => {
            let becomes = match content {
                Content::Refuse => "its connection was ended",
                Content::Adopt => "it passes, and where it goes is protected from the next one on",
                Content::Report | Content::Off => "it passes",
            };
            format!("PostgreSQL is spoken to a port that is not protected: {becomes}")
        }
        AttemptKind::Link => {
            format!("a packet from below the sockets was dropped on interface {}", attempt.detail)
        }
        AttemptKind::Older if attempt.detail == 1 => {
            "a connection from before the protection was ended".to_owned()
        }
        AttemptKind::Older => "a connection from before the protection goes on".to_owned(),
        AttemptKind::TuplesFull => "a connection's record found no room, and it was closed".to_owned(),
        AttemptKind::NoStorage => "a connection was refused: no record of it could be kept".to_owned(),
    };
    if let Some(source) = attempt.source {
        said += &format!("; from {source}");
    }
    said
}

/// Records what concerns no session, and says so where that fails.
pub(super) fn incident(recorder: &Recorder, incident: Incident<'_>) {
    let kind = incident.kind.clone();
    if let Err(error) = recorder.incident(incident) {
        tracing::error!(%error, %kind, "an incident could not be recorded");
    }
}
