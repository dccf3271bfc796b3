//! A session between a client and a server that both say whatever they like.
//!
//! The input is a script: which policy holds, and then who says how many of the bytes that follow. Whatever comes, the
//! session takes no more than it was given, and no statement goes on without a permit that the policy made.

#![no_main]

mod shop;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use evidence::{Body, SessionId, Times};
use libfuzzer_sys::fuzz_target;
use masking::HashKey;
use pgwire::frontend::{Message, Target};
use pgwire::startup::{Packet, ProtocolVersion};
use pgwire::{HEADER_LEN, Header};
use policy::{Answer, Document, Policy, Principal, Subject, SubjectPolicy, Verdict};
use session::authentication::{Channel, Rules};
use session::{Cache, Event, Granted, Journal, Limits, Options, Peer, Request, Session, Turn};

const POLICIES: [&str; 3] = [
    "version: 1\nrules:\n  - { name: all, actions: [\"*\", opaque], decision: allow }\n",
    "version: 1\nrules:\n  - { name: all, actions: [\"*\"], decision: allow }\n  - { name: hold, actions: [delete, delete-all], decision: hold }\n  - { name: no-drops, actions: [drop], decision: deny }\n",
    "version: 1\nrules:\n  - { name: all, actions: [\"*\"], decision: allow }\n  - { name: mask, mask: public.customers.ssn }\n",
];

/// What the server of every conversation begins with.
const GREETING: &[u8] = b"R\0\0\0\x08\0\0\0\0S\0\0\0\x19client_encoding\0UTF8\0K\0\0\0\x0c\0\0\0\x4dreal\
    Z\0\0\0\x05I";

/// The start-up packet of every client.
fn startup() -> BytesMut {
    let parameters: Vec<(&[u8], &[u8])> = vec![(b"user", b"job"), (b"database", b"shop")];
    let mut packet = BytesMut::new();
    let version = ProtocolVersion::V3_0;
    Packet::Startup { version, parameters }.encode(&mut packet).expect("a short packet");
    packet
}

struct Nowhere;

impl Journal for Nowhere {
    fn append(&mut self, _: (SessionId, u64), _: &Body<'_>, _: Times) -> Result<(), evidence::TooLarge> {
        Ok(())
    }
}

struct World {
    session: Session,
    policy: Arc<SubjectPolicy>,
    clock: u64,
    /// What each side has said that was not taken yet.
    client: BytesMut,
    server: BytesMut,
    answer: Answer,
    closed: bool,
    /// What each side has got.
    sent: BytesMut,
    to_client: BytesMut,
    /// As many messages with a statement were let through.
    permits: u64,
}

impl World {
    fn new(which: u8) -> Self {
        let text = POLICIES[usize::from(which) % POLICIES.len()];
        let policy = Policy::parse(&[Document { name: "fuzz", text }]).expect("the policy is understood");
        let principal = Principal::plain();
        let subject = Subject { principal: &principal, resource: "shop", database: "shop" };
        let policy = Arc::new(Arc::new(policy).for_subject(&subject));
        let options = Options {
            id: SessionId([7; 16]),
            peer: Peer {
                principal: principal.clone(),
                source: None,
                destination: SocketAddr::from(([10, 0, 0, 5], 5432)),
                resource: "shop".to_owned(),
            },
            limits: Limits { message: 4096, bind: 4096, row: 4096, recorded: 4096, names: 64 },
            authentication: None,
            cancel_secret: [7; 32],
            absent: "portreeve_absent".to_owned(),
            key: HashKey::new(&[3; 32]),
            hold_id: "h1".to_owned(),
            hold_timeout_us: 1_000_000,
        };
        let cache = Rc::new(RefCell::new(Cache::new(1 << 16, sql::Limits::default())));
        let answer = if which & 0x80 == 0 { Answer::Approve } else { Answer::Deny };
        World {
            session: Session::new(options, cache),
            policy,
            clock: 0,
            client: BytesMut::new(),
            server: BytesMut::new(),
            answer,
            closed: false,
            sent: BytesMut::new(),
            to_client: BytesMut::new(),
            permits: 0,
        }
    }

