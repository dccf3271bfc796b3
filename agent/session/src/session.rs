//! The states of a connection, from its first byte to its last record.

mod starting;

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

use evidence::{Body, Digest, SessionEnd};
use pgwire::backend::NoticeFields;

use crate::active::{Active, Ending, Ledger};
use crate::login::{Login, Progress};
use crate::own::Own;
use crate::scram::Exchange;
use crate::startup::Startup;
use crate::{Cache, Event, Fault, Options, Refusal, Request, Turn};
use starting::start;

/// One connection.
pub struct Session {
    options: Rc<Options>,
    cache: Rc<RefCell<Cache>>,
    phase: Phase,
    /// The server's own cancel key.
    key: Option<(i32, Vec<u8>)>,
    /// The client has closed its side; what it sent before is still carried out.
    frontend_closed: bool,
    /// The server has been told that nothing more comes.
    finishing: bool,
}

/// Each phase holds what only it may know.
enum Phase {
    /// Before the start-up packet.
    Startup(Ledger),
    /// The client proves who it is.
    Authentication(Ledger, Startup, Exchange),
    /// The driver looks for what it takes to log in.
    Asking(Ledger, Startup),
    Login(Login),
    Active(Box<Active>),
    Over,
}

impl Session {
    /// A connection that has just been accepted. `cache` is its worker's.
    pub fn new(options: Options, cache: Rc<RefCell<Cache>>) -> Self {
        let phase = Phase::Startup(Ledger::new(options.id));
        Session {
            options: Rc::new(options),
            cache,
            phase,
            key: None,
            frontend_closed: false,
            finishing: false,
        }
    }

    /// Nothing more will come of it.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// A statement waits for a reviewer.
    pub fn is_held(&self) -> bool {
        matches!(&self.phase, Phase::Active(active) if active.held())
    }

    /// The client's messages cannot be taken now; call [`Session::frontend`] again after the next event or
    /// after bytes from the server.
    pub fn is_blocked(&self) -> bool {
        match &self.phase {
            Phase::Startup(_) | Phase::Authentication(..) => false,
            Phase::Asking(..) | Phase::Login(_) | Phase::Over => true,
            Phase::Active(active) => active.blocked(),
        }
    }

    /// No message is half on its way to the client, so that an error may be put before it.
    pub fn is_frontend_whole(&self) -> bool {
        match &self.phase {
            Phase::Active(active) => active.frontend_at_boundary(),
            Phase::Startup(_)
            | Phase::Authentication(..)
            | Phase::Asking(..)
            | Phase::Login(_)
            | Phase::Over => true,
        }
    }

    /// Takes bytes from the client, and says how many were taken. What is left is to be given again, with what
    /// comes behind it.
    pub fn frontend(&mut self, input: &[u8], turn: &mut Turn<'_>) -> usize {
        self.time_is(turn);
        let taken = match &mut self.phase {
            Phase::Startup(_) => self.startup(input, turn),
            Phase::Authentication(..) => self.authenticate(input, turn),
            Phase::Asking(..) | Phase::Login(_) | Phase::Over => Ok(0),
            Phase::Active(active) => active.frontend(input, turn),
        };
        let taken = match taken {
            Ok(taken) => taken,
            Err(fault) => {
                self.fail(&fault, turn);
                return input.len();
            }
        };
        self.finish_if_done(turn);
        taken
    }

    /// Takes bytes from the server, and says how many were taken.
    pub fn backend(&mut self, input: &[u8], turn: &mut Turn<'_>) -> usize {
        self.time_is(turn);
        match self.try_backend(input, turn) {
            Ok(taken) => taken,
            Err(fault) => {
                self.fail(&fault, turn);
                input.len()
            }
        }
    }

    fn time_is(&mut self, turn: &Turn<'_>) {
        if let Phase::Active(active) = &mut self.phase {
            active.time_is(turn.now);
        }
    }

    fn try_backend(&mut self, input: &[u8], turn: &mut Turn<'_>) -> Result<usize, Fault> {
        let mut at = 0;
        if let Phase::Login(login) = &mut self.phase {
            let (taken, progress) = login.backend(input, turn)?;
            at = taken;
            match progress {
                Progress::More => return Ok(at),
                Progress::Failed(refusal) => {
                    self.login_failed(refusal, turn);
                    return Ok(input.len());
                }
                Progress::Refused(why) => {
                    self.end(&format!("refused by the server: {why}"), turn);
                    return Ok(input.len());
                }
                Progress::Done => {
                    if let Phase::Login(login) = std::mem::replace(&mut self.phase, Phase::Over) {
                        self.key = login.key;
                        self.phase = Phase::Active(login.active);
                    }
                }
            }
        }
        match &mut self.phase {
            Phase::Active(active) => {
                let taken = active.backend(input.get(at..).unwrap_or_default(), turn)?;
                active.flush_results(turn)?;
                Ok(at + taken)
            }
            _ => Ok(input.len()),
        }
    }

    /// Takes what the driver has learned.
    pub fn event(&mut self, event: Event, turn: &mut Turn<'_>) {
        self.time_is(turn);
        if let Err(fault) = self.try_event(event, turn) {
            self.fail(&fault, turn);
        }
    }

