//! Messages that are too long to be read whole.
//!
//! A Bind or a FunctionCall is judged when its head has been read: what it does rests on no value. What follows passes
//! on, and is recorded, as it comes. While it waits for anything, a reviewer too, the rest of it stays unread. The text
//! of a Query or a Parse means nothing before its end, so that one beyond the limit is refused. What is refused is read
//! to its end and left, so that the next message is found.

use std::borrow::Cow;
use std::rc::Rc;

use evidence::{Body, Protocol, Ruling, Statement, StatementEnd, Stream, Times};
use pgwire::frontend::{Head, Part, tag};
use pgwire::{FrameError, HEADER_LEN, Header};
use policy::Grant;

use super::Active;
use super::delivered::Delivered;
use super::frontend::Taken;
use super::hold::{HeldMessage, Shown};
use super::judging::{Ready, Ruled, Waiting};
use super::ledger::recordable;
use super::names::{Judged, Prepared};
use super::reading::Reading;
use super::refusal::Refusal;
use crate::own::Own;
use crate::turn::Begun;
use crate::{Fault, Turn};

/// How much of such a message is there before it is looked at, in bytes: room for names and 65,535 format codes, and
/// less than is kept of a client that waits.
pub(super) const HEAD: usize = 192 << 10;

/// How much of one value a reviewer is shown, in bytes.
const SHOWN: usize = 1 << 10;

/// The message that is coming.
pub(crate) struct Streamed {
    fate: Fate,
    /// Sequence of the statement's record.
    record: u64,
    begun: Times,
    /// Its values may meet what must not be recorded.
    veiled: bool,
    passed: Delivered,
}

/// What becomes of it.
enum Fate {
    Bind { left: Begun, portal: Vec<u8>, prepared: Rc<Prepared>, judged: Judged, grant: Option<Grant> },
    FunctionCall { left: Begun, ruled: Ruled },
    Refused(Refused, Refusal),
}

/// What is refused: it tells what the server gets in its place.
enum Refused {
    Query(Rc<Reading>),
    Parse(Vec<u8>, Ruled),
    Bind(Vec<u8>),
    AbsentBind { portal: Vec<u8>, statement: Vec<u8> },
    FunctionCall(Rc<Reading>),
}

/// A reviewer's word on a message that is still to be read.
pub(crate) struct Decided {
    pub(super) record: u64,
    pub(super) ruled: Ruled,
    pub(super) grant: Result<Grant, Refusal>,
}

impl Active {
    /// The beginning of a message: its header and as much of its body as was asked for.
    pub(super) fn begins(&mut self, bytes: &[u8], turn: &mut Turn<'_>) -> Result<Taken, Fault> {
        let Some(Header { tag, body_len }) = Header::parse(bytes).map_err(Fault::Frontend)? else {
            return Ok(Taken::NotYet);
        };
        let body = bytes.get(HEADER_LEN..).unwrap_or_default();
        let begun = match tag {
            tag::BIND => self.bind_begins(&Head::of_bind(body).map_err(Fault::Frontend)?, bytes, turn)?,
            tag::FUNCTION_CALL => {
                let head = Head::of_function_call(body).map_err(Fault::Frontend)?;
                self.function_call_begins(&head, bytes, turn)?
            }
            tag => Some(self.text_begins(tag, body, body_len, turn)?),
        };
        let Some((record, veiled, fate)) = begun else { return Ok(Taken::NotYet) };
        self.streamed =
            Some(Streamed { fate, record, begun: turn.now, veiled, passed: Delivered::default() });
        self.account(bytes, turn)?;
        Ok(Taken::Yes)
    }

    /// More of it.
    pub(super) fn goes_on(&mut self, bytes: &[u8], turn: &mut Turn<'_>) -> Result<(), Fault> {
        match &self.streamed {
            Some(Streamed { fate: Fate::Bind { left, .. } | Fate::FunctionCall { left, .. }, .. }) => {
                turn.statement_goes_on(left, bytes);
            }
            Some(Streamed { fate: Fate::Refused(..), .. }) | None => {}
        }
        self.account(bytes, turn)
    }

