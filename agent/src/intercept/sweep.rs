//! Connections to protected destinations that were there before they were protected: opened before the daemon came,
//! or before a destination was added.

#![forbid(unsafe_code)]

use std::{
    collections::{HashMap, HashSet},
    os::fd::AsFd as _,
    sync::Arc,
};

use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use super::{
    Attempt, AttemptKind, Peer, Protected,
    config::Existing,
    namespaces::Namespaces,
    sock_diag::{Error, Outcome, Owner, SockDiag, Socket, States, owners},
    streams::Streams,
    sys,
};

/// A list can miss a socket whose neighbour in the kernel's table closes meanwhile, so it is asked for until nothing
/// new comes, but not for ever.
const MOST_ROUNDS: usize = 5;

/// Finds them in every network namespace, and ends them or lets them go on.
///
/// What was found, each once; and the namespaces that could not be looked into, with the reason.
pub(super) fn sweep(
    namespaces: &Namespaces,
    protected: &Protected,
    existing: Existing,
    streams: &Streams,
) -> (Vec<Attempt>, Vec<(u64, String)>) {
    let ours = std::process::id();
    let (mut found, mut failed) = (Vec::new(), Vec::new());
    let seen = Arc::new(std::sync::Mutex::new(HashSet::new()));
    for _ in 0..MOST_ROUNDS {
        let before = found.len();
        failed.clear();
        let (protected, known) = (protected.clone(), Arc::clone(&seen));
        let looked = namespaces.each(move || look(&protected, &known, existing, ours));
        for (cookie, result) in looked {
            match result.map_err(|error| error.to_string()).and_then(|look| look.map_err(|e| e.to_string())) {
                Ok(older) => found.extend(older.into_iter().map(|older| older.attempt(cookie, streams))),
                Err(why) => failed.push((cookie, why)),
            }
        }
        if found.len() == before {
            break;
        }
    }
    (found, failed)
}

/// A connection that is older than its destination's protection.
struct Older {
    socket: Socket,
    owners: Vec<Owner>,
    /// It is let go on.
    spared: bool,
}

/// In the network namespace of the calling thread.
fn look(
    protected: &Protected,
    known: &std::sync::Mutex<HashSet<u64>>,
    existing: Existing,
    ours: u32,
) -> Result<Vec<Older>, Error> {
    let mut diag = SockDiag::in_this_namespace()?;
    let sockets = diag.active_opens(States::CONNECTED, |remote| protected.contains(remote))?;
    let mut known = known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let sockets: Vec<_> = sockets.into_iter().filter(|socket| known.insert(socket.cookie)).collect();
    if sockets.is_empty() {
        return Ok(Vec::new());
    }
    let inodes = sockets.iter().map(|socket| socket.inode).collect();
    let mut owners: HashMap<u64, Vec<Owner>> = owners(&inodes)?;
    let mut older = Vec::new();
    for socket in sockets {
        let owners = owners.remove(&socket.inode).unwrap_or_default();
        if owners.iter().any(|owner| owner.pid == ours) {
            continue;
        }
        let spared = existing == Existing::Report;
        if !spared && diag.destroy(&socket)? == Outcome::Gone {
            continue;
        }
        older.push(Older { socket, owners, spared });
    }
    Ok(older)
}

impl Older {
    fn attempt(self, netns_cookie: u64, streams: &Streams) -> Attempt {
        let Self { socket, owners, spared } = self;
        if spared {
            spare(&socket, &owners, streams);
        }
        let peer = Peer {
            pid: 0,
            tid: 0,
            uid: socket.uid,
            gid: 0,
            cgroup_id: socket.cgroup_id.unwrap_or(0),
            netns_cookie,
            socket_cookie: socket.cookie,
            comm: String::new(),
            ktime_ns: 0,
        };
        let peer = match owners.into_iter().next() {
            Some(owner) => peer.found_now(owner.pid, owner.comm),
            None => peer,
        };
        Attempt {
            kind: AttemptKind::Older,
            peer: Some(peer),
            source: Some(socket.local),
            destination: Some(socket.remote),
            detail: u32::from(!spared),
        }
    }
}

/// Lets the guard pass the socket's packets: by a copy of its descriptor, since that is how its storage is reached.
fn spare(socket: &Socket, owners: &[Owner], streams: &Streams) {
    for owner in owners {
        let copy = Pid::from_raw(owner.pid.cast_signed())
            .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok())
            .and_then(|pid| pidfd_getfd(pid, owner.fd.cast_signed(), PidfdGetfdFlags::empty()).ok());
        if let Some(copy) = copy
            && sys::socket_cookie(copy.as_fd()).is_ok_and(|cookie| cookie == socket.cookie)
            && streams.pass(copy.as_fd()).is_ok()
        {
            return;
        }
    }
    tracing::warn!(
        local = %socket.local, remote = %socket.remote,
        "an older connection cannot be let go on: no process shows it"
    );
}
