//! A statement that waits for a reviewer, and the five ways in which the wait ends.
//!
//! In the extended protocol the hold is at Bind: there the values are known and nothing has run yet. One
//! approval is one portal is one execution.

use std::borrow::Cow;
use std::rc::Rc;

use bytes::Bytes;
use evidence::{Body, Digest, HoldEnd, HoldOutcome, Ruling};
use pgwire::backend::NoticeFields;
use policy::{Decision, Grant, Pending, Verdict, VerdictError};

use super::Active;
use super::judging::Ruled;
use super::ledger::binding;
use super::names::Prepared;
use super::reading::Reading;
use super::refusal::Refusal;
use super::streamed::Decided;
use crate::{ApprovalRequest, Fault, Request, Turn};

/// The message that waits.
pub(crate) enum HeldMessage {
    Query {
        text: Bytes,
        frame: Bytes,
    },
    Bind {
        prepared: Rc<Prepared>,
        portal: Vec<u8>,
        frame: Bytes,
    },
    FunctionCall {
        frame: Bytes,
    },
    /// A Bind (of a prepared statement) or a FunctionCall that is still to be read, behind its head.
    Head {
        prepared: Option<Rc<Prepared>>,
        head: Bytes,
    },
}

/// A statement as a reviewer sees it: in the form that is recorded.
#[derive(Default)]
pub(crate) struct Shown {
    pub(crate) text: Vec<u8>,
    pub(crate) values: Vec<String>,
}

/// A hold.
pub(crate) struct Held {
    message: HeldMessage,
    ruled: Ruled,
    pending: Pending,
    request: String,
    /// Sequence of the statement's record.
    record: u64,
}

/// How a wait ended, from outside.
#[derive(Debug)]
pub(crate) enum Ending {
    Verdict(Verdict),
    Expired,
    Cancelled,
    Disconnected,
}

impl Active {
    pub(super) fn hold(
        &mut self,
        message: HeldMessage,
        ruled: Ruled,
        record: u64,
        shown: Shown,
        turn: &mut Turn<'_>,
    ) -> Result<(), Fault> {
        let digest = match &message {
            HeldMessage::Query { text, .. } => binding(text, None),
            HeldMessage::Bind { prepared, frame, .. } => binding(&prepared.text, Some(frame)),
            HeldMessage::FunctionCall { frame } => binding(b"", Some(frame)),
            HeldMessage::Head { prepared, head } => {
                let text = prepared.as_ref().map_or(&b""[..], |prepared| &prepared.text);
                binding(text, Some(head))
            }
        };
        let id = self.ledger.id();
        self.holds += 1;
        let Some(pending) = ruled.judgement().hold(digest, id.0, self.holds) else {
            return Err(Fault::Unpermitted);
        };
        let request = match self.holds {
            1 => self.options.hold_id.clone(),
            number => format!("{}-{number}", self.options.hold_id),
        };
        let expires_us = turn.now.wall_us + self.options.hold_timeout_us;
        let hold = evidence::Hold {
            statement: record,
            request: Cow::Borrowed(&request),
            binding: Digest(pending.binding().statement),
            expires_us,
        };
        self.ledger.write(turn, &Body::Hold(hold))?;
        turn.request(Request::AskApproval(Box::new(ApprovalRequest {
            id: request.clone(),
            binding: *pending.binding(),
            statement: String::from_utf8_lossy(&shown.text).into_owned(),
            values: shown.values,
            findings: ruled.judgement().findings().to_vec(),
            expires_us,
        })));
        self.notice =
            Some(format!("{}: request {request} waits for a reviewer", ruled.judgement().message()));
        self.held = Some(Held { message, ruled, pending, request, record });
        self.give_notice(turn)
    }

    /// Tells the client, once no frame is half on its way to it.
    pub(super) fn give_notice(&mut self, turn: &mut Turn<'_>) -> Result<(), Fault> {
        if !self.from_backend.at_boundary() {
            return Ok(());
        }
        let Some(text) = self.notice.take() else { return Ok(()) };
        self.flush_results(turn)?;
        let text = text.replace('\0', "\u{fffd}");
        let fields = NoticeFields {
            hint: Some("The statement waits; cancel it to give up."),
            ..NoticeFields::new("NOTICE", "00000", &text)
        };
        fields
            .encode_notice(turn.frontend())
            .map_err(|_| Fault::Limit { what: "the length of a notice", limit: i32::MAX as usize })
    }

