//! From the listener to a worker: who it is, and which server it meant.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::worker::{Arrival, Message, Worker};
use super::{Shared, current};
use crate::drain::Watch;
use crate::identity::KernelPeer;
use crate::intercept::{Error, Intercepted, Listener};

/// Accepts until the listening ends.
///
/// # Errors
///
/// The listener cannot be used any more.
pub async fn accept(
    listener: Listener,
    shared: Arc<Shared>,
    workers: Arc<Vec<Worker>>,
    drain: Watch,
) -> Result<(), Error> {
    let mut turn = 0;
    while let Some(intercepted) = listener.accept().await {
        let Intercepted { stream, destination, peer, route } = intercepted?;
        let Some(session) = drain.enter() else { return Ok(()) };
        let Some(resource) = current(&shared.resources).at(destination).cloned() else {
            // It was protected a moment ago: what is not protected is not taken.
            shared.counters.unmatched.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(%destination, pid = peer.pid, uid = peer.uid, "no resource has this address: closed");
            continue;
        };
        let principal = shared.identifier.identify(&KernelPeer {
            pid: peer.pid,
            tid: peer.tid,
            uid: peer.uid,
            gid: peer.gid,
            cgroup_id: peer.cgroup_id,
            netns: peer.netns_cookie,
            comm: peer.comm,
            ktime_ns: peer.ktime_ns,
        });
        tracing::debug!(%destination, pid = principal.pid, uid = principal.uid, "a connection is taken");
        turn = (turn + 1) % workers.len().max(1);
        if let Some(worker) = workers.get(turn) {
            let arrival = Arrival { stream, destination, route, principal, resource, session };
            worker.tell(Message::Connection(Box::new(arrival)));
        }
    }
    Ok(())
}
