//! Policies, read again while sessions run: all of the new ones, or none.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use evidence::Digest;
use policy::Policy;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::Daemon;
use crate::config::{PoliciesError, ResourcesError, describe, read_policies};
use crate::proxy::Message;
use crate::{intercept, recorder};

/// A worker is told between two turns of its sessions, of which none takes long.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why the old policies hold on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("{0}\nthe policies that held before still hold")]
    Policies(#[from] PoliciesError),
    #[error("{0}\nthe policies that held before still hold")]
    Resources(#[from] ResourcesError),
    #[error("what is protected could not be changed: {0}")]
    Protect(#[from] intercept::Error),
    #[error("the change could not be recorded, so it was not made: {0}")]
    Record(#[from] recorder::Error),
}

/// What a reload came to.
pub(super) struct Reloaded {
    pub(super) digest: [u8; 32],
    pub(super) rules: usize,
    pub(super) resources: usize,
}

impl Daemon {
    /// Reads the documents again. Sessions judge their next statement by the new policy; what is held stays held,
    /// and is refused at its approval where the new policy denies it.
    pub(super) async fn reload(self: &Arc<Self>) -> Result<Reloaded, Error> {
        let _only = self.reloading.lock().await;
        let (policy, documents) = read_policies(&self.config.base_policies, &self.config.policies)?;
        let resources = describe(&self.config.resources, &policy)?;
        tell_observed(&policy);
        let reloaded = Reloaded {
            digest: policy.digest(),
            rules: policy.rules().len(),
            resources: resources.iter().count(),
        };
        self.protection.ask(&resources).await;
        self.shared.recorder.policy_reloaded(Digest(policy.digest()), &documents)?;
        // More is protected before a session can be let through to it, and never the other way round.
        self.protection.switch(&resources)?;
        self.sweep();
        replace(&self.shared.policy, Arc::new(policy));
        replace(&self.documents, documents);
        // Who is told that it is done may rely on it: what a session is sent from then on is judged by the new policy.
        let (told, mut all_told) = mpsc::channel(1);
        for worker in self.workers.iter() {
            worker.tell(Message::Policy { told: told.clone() });
        }
        drop(told);
        if timeout(PATIENCE, all_told.recv()).await.is_err() {
            tracing::warn!("a worker is too busy to be told of the new policies in time; it will be");
        }
        tracing::info!(
            rules = reloaded.rules,
            digest = hex::encode(reloaded.digest),
            "policies were read again"
        );
        Ok(reloaded)
    }
}

/// What is not enforced is said at every start and reload.
pub(super) fn tell_observed(policy: &Policy) {
    for what in policy.observed() {
        tracing::warn!("only observed, NOT ENFORCED: {what}");
    }
}

fn replace<T>(slot: &RwLock<T>, value: T) {
    *slot.write().unwrap_or_else(PoisonError::into_inner) = value;
}
