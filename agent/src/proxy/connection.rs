//! One session's two sockets, and the loop that carries bytes between them and the session.
//!
//! A turn reads what is there, lets the session take every complete message, waits until the turn's records are safe, and
//! then writes each socket once. A side whose peer does not read is not filled from the other.

mod requests;
mod turn;

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use policy::{Answer, Catalog, Principal, Verdict};
use session::{Event, Refusal, Request, Session};
use tokio::io::{AsyncRead, AsyncWrite as _, ReadBuf};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::{Instant, Sleep};

use self::turn::{Before, Input};
use super::batch::Standing;
use super::cancel::{Cancelling, Registered};
use super::local::{Local, Signal};
use super::login::LoggedIn;
use super::outgoing::{Outgoing, write};
use super::{BackendStream, FrontendStream, Resource};
use crate::approvals::Outcome;
use crate::catalog::{self, Live};
use crate::intercept::Route;

type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;

/// One connection of a job, until it ends.
pub(super) struct Connection {
    local: Rc<Local>,
    session: Session,
    principal: Principal,
    resource: Arc<Resource>,
    /// Where the server is, and from where it is reached.
    server: (Route, SocketAddr),
    database: String,
    frontend: FrontendStream,
    backend: Option<BackendStream>,
    /// What was read and could not be taken yet.
    from_frontend: BytesMut,
    from_backend: BytesMut,
    to_frontend: Outgoing,
    to_backend: Outgoing,
    requests: Vec<Request>,
    /// Whether what the last turns gave may move.
    standing: Rc<Standing>,
    /// Where to return to if it never may.
    before: Before,
    signals: UnboundedReceiver<Signal>,
    signal: UnboundedSender<Signal>,
    live: Option<Live>,
    login: Option<Boxed<Result<LoggedIn, Refusal>>>,
    refresh: Option<Boxed<Result<Arc<Catalog>, catalog::Error>>>,
    /// The client is told nothing until then.
    shares: bool,
    hold: Option<Boxed<Outcome>>,
    /// A reviewer's verdict, until the catalog has been asked once more.
    verdict: Option<Verdict>,
    cancel: Option<Registered>,
    /// Requests to cancel what runs here that the session has been told of.
    cancelling: Vec<Cancelling>,
    /// It is such a request itself: until it is done, or lost.
    cancels: Option<Boxed<()>>,
    frontend_closed: bool,
    /// Once the client is gone: until nobody else is where it was.
    abandoned: Option<Boxed<()>>,
    backend_closed: bool,
    backend_finish: Finish,
    /// The client has been told that no more comes.
    frontend_finished: bool,
    draining: bool,
    /// Until the client has said who it is; then, while what is left is written, until that is given up.
    deadline: Option<Pin<Box<Sleep>>>,
    closing: bool,
}

/// How far the direction to the server is closed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Finish {
    No,
    Asked,
    Done,
}

/// How much of a client's messages is kept while they cannot be taken: only to notice that it went away.
const KEPT_WHILE_BLOCKED: usize = 256 << 10;

/// A buffer that has grown beyond this is let go when it is empty, so that an idle connection costs little.
const KEPT_CAPACITY: usize = 16 << 10;

/// How long a session that has ended waits for its peers to take what is left for them.
const LINGER: Duration = Duration::from_secs(5);

/// What a new connection begins with.
pub(super) struct Opening {
    pub(super) session: Session,
    pub(super) principal: Principal,
    pub(super) resource: Arc<Resource>,
    pub(super) server: (Route, SocketAddr),
    pub(super) frontend: FrontendStream,
    /// What was read of it already.
    pub(super) read: Bytes,
    /// By when the client has to say who it is.
    pub(super) deadline: Instant,
    pub(super) signals: UnboundedReceiver<Signal>,
    pub(super) signal: UnboundedSender<Signal>,
}

impl Connection {
    pub(super) fn new(local: Rc<Local>, opening: Opening) -> Self {
        let Opening { session, principal, resource, server, frontend, read, deadline, signals, signal } =
            opening;
        let mut connection = Connection {
            local,
            session,
            principal,
            resource,
            server,
            database: String::new(),
            frontend,
            backend: None,
            from_frontend: BytesMut::new(),
            from_backend: BytesMut::new(),
            to_frontend: Outgoing::default(),
            to_backend: Outgoing::default(),
            requests: Vec::new(),
            standing: Rc::default(),
            before: Before::default(),
            signals,
            signal,
            live: None,
            login: None,
            refresh: None,
            shares: false,
            hold: None,
            verdict: None,
            cancel: None,
            cancelling: Vec::new(),
            cancels: None,
            frontend_closed: false,
            abandoned: None,
            backend_closed: false,
            backend_finish: Finish::No,
            frontend_finished: false,
            draining: false,
            deadline: Some(Box::pin(tokio::time::sleep_until(deadline))),
            closing: false,
        };
        connection.step(Input::Frontend(&read));
        connection
    }

