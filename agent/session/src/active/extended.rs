//! Parse, Bind and Execute ("Extended Query" in PostgreSQL's manual): a text, then its values, then its rows, each
//! judged before it moves on.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use bytes::Bytes;
use evidence::{Parameter, Protocol, Ruling, Statement};
use pgwire::frontend::{Bind, Parse};

use policy::{FIRST_NORMAL_OBJECT_ID, Oid};

use super::Active;
use super::expected::{Expected, Sent};
use super::frontend::Taken;
use super::hold::{HeldMessage, Shown};
use super::judging::{Ready, Ruled, Waiting};
use super::ledger::{parameters, recordable};
use super::names::{Analysed, Change, Judged, Portal, Prepared};
use super::reading::Reading;
use super::refusal::Refusal;
use super::running::calls;
use crate::own::Own;
use crate::{Fault, Turn};

impl Active {
    pub(super) fn parse(
        &mut self,
        parse: &Parse<'_>,
        frame: &[u8],
        turn: &mut Turn<'_>,
    ) -> Result<Taken, Fault> {
        let types = users_types(parse);
        let Ready::Now(ruled) = self.judge(parse.query, &types, None, turn) else { return Ok(Taken::NotYet) };
        let ruled = self.with_room(ruled, (parse.name, b""));
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
        match ruled.permit_preparation() {
            Some(permit) => {
                turn.statement(permit, frame);
                self.parsed((parse.name, parse.query, types), record, &ruled, None, turn)?;
            }
            None => self.refuse_parse(parse.name, record, &ruled, turn)?,
        }
        Ok(Taken::Yes)
    }

    pub(super) fn refuse_parse(
        &mut self,
        name: &[u8],
        record: u64,
        ruled: &Ruled,
        turn: &mut Turn<'_>,
    ) -> Result<(), Fault> {
        turn.own(Own::FailingParse(name));
        self.batch_refused = true;
        self.parsed((name, b"", Rc::default()), record, ruled, Some(ruled.refusal()), turn)
    }

    /// A Parse has been sent, or one that fails in its place.
    fn parsed(
        &mut self,
        (name, text, types): (&[u8], &[u8], Rc<[Oid]>),
        record: u64,
        ruled: &Ruled,
        refusal: Option<Refusal>,
        turn: &mut Turn<'_>,
    ) -> Result<(), Fault> {
        let length = text.len();
        // Many clients prepare the same text again and again.
        let text = match self.names.statement(name) {
            Some(before) if *before.text == *text => before.text.clone(),
            _ => Bytes::copy_from_slice(text),
        };
        let prepared = Prepared {
            text,
            types,
            strings: self.facts.strings(),
            inside: false,
            record,
            reading: ruled.reading().weight(),
            judged: RefCell::new(Some(ruled.judged().clone())),
            analysed: RefCell::new(self.analysed(Some(ruled.reading()))),
        };
        let change = self.names.prepare(name, Rc::new(prepared));
        let veiled = self.veils(ruled.reading()) || ruled.reading().has_secrets();
        // The server looks at the text, and at no row.
        let sent = Sent { record, begun: turn.now, veiled, clear: true };
        self.expect(Expected::Parse { sent, change, length, refusal }, turn)
    }

