//! Who is asked what a name stands for.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;

/// An answer on its way.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<BTreeSet<IpAddr>>> + Send + 'a>>;

/// Knows names.
pub trait Resolve: Send + Sync + 'static {
    /// All addresses of a name, of both families. No address at all is an error.
    fn resolve<'a>(&'a self, name: &'a str) -> Resolving<'a>;
}

/// The system's own resolver, as every program here asks it: getaddrinfo(3).
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

impl Resolve for System {
    fn resolve<'a>(&'a self, name: &'a str) -> Resolving<'a> {
        Box::pin(async move {
            // On one of the runtime's threads for blocking calls. The port is only there to be left out again.
            let found = tokio::net::lookup_host((name, 0)).await?;
            let addresses: BTreeSet<IpAddr> = found.map(|address| address.ip().to_canonical()).collect();
            if addresses.is_empty() {
                return Err(io::Error::new(io::ErrorKind::NotFound, "it stands for no address"));
            }
            Ok(addresses)
        })
    }
}
