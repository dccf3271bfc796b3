//! From the listener to a worker: who it is, and which server it meant.

use std::sync::Arc;

use super::worker::{Arrival, Message, Worker};
use super::{Shared, current};
use crate::drain::Watch;
use crate::identity::KernelPeer;
use crate::intercept::{Error, Intercepted, Listener};

/// Accepts until the drain begins.
///
/// # Errors
///
/// The listener cannot be used any more.
pub async fn accept(
    listener: Listener,
    shared: Arc<Shared>,
    workers: Arc<Vec<Worker>>,
    mut drain: Watch,
) -> Result<(), Error> {
    let mut turn = 0;
    loop {
        let intercepted = tokio::select! {
            biased;
            () = drain.signaled() => return Ok(()),
            intercepted = listener.accept() => intercepted?,
        };
        let Some(session) = drain.enter() else { return Ok(()) };
        let Intercepted { stream, destination, peer } = intercepted;
        let resource = current(&shared.resources).at(destination).cloned();
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
            let arrival = Arrival { stream, destination, principal, resource, session };
            worker.tell(Message::Connection(Box::new(arrival)));
        }
    }
}
