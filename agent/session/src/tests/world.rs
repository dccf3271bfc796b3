//! A client, a session and a server in one thread, with a driver that moves their bytes.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use evidence::{SessionId, Times};
use masking::HashKey;
use pgwire::frontend::{Message, Target};
use pgwire::startup::{Packet, ProtocolVersion};
use policy::{Answer, Catalog, Principal, Verdict};

use super::client;
use super::fixture::{catalog, policy};
use super::journal::Records;
use super::server::Server;
use crate::authentication::{Channel, Rules};
use crate::{
    ApprovalRequest, Cache, ClientAuthentication, Event, Granted, Limits, Options, Peer, Request, Session,
    Turn,
};

pub(crate) const ABSENT: &str = "portreeve-absent";

/// How many bytes, or messages, the driver moves next; what it is given is what there is.
pub(crate) type Chooser = Box<dyn FnMut(usize) -> usize>;

pub(crate) struct World {
    pub(crate) session: Session,
    pub(crate) server: Server,
    pub(crate) records: Records,
    /// What the client has sent and the session has not taken.
    pub(crate) unread: BytesMut,
    /// What the server has sent and the session has not taken.
    arrived: BytesMut,
    pub(crate) got: BytesMut,
    shown: usize,
    pub(crate) requests: Vec<Request>,
    /// What the reviewer says, at once; nothing where there is none.
    pub(crate) reviewer: Option<Answer>,
    pub(crate) asked: Vec<ApprovalRequest>,
    /// What a refresh gives; nothing where the catalog is lost.
    pub(crate) catalog: Option<Arc<Catalog>>,
    /// The client cancels while the catalog is read.
    pub(crate) cancels: bool,
    /// What the session is given at first, where that may be out of date.
    pub(crate) remembered: Option<Arc<Catalog>>,
    pub(crate) permits: u64,
    pub(crate) closed: bool,
    chooser: Chooser,
    rules: String,
    /// What the resource's credential has, and what the server may ask for.
    pub(crate) password: Option<Vec<u8>>,
    pub(crate) login_rules: Rules,
    clock: u64,
}

pub(crate) fn options(limits: Limits) -> Options {
    Options {
        id: SessionId([7; 16]),
        peer: Peer {
            principal: Principal::plain(),
            source: None,
            destination: SocketAddr::from(([10, 0, 0, 5], 5432)),
            resource: "shop".to_owned(),
        },
        limits,
        authentication: None,
        cancel_secret: *b"ours, and as much again as it ha",
        absent: ABSENT.to_owned(),
        key: HashKey::new(&[3; 32]),
        hold_id: "h1".to_owned(),
        hold_timeout_us: 1_000_000,
    }
}

pub(crate) fn startup(parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut out = BytesMut::new();
    let parameters = parameters.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
    Packet::Startup { version: ProtocolVersion::V3_0, parameters }.encode(&mut out).unwrap();
    out.to_vec()
}

impl World {
    /// Before the client's first byte.
    pub(crate) fn unstarted(rules: &str, limits: Limits) -> Self {
        let cache = Rc::new(RefCell::new(Cache::new(1 << 20, sql::Limits::default())));
        World {
            session: Session::new(options(limits), cache),
            server: Server::new(),
            records: Records::default(),
            unread: BytesMut::new(),
            arrived: BytesMut::new(),
            got: BytesMut::new(),
            shown: 0,
            requests: Vec::new(),
            reviewer: None,
            asked: Vec::new(),
            catalog: Some(catalog(1)),
            cancels: false,
            remembered: None,
            permits: 0,
            closed: false,
            chooser: Box::new(|there| there),
            rules: rules.to_owned(),
            password: None,
            login_rules: Rules::default(),
            clock: 0,
        }
    }

    /// The same, where clients are asked to prove who they are.
    pub(crate) fn asking(mut self, authentication: ClientAuthentication) -> Self {
        let cache = Rc::new(RefCell::new(Cache::new(1 << 20, sql::Limits::default())));
        let options = Options { authentication: Some(authentication), ..options(Limits::default()) };
        self.session = Session::new(options, cache);
        self
    }

    /// Logged in.
    pub(crate) fn new(rules: &str) -> Self {
        Self::with_limits(rules, Limits::default())
    }

    pub(crate) fn with_limits(rules: &str, limits: Limits) -> Self {
        Self::unstarted(rules, limits).started()
    }

    /// Logged in, with a catalog that may be out of date.
    pub(crate) fn remembering(rules: &str, catalog: Catalog) -> Self {
        let mut world = Self::unstarted(rules, Limits::default());
        world.remembered = Some(Arc::new(catalog));
        world.started()
    }

    fn started(mut self) -> Self {
        self.send(&[startup(&[("user", "job"), ("database", "shop")])]);
        assert!(self.got.ends_with(b"Z\0\0\0\x05I"), "{:?}", client::shown(&self.got));
        self.shown = self.got.len();
        self
    }

    /// The next turn is a microsecond later than this.
    pub(crate) fn set_clock(&mut self, micros: u64) {
        self.clock = micros;
    }

    pub(crate) fn chosen_by(mut self, chooser: impl FnMut(usize) -> usize + 'static) -> Self {
        self.chooser = Box::new(chooser);
        self
    }

    /// The client sends these; everything moves until nothing more can. Gives what the client gets, one line
    /// for each message.
    #[track_caller]
    pub(crate) fn send(&mut self, messages: &[Vec<u8>]) -> Vec<String> {
        self.unread.extend_from_slice(&messages.concat());
        self.settle();
        self.news()
    }

