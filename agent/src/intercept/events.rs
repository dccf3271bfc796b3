//! Reads what the kernel side tells at once, and sees to it: a network namespace gets its listener, an attempt is
//! passed on.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use agent_ebpf::{Event, EventKind, maps};
use aya::maps::{Map, MapData, RingBuf};
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::mpsc::{self, Sender, error::TrySendError},
    task::JoinHandle,
};

use super::{
    Content, Error, abi,
    attempts::{Attempt, AttemptKind},
    namespaces::Namespaces,
};

/// What takes long and may wait; more finds no room. What it is about is dropped or held all the same.
const ASIDE: usize = 1024;

/// The tasks that read; they end with this value.
pub(super) struct Reader {
    tasks: [JoinHandle<()>; 2],
    lost: Arc<AtomicU64>,
}

impl Reader {
    /// Begins to read.
    ///
    /// # Errors
    ///
    /// The ring cannot be read or waited on.
    pub(super) fn spawn(
        ring: Map,
        namespaces: Namespaces,
        attempts: Sender<Attempt>,
        content: Content,
    ) -> Result<Self, Error> {
        let wrong = |source| Error::Map { map: maps::EVENTS, source };
        let ring: RingBuf<MapData> = ring.try_into().map_err(wrong)?;
        // SAFETY: the ring owns its descriptor, and nobody puts another in its place while the AsyncFd holds it.
        let ring = unsafe { AsyncFd::register_with_interest(ring, Interest::READABLE) };
        let mut ring = ring.map_err(|error| wrong(std::io::Error::from(error).into()))?;
        let lost = Arc::new(AtomicU64::new(0));
        let (aside, mut put_aside) = mpsc::channel(ASIDE);
        let refuses_openings = content == Content::Refuse;
        let teller = Teller { namespaces, attempts, refuses_openings, aside, lost: Arc::clone(&lost) };
        let slow = teller.clone();
        let aside = tokio::spawn(async move {
            while let Some(event) = put_aside.recv().await {
                slow.see_to_slowly(&event).await;
            }
        });
        let reading = tokio::spawn(async move {
            while let Ok(mut ready) = ring.readable_mut().await {
                // Out of the ring first: seeing to them takes time, and the kernel side needs the room.
                let mut events = Vec::new();
                while let Some(entry) = ready.get_inner_mut().next() {
                    events.extend(abi::event(&entry));
                }
                ready.clear_ready();
                for event in events {
                    teller.see_to(&event).await;
                }
            }
        });
        Ok(Self { tasks: [reading, aside], lost })
    }

    /// Attempts that found no room on their way to the record.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

#[derive(Clone)]
struct Teller {
    namespaces: Namespaces,
    attempts: Sender<Attempt>,
    /// Whether PostgreSQL on an unprotected port is ended.
    refuses_openings: bool,
    /// What takes long: whoever has many sockets to be looked through or ended makes nobody else wait for a listener.
    aside: Sender<Event>,
    lost: Arc<AtomicU64>,
}

impl Teller {
    async fn see_to(&self, event: &Event) {
        let kind = match event.kind() {
            Some(kind @ (EventKind::Namespace | EventKind::Held)) => {
                if !self.namespaces.ask(&event.origin).await {
                    // What finds no room asks again with the next SYN.
                    let _ = self.aside.try_send(*event);
                }
                // The SYN is sent again and again, and asks each time; it is told of once.
                if kind == EventKind::Namespace || event.again != 0 {
                    return;
                }
                AttemptKind::Held
            }
            Some(EventKind::GuardDropped) => {
                if self.aside.try_send(*event).is_ok() {
                    return;
                }
                AttemptKind::Guard
            }
            Some(EventKind::OpeningFound) => {
                if self.refuses_openings && self.aside.try_send(*event).is_ok() {
                    return;
                }
                AttemptKind::Opening
            }
            Some(EventKind::RawDropped) => AttemptKind::Raw,
            Some(EventKind::BindRefused) => AttemptKind::Bind,
            Some(EventKind::LinkDropped) => AttemptKind::Link,
            Some(EventKind::TuplesFull) => AttemptKind::TuplesFull,
            Some(EventKind::NoStorage) => AttemptKind::NoStorage,
            None => {
                let kind = event.kind;
                tracing::warn!(kind, "the kernel side tells of something that this version does not know");
                return;
            }
        };
        self.tell(Attempt::new(kind, event));
    }

    /// What was put aside.
    async fn see_to_slowly(&self, event: &Event) {
        match event.kind() {
            Some(EventKind::GuardDropped) => {
                // Its packets go nowhere; better that its owner knows.
                let owner = self.namespaces.end_socket(event).await;
                self.tell(Attempt::new(AttemptKind::Guard, event).owned_by(owner));
            }
            Some(EventKind::OpeningFound) => {
                self.namespaces.end_socket(event).await;
                self.tell(Attempt::new(AttemptKind::Opening, event));
            }
            _ => self.namespaces.search(&event.origin).await,
        }
    }

    fn tell(&self, attempt: Attempt) {
        if let Err(TrySendError::Full(_)) = self.attempts.try_send(attempt) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}
