//! Work inside another network namespace: one thread that enters it, does the work, and comes back.
//!
//! A socket belongs for ever to the namespace in which it was made, so that making it is all that has to be done
//! there. The thread is the only one of this process that is ever elsewhere.

#![forbid(unsafe_code)]

use std::{
    fs::File,
    io,
    os::fd::AsFd as _,
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
        mpsc::{Sender, channel, sync_channel},
    },
};

use rustix::thread::{LinkNameSpaceType, gettid, move_into_link_name_space};
use tokio::sync::oneshot;

type Work = Box<dyn FnOnce() + Send>;

/// Sends work into network namespaces. All clones use the same thread, which ends with the last of them.
#[derive(Clone, Debug)]
pub(in super::super) struct Errands {
    sender: Sender<(Arc<File>, Work)>,
    thread: Arc<AtomicI32>,
}

impl Errands {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// There is no thread to be had, or no `/proc`.
    pub(in super::super) fn start() -> io::Result<Self> {
        let home = File::open("/proc/thread-self/ns/net")?;
        let (sender, receiver) = channel::<(Arc<File>, Work)>();
        let thread = Arc::new(AtomicI32::new(0));
        let id = Arc::clone(&thread);
        std::thread::Builder::new().name("namespaces".into()).spawn(move || {
            id.store(gettid().as_raw_nonzero().get(), Ordering::Relaxed);
            while let Ok((namespace, work)) = receiver.recv() {
                if let Err(error) = enter(&namespace) {
                    // The work is dropped, and who waits for it hears of it.
                    tracing::warn!(%error, "a network namespace cannot be entered");
                    continue;
                }
                work();
                drop(namespace);
                if let Err(error) = enter(&home) {
                    // In a foreign namespace it must not go on, and would keep that one alive.
                    tracing::error!(%error, "the way back from a network namespace is barred");
                    return;
                }
            }
        })?;
        Ok(Self { sender, thread })
    }

    /// The id of the thread, which is elsewhere now and then.
    pub(in super::super) fn thread(&self) -> i32 {
        self.thread.load(Ordering::Relaxed)
    }

    /// Does this inside of a namespace.
    ///
    /// # Errors
    ///
    /// The namespace cannot be entered.
    pub(in super::super) async fn run<T: Send + 'static>(
        &self,
        namespace: &Arc<File>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        let (done, wait) = oneshot::channel();
        self.send(namespace, Box::new(move || drop(done.send(work()))))?;
        wait.await.map_err(|_| closed())
    }

    /// The same where there is no runtime to wait on.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub(in super::super) fn run_blocking<T: Send + 'static>(
        &self,
        namespace: &Arc<File>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        let (done, wait) = sync_channel(1);
        self.send(namespace, Box::new(move || drop(done.send(work()))))?;
        wait.recv().map_err(|_| closed())
    }

    fn send(&self, namespace: &Arc<File>, work: Work) -> io::Result<()> {
        self.sender.send((Arc::clone(namespace), work)).map_err(|_| closed())
    }
}

fn enter(namespace: &File) -> io::Result<()> {
    Ok(move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?)
}

fn closed() -> io::Error {
    io::Error::other("the network namespace cannot be entered")
}