    /// The wait is over.
    pub(crate) fn end_hold(&mut self, ending: Ending, turn: &mut Turn<'_>) -> Result<(), Fault> {
        let Some(held) = self.held.take() else { return Ok(()) };
        self.notice = None;
        let Held { message, ruled, pending, request, record } = held;
        let (outcome, reviewer, reason, decided) = match ending {
            Ending::Verdict(verdict) => {
                let decided = pending.resolve(&verdict);
                let outcome = if decided.is_ok() { HoldOutcome::Approved } else { HoldOutcome::Denied };
                let Verdict { reviewer, reason, .. } = verdict;
                (outcome, reviewer, reason, decided.map_err(|error| denied(&request, &error)))
            }
            Ending::Expired => {
                let message = format!("nobody decided on request {request} in time");
                (HoldOutcome::Expired, String::new(), String::new(), Err(Refusal::not_approved(message)))
            }
            Ending::Cancelled => {
                (HoldOutcome::Cancelled, String::new(), String::new(), Err(Refusal::cancelled()))
            }
            Ending::Disconnected => {
                (HoldOutcome::Disconnected, String::new(), String::new(), Err(Refusal::cancelled()))
            }
        };
        if outcome != HoldOutcome::Approved && outcome != HoldOutcome::Denied {
            turn.request(Request::WithdrawApproval(request.clone()));
        }
        let end = HoldEnd {
            statement: record,
            request: Cow::Borrowed(&request),
            outcome,
            reviewer: Cow::Owned(reviewer),
            reason: Cow::Owned(reason),
        };
        self.ledger.write(turn, &Body::HoldEnd(end))?;
        if outcome == HoldOutcome::Disconnected {
            return Ok(());
        }
        let now = match &message {
            HeldMessage::Query { text, .. } => Some(self.reread(text, self.facts.strings())),
            HeldMessage::Bind { prepared, .. } | HeldMessage::Head { prepared: Some(prepared), .. } => {
                Some(self.reread_prepared(prepared))
            }
            HeldMessage::FunctionCall { .. } | HeldMessage::Head { prepared: None, .. } => None,
        };
        let decided = decided.and_then(|grant| self.still_allowed(grant, &ruled, now));
        if let HeldMessage::Head { .. } = &message {
            self.decided = Some(Decided { record, ruled, grant: decided });
            return Ok(());
        }
        self.resume(message, &ruled, record, decided, turn)
    }

    /// Policy and catalog may have changed while the statement waited: an approval lifts a hold, not a denial,
    /// and it is about what the statement was understood to do.
    fn still_allowed(
        &mut self,
        grant: Grant,
        ruled: &Ruled,
        reading: Option<Rc<Reading>>,
    ) -> Result<Grant, Refusal> {
        if ruled.judged().epoch == self.facts.epoch() {
            return Ok(grant);
        }
        if self.judgement(ruled.reading()).decision() == Decision::Deny {
            let why = "the policy has changed while the statement waited, and denies it";
            return Err(Refusal::not_approved(why.to_owned()));
        }
        if let Some(refusal) = self.unmaskable(ruled.reading()) {
            return Err(refusal);
        }
        if let Some(reading) = reading {
            let now = self.rule(reading);
            if now.reading().actions() != ruled.reading().actions()
                || !now.reading().outputs().eq(ruled.reading().outputs())
            {
                let why = "what the statement does has changed while it waited";
                return Err(Refusal::not_approved(why.to_owned()));
            }
        }
        Ok(grant)
    }

    fn resume(
        &mut self,
        message: HeldMessage,
        ruled: &Ruled,
        record: u64,
        decided: Result<Grant, Refusal>,
        turn: &mut Turn<'_>,
    ) -> Result<(), Fault> {
        debug_assert!(ruled.ruling() == Ruling::Hold, "only what was held is resumed");
        match (message, decided) {
            (HeldMessage::Query { text, frame }, Ok(grant)) => {
                self.send_query(&text, &frame, grant.permit(), ruled, record, turn)
            }
            (HeldMessage::Query { .. }, Err(refusal)) => {
                self.refuse_query(record, ruled.reading(), refusal, turn)
            }
            (HeldMessage::Bind { prepared, portal, frame }, Ok(grant)) => {
                turn.statement(grant.permit(), &frame);
                self.bound(&portal, prepared, ruled.judged().clone(), Some(grant), record, turn)
            }
            (HeldMessage::Bind { portal, .. }, Err(refusal)) => {
                self.refuse_bind(&portal, record, refusal, turn)
            }
            (HeldMessage::FunctionCall { frame }, Ok(grant)) => {
                self.send_function_call(&frame, grant.permit(), ruled, record, turn)
            }
            // It is read on when its bytes are looked at again.
            (HeldMessage::Head { .. }, _) => Ok(()),
            (HeldMessage::FunctionCall { .. }, Err(refusal)) => {
                self.refuse_function_call(record, ruled.reading(), refusal, turn)
            }
        }
    }
}

fn denied(request: &str, error: &VerdictError) -> Refusal {
    match error {
        VerdictError::Denied { reviewer, reason } if reason.is_empty() => {
            Refusal::not_approved(format!("request {request} was denied by {reviewer}"))
        }
        VerdictError::Denied { reviewer, reason } => {
            Refusal::not_approved(format!("request {request} was denied by {reviewer}: {reason}"))
        }
        VerdictError::Mismatch => {
            Refusal::not_approved(format!("the verdict on request {request} was about another statement"))
        }
    }
}
