//! What the programs log goes where everything else is logged.

use aya::Ebpf;
use aya_log::EbpfLogger;
use tokio::{
    io::{Interest, unix::AsyncFd},
    task::JoinHandle,
};

/// The task that reads the programs' log; it ends with this value.
pub(super) struct Forwarder(Option<JoinHandle<()>>);

impl Forwarder {
    /// Begins to read. Without the log the programs do their work all the same, so a failure is said and
    /// nothing more.
    pub(super) fn spawn(object: &mut Ebpf) -> Self {
        let logger = EbpfLogger::init(object).map_err(|error| error.to_string()).and_then(|logger| {
            // SAFETY: the logger owns its ring buffer's descriptor, and nobody puts another in its place
            // while the AsyncFd holds it.
            unsafe { AsyncFd::register_with_interest(logger, Interest::READABLE) }
                .map_err(|error| error.to_string())
        });
        match logger {
            Ok(mut logger) => Self(Some(tokio::spawn(async move {
                while let Ok(mut ready) = logger.readable_mut().await {
                    ready.get_inner_mut().flush();
                    ready.clear_ready();
                }
            }))),
            Err(error) => {
                tracing::warn!(error, "the kernel side's own log cannot be read");
                Self(None)
            }
        }
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}
