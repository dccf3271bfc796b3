//! Messages from the client, each judged before it moves on ("Message Flow" in PostgreSQL's manual).

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use bytes::Bytes;
use evidence::{Parameter, Protocol, Ruling, Statement};
use pgwire::frontend::{Bind, FunctionCall, Message, Parse, Target, tag};
use pgwire::{FrameError, HEADER_LEN, Piece, Whole};
use policy::{Action, Object, ObjectKind, Output, Permit, Verb};

use super::Active;
use super::expected::{Expected, Sent};
use super::hold::{HeldMessage, Shown};
use super::judging::{Ready, Ruled, Waiting};
use super::ledger::{parameters, recordable};
use super::names::{Change, Judged, MOST_NAMES, Portal, Prepared, slice};
use super::reading::Reading;
use super::refusal::Refusal;
use super::run::Run;
use crate::own::Own;
use crate::{Fault, Turn};

/// What became of a message.
enum Taken {
    Yes,
    /// It stays where it is until something else has come.
    NotYet,
}

/// More answers than this are not waited for at once: the client is not read until some have come. The server
/// sends what it owes once 8 KiB of it have gathered, so this many are never all withheld.
const MOST_EXPECTED: usize = 10_000;

/// Names, and messages without text or values, are short.
const SHORT: usize = 1 << 20;

impl Active {
    /// Takes as many messages from `input` as can be judged now, and says how many bytes they were.
    pub(crate) fn frontend(&mut self, input: &[u8], turn: &mut Turn<'_>) -> Result<usize, Fault> {
        let (message, bind) = (self.options.limits.message, self.options.limits.bind);
        let whole = |tag: u8| match tag {
            tag::COPY_DATA => Whole::Streamed,
            tag::QUERY | tag::PARSE => Whole::Needed { limit: message },
            tag::BIND | tag::FUNCTION_CALL => Whole::Needed { limit: bind },
            _ => Whole::Needed { limit: SHORT },
        };
        let mut at = 0;
        while !self.blocked() && self.queue.len() < MOST_EXPECTED {
            let rest = input.get(at..).unwrap_or_default();
            if self.from_frontend.at_boundary()
                && let Some(tag) = rest.first()
                && tag::name(*tag).is_none()
            {
                return Err(Fault::Frontend(FrameError::UnknownTag { tag: *tag }));
            }
            let Some(piece) = self.from_frontend.next(rest, whole).map_err(Fault::Frontend)? else { break };
            let taken = match piece {
                Piece::Frame { tag: tag::COPY_DATA, frame } => self.copy_data(frame, turn)?,
                Piece::Frame { tag, frame } => self.message(tag, frame, turn)?,
                Piece::Begin { bytes, .. } | Piece::Middle { bytes, .. } | Piece::End { bytes, .. } => {
                    self.copy_data(bytes, turn)?
                }
            };
            match taken {
                Taken::Yes => at += piece.len(),
                Taken::NotYet => break,
            }
        }
        Ok(at)
    }