    /// All of it has come.
    pub(super) fn ends(&mut self, turn: &mut Turn<'_>) -> Result<(), Fault> {
        let Some(streamed) = self.streamed.take() else { return Ok(()) };
        streamed.passed.cut((streamed.record, Stream::Message), &mut self.ledger, turn)?;
        self.taken();
        let record = streamed.record;
        match streamed.fate {
            Fate::Bind { left: _, portal, prepared, judged, grant } => {
                self.bound(&portal, prepared, judged, grant, record, turn)
            }
            Fate::FunctionCall { left: _, ruled } => self.function_called(&ruled, record, turn),
            Fate::Refused(what, refusal) => match what {
                Refused::Query(reading) => self.refuse_query(record, &reading, refusal, turn),
                Refused::Parse(name, ruled) => self.refuse_parse(&name, record, &ruled, turn),
                Refused::Bind(portal) => self.refuse_bind(&portal, record, refusal, turn),
                Refused::AbsentBind { portal, statement } => {
                    turn.own(Own::AbsentBind { portal: &portal, statement: &statement });
                    self.expect_absent_bind(record, refusal, turn)
                }
                Refused::FunctionCall(reading) => self.refuse_function_call(record, &reading, refusal, turn),
            },
        }
    }

    /// The connection ends in the middle of it.
    pub(super) fn cut_off_streamed(&mut self, turn: &mut Turn<'_>) -> Result<(), Fault> {
        let Some(streamed) = self.streamed.take() else { return Ok(()) };
        streamed.passed.cut((streamed.record, Stream::Message), &mut self.ledger, turn)?;
        let end = StatementEnd {
            statement: streamed.record,
            message: Cow::Borrowed(b"the connection ended before the message did"),
            duration_us: turn.now.mono_ns.saturating_sub(streamed.begun.mono_ns) / 1000,
            ..StatementEnd::default()
        };
        self.ledger.write(turn, &Body::StatementEnd(end)).map(drop)
    }

    /// Records what moves on, as much as is to be.
    fn account(&mut self, bytes: &[u8], turn: &mut Turn<'_>) -> Result<(), Fault> {
        let most = self.options.limits.recorded;
        let Some(streamed) = &mut self.streamed else { return Ok(()) };
        if matches!(streamed.fate, Fate::Refused(..)) {
            return Ok(());
        }
        let of = (streamed.record, Stream::Message);
        streamed.passed.record(of, bytes, streamed.veiled, most, &mut self.ledger, turn)
    }

    fn bind_begins(
        &mut self,
        head: &Head<'_>,
        bytes: &[u8],
        turn: &mut Turn<'_>,
    ) -> Result<Option<(u64, bool, Fate)>, Fault> {
        let prepared = self.names.statement(head.statement).cloned();
        let decided = self.decided.take();
        if decided.is_none() && !self.names.statement_is_certain(head.statement) {
            self.waiting = Some(Waiting::Names);
            return Ok(None);
        }
        let named = Statement {
            name: head.statement.into(),
            portal: head.portal.into(),
            ..Statement::new(Protocol::Bind)
        };
        let portal = head.portal.to_vec();
        let Some(prepared) = prepared else {
            self.batch_open = true;
            let ruled = self.absent("26000", "prepared statement", head.statement);
            let record = self.ledger.statement(turn, named, &ruled)?;
            let what = Refused::AbsentBind { portal, statement: head.statement.to_vec() };
            return Ok(Some((record, true, Fate::Refused(what, ruled.refusal()))));
        };
        if let Some(Decided { record, ruled, grant }) = decided {
            let veiled = self.veils(ruled.reading());
            let fate = match grant {
                Ok(grant) => {
                    let left = turn.statement_begins(grant.permit(), bytes);
                    Fate::Bind { left, portal, prepared, judged: ruled.judged().clone(), grant: Some(grant) }
                }
                Err(refusal) => Fate::Refused(Refused::Bind(portal), refusal),
            };
            return Ok(Some((record, veiled, fate)));
        }
        let Ready::Now(ruled) = self.judge_prepared(&prepared, turn) else { return Ok(None) };
        let ruled = self.with_room(ruled, (b"", head.portal));
        self.batch_open = true;
        let veiled = self.veils(ruled.reading());
        let named = Statement { of: Some(prepared.record), ..named };
        let record = self.ledger.statement(turn, named, &ruled)?;
        if ruled.ruling() == Ruling::Hold && !self.skips() {
            let shown =
                recordable(&prepared.text, ruled.reading(), veiled, &self.options.key).text.into_owned();
            let shown = Shown { text: shown, values: values(head, veiled) };
            let message = HeldMessage::Head { prepared: Some(prepared), head: bytes.to_vec().into() };
            self.hold(message, ruled, record, shown, turn)?;
            return Ok(None);
        }
        let fate = match ruled.permit() {
            Some(permit) => {
                let left = turn.statement_begins(permit, bytes);
                Fate::Bind { left, portal, prepared, judged: ruled.judged().clone(), grant: None }
            }
            None => Fate::Refused(Refused::Bind(portal), ruled.refusal()),
        };
        Ok(Some((record, veiled, fate)))
    }

