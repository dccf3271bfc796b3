//! What arrives from all network namespaces, in one queue.

#![forbid(unsafe_code)]

use std::{
    net::{SocketAddr, TcpStream},
    sync::Arc,
};

use tokio::sync::{Mutex, mpsc};

use super::{Peer, Route};

/// A connection that the kernel handed to us.
#[derive(Debug)]
pub struct Intercepted {
    /// The job's side, non-blocking and registered with no runtime.
    pub stream: TcpStream,
    /// Where the job wanted to go; IPv4 also if it asked with an IPv4-mapped address.
    pub destination: SocketAddr,
    /// Who opened it.
    pub peer: Peer,
    /// From where it began, and a connection in its place should.
    pub route: Route,
}

/// Where redirected connections arrive. All clones are the same queue.
#[derive(Clone, Debug)]
pub struct Listener(Arc<Mutex<mpsc::Receiver<Intercepted>>>);

impl Listener {
    pub(super) fn new(receiver: mpsc::Receiver<Intercepted>) -> Self {
        Self(Arc::new(Mutex::new(receiver)))
    }

    /// The next connection that has its record; none once the listening has ended and all that had arrived was
    /// taken. Cancelling the wait loses none.
    pub async fn accept(&self) -> Option<Intercepted> {
        self.0.lock().await.recv().await
    }
}
