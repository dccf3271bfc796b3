//! What the control socket asks of the daemon.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Instant, SystemTime};

use serde_json::{Value, json};

use super::Daemon;
use crate::approvals::{Answering, Control};
use crate::proxy::current;
use crate::store::Status;

/// The daemon behind the control socket.
pub(super) struct Answers(pub(super) Arc<Daemon>);

impl Control for Answers {
    fn status(&self) -> Answering<'_> {
        Box::pin(async { Ok(self.0.status()) })
    }

    fn reload(&self) -> Answering<'_> {
        Box::pin(async {
            let reloaded = self.0.reload().await?;
            Ok(json!({
                "policy": { "digest": hex::encode(reloaded.digest), "rules": reloaded.rules },
                "resources": reloaded.resources,
            }))
        })
    }

    fn user_name(&self, uid: u32) -> Option<String> {
        self.0.shared.identifier.user_name(uid)
    }
}

impl Daemon {
    /// How it is, for `portreeve status`.
    pub(super) fn status(&self) -> Value {
        let shared = &self.shared;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let policy = current(&shared.policy);
        let documents = self.documents.read().unwrap_or_else(PoisonError::into_inner).clone();
        let detached = read(&self.detached);
        let usage = shared.recorder.usage();
        let approvals = shared.approvals.counts();
        let interception = match self.interception.counters() {
            Ok(counters) => serde_json::to_value(counters).unwrap_or(Value::Null),
            Err(error) => json!({ "error": error.to_string() }),
        };
        let is_well = detached == 0 && !usage.failing && self.protection.is_whole();
        let draining = self.stopping.get().map(|until| {
            let left = until.saturating_duration_since(Instant::now());
            json!({ "sessions": self.drain.sessions(), "seconds_left": left.as_secs() })
        });
        let state = match (&draining, is_well) {
            (Some(_), _) => "draining",
            (None, true) => "running",
            (None, false) => "impaired",
        };
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "state": state,
            "draining": draining,
            "uptime_seconds": self.begun.elapsed().as_secs(),
            "boot": shared.recorder.boot().to_string(),
            "configuration": { "digest": self.digest.to_string() },
            "policy": { "digest": hex::encode(policy.digest()), "rules": policy.rules().len(), "documents": documents,
                "only_observed": policy.observed(), "unknown_names": shared.misnamed.of(&policy) },
            "resources": self.protection.status(),
            "not_protected": self.protection.error(),
            "databases": shared.catalogs.databases().iter().map(ToString::to_string).collect::<Vec<_>>(),
            "sessions": {
                "running": read(&shared.counters.sessions),
                "total": read(&shared.counters.sessions_total),
                "unmatched": read(&shared.counters.unmatched),
                "passing_unmatched": read(&shared.counters.passing),
                "unrecorded": read(&shared.counters.unrecorded),
            },
            "approvals": {
                "waiting": approvals.waiting,
                "asked": approvals.asked,
                "approved": approvals.approved,
                "denied": approvals.denied,
            },
            "evidence": {
                "directory": shared.recorder.directory().display().to_string(),
                "used_bytes": usage.used,
                "budget_bytes": usage.budget,
                "accepts_sessions": shared.recorder.accepts_sessions(),
            },
            "store": self.store.as_ref().map(|store| shipping(&store.status())),
            "interception": interception,
            "adopted": self.protection.adopted(),
            "interface_guard": self.interception.interface_guard(),
            "network_namespaces": self.interception.namespaces(),
            "detached_programs": detached,
        })
    }
}

fn shipping(status: &Status) -> Value {
    let seconds_ago = |at: SystemTime| at.elapsed().unwrap_or_default().as_secs();
    let refused = |(boot, why): (&evidence::BootId, &String)| json!({ "boot": boot.to_string(), "why": why });
    json!({
        "connected": status.connected,
        "shipped_records": status.shipped,
        "waiting_records": status.backlog.records,
        "waiting_bytes": status.backlog.bytes,
        "conflicts": status.conflicts,
        "failures": status.failures,
        "last_error": status.last_error,
        "last_shipped_seconds_ago": status.last_shipped.map(seconds_ago),
        "refused_boots": status.refused.iter().map(refused).collect::<Vec<_>>(),
    })
}
