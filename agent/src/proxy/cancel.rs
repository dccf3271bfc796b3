//! Whose client may cancel what: the keys that our clients hold, and the sessions behind them.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use super::local::Signal;

type Key = (i32, Vec<u8>);
type Keys = Arc<Mutex<HashMap<Key, UnboundedSender<Signal>>>>;

/// All keys of this daemon.
#[derive(Debug, Clone, Default)]
pub struct Cancels(Keys);

/// Kept for as long as a request to cancel has not reached the server.
pub(super) type Cancelling = oneshot::Sender<Infallible>;

/// One session's key, as long as it lives.
#[derive(Debug)]
pub(super) struct Registered {
    keys: Keys,
    key: Key,
}

impl Cancels {
    pub(super) fn register(&self, key: Key, events: UnboundedSender<Signal>) -> Registered {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), events);
        Registered { keys: Arc::clone(&self.0), key }
    }

    /// Tells the session with that key, until it has done what there is to do. As with PostgreSQL, the asker learns
    /// nothing but that: it closes once the signal is sent, and clients rely on it that their next statement is not
    /// met by what was meant for the one before.
    pub(super) fn cancel(&self, key: &Key) -> impl Future<Output = ()> + use<> {
        let (cancelling, done) = oneshot::channel();
        let keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(events) = keys.get(key) {
            // The session may be ending just now.
            drop(events.send(Signal::Cancel(cancelling)));
        }
        async move {
            let Err(_dropped) = done.await;
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}