    fn function_call_begins(
        &mut self,
        head: &Head<'_>,
        bytes: &[u8],
        turn: &mut Turn<'_>,
    ) -> Result<Option<(u64, bool, Fate)>, Fault> {
        let veiled = self.masks.is_some();
        if let Some(Decided { record, ruled, grant }) = self.decided.take() {
            let fate = match grant {
                Ok(grant) => Fate::FunctionCall { left: turn.statement_begins(grant.permit(), bytes), ruled },
                Err(refusal) => Fate::Refused(Refused::FunctionCall(Rc::clone(ruled.reading())), refusal),
            };
            return Ok(Some((record, veiled, fate)));
        }
        if self.awaits_catalog(turn) {
            return Ok(None);
        }
        let ruled = self.rule_function(head.function);
        let statement = Statement { function: head.function, ..Statement::new(Protocol::FunctionCall) };
        let record = self.ledger.statement(turn, statement, &ruled)?;
        if ruled.ruling() == Ruling::Hold && !self.skips() {
            let text = format!("FunctionCall {}", head.function).into_bytes();
            let message = HeldMessage::Head { prepared: None, head: bytes.to_vec().into() };
            self.hold(message, ruled, record, Shown { text, values: values(head, veiled) }, turn)?;
            return Ok(None);
        }
        let fate = match ruled.permit() {
            Some(permit) => Fate::FunctionCall { left: turn.statement_begins(permit, bytes), ruled },
            None => {
                let refusal = ruled.refusal();
                Fate::Refused(Refused::FunctionCall(Rc::clone(ruled.reading())), refusal)
            }
        };
        Ok(Some((record, veiled, fate)))
    }

    /// A Query or a Parse beyond the limit.
    fn text_begins(
        &mut self,
        tag: u8,
        body: &[u8],
        length: u32,
        turn: &mut Turn<'_>,
    ) -> Result<(u64, bool, Fate), Fault> {
        let name = match tag {
            tag::PARSE => body.split(|byte| *byte == 0).next().filter(|name| name.len() < body.len()),
            _ => Some(&b""[..]),
        };
        let Some(name) = name else {
            let (message, what) = ("Parse", "its name is too long");
            return Err(Fault::Frontend(FrameError::Malformed { message, what }));
        };
        let limit = self.options.limits.message;
        let reading = self.rule(Rc::new(Reading::unreadable(b"", "a text beyond the limit")));
        let refusal = Refusal::limit(
            format!("a text of {length} bytes is too long: it is read whole, up to {limit} bytes"),
            "Bind large values as parameters, or use COPY: these pass at any length.",
        );
        let ruled = Ruled::refused(reading.judged().clone(), "limit", refusal);
        let protocol = if tag == tag::PARSE { Protocol::Parse } else { Protocol::Simple };
        let statement = Statement { name: name.into(), ..Statement::new(protocol) };
        let record = self.ledger.statement(turn, statement, &ruled)?;
        let refusal = ruled.refusal();
        let what = match protocol {
            Protocol::Parse => {
                self.batch_open = true;
                Refused::Parse(name.to_vec(), ruled)
            }
            _ => Refused::Query(Rc::clone(ruled.reading())),
        };
        Ok((record, true, Fate::Refused(what, refusal)))
    }
}

/// The beginning of the values, for a reviewer's eyes.
fn values(head: &Head<'_>, veiled: bool) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes.get(..SHOWN).unwrap_or(bytes)).into_owned();
    let mut shown: Vec<String> = Vec::new();
    let mut budget = 64 * SHOWN;
    for part in head.parts() {
        let value = match part {
            Part::Null => "NULL".to_owned(),
            Part::Whole(value) if veiled => format!("({} bytes)", value.len()),
            Part::Cut(_, length) if veiled => format!("({length} bytes)"),
            Part::Whole(value) if value.len() <= SHOWN => text(value),
            Part::Whole(value) => format!("{}… ({} bytes)", text(value), value.len()),
            Part::Cut(there, length) => format!("{}… ({length} bytes)", text(there)),
        };
        budget = budget.saturating_sub(value.len());
        if budget == 0 {
            break;
        }
        shown.push(value);
    }
    if shown.len() < usize::from(head.count) {
        shown.push(format!("… ({} values in all)", head.count));
    }
    shown
}
