//! Joins the recorder and the central store: what the one has written the other is given, and what the other has
//! the one may remove.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use evidence::{BootId, Incident};
use session::authentication::{Channel, Rules};
use tokio::net::{UnixStream, lookup_host};

use super::Error;
use crate::config::{StoreConfig, store_rules, store_tls};
use crate::intercept::{OwnSockets, Route};
use crate::proxy::{Authenticating, Tls, connect_backend};
use crate::recorder::folder::{self, SegmentFile};
use crate::recorder::{Recorder, Shipped, Tail};
use crate::secret::Secret;
use crate::store::{
    Address, Backlog, Connect, Connecting, Endpoint, Forwarder, Own, Positions, Record, Source, SourceError,
    Stream,
};

/// Starts to ship.
pub(super) fn start(
    config: &StoreConfig,
    recorder: &Arc<Recorder>,
    own_sockets: OwnSockets,
    patience: Duration,
) -> Result<Forwarder, Error> {
    let connector = Connector {
        own_sockets,
        tls: store_tls(&config.tls, &config.url.endpoint)?,
        rules: store_rules(&config.tls, &config.url.endpoint),
        password_file: config.password_file.clone(),
        patience,
    };
    let own = Own { boot: recorder.boot(), key: recorder.public_key() };
    let source = Recorded::new(Arc::clone(recorder));
    Ok(Forwarder::start(config.clone(), own, Arc::new(connector), Box::new(source))?)
}

/// Connects past interception: the store's own address may be protected too.
struct Connector {
    own_sockets: OwnSockets,
    tls: Tls,
    rules: Rules,
    password_file: Option<PathBuf>,
    patience: Duration,
}

impl Connector {
    async fn stream(&self, address: &Address) -> Result<Box<dyn Stream>, SourceError> {
        // Each time: a new password holds from the next login on.
        let password = self.password_file.as_deref().map(Secret::read).transpose()?;
        let password = password.as_ref();
        let (user, rules) = (&address.user, &self.rules);
        let (host, port) = match &address.endpoint {
            Endpoint::Unix(path) => {
                let stream = UnixStream::connect(path).await?;
                return Ok(Box::new(Authenticating::new(stream, Channel::local(), user, password, rules)));
            }
            Endpoint::Tcp(host, port) => (host.as_str(), *port),
        };
        let here = Route::here();
        let mut last = None;
        for server in lookup_host((host, port)).await? {
            match connect_backend(&self.own_sockets, &here, server, &self.tls, self.patience).await {
                Ok(stream) => {
                    let channel = stream.channel();
                    return Ok(Box::new(Authenticating::new(stream, channel, user, password, rules)));
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.map_or_else(|| format!("{host} has no address").into(), Into::into))
    }
}

impl Connect for Connector {
    fn connect<'a>(&'a self, address: &'a Address) -> Connecting<'a> {
        Box::pin(self.stream(address))
    }
}

/// The recorder's records, of this boot and of those before it.
pub struct Recorded {
    recorder: Arc<Recorder>,
    tail: Tail,
    /// Where the lanes of earlier boots end, which does not change.
    ends: BTreeMap<(BootId, u32), u64>,
}

impl Recorded {
    /// All records from the first one on.
    pub fn new(recorder: Arc<Recorder>) -> Self {
        let tail = recorder.tail(Shipped::default());
        Recorded { recorder, tail, ends: BTreeMap::new() }
    }

    fn scan(&self) -> Result<Vec<SegmentFile>, crate::recorder::Error> {
        // The boot's folder stands in the folder of all of them.
        let directory = self.recorder.directory();
        folder::scan(directory.parent().unwrap_or(directory))
    }

    /// The place after a lane's last record.
    fn end(&mut self, last: &SegmentFile) -> u64 {
        let lane = (last.boot, last.lane);
        if last.boot == self.recorder.boot() {
            let tip = self.recorder.tips().into_iter().find(|tip| tip.lane == last.lane);
            return tip.map_or(0, |tip| tip.sequence.saturating_add(1));
        }
        *self.ends.entry(lane).or_insert_with(|| {
            let end = folder::end(last).ok().flatten();
            end.map_or(last.first, |(sequence, _)| sequence.saturating_add(1))
        })
    }
}

impl Source for Recorded {
    fn boots(&self) -> Result<Vec<BootId>, SourceError> {
        let mut boots: Vec<BootId> = self.scan()?.iter().map(|segment| segment.boot).collect();
        boots.dedup();
        Ok(boots)
    }

    fn rewind(&mut self, next: &Positions) {
        self.tail = self.recorder.tail(Shipped(next.clone()));
    }

    fn read(&mut self, most_bytes: usize) -> Result<Vec<Record>, SourceError> {
        let written = self.tail.read(most_bytes)?;
        let record = |written: crate::recorder::Written| Record {
            header: written.header,
            header_bytes: written.header_bytes,
            body_bytes: written.body_bytes,
        };
        Ok(written.into_iter().map(record).collect())
    }

    fn shipped(&mut self, next: &Positions) {
        match self.recorder.reclaim(&Shipped(next.clone())) {
            Ok(0) => {}
            Ok(bytes) => tracing::info!(bytes, "shipped segments were removed to make room"),
            Err(error) => tracing::error!(%error, "shipped segments cannot be removed"),
        }
    }

    fn conflict(&mut self, boot: BootId, lane: u32, sequence: u64) {
        let detail = format!("the store has another record: boot {boot}, lane {lane}, record {sequence}");
        if let Err(error) = self.recorder.incident(Incident::new("store-conflict", detail)) {
            tracing::error!(%error, "an incident could not be recorded");
        }
    }

    fn backlog(&mut self, next: &Positions) -> Backlog {
        let Ok(segments) = self.scan() else { return Backlog::default() };
        let mut backlog = Backlog::default();
        for lane in segments.chunk_by(|one, other| (one.boot, one.lane) == (other.boot, other.lane)) {
            let Some(last) = lane.last() else { continue };
            let end = self.end(last);
            let next = next.get(&(last.boot, last.lane)).copied().unwrap_or(0);
            backlog.records += end.saturating_sub(next.max(lane.first().map_or(0, |first| first.first)));
            for (at, segment) in lane.iter().enumerate() {
                let after = lane.get(at + 1).map_or(end, |following| following.first);
                let (all, waiting) =
                    (after.saturating_sub(segment.first), after.saturating_sub(next.max(segment.first)));
                // As if its records were all of one size.
                backlog.bytes += segment.len.saturating_mul(waiting).checked_div(all).unwrap_or(0);
            }
        }
        backlog
    }
}