    fn message(&mut self, tag: u8, frame: &[u8], turn: &mut Turn<'_>) -> Result<Taken, Fault> {
        let body = frame.get(HEADER_LEN..).unwrap_or_default();
        let message = Message::parse(tag, body).map_err(Fault::Frontend)?;
        if self.names.full() {
            return Err(Fault::Limit { what: "too many prepared statements or portals", limit: MOST_NAMES });
        }
        let taken = match message {
            Message::Query(text) => self.query(text, frame, turn)?,
            Message::Parse(parse) => self.parse(&parse, frame, turn)?,
            Message::Bind(bind) => self.bind(&bind, frame, turn)?,
            Message::Execute { portal, max_rows } => self.execute(portal, max_rows, frame, turn)?,
            Message::FunctionCall(call) => self.function_call(&call, frame, turn)?,
            Message::Describe { target, name } => {
                self.batch_open = true;
                turn.control(tag, frame)?;
                let described = match target {
                    Target::Statement => Expected::DescribeStatement {
                        of: self.names.statement(name).map(|prepared| prepared.record),
                    },
                    Target::Portal => {
                        let portal = self.names.portal(name).filter(|portal| portal.masks.is_none());
                        Expected::DescribePortal { of: portal.map(|portal| portal.record) }
                    }
                };
                self.expect(described, turn)?;
                Taken::Yes
            }
            Message::Close { target, name } => {
                self.batch_open = true;
                turn.control(tag, frame)?;
                let change = match target {
                    Target::Statement => self.names.close_statement(name),
                    Target::Portal => self.names.close_portal(name),
                };
                self.expect(Expected::Close { change }, turn)?;
                Taken::Yes
            }
            Message::Sync => self.sync(frame, turn)?,
            Message::Flush => {
                turn.control(tag, frame)?;
                Taken::Yes
            }
            Message::CopyDone | Message::CopyFail(_) => {
                turn.control(tag, frame)?;
                self.expect(Expected::CopyEnd, turn)?;
                Taken::Yes
            }
            Message::Terminate => {
                turn.control(tag, frame)?;
                self.terminated = true;
                Taken::Yes
            }
            Message::Password(_) => return Err(Fault::FrontendOutOfPlace { message: "PasswordMessage" }),
            Message::CopyData(_) => self.copy_data(frame, turn)?,
        };
        if matches!(taken, Taken::Yes) {
            self.catalog_asked = false;
            self.facts_asked = false;
        }
        Ok(taken)
    }

    /// While the server reads COPY data it ignores Sync, and answers it as soon as the COPY has failed. Which of
    /// the two becomes of one that crosses the failure cannot be told from here: so none is sent in that time,
    /// and none behind a COPY of which it is not known yet whether it has begun.
    fn sync(&mut self, frame: &[u8], turn: &mut Turn<'_>) -> Result<Taken, Fault> {
        if self.queue.copying() {
            return Ok(Taken::Yes);
        }
        if self.queue.copy_in_is_open() {
            self.waiting = Some(Waiting::CopyIn);
            return Ok(Taken::NotYet);
        }
        turn.control(tag::SYNC, frame)?;
        self.batch_open = false;
        self.batch_refused = false;
        self.names.stretch_ends();
        self.expect(Expected::Sync, turn)?;
        Ok(Taken::Yes)
    }

    fn query(&mut self, text: &[u8], frame: &[u8], turn: &mut Turn<'_>) -> Result<Taken, Fault> {
        let Ready::Now(ruled) = self.judge(text, turn) else { return Ok(Taken::NotYet) };
        let veiled = self.veils(ruled.reading());
        let shown = recordable(text, ruled.reading(), veiled, &self.options.key);
        let statement = Statement {
            text: shown.text.clone(),
            original: shown.original,
            ..Statement::new(Protocol::Simple)
        };
        let record = self.ledger.statement(turn, statement, &ruled)?;
        if ruled.ruling() == Ruling::Hold && !self.skips() {
            let text = Bytes::copy_from_slice(text);
            let frame = Bytes::copy_from_slice(frame);
            let shown = Shown { text: shown.text.into_owned(), ..Shown::default() };
            self.hold(HeldMessage::Query { text, frame }, ruled, record, shown, turn)?;
            return Ok(Taken::Yes);
        }
        match ruled.permit() {
            Some(permit) => self.send_query(text, frame, permit, &ruled, record, turn)?,
            None => {
                let refusal = ruled.refusal();
                self.refuse_query(record, ruled.reading(), refusal, turn)?;
            }
        }
        Ok(Taken::Yes)
    }

    pub(super) fn send_query(
        &mut self,
        text: &[u8],
        frame: &[u8],
        permit: Permit,
        ruled: &Ruled,
        record: u64,
        turn: &mut Turn<'_>,
    ) -> Result<(), Fault> {
        turn.statement(permit, frame);
        let mut run = self.run(record, ruled.reading(), turn);
        run.changes = self.change_names(text, ruled.judged(), record);
        self.names.stretch_ends();
        self.facts.sent(ruled.reading());
        self.expect(Expected::Query { run, refusal: None }, turn)
    }