    /// What the client has got since it last looked.
    pub(crate) fn news(&mut self) -> Vec<String> {
        let news = if self.shown == 0 { Vec::new() } else { client::shown(&self.got[self.shown..]) };
        if self.shown > 0 {
            self.shown = self.got.len();
        }
        news
    }

    pub(crate) fn turn<T>(&mut self, step: impl FnOnce(&mut Session, &mut Turn<'_>) -> T) -> T {
        self.clock += 1;
        let (mut backend, mut frontend, mut requests) = (BytesMut::new(), BytesMut::new(), Vec::new());
        let now = Times { wall_us: self.clock, mono_ns: self.clock * 1000 };
        let mut turn = Turn::new(now, &mut self.records, &mut backend, &mut frontend, &mut requests);
        let result = step(&mut self.session, &mut turn);
        self.permits += turn.permits();
        self.server.feed(&backend);
        self.got.extend_from_slice(&frontend);
        for request in requests {
            self.answer(request);
        }
        result
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.turn(|session, turn| session.event(event, turn));
    }

    fn answer(&mut self, request: Request) {
        self.requests.push(request.clone());
        match request {
            Request::Login { database, .. } => {
                let granted = Granted {
                    role: "shop_app".to_owned(),
                    password: self.password.clone(),
                    rules: self.login_rules.clone(),
                    channel: Channel::default(),
                    database,
                    catalog: self.remembered.clone().or_else(|| self.catalog.clone()).unwrap(),
                    catalog_unchecked: self.remembered.is_some(),
                    policy: policy(&self.rules),
                    cache_key: Arc::from("shop"),
                };
                self.event(Event::Granted(Box::new(granted)));
            }
            Request::RefreshCatalog | Request::ShareCatalog => {
                if self.cancels {
                    self.event(Event::Cancel);
                }
                match self.catalog.clone() {
                    Some(catalog) => self.event(Event::Catalog(catalog)),
                    None => self.event(Event::CatalogLost),
                }
            }
            Request::AskApproval(request) => {
                self.asked.push(*request);
                if let Some(answer) = self.reviewer {
                    self.decide(answer);
                }
            }
            Request::Close => self.closed = true,
            Request::WithdrawApproval(_)
            | Request::CancelBackend { .. }
            | Request::CancelOther { .. }
            | Request::Cancellable { .. }
            | Request::FinishBackend => {}
        }
    }

    /// The reviewer answers the last request.
    pub(crate) fn decide(&mut self, answer: Answer) {
        let binding = self.asked.last().unwrap().binding;
        let verdict = Verdict { binding, answer, reviewer: "uid 0".into(), reason: "seen".into() };
        self.event(Event::Verdict(verdict));
    }

    /// Moves bytes and messages until nothing moves any more.
    pub(crate) fn settle(&mut self) {
        let mut moved = true;
        let mut arrived = 0;
        let mut from_server = 0;
        while moved && !self.closed {
            moved = false;
            let asked = self.requests.len();
            if arrived < self.unread.len() {
                arrived += (self.chooser)(self.unread.len() - arrived).clamp(1, self.unread.len() - arrived);
                moved = true;
            }
            let bytes = self.unread[..arrived].to_vec();
            let taken = self.turn(|session, turn| session.frontend(&bytes, turn));
            self.unread.advance(taken);
            arrived -= taken;
            moved |= taken > 0;
            for _ in 0..(self.chooser)(usize::MAX).clamp(1, 50) {
                moved |= self.server.step();
            }
            self.arrived.extend_from_slice(&self.server.output.split());
            if from_server < self.arrived.len() {
                let more = self.arrived.len() - from_server;
                from_server += (self.chooser)(more).clamp(1, more);
                moved = true;
            }
            let bytes = self.arrived[..from_server].to_vec();
            let taken = self.turn(|session, turn| session.backend(&bytes, turn));
            self.arrived.advance(taken);
            from_server -= taken;
            moved |= taken > 0 || asked < self.requests.len();
        }
    }

    /// How many messages with a statement of the client's the server has got, at least and at most.
    pub(crate) fn statements_sent(&self) -> (u64, u64) {
        let own = |frame: &[u8]| {
            let text = String::from_utf8_lossy(frame);
            frame.starts_with(b"F\0\0\0\x0e\0\0\0\0")
                || text.contains(ABSENT)
                || text.contains("refused by portreeve")
                || text.contains("current_schemas")
        };
        let received = &self.server.received;
        let carries = |at: &usize| {
            let frame = &received[*at];
            super::server::carries_statement(frame) && !own(frame)
        };
        let closed =
            |at: &usize| at.checked_sub(1).is_some_and(|before| closes(&received[before], &received[*at]));
        let sent = || (0..received.len()).filter(carries);
        (sent().filter(|at| !closed(at)).count() as u64, sent().count() as u64)
    }

    /// A server that says whatever it likes.
    pub(crate) fn server_says(&mut self, encode: impl FnOnce(&mut BytesMut)) -> Vec<String> {
        encode(&mut self.server.output);
        self.settle();
        self.news()
    }
}

/// Whether a message closes what the next one would bind or execute: then there is nothing that could run.
fn closes(frame: &[u8], next: &[u8]) -> bool {
    let (Some((&tag, body)), Some((&next_tag, next_body))) = (frame.split_first(), next.split_first()) else {
        return false;
    };
    match (Message::parse(tag, &body[4..]), Message::parse(next_tag, &next_body[4..])) {
        (Ok(Message::Close { target: Target::Statement, name }), Ok(Message::Bind(bind))) => {
            name == bind.statement
        }
        (Ok(Message::Close { target: Target::Portal, name }), Ok(Message::Execute { portal, .. })) => {
            name == portal
        }
        _ => false,
    }
}
