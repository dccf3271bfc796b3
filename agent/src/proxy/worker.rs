//! A worker: one thread, one runtime, one lane of the record, and the sessions that live on it.

use std::cell::RefCell;
use std::future::{Future as _, poll_fn};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use policy::Principal;
use ring::rand::{SecureRandom, SystemRandom};
use session::{Cache, ClientAuthentication, Event, Options, Peer, Session};
use socket2::SockRef;
use tokio::sync::mpsc::{self, Sender, UnboundedReceiver, UnboundedSender};
use tokio::task::LocalSet;
use tokio::time::{Instant, timeout_at};

use super::batch::Batch;
use super::connection::{Connection, Opening};
use super::frontend::{self, Opened};
use super::local::{Listed, Local, Signal, drained};
use super::resources::Use;
use super::unmatched::{self, Stray};
use super::{Resource, Shared};
use crate::approvals::session_id;
use crate::authority::Names;
use crate::drain;
use crate::intercept::Route;
use crate::recorder::LaneWriter;

/// What a worker is told.
pub enum Message {
    /// A connection to serve.
    Connection(Box<Arrival>),
    /// Another policy holds.
    Policy {
        /// Dropped when every session has been told.
        told: Sender<()>,
    },
    /// Sessions are to end: those between two statements at once, with `now` every one.
    Drain {
        /// The deadline is over.
        now: bool,
    },
}

/// A connection that has been accepted and identified.
pub struct Arrival {
    /// The job's side.
    pub stream: TcpStream,
    /// Where the job meant to connect to.
    pub destination: SocketAddr,
    /// From where the connection to the server begins.
    pub route: Route,
    /// Who it is.
    pub principal: Principal,
    /// The server behind the destination, if any resource names it.
    pub resource: Option<Arc<Resource>>,
    /// Counts it in, for a graceful stop.
    pub session: drain::Session,
}

/// A running worker. It ends when this is dropped and its sessions have ended.
#[derive(Debug)]
pub struct Worker {
    messages: UnboundedSender<Message>,
    thread: JoinHandle<()>,
}

/// A statement's tree is walked recursively: a deep one must not end the daemon.
const STACK: usize = 64 << 20;

/// What one read takes at most.
const BUFFER: usize = 64 << 10;

impl Worker {
    /// Starts a worker on the lane of that number.
    pub fn start(number: u32, lane: LaneWriter, shared: Arc<Shared>) -> io::Result<Self> {
        let (messages, received) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name(format!("worker-{number}")).stack_size(STACK).spawn(
            move || {
                let cache = Cache::new(shared.config.cache_bytes, sql::Limits::default());
                let local = Rc::new(Local {
                    shared,
                    batch: Batch::new(lane),
                    buffer: RefCell::new(vec![0; BUFFER]),
                    cache: Rc::new(RefCell::new(cache)),
                    sessions: RefCell::default(),
                });
                let set = LocalSet::new();
                set.spawn_local(serve(Rc::clone(&local), received));
                let mut set = pin!(set);
                runtime.block_on(poll_fn(|cx| {
                    let ended = set.as_mut().poll(cx);
                    // Whoever had something to do has done it.
                    local.batch.commit();
                    ended
                }));
            },
        )?;
        Ok(Worker { messages, thread })
    }

    /// Tells the worker. One that has died is a defect; its connections are closed by being dropped.
    pub fn tell(&self, message: Message) {
        if self.messages.send(message).is_err() {
            tracing::error!("a worker has died");
        }
    }

    /// Waits for its sessions and its end.
    pub fn join(self) {
        drop(self.messages);
        if self.thread.join().is_err() {
            tracing::error!("a worker has died");
        }
    }
}

async fn serve(local: Rc<Local>, mut messages: UnboundedReceiver<Message>) {
    let mut number = 0;
    while let Some(message) = messages.recv().await {
        match message {
            Message::Connection(arrival) => {
                number += 1;
                if let Err(error) = begin(&local, number, *arrival) {
                    tracing::error!(%error, "a connection could not be served");
                }
            }
            Message::Policy { told } => {
                local.tell(|| Signal::Policy);
                drop(told);
            }
            Message::Drain { now } => local.tell(|| Signal::Event(Event::Drain { now })),
        }
    }
}