    pub(super) fn refuse_query(
        &mut self,
        record: u64,
        reading: &Rc<Reading>,
        refusal: Refusal,
        turn: &mut Turn<'_>,
    ) -> Result<(), Fault> {
        turn.own(Own::FailingQuery);
        let run = self.run(record, reading, turn);
        self.names.stretch_ends();
        self.expect(Expected::Query { run, refusal: Some(refusal) }, turn)
    }

    fn parse(&mut self, parse: &Parse<'_>, frame: &[u8], turn: &mut Turn<'_>) -> Result<Taken, Fault> {
        let Ready::Now(ruled) = self.judge(parse.query, turn) else { return Ok(Taken::NotYet) };
        self.batch_open = true;
        let veiled = self.veils(ruled.reading());
        let shown = recordable(parse.query, ruled.reading(), veiled, &self.options.key);
        let statement = Statement {
            text: shown.text,
            original: shown.original,
            name: parse.name.into(),
            ..Statement::new(Protocol::Parse)
        };
        let record = self.ledger.statement(turn, statement, &ruled)?;
        let refusal = match ruled.permit_preparation() {
            Some(permit) => {
                turn.statement(permit, frame);
                None
            }
            None => {
                turn.own(Own::FailingParse(parse.name));
                self.batch_refused = true;
                Some(ruled.refusal())
            }
        };
        let prepared = Prepared {
            text: Bytes::copy_from_slice(parse.query),
            inside: false,
            record,
            judged: RefCell::new(Some(ruled.judged().clone())),
        };
        let change = self.names.prepare(parse.name, Rc::new(prepared));
        let veiled = veiled || ruled.reading().has_secrets();
        let sent = Sent { record, begun: turn.now, veiled };
        self.expect(Expected::Parse { sent, change, refusal }, turn)?;
        Ok(Taken::Yes)
    }

    fn bind(&mut self, bind: &Bind<'_>, frame: &[u8], turn: &mut Turn<'_>) -> Result<Taken, Fault> {
        if !self.names.statement_is_certain(bind.statement) {
            self.waiting = Some(Waiting::Names);
            return Ok(Taken::NotYet);
        }
        let Some(prepared) = self.names.statement(bind.statement).cloned() else {
            self.batch_open = true;
            let ruled = self.absent("26000", "prepared statement", bind.statement);
            let named = Statement { name: bind.statement.into(), ..Statement::new(Protocol::Bind) };
            let record =
                self.ledger.statement(turn, Statement { portal: bind.portal.into(), ..named }, &ruled)?;
            self.refuse_bind(bind.portal, record, ruled.refusal(), turn)?;
            return Ok(Taken::Yes);
        };
        let Ready::Now(ruled) = self.judge_prepared(&prepared, turn) else { return Ok(Taken::NotYet) };
        self.batch_open = true;
        let veiled = self.veils(ruled.reading());
        let statement = Statement {
            name: bind.statement.into(),
            portal: bind.portal.into(),
            of: Some(prepared.record),
            parameters: parameters(
                bind.parameters.clone(),
                bind.parameter_formats,
                veiled,
                &self.options.key,
            ),
            ..Statement::new(Protocol::Bind)
        };
        let record = self.ledger.statement(turn, statement, &ruled)?;
        if ruled.ruling() == Ruling::Hold && !self.skips() {
            let key = &self.options.key;
            let text = recordable(&prepared.text, ruled.reading(), veiled, key).text.into_owned();
            let values = parameters(bind.parameters.clone(), bind.parameter_formats, veiled, key);
            let shown = Shown { text, values: values.iter().map(readable).collect() };
            let held = HeldMessage::Bind {
                prepared,
                portal: bind.portal.to_vec(),
                frame: Bytes::copy_from_slice(frame),
            };
            self.hold(held, ruled, record, shown, turn)?;
            return Ok(Taken::Yes);
        }
        match ruled.permit() {
            Some(permit) => {
                turn.statement(permit, frame);
                self.bound(bind.portal, prepared, ruled.judged().clone(), None, record, turn)?;
            }
            None => self.refuse_bind(bind.portal, record, ruled.refusal(), turn)?,
        }
        Ok(Taken::Yes)
    }