    pub(super) fn bind(
        &mut self,
        bind: &Bind<'_>,
        frame: &[u8],
        turn: &mut Turn<'_>,
    ) -> Result<Taken, Fault> {
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
            turn.own(Own::AbsentBind { portal: bind.portal, statement: bind.statement });
            self.expect_absent_bind(record, ruled.refusal(), turn)?;
            return Ok(Taken::Yes);
        };
        let Ready::Now(ruled) = self.judge_prepared(&prepared, turn) else { return Ok(Taken::NotYet) };
        let ruled = self.with_room(ruled, (b"", bind.portal));
        self.batch_open = true;
        let veiled = self.veils(ruled.reading());
        let values = parameters(bind.parameters.clone(), bind.parameter_formats, veiled, &self.options.key);
        let statement = Statement {
            name: bind.statement.into(),
            portal: bind.portal.into(),
            of: Some(prepared.record),
            parameters: values.as_slice().into(),
            ..Statement::new(Protocol::Bind)
        };
        let record = self.ledger.statement(turn, statement, &ruled)?;
        if ruled.ruling() == Ruling::Hold && !self.skips() {
            let key = &self.options.key;
            let text = recordable(&prepared.text, ruled.reading(), veiled, key).text.into_owned();
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
        let veils = self.veils(&judged.reading);
        let veiled = veils || judged.reading.has_secrets();
        // It is asked for where anything is masked alone. Functions that a policy for rows calls may run as it is planned.
        let clear = self.masks.is_some()
            && !veils
            && judged.reading.meets_nothing_masked()
            && !self.looks_beyond(&judged.reading);
        let unmoved = judged.epoch == self.facts.epoch();
        self.taken_apart(&prepared, &judged.reading);
        self.facts.planned(&judged.reading);
        // What its own planning changes is nothing new to what was planned.
        let epoch = if unmoved { self.facts.epoch() } else { judged.epoch };
        let judged = Judged { epoch, ..judged };
        let portal = Rc::new(Portal {
            prepared,
            judged,
            grant,
            at: 0,
            record,
            masks: self.masks.clone(),
            mask_rules: self.mask_rules,
            plan: OnceCell::new(),
            reopened: Cell::new(false),
            materialised: Cell::new(false),
        });
        let change = Some(self.names.bind(name, Rc::clone(&portal)));
        let sent = Sent { record, begun: turn.now, veiled, clear };
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
        self.expect_refused_bind(record, refusal, turn)
    }

    /// It was sent behind a Close of what it names.
    pub(super) fn expect_absent_bind(
        &mut self,
        record: u64,
        refusal: Refusal,
        turn: &mut Turn<'_>,
    ) -> Result<(), Fault> {
        self.expect(Expected::OwnClose, turn)?;
        self.expect_refused_bind(record, refusal, turn)
    }

    fn expect_refused_bind(
        &mut self,
        record: u64,
        refusal: Refusal,
        turn: &mut Turn<'_>,
    ) -> Result<(), Fault> {
        self.batch_refused = true;
        // The portal of that name stays what it was: the failing Bind does not come as far as to replace it.
        let sent = Sent { record, begun: turn.now, veiled: true, clear: false };
        self.expect(Expected::Bind { sent, change: None, refusal: Some(refusal) }, turn)
    }

    pub(super) fn execute(
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
            turn.own(Own::AbsentExecute(name));
            self.expect(Expected::OwnClose, turn)?;
            self.expect_refused_execute(record, ruled.reading(), ruled.refusal(), turn)?;
            return Ok(Taken::Yes);
        };
        let Ready::Now(ruled) = self.rejudge(&portal, turn) else { return Ok(Taken::NotYet) };
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
                self.executes(ruled.reading());
                if !portal.prepared.inside {
                    run.changes =
                        self.change_names(&portal.prepared.text, ruled.judged(), portal.prepared.record);
                }
                run.portal = Some(portal);
                self.sent(ruled.reading());
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
    /// what was bound and, unless it was planned then, by what the text would be now: utility statements resolve names
    /// only when they run, and so do the bodies of functions.
    fn rejudge(&mut self, portal: &Portal, turn: &mut Turn<'_>) -> Ready<Ruled> {
        let bound = &portal.judged;
        let unmoved = bound.epoch == self.facts.epoch();
        let reopened = self.masks.is_some() && portal.reopened.get();
        if unmoved && !reopened && !bound.reading.inherits() {
            return Ready::Now(self.ruled(bound.clone()));
        }
        let mut reading = Rc::clone(&bound.reading);
        if !portal.is_planned() || calls(bound.reading.actions()) {
            // What its functions run is looked up by the path of now, which has to be known for that.
            let prepared = &portal.prepared;
            match self.read(&prepared.text, Some(prepared.strings), turn) {
                Ready::Now(_) if portal.is_planned() => {}
                Ready::Now(now) => reading = self.with_checks(now, &prepared.types),
                Ready::Wait => return Ready::Wait,
            }
        }
        if !self.names_are_certain(&reading) {
            self.waiting = Some(Waiting::Names);
            return Ready::Wait;
        }
        let now = self.rule(reading);
        let same = now.reading().actions() == bound.reading.actions();
        let gives_same = now.reading().outputs().eq(bound.reading.outputs());
        let masks_moved = self.mask_rules != portal.mask_rules;
        let untold = !same && now.ruling() != Ruling::Allow || self.runs_untold(portal);
        let unmasked = self.masks.is_some() && bound.reading.inherits() && !gives_same;
        if untold || unmasked || masks_moved || reopened {
            let refusal = Refusal::because(
                "what the portal does can no longer be told since it was bound",
                Some("Bind it again after Sync.".to_owned()),
            );
            return Ready::Now(Ruled::refused(now.judged().clone(), "rebound", refusal));
        }
        let judgement = self.judgement(&bound.reading);
        Ready::Now(self.ruled(Judged { judgement, ..bound.clone() }))
    }

