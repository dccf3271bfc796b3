//! Who accepts the connections that are not redirected.

use std::io::Read as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Sender, channel};

use anyhow::{Context as _, Result};

use crate::cpu;

/// A listener with a thread that takes its connections, each to its end, but only when it is told to: waking one
/// that waits would be a part of every connect(), and the daemon is awake as long as there is something to take.
#[derive(Debug)]
pub(crate) struct FarEnd {
    pub(crate) address: SocketAddr,
    tell: Sender<usize>,
}

impl FarEnd {
    /// Listens on loopback, to accept on that CPU.
    ///
    /// # Errors
    ///
    /// There is no port, or no thread.
    pub(crate) fn start(cpu: usize) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (tell, told) = channel();
        let accept = move || {
            // On any CPU the figures are but noisier.
            let _ = cpu::pin(cpu);
            for count in told {
                for mut client in listener.incoming().take(count).flatten() {
                    while client.read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
                }
            }
        };
        std::thread::Builder::new().name("far end".to_owned()).spawn(accept)?;
        Ok(FarEnd { address, tell })
    }

    /// Has the next so many connections taken.
    ///
    /// # Errors
    ///
    /// Its thread has died.
    pub(crate) fn take(&self, count: usize) -> Result<()> {
        self.tell.send(count).context("the far end has died")
    }
}