fn begin(local: &Rc<Local>, number: u64, arrival: Arrival) -> io::Result<()> {
    let Arrival { stream, destination, route, principal, resource, session: counted } = arrival;
    let frontend = tokio::net::TcpStream::from_std(stream)?;
    frontend.set_nodelay(true)?;
    // As the server does with its clients: one that is gone without a word is noticed.
    SockRef::from(&frontend).set_keepalive(true)?;
    let (listed, signal, mut signals) = local.list(number);
    let Some(resource) = resource else {
        let stray = Stray { frontend, destination, route, principal, signals, listed, counted };
        tokio::task::spawn_local(unmatched::serve(Rc::clone(local), stray));
        return Ok(());
    };
    let used = resource.used(destination);
    let shared = &local.shared;
    let mut random = [0; 80];
    SystemRandom::new()
        .fill(&mut random)
        .map_err(|_| io::Error::other("the system gives no random numbers"))?;
    let (secret, rest) = random.split_first_chunk::<32>().unwrap_or((&[0; 32], &[]));
    let (nonce, absent) = rest.split_first_chunk::<24>().unwrap_or((&[0; 24], &[]));
    let nonce = hex::encode(nonce);
    let hold_id = session_id().ok_or_else(|| io::Error::other("the system gives no random numbers"))?;
    let mut options = Options {
        id: evidence::SessionId(uuid::Uuid::now_v7().into_bytes()),
        peer: Peer {
            principal: principal.clone(),
            source: frontend.peer_addr().ok(),
            destination,
            resource: resource.name.clone(),
        },
        limits: shared.config.limits(),
        authentication: None,
        cancel_secret: *secret,
        absent: format!("portreeve_{}", hex::encode(absent)),
        key: shared.key.clone(),
        hold_id,
        hold_timeout_us: shared.approvals.patience().as_micros().try_into().unwrap_or(u64::MAX),
    };
    shared.counters.sessions.fetch_add(1, Ordering::Relaxed);
    shared.counters.sessions_total.fetch_add(1, Ordering::Relaxed);
    let running = Running { listed, _counted: counted, _used: used };
    let local = Rc::clone(local);
    tokio::task::spawn_local(async move {
        let _running = running;
        let deadline = Instant::now() + Duration::from_secs(local.shared.config.startup_seconds);
        let known = resource.names_at(destination.port());
        let names = Names { asked: None, known, address: destination.ip() };
        // What a handshake needs is let go behind it: a connection that is idle is to cost little.
        let opening =
            Box::pin(timeout_at(deadline, frontend::open(frontend, &local.shared.authority, names)));
        let opened = tokio::select! {
            // Nothing is lost with it.
            () = drained(&mut signals, false) => return,
            opened = opening => opened,
        };
        match opened {
            Ok(Ok(Opened { stream: frontend, read, end_point })) => {
                options.authentication = resource.clients.clone().map(|verifier| ClientAuthentication {
                    verifier,
                    nonce,
                    end_point,
                });
                let session = Session::new(options, Rc::clone(&local.cache));
                let server = (route, destination);
                let opening = Opening {
                    session,
                    principal,
                    resource,
                    server,
                    frontend,
                    read,
                    deadline,
                    signals,
                    signal,
                };
                Connection::new(local, opening).await;
            }
            Ok(Err(error)) => tracing::debug!(%error, %destination, "a connection was not opened"),
            Err(_) => tracing::debug!(%destination, "a client did not say in time what it wants"),
        }
    });
    Ok(())
}

/// A session, as it is counted until the end of its task.
struct Running {
    listed: Listed,
    _counted: drain::Session,
    _used: Use,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.listed.local.shared.counters.sessions.fetch_sub(1, Ordering::Relaxed);
    }
}