    fn try_event(&mut self, event: Event, turn: &mut Turn<'_>) -> Result<(), Fault> {
        match event {
            Event::Granted(granted) => self.granted(*granted, turn),
            Event::Refused(refusal) => {
                self.end_told(refusal.fields(), &format!("refused: {}", refusal.message), turn);
                Ok(())
            }
            Event::FrontendClosed => {
                self.frontend_closed = true;
                match &mut self.phase {
                    Phase::Active(active) if active.held() => self.end("frontend closed", turn),
                    Phase::Active(_) => self.finish_if_done(turn),
                    _ => self.end("frontend closed", turn),
                }
                Ok(())
            }
            Event::BackendClosed if matches!(self.phase, Phase::Login(_)) && !self.frontend_closed => {
                // connection_failure
                let closed = "the server closed the connection before it said that it lets us in";
                self.login_failed(Refusal::new("08006", closed), turn);
                Ok(())
            }
            Event::BackendClosed => {
                let reason = match (&self.phase, self.frontend_closed) {
                    (Phase::Active(active), _) if active.terminated => "terminate",
                    (_, true) => "frontend closed",
                    (_, false) => "backend closed",
                };
                self.end(reason, turn);
                Ok(())
            }
            Event::Cancel => match &mut self.phase {
                Phase::Active(active) => {
                    if !active.cancel(turn)?
                        && let Some((process_id, secret)) = self.key.clone()
                    {
                        turn.request(Request::CancelBackend { process_id, secret });
                    }
                    Ok(())
                }
                _ => Ok(()),
            },
            Event::Drain { now } => {
                let idle = match &self.phase {
                    Phase::Active(active) => active.between_statements(),
                    _ => true,
                };
                if idle || now {
                    let why = "terminating connection due to administrator command";
                    self.end_with(("FATAL", "57P01", why), "the daemon stopped", turn);
                }
                Ok(())
            }
            event => match &mut self.phase {
                Phase::Active(active) => running(active, event, turn),
                Phase::Login(login) => running(&mut login.active, event, turn),
                _ => Ok(()),
            },
        }
    }

    /// The client has closed its side, or said good-bye, and all that it sent has been taken.
    fn finish_if_done(&mut self, turn: &mut Turn<'_>) {
        let Phase::Active(active) = &self.phase else { return };
        if active.terminated && active.settled() {
            self.end("terminate", turn);
        } else if !self.finishing && (active.terminated || (self.frontend_closed && !active.blocked())) {
            self.finishing = true;
            turn.request(Request::FinishBackend);
        }
    }

    fn fail(&mut self, fault: &Fault, turn: &mut Turn<'_>) {
        let message = fault.to_string();
        self.end_with(("FATAL", fault.sqlstate(), &message), &message, turn);
    }

    /// Ends the session and tells the client why.
    fn end_with(
        &mut self,
        (severity, sqlstate, message): (&str, &str, &str),
        reason: &str,
        turn: &mut Turn<'_>,
    ) {
        self.end_told(NoticeFields::new(severity, sqlstate, message), reason, turn);
    }

    fn end_told(&mut self, told: NoticeFields<'_>, reason: &str, turn: &mut Turn<'_>) {
        let whole = match &self.phase {
            Phase::Active(active) => active.frontend_at_boundary(),
            Phase::Over => false,
            _ => true,
        };
        if let Phase::Active(active) = &mut self.phase {
            // What cannot be recorded ends the session all the same; the driver sees it at its next write.
            drop(active.flush_results(turn));
        }
        if whole {
            let message = told.message.replace('\0', "\u{fffd}");
            let encoded = NoticeFields { message: &message, ..told }.encode_error(turn.frontend());
            debug_assert!(encoded.is_ok(), "an error of ours does not encode");
        }
        self.end(reason, turn);
    }

    /// Ends the session: the last record, and nothing after it.
    fn end(&mut self, reason: &str, turn: &mut Turn<'_>) {
        let (mut ledger, started) = match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Over => return,
            // Nobody logged in: a start is recorded, so that the end belongs to something.
            Phase::Startup(ledger) => (ledger, None),
            Phase::Authentication(mut ledger, startup, _) | Phase::Asking(mut ledger, startup) => {
                let nothing = Digest::NONE;
                drop(ledger.write(turn, &start(&self.options, &startup, "", "", nothing)));
                (ledger, Some(()))
            }
            Phase::Login(login) => (login.active.ledger, Some(())),
            Phase::Active(mut active) => {
                // The fifth way in which a wait ends: there is nobody left to run it for.
                drop(active.end_hold(Ending::Disconnected, turn));
                drop(active.cut_off(turn));
                if !active.terminated && active.backend_at_boundary() {
                    turn.own(Own::Terminate);
                }
                (active.ledger, Some(()))
            }
        };
        if started.is_some() {
            let end = SessionEnd {
                reason: Cow::Borrowed(reason),
                statements: ledger.statements,
                denied: ledger.denied,
                held: ledger.held,
                tips: Vec::new(),
            };
            drop(ledger.write(turn, &Body::SessionEnd(end)));
        }
        turn.request(Request::Close);
    }
}

fn running(active: &mut Active, event: Event, turn: &mut Turn<'_>) -> Result<(), Fault> {
    match event {
        Event::Catalog(catalog) => active.catalog_is(catalog),
        Event::CatalogLost => active.catalog_lost(),
        Event::Policy(policy) => active.policy_is(policy),
        Event::Verdict(verdict) => active.end_hold(Ending::Verdict(verdict), turn)?,
        Event::HoldExpired => active.end_hold(Ending::Expired, turn)?,
        Event::Granted(_)
        | Event::Refused(_)
        | Event::Cancel
        | Event::FrontendClosed
        | Event::BackendClosed
        | Event::Drain { .. } => {}
    }
    Ok(())
}
