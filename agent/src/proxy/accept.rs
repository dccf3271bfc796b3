//! From the listener to a worker: who it is, and which server it meant.

use std::sync::Arc;
use std::time::Duration;

use policy::Principal;
use tokio::sync::Semaphore;

use super::aside::Aside;
use super::worker::{Arrival, Message, Worker};
use super::{Shared, current};
use crate::drain::Watch;
use crate::identity::KernelPeer;
use crate::intercept::{Intercepted, Listener, Peer};

/// Connections that may be on their way to a worker at once. The next ones wait in the listener's queue.
const MOST_ARRIVING: usize = 256;
/// Processes that are looked at at once.
const MOST_IDENTIFIED: usize = 64;
/// How long a process is looked at. Its connection then goes on with what was true at connect alone.
const PATIENCE: Duration = Duration::from_secs(10);

/// Accepts until the listening ends. Those that were accepted before reach their workers also after.
pub async fn accept(listener: Listener, shared: Arc<Shared>, workers: Arc<Vec<Worker>>, drain: Watch) {
    let mut turn = 0;
    let (arriving, aside) = (Arc::new(Semaphore::new(MOST_ARRIVING)), Aside::new(MOST_IDENTIFIED, PATIENCE));
    loop {
        let place = Arc::clone(&arriving).acquire_owned().await;
        let Some(intercepted) = listener.accept().await else { return };
        let Intercepted { stream, destination, peer, route } = intercepted;
        let Some(session) = drain.enter() else { return };
        let resource = current(&shared.resources).at(destination).cloned();
        let peer = kernel_peer(peer);
        tracing::debug!(%destination, pid = peer.pid, uid = peer.uid, "a connection is taken");
        turn = (turn + 1) % workers.len().max(1);
        let (shared, workers, aside) = (Arc::clone(&shared), Arc::clone(&workers), aside.clone());
        let drain = drain.clone();
        tokio::spawn(async move {
            let principal = identify(&aside, shared, peer).await;
            if let Some(worker) = workers.get(turn) {
                let arrival = Arrival { stream, destination, route, principal, resource, session };
                worker.tell(Message::Connection(Box::new(arrival)));
                if drain.is_signaled() {
                    // Its worker was told before it came.
                    worker.tell(Message::Drain { now: false });
                }
            }
            drop(place);
        });
    }
}

/// What interception tells, as identification takes it.
pub fn kernel_peer(peer: Peer) -> KernelPeer {
    KernelPeer {
        pid: peer.pid,
        tid: peer.tid,
        uid: peer.uid,
        gid: peer.gid,
        cgroup_id: peer.cgroup_id,
        netns: peer.netns_cookie,
        comm: peer.comm,
        ktime_ns: peer.ktime_ns,
    }
}

/// Who it is, as far as that can be told in time.
async fn identify(aside: &Aside, shared: Arc<Shared>, peer: KernelPeer) -> Principal {
    let (looking, whom) = (Arc::clone(&shared), peer.clone());
    match aside.run(move || looking.identifier.identify(&whom)).await {
        Some(principal) => principal,
        None => {
            tracing::warn!(pid = peer.pid, uid = peer.uid, "a process could not be looked at in time");
            // Quick enough for this thread: only the kernel's own files are looked at.
            shared.identifier.carried(&peer)
        }
    }
}