    /// A Bind has been sent.
    pub(super) fn bound(
        &mut self,
        name: &[u8],
        prepared: Rc<Prepared>,
        judged: Judged,
        grant: Option<policy::Grant>,
        record: u64,
        turn: &mut Turn<'_>,
    ) -> Result<(), Fault> {
        let veiled = self.veils(&judged.reading) || judged.reading.has_secrets();
        let output = judged.reading.statements().first().map_or(Output::None, |s| s.output.clone());
        let portal = Rc::new(Portal {
            prepared,
            judged,
            grant,
            output,
            record,
            masks: self.masks.clone(),
            mask_rules: self.mask_rules,
            plan: OnceCell::new(),
        });
        let change = Some(self.names.bind(name, Rc::clone(&portal)));
        let sent = Sent { record, begun: turn.now, veiled };
        self.expect(Expected::Bind { sent, change, refusal: None }, turn)?;
        self.describe_own(name, portal, turn)
    }

    /// What the server says of a portal makes the plan that masks its rows.
    fn describe_own(&mut self, name: &[u8], portal: Rc<Portal>, turn: &mut Turn<'_>) -> Result<(), Fault> {
        if portal.masks.is_none() {
            return Ok(());
        }
        turn.own(Own::DescribePortal(name));
        self.expect(Expected::OwnDescribe { portal }, turn)
    }

    pub(super) fn refuse_bind(
        &mut self,
        portal: &[u8],
        record: u64,
        refusal: Refusal,
        turn: &mut Turn<'_>,
    ) -> Result<(), Fault> {
        turn.own(Own::FailingBind { portal, absent: self.options.absent.as_bytes() });
        self.batch_refused = true;
        // The portal of that name stays what it was: the failing Bind does not come as far as to replace it.
        let sent = Sent { record, begun: turn.now, veiled: true };
        self.expect(Expected::Bind { sent, change: None, refusal: Some(refusal) }, turn)
    }

    fn execute(
        &mut self,
        name: &[u8],
        max_rows: i32,
        frame: &[u8],
        turn: &mut Turn<'_>,
    ) -> Result<Taken, Fault> {
        if !self.names.portal_is_certain(name) {
            self.waiting = Some(Waiting::Names);
            return Ok(Taken::NotYet);
        }
        let Some(portal) = self.names.portal(name).cloned() else {
            self.batch_open = true;
            let ruled = self.absent("34000", "portal", name);
            let statement = Statement { portal: name.into(), ..Statement::new(Protocol::Execute) };
            let record = self.ledger.statement(turn, statement, &ruled)?;
            self.refuse_execute(record, ruled.reading(), ruled.refusal(), turn)?;
            return Ok(Taken::Yes);
        };
        let Ready::Now(ruled) = self.rejudge(&portal) else { return Ok(Taken::NotYet) };
        self.batch_open = true;
        let statement = Statement {
            portal: name.into(),
            of: Some(portal.record),
            max_rows: max_rows.max(0) as u32,
            ..Statement::new(Protocol::Execute)
        };
        let approved = portal.grant.as_ref().filter(|_| ruled.ruling() != Ruling::Deny);
        let record = self.ledger.statement(turn, statement, &ruled)?;
        match approved.map(policy::Grant::permit).or_else(|| ruled.permit()) {
            Some(permit) => {
                if portal.plan.get().is_none() && portal.declared() {
                    self.describe_own(name, Rc::clone(&portal), turn)?;
                }
                turn.statement(permit, frame);
                let mut run = self.run(record, ruled.reading(), turn);
                run.masks = portal.masks.clone();
                if !portal.prepared.inside {
                    run.changes =
                        self.change_names(&portal.prepared.text, ruled.judged(), portal.prepared.record);
                }
                run.portal = Some(portal);
                self.facts.sent(ruled.reading());
                self.expect(Expected::Execute { run, refusal: None }, turn)?;
            }
            None => {
                let refusal = ruled.refusal();
                self.refuse_execute(record, ruled.reading(), refusal, turn)?;
            }
        }
        Ok(Taken::Yes)
    }