    /// What happens elsewhere and has come to an end. Returns whether anything did.
    fn poll_others(&mut self, cx: &mut Context<'_>) -> bool {
        if let Some(Poll::Ready(outcome)) = self.login.as_mut().map(|login| login.as_mut().poll(cx)) {
            self.login = None;
            self.logged_in(outcome);
            return true;
        }
        if let Some(Poll::Ready(outcome)) = self.refresh.as_mut().map(|refresh| refresh.as_mut().poll(cx)) {
            self.refresh = None;
            self.shares = false;
            let event = match outcome {
                Ok(catalog) => Event::Catalog(catalog),
                Err(error) => {
                    tracing::warn!(%error, "a statement is judged without a newer catalog");
                    Event::CatalogLost
                }
            };
            self.step(Input::Event(event));
            if let Some(verdict) = self.verdict.take() {
                self.step(Input::Event(Event::Verdict(verdict)));
            }
            return true;
        }
        if let Some(Poll::Ready(outcome)) = self.hold.as_mut().map(|hold| hold.as_mut().poll(cx)) {
            self.hold = None;
            match (outcome, &self.live) {
                // What the reviewer was shown is what the names meant then: others may have moved them, past us too.
                (Outcome::Verdict(verdict), Some(live)) if verdict.answer == Answer::Approve => {
                    self.refresh = Some(Box::pin(live.refresh()));
                    self.verdict = Some(verdict);
                }
                (Outcome::Verdict(verdict), _) => self.step(Input::Event(Event::Verdict(verdict))),
                (Outcome::Expired, _) => self.step(Input::Event(Event::HoldExpired)),
            }
            return true;
        }
        if let Some(Poll::Ready(())) = self.abandoned.as_mut().map(|abandoned| abandoned.as_mut().poll(cx)) {
            self.abandoned = None;
            // What the client sent is still answered, but not at the price of its network namespace: where a container
            // is gone, so is its connection to the server.
            self.step(Input::Event(Event::BackendClosed));
            return true;
        }
        match self.signals.poll_recv(cx) {
            Poll::Ready(Some(Signal::Event(event))) => {
                self.draining |= matches!(event, Event::Drain { .. });
                self.step(Input::Event(event));
                true
            }
            Poll::Ready(Some(Signal::Cancel(cancelling))) => {
                self.cancelling.push(cancelling);
                self.step(Input::Event(Event::Cancel));
                true
            }
            Poll::Ready(Some(Signal::Policy)) => {
                if self.backend.is_some() {
                    let policy = self.subject_policy();
                    self.step(Input::Event(Event::Policy(policy)));
                }
                true
            }
            Poll::Ready(None) | Poll::Pending => false,
        }
    }

    /// A catalog that has changed without us. One atomic load where it has not.
    fn catalog_news(&mut self) {
        if self.refresh.is_none()
            && let Some(catalog) = self.live.as_mut().and_then(Live::changed)
        {
            self.step(Input::Event(Event::Catalog(catalog)));
        }
    }

    fn poll_frontend(&mut self, cx: &mut Context<'_>) -> bool {
        let blocked = self.session.is_blocked() && self.from_frontend.len() >= KEPT_WHILE_BLOCKED;
        if self.frontend_closed || blocked || !self.to_backend.is_empty() {
            return false;
        }
        let local = Rc::clone(&self.local);
        let mut buffer = local.buffer.borrow_mut();
        let Poll::Ready(read) = read(Pin::new(&mut self.frontend), cx, &mut buffer) else { return false };
        match read {
            0 => {
                self.frontend_closed = true;
                self.abandoned = Some(Box::pin(self.server.0.abandoned()));
                self.step(Input::Event(Event::FrontendClosed));
            }
            read => {
                self.catalog_news();
                self.step(Input::Frontend(buffer.get(..read).unwrap_or_default()));
            }
        }
        true
    }

