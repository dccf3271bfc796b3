//! Query and FunctionCall: messages that run what they bring, and end in ReadyForQuery ("Simple Query" and
//! "Function Call" in PostgreSQL's manual).

use std::rc::Rc;

use bytes::Bytes;
use evidence::{Protocol, Ruling, Statement};
use pgwire::frontend::FunctionCall;
use policy::{Action, Detail, Object, ObjectKind, Permit, Verb};
use sql::Limits;

use super::Active;
use super::expected::Expected;
use super::frontend::Taken;
use super::hold::{HeldMessage, Shown};
use super::judging::{Ready, Ruled};
use super::ledger::{parameters, recordable};
use super::reading::Reading;
use super::refusal::Refusal;
use crate::own::Own;
use crate::{Fault, Turn};

impl Active {
    pub(super) fn query(&mut self, text: &[u8], frame: &[u8], turn: &mut Turn<'_>) -> Result<Taken, Fault> {
        let ruled = match self.replication_command(text) {
            Some(ruled) => ruled,
            None => match self.judge(text, &[], None, turn) {
                Ready::Now(ruled) => ruled,
                Ready::Wait => return Ok(Taken::NotYet),
            },
        };
        let ruled = self.with_room(ruled, (b"", b""));
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
        run.ends_batch = self.batch_open;
        self.executes(ruled.reading());
        run.changes = self.change_names(text, ruled.judged(), record);
        self.names.stretch_ends();
        self.sent(ruled.reading());
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

    pub(super) fn function_call(
        &mut self,
        call: &FunctionCall<'_>,
        frame: &[u8],
        turn: &mut Turn<'_>,
    ) -> Result<Taken, Fault> {
        if self.awaits_catalog(turn) {
            return Ok(Taken::NotYet);
        }
        let ruled = self.rule_function(call.function);
        let veiled = self.masks.is_some();
        let values = parameters(call.arguments.clone(), call.argument_formats, veiled, &self.options.key);
        let statement = Statement {
            function: call.function,
            parameters: values.as_slice().into(),
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

    /// What the policy says of a call of that function.
    pub(super) fn rule_function(&mut self, function: policy::Oid) -> Ruled {
        let action = match self.facts.committed_catalog().function(function) {
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
                detail: Detail::NONE,
            },
            None => Action::opaque(format!("function with OID {function} is not in the catalog")),
        };
        let (catalog, _) = self.facts.catalog();
        let runs = sql::called(function, catalog, &Limits::default());
        self.rule(Rc::new(Reading::of_function(action, runs)))
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
        self.function_called(ruled, record, turn)
    }

    /// A FunctionCall has been sent.
    pub(super) fn function_called(
        &mut self,
        ruled: &Ruled,
        record: u64,
        turn: &mut Turn<'_>,
    ) -> Result<(), Fault> {
        let run = self.run(record, ruled.reading(), turn);
        self.names.stretch_ends();
        self.sent(ruled.reading());
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
}