    /// What a portal does was judged when it was bound; it is judged again where anything has moved since, by
    /// what was bound and by what the text would be now: utility statements resolve names only when they run.
    fn rejudge(&mut self, portal: &Portal) -> Ready<Ruled> {
        let bound = &portal.judged;
        let unmoved = bound.epoch == self.facts.epoch();
        if unmoved && !bound.reading.inherits() {
            return Ready::Now(self.ruled(bound.clone()));
        }
        let reading = self.reread(&portal.prepared.text);
        if !self.names_are_certain(&reading) {
            self.waiting = Some(Waiting::Names);
            return Ready::Wait;
        }
        let now = self.rule(reading);
        let same = now.reading().actions() == bound.reading.actions();
        let gives_same = now.reading().outputs().eq(bound.reading.outputs());
        let masks_moved = self.mask_rules != portal.mask_rules;
        let untold = !same && now.ruling() != Ruling::Allow;
        let unmasked = self.masks.is_some() && bound.reading.inherits() && !gives_same;
        if untold || unmasked || masks_moved {
            let refusal = Refusal::because(
                "what the portal does can no longer be told since it was bound",
                Some("Bind it again after Sync.".to_owned()),
            );
            return Ready::Now(Ruled::refused(now.judged().clone(), "rebound", refusal));
        }
        let judgement = self.judgement(&bound.reading);
        Ready::Now(self.ruled(Judged { judgement, ..bound.clone() }))
    }

    fn refuse_execute(
        &mut self,
        record: u64,
        reading: &Rc<Reading>,
        refusal: Refusal,
        turn: &mut Turn<'_>,
    ) -> Result<(), Fault> {
        turn.own(Own::FailingExecute { absent: self.options.absent.as_bytes() });
        self.batch_refused = true;
        let run = self.run(record, reading, turn);
        self.expect(Expected::Execute { run, refusal: Some(refusal) }, turn)
    }

    fn function_call(
        &mut self,
        call: &FunctionCall<'_>,
        frame: &[u8],
        turn: &mut Turn<'_>,
    ) -> Result<Taken, Fault> {
        let action = match self.facts.committed_catalog().function(call.function) {
            Some(function) => Action {
                verb: Verb::Function,
                object: Object {
                    kind: ObjectKind::Function,
                    class: "function",
                    schema: Some(function.schema.clone()),
                    name: function.name.clone(),
                    oid: Some(function.oid),
                },
                implied: false,
            },
            None => Action::opaque(format!("function with OID {} is not in the catalog", call.function)),
        };
        let reading = Rc::new(Reading::of_function(action));
        let ruled = self.rule(reading);
        let veiled = self.masks.is_some();
        let statement = Statement {
            function: call.function,
            parameters: parameters(call.arguments.clone(), call.argument_formats, veiled, &self.options.key),
            ..Statement::new(Protocol::FunctionCall)
        };
        let record = self.ledger.statement(turn, statement, &ruled)?;
        if ruled.ruling() == Ruling::Hold && !self.skips() {
            let frame = Bytes::copy_from_slice(frame);
            let text = format!("FunctionCall {}", call.function).into_bytes();
            let shown = Shown { text, ..Shown::default() };
            self.hold(HeldMessage::FunctionCall { frame }, ruled, record, shown, turn)?;
            return Ok(Taken::Yes);
        }
        match ruled.permit() {
            Some(permit) => self.send_function_call(frame, permit, &ruled, record, turn)?,
            None => {
                let refusal = ruled.refusal();
                self.refuse_function_call(record, ruled.reading(), refusal, turn)?;
            }
        }
        Ok(Taken::Yes)
    }

    pub(super) fn send_function_call(
        &mut self,
        frame: &[u8],
        permit: Permit,
        ruled: &Ruled,
        record: u64,
        turn: &mut Turn<'_>,
    ) -> Result<(), Fault> {
        turn.statement(permit, frame);
        let run = self.run(record, ruled.reading(), turn);
        self.names.stretch_ends();
        self.facts.sent(ruled.reading());
        self.expect(Expected::FunctionCall { run, refusal: None }, turn)
    }

    pub(super) fn refuse_function_call(
        &mut self,
        record: u64,
        reading: &Rc<Reading>,
        refusal: Refusal,
        turn: &mut Turn<'_>,
    ) -> Result<(), Fault> {
        turn.own(Own::FailingFunctionCall);
        let run = self.run(record, reading, turn);
        self.names.stretch_ends();
        self.expect(Expected::FunctionCall { run, refusal: Some(refusal) }, turn)
    }