    pub(super) fn refuse_execute(
        &mut self,
        record: u64,
        reading: &Rc<Reading>,
        refusal: Refusal,
        turn: &mut Turn<'_>,
    ) -> Result<(), Fault> {
        turn.own(Own::FailingExecute { absent: self.options.absent.as_bytes() });
        self.expect_refused_execute(record, reading, refusal, turn)
    }

    fn expect_refused_execute(
        &mut self,
        record: u64,
        reading: &Rc<Reading>,
        refusal: Refusal,
        turn: &mut Turn<'_>,
    ) -> Result<(), Fault> {
        self.batch_refused = true;
        let run = self.run(record, reading, turn);
        self.expect(Expected::Execute { run, refusal: Some(refusal) }, turn)
    }

    /// PREPARE, DEALLOCATE and DECLARE share their name spaces with Parse, Close and Bind.
    pub(super) fn change_names(&mut self, text: &[u8], judged: &Judged, record: u64) -> Vec<(usize, Change)> {
        let mut changes = Vec::new();
        let reading = &judged.reading;
        for (index, (statement, place)) in reading.statements().iter().zip(reading.places()).enumerate() {
            let effects = &statement.effects;
            let Analysed { epoch, renewals, .. } = self.analysed(None);
            let named = || {
                Rc::new(Prepared {
                    // Its own part alone: with it, all of the text would stay.
                    text: Bytes::copy_from_slice(text.get(place.range.clone()).unwrap_or_default()),
                    types: Rc::default(),
                    strings: self.facts.strings(),
                    inside: true,
                    record,
                    reading: reading.weight_of(index),
                    // PREPARE's and DECLARE's own actions are those of what they name.
                    judged: RefCell::new(None),
                    analysed: RefCell::new(Analysed { reading: None, epoch, renewals }),
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
                    at: index,
                    record,
                    masks: self.masks.clone(),
                    mask_rules: self.mask_rules,
                    plan: OnceCell::new(),
                    reopened: Cell::new(false),
                    materialised: Cell::new(false),
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
    /// unjudged: so the message goes behind a Close of that name, and PostgreSQL gives its own error.
    pub(super) fn absent(&mut self, sqlstate: &'static str, what: &str, name: &[u8]) -> Ruled {
        let message = match name {
            b"" if what == "prepared statement" => "unnamed prepared statement does not exist".to_owned(),
            name => format!("{what} \"{}\" does not exist", String::from_utf8_lossy(name)),
        };
        let nothing = self.reread(b"", self.facts.strings());
        let judged = self.rule(nothing).judged().clone();
        Ruled::refused(
            judged,
            "absent",
            Refusal { sqlstate, message, hint: None, position: None, is_servers: true },
        )
    }
}

/// Of the types that a Parse gives its parameters, those that users made: their values may be checked.
fn users_types(parse: &Parse<'_>) -> Rc<[Oid]> {
    parse.parameter_types.iter().filter(|of| *of >= FIRST_NORMAL_OBJECT_ID).collect()
}

/// A bound value for a reviewer's eyes.
fn readable(value: &Parameter<'_>) -> String {
    match (&value.value, value.format) {
        (None, _) => "NULL".to_owned(),
        (Some(text), 0) => String::from_utf8_lossy(text).into_owned(),
        (Some(binary), _) => binary.iter().fold("\\x".to_owned(), |hex, byte| format!("{hex}{byte:02x}")),
    }
}