    fn step<T>(&mut self, step: impl FnOnce(&mut Session, &mut Turn<'_>) -> T) -> T {
        self.clock += 1;
        let now = Times { wall_us: self.clock, mono_ns: self.clock * 1000 };
        let (mut backend, mut frontend, mut requests) = (BytesMut::new(), BytesMut::new(), Vec::new());
        let mut journal = Nowhere;
        let mut turn = Turn::new(now, &mut journal, &mut backend, &mut frontend, &mut requests);
        let result = step(&mut self.session, &mut turn);
        self.permits += turn.permits();
        self.sent.extend_from_slice(&backend);
        self.to_client.extend_from_slice(&frontend);
        for request in requests {
            self.answer(request);
        }
        result
    }

    fn answer(&mut self, request: Request) {
        let event = match request {
            Request::Login { database, .. } => Event::Granted(Box::new(Granted {
                role: "shop_app".to_owned(),
                password: None,
                database,
                catalog: shop::catalog(),
                catalog_unchecked: false,
                policy: Arc::clone(&self.policy),
                cache_key: Arc::from("shop"),
                rules: Rules::default(),
                channel: Channel::default(),
            })),
            Request::RefreshCatalog | Request::ShareCatalog => Event::Catalog(shop::catalog()),
            Request::AskApproval(request) => Event::Verdict(Verdict {
                binding: request.binding,
                answer: self.answer,
                reviewer: "uid 0".to_owned(),
                reason: "seen".to_owned(),
            }),
            Request::Close => {
                self.closed = true;
                return;
            }
            Request::WithdrawApproval(_)
            | Request::CancelBackend { .. }
            | Request::CancelOther { .. }
            | Request::Cancellable { .. }
            | Request::FinishBackend => return,
        };
        self.step(|session, turn| session.event(event, turn));
    }

    /// That every message with a statement that the server has got was let through, but for the session's own.
    fn check(&self) {
        let mut statements = 0;
        let (mut rest, mut closed) = (&self.sent[..], None);
        while let Ok(Some(header)) = Header::parse(rest) {
            let Some(frame) = rest.get(..header.frame_len()) else { break };
            rest = &rest[frame.len()..];
            let Ok(message) = Message::parse(header.tag, &frame[HEADER_LEN..]) else { continue };
            let own = |text: &[u8]| {
                let has = |word: &[u8]| text.windows(word.len()).any(|part| part == word);
                has(b"portreeve") || has(b"current_schemas")
            };
            let carries = match &message {
                Message::Query(text) => !own(text),
                Message::Parse(parse) => !own(parse.query) && !own(parse.name),
                // What was closed just before is not there any more.
                Message::Bind(bind) => {
                    !own(bind.statement) && closed != Some((Target::Statement, bind.statement))
                }
                Message::Execute { portal, .. } => !own(portal) && closed != Some((Target::Portal, *portal)),
                Message::FunctionCall(call) => call.function != 0,
                _ => false,
            };
            statements += u64::from(carries);
            closed = match message {
                Message::Close { target, name } => Some((target, name)),
                _ => None,
            };
        }
        assert!(statements <= self.permits, "{statements} statements left with {} permits", self.permits);
    }

    /// Gives both sides' bytes until nobody takes any.
    fn settle(&mut self) {
        loop {
            let (client, server) = (self.client.clone(), self.server.clone());
            let from_client = self.step(|session, turn| session.frontend(&client, turn));
            assert!(from_client <= client.len());
            self.client.advance(from_client);
            let from_server = self.step(|session, turn| session.backend(&server, turn));
            assert!(from_server <= server.len());
            self.server.advance(from_server);
            if self.closed || from_client + from_server == 0 {
                return;
            }
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&which, mut script)) = data.split_first() else { return };
    let mut world = World::new(which);
    world.client = startup();
    world.settle();
    world.server.extend_from_slice(GREETING);
    world.settle();
    assert!(world.to_client.ends_with(b"Z\0\0\0\x05I"), "the conversation has not begun");
    world.sent.clear();
    while let [how, rest @ ..] = script {
        if world.closed {
            break;
        }
        let (said, rest) = rest.split_at(usize::from(how & 0x3f).min(rest.len()));
        script = rest;
        match how >> 6 {
            0 | 1 => world.client.extend_from_slice(said),
            2 => world.server.extend_from_slice(said),
            _ => {
                let event = match how & 0x3f {
                    0 => Event::Cancel,
                    1 => Event::FrontendClosed,
                    2 => Event::BackendClosed,
                    3 => Event::CatalogLost,
                    4 => Event::Drain { now: false },
                    5 => Event::Policy(Arc::clone(&world.policy)),
                    _ => Event::HoldExpired,
                };
                world.step(|session, turn| session.event(event, turn));
            }
        }
        world.settle();
    }
    world.check();
});