    /// Data of a COPY. What belongs to no COPY the server would ignore: it does not leave.
    fn copy_data(&mut self, bytes: &[u8], turn: &mut Turn<'_>) -> Result<Taken, Fault> {
        let most = self.options.limits.recorded;
        let Some(run) = self.queue.copying_run() else { return Ok(Taken::Yes) };
        // The run is borrowed from the queue; whether it veils was settled when it was sent.
        let veiled = run.veils_values;
        run.copy_in(&mut self.ledger, turn, bytes, veiled, most)?;
        turn.control(tag::COPY_DATA, bytes)?;
        Ok(Taken::Yes)
    }

    fn run(&self, record: u64, reading: &Rc<Reading>, turn: &Turn<'_>) -> Box<Run> {
        let mut run = Run::new(record, Rc::clone(reading), turn.now);
        run.veils_values = self.veils(reading);
        run.veils_errors = run.veils_values || reading.has_secrets();
        run.masks = self.masks.clone();
        Box::new(run)
    }

    /// The server skips what comes now, up to Sync: there is nothing to hold.
    fn skips(&self) -> bool {
        self.batch_refused || self.queue.skipping()
    }

    /// Enters what is owed. Where the server will not answer, it ends here.
    fn expect(&mut self, expected: Expected, turn: &mut Turn<'_>) -> Result<(), Fault> {
        match self.push(expected) {
            Some(skipped) => self.skip(skipped, turn),
            None => Ok(()),
        }
    }

    /// PREPARE, DEALLOCATE and DECLARE share their name spaces with Parse, Close and Bind.
    fn change_names(&mut self, text: &[u8], judged: &Judged, record: u64) -> Vec<(usize, Change)> {
        let mut changes = Vec::new();
        for (index, statement) in judged.reading.statements().iter().enumerate() {
            let effects = &statement.effects;
            let named = || {
                Rc::new(Prepared {
                    text: slice(&Bytes::copy_from_slice(text), &statement.range),
                    inside: true,
                    record,
                    // PREPARE's and DECLARE's own actions are those of what they name.
                    judged: RefCell::new(None),
                })
            };
            if let Some(name) = &effects.prepares {
                changes.push((index, self.names.prepare(name.as_bytes(), named())));
            }
            if let Some(name) = &effects.declares {
                let portal = Portal {
                    prepared: named(),
                    judged: judged.clone(),
                    grant: None,
                    output: statement.output.clone(),
                    record,
                    masks: self.masks.clone(),
                    mask_rules: self.mask_rules,
                    plan: OnceCell::new(),
                };
                changes.push((index, self.names.bind(name.as_bytes(), Rc::new(portal))));
            }
            match &effects.deallocates {
                Some(Some(name)) => changes.push((index, self.names.close_statement(name.as_bytes()))),
                Some(None) => changes.push((index, self.names.deallocate_all())),
                None => {}
            }
        }
        changes
    }

    /// A name that stands for nothing here. Had the server something of that name all the same, it would run
    /// unjudged: so the message is refused, with the error that PostgreSQL gives.
    fn absent(&mut self, sqlstate: &'static str, what: &str, name: &[u8]) -> Ruled {
        let message = match name {
            b"" if what == "prepared statement" => "unnamed prepared statement does not exist".to_owned(),
            name => format!("{what} \"{}\" does not exist", String::from_utf8_lossy(name)),
        };
        let nothing = self.reread(b"");
        let judged = self.rule(nothing).judged().clone();
        Ruled::refused(judged, "absent", Refusal { sqlstate, message, hint: None })
    }
}

/// A bound value for a reviewer's eyes.
fn readable(value: &Parameter<'_>) -> String {
    match (&value.value, value.format) {
        (None, _) => "NULL".to_owned(),
        (Some(text), 0) => String::from_utf8_lossy(text).into_owned(),
        (Some(binary), _) => binary.iter().fold("\\x".to_owned(), |hex, byte| format!("{hex}{byte:02x}")),
    }
}