    fn poll_backend(&mut self, cx: &mut Context<'_>) -> bool {
        if self.backend_closed || !self.to_frontend.is_empty() {
            return false;
        }
        let local = Rc::clone(&self.local);
        let mut buffer = local.buffer.borrow_mut();
        let Some(backend) = &mut self.backend else { return false };
        let Poll::Ready(read) = read(Pin::new(backend), cx, &mut buffer) else { return false };
        match read {
            0 => {
                self.backend_closed = true;
                self.step(Input::Event(Event::BackendClosed));
            }
            read => {
                // What the client has sent and what waits for this answer is judged next.
                if self.session.is_blocked() {
                    self.catalog_news();
                }
                self.step(Input::Backend(buffer.get(..read).unwrap_or_default()));
            }
        }
        true
    }

    fn poll_writes(&mut self, cx: &mut Context<'_>) -> bool {
        let mut moved = false;
        if !self.to_backend.is_empty()
            && let Some(backend) = &mut self.backend
        {
            match write(Pin::new(backend), cx, &mut self.to_backend) {
                Poll::Ready(Ok(())) => moved = true,
                // What the server said before it closed is still to be read.
                Poll::Ready(Err(_)) => self.to_backend = Outgoing::default(),
                Poll::Pending => {}
            }
        }
        if self.backend_finish == Finish::Asked
            && self.to_backend.is_empty()
            && let Some(backend) = &mut self.backend
            && Pin::new(backend).poll_shutdown(cx).is_ready()
        {
            self.backend_finish = Finish::Done;
        }
        if !self.to_frontend.is_empty() && (!self.shares || self.closing) {
            match write(Pin::new(&mut self.frontend), cx, &mut self.to_frontend) {
                Poll::Ready(Ok(())) => moved = true,
                Poll::Ready(Err(_)) => {
                    self.to_frontend = Outgoing::default();
                    self.frontend_closed = true;
                    // The client is gone: nothing that the server may still say reaches anyone.
                    self.step(Input::Event(Event::FrontendClosed));
                    self.step(Input::Event(Event::BackendClosed));
                    moved = true;
                }
                Poll::Pending => {}
            }
        }
        for buffer in [
            &mut self.to_frontend.bytes,
            &mut self.to_backend.bytes,
            &mut self.from_frontend,
            &mut self.from_backend,
        ] {
            if buffer.is_empty() && buffer.capacity() > KEPT_CAPACITY {
                *buffer = BytesMut::new();
            }
        }
        moved
    }

    /// Writes what is left, says that no more comes, and reads what the client still sends: were its bytes left
    /// unread, the kernel would answer them with a reset, and the client would lose our last words.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(cancels) = &mut self.cancels {
            ready!(cancels.as_mut().poll(cx));
            self.cancels = None;
            self.linger();
        }
        if self.poll_deadline(cx) {
            return Poll::Ready(());
        }
        if !self.to_frontend.is_empty() || !(self.to_backend.is_empty() || self.backend.is_none()) {
            return Poll::Pending;
        }
        self.backend = None;
        if !self.frontend_finished {
            ready!(Pin::new(&mut self.frontend).poll_shutdown(cx).map(drop));
            self.frontend_finished = true;
        }
        let local = Rc::clone(&self.local);
        let mut buffer = local.buffer.borrow_mut();
        while !self.frontend_closed {
            let read = ready!(read(Pin::new(&mut self.frontend), cx, &mut buffer));
            self.frontend_closed = read == 0;
        }
        Poll::Ready(())
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> bool {
        let over = self.deadline.as_mut().is_some_and(|deadline| deadline.as_mut().poll(cx).is_ready());
        if over {
            self.deadline = None;
        }
        over
    }
}

impl Future for Connection {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        loop {
            if this.standing.waits() {
                this.standing.wake(cx);
                return Poll::Pending;
            }
            this.settle();
            let mut moved = this.poll_writes(cx);
            if this.closing {
                return this.poll_close(cx);
            }
            if this.poll_deadline(cx) {
                // The client never said who it is.
                this.step(Input::Event(Event::FrontendClosed));
                continue;
            }
            // All of it before the next bytes: who has said that another policy holds relies on it.
            while this.goes_on() && this.poll_others(cx) {
                moved = true;
            }
            if this.goes_on() {
                moved |= this.poll_backend(cx);
            }
            if this.goes_on() {
                moved |= this.poll_frontend(cx);
            }
            if !moved && !this.closing {
                return Poll::Pending;
            }
        }
    }
}

/// Reads once. An error of the peer's is its end.
fn read<S: AsyncRead>(stream: Pin<&mut S>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<usize> {
    let mut buffer = ReadBuf::new(buffer);
    match ready!(stream.poll_read(cx, &mut buffer)) {
        Ok(()) => Poll::Ready(buffer.filled().len()),
        Err(_) => Poll::Ready(0),
    }
}
