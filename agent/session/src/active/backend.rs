//! Messages from the server: each answers what is in front of the queue, and is masked and recorded before
//! the client has it.

use pgwire::backend::{Message, TransactionStatus, tag};
use pgwire::{FrameError, HEADER_LEN, Piece, Whole};

use super::expected::Expected;
use super::failing::cut;
use super::run::Run;
use super::{Active, Waiting};
use crate::own::Asked;
use crate::{Fault, Request, Turn};

/// Messages other than rows and COPY data are read whole.
const MOST: usize = 16 << 20;

impl Active {
    /// Takes what the server sent, and says how many bytes of it are done with.
    pub(crate) fn backend(&mut self, input: &[u8], turn: &mut Turn<'_>) -> Result<usize, Fault> {
        let limit = self.options.limits.row;
        let mut at = 0;
        loop {
            let row = match self.queue.front() {
                Some(Expected::Query { run, .. } | Expected::Execute { run, .. }) if run.masks.is_none() => {
                    Whole::Streamed
                }
                _ => Whole::Needed { limit },
            };
            let whole = |tag: u8| match tag {
                tag::DATA_ROW => row,
                tag::COPY_DATA | tag::FUNCTION_CALL_RESPONSE => Whole::Streamed,
                _ => Whole::Needed { limit: MOST },
            };
            let rest = input.get(at..).unwrap_or_default();
            let passed = self.pass(rest, turn)?;
            if passed > 0 {
                at += passed;
                self.give_notice(turn)?;
                continue;
            }
            let Some(piece) = self.from_backend.next(rest, whole).map_err(Fault::Backend)? else { break };
            at += piece.len();
            match piece {
                Piece::Frame { tag, frame } => self.answer(tag, frame, turn)?,
                Piece::Begin { tag, bytes, .. } => {
                    if tag == tag::DATA_ROW {
                        self.current_run(tag)?.rows(1);
                    }
                    self.result(tag, bytes, turn)?;
                }
                Piece::Middle { tag, bytes } | Piece::End { tag, bytes } => self.result(tag, bytes, turn)?,
            }
            self.give_notice(turn)?;
        }
        Ok(at)
    }

    /// Rows and COPY data that the client gets as they are, as many as stand in front: how many bytes of them.
    fn pass(&mut self, input: &[u8], turn: &mut Turn<'_>) -> Result<usize, Fault> {
        let tag = match input.first() {
            Some(tag @ (&tag::DATA_ROW | &tag::COPY_DATA)) => *tag,
            _ => return Ok(0),
        };
        let columns = match self.queue.front() {
            Some(Expected::Query { run, .. } | Expected::Execute { run, .. }) => match &run.masks {
                None => None,
                // Nothing of these columns is masked; a row that has others is not one of them.
                Some(_) if tag == tag::DATA_ROW => match run.row_plan().and_then(|plan| plan.identity()) {
                    Some(columns) => Some(columns),
                    None => return Ok(0),
                },
                Some(_) => return Ok(0),
            },
            _ => return Ok(0),
        };
        let (frames, count) = self
            .from_backend
            .alike(input, tag, |body| columns.is_none_or(|columns| body.starts_with(&columns.to_be_bytes())));
        if count < 2 {
            return Ok(0);
        }
        if tag == tag::DATA_ROW {
            self.current_run(tag)?.rows(count);
        }
        self.result(tag, frames, turn)?;
        Ok(frames.len())
    }

    /// The turn is over: what it has put before the client is recorded.
    pub(crate) fn flush_results(&mut self, turn: &mut Turn<'_>) -> Result<(), Fault> {
        let most = self.options.limits.recorded;
        match self.queue.front() {
            Some(
                Expected::Query { run, .. }
                | Expected::Execute { run, .. }
                | Expected::FunctionCall { run, .. },
            ) => run.flush(&mut self.ledger, turn, most),
            _ => Ok(()),
        }
    }

    fn answer(&mut self, tag: u8, frame: &[u8], turn: &mut Turn<'_>) -> Result<(), Fault> {
        let body = frame.get(HEADER_LEN..).unwrap_or_default();
        match tag {
            tag::DATA_ROW => return self.row(frame, turn),
            tag::COPY_DATA | tag::COPY_DONE | tag::COPY_OUT_RESPONSE | tag::FUNCTION_CALL_RESPONSE => {
                self.result(tag, frame, turn)?;
                if tag == tag::FUNCTION_CALL_RESPONSE
                    && let Some(Expected::FunctionCall { run, .. }) = self.queue.front()
                {
                    run.complete(b"");
                }
                return Ok(());
            }
            _ => {}
        }
        match Message::parse(tag, body).map_err(Fault::Backend)? {
            Message::ReadyForQuery(status) => self.ready(status, frame, turn),
            Message::ErrorResponse(error) => self.error(error, frame, turn),
            Message::NoticeResponse(notice) => {
                self.flush_results(turn)?;
                match self.hides_text(&notice) {
                    true => cut(&notice, false, turn),
                    false => turn.frontend().extend_from_slice(frame),
                }
                Ok(())
            }
            Message::ParameterStatus { name, value } => {
                self.facts.parameter(name, value);
                self.flush_results(turn)?;
                turn.frontend().extend_from_slice(frame);
                Ok(())
            }
            Message::NotificationResponse { .. } => {
                self.flush_results(turn)?;
                turn.frontend().extend_from_slice(frame);
                Ok(())
            }
            Message::RowDescription(fields) => self.described(Some(fields), tag, frame, turn),
            Message::NoData => self.described(None, tag, frame, turn),
            Message::ParameterDescription(_) => match self.queue.front() {
                Some(Expected::DescribeStatement { .. }) => {
                    turn.frontend().extend_from_slice(frame);
                    Ok(())
                }
                _ => out_of_place(tag),
            },
            Message::CommandComplete(text) => self.complete(tag, text, frame, turn),
            Message::EmptyQueryResponse => self.complete(tag, b"", frame, turn),
            Message::PortalSuspended => match self.queue.front() {
                Some(Expected::Execute { .. }) => self.complete(tag, b"", frame, turn),
                _ => out_of_place(tag),
            },
            Message::CopyBothResponse(_) if !self.replicates => out_of_place(tag),
            // Of a COPY in both directions the client's data has its end, and the server's its own.
            Message::CopyInResponse(_) | Message::CopyBothResponse(_) => {
                self.result(tag, frame, turn)?;
                self.current_run(tag)?.copy_begun = true;
                if !self.queue.copy_in_begins() {
                    return out_of_place(tag);
                }
                if self.waiting == Some(Waiting::CopyIn) {
                    self.waiting = None;
                }
                Ok(())
            }
            Message::ParseComplete | Message::BindComplete | Message::CloseComplete => {
                self.acknowledged(tag, frame, turn)
            }
            Message::Authentication(_)
            | Message::BackendKeyData { .. }
            | Message::CopyData(_)
            | Message::CopyDone
            | Message::CopyOutResponse(_)
            | Message::DataRow(_)
            | Message::FunctionCallResponse(_)
            | Message::NegotiateProtocolVersion { .. } => out_of_place(tag),
        }
    }

    /// One of our own that must fail and does not is a server that breaks the protocol.
    pub(super) fn acknowledged(&mut self, tag: u8, frame: &[u8], turn: &mut Turn<'_>) -> Result<(), Fault> {
        match (tag, self.queue.pop()) {
            (tag::PARSE_COMPLETE, Some(Expected::Parse { change, refusal: None, .. }))
            | (tag::BIND_COMPLETE, Some(Expected::Bind { change: Some(change), refusal: None, .. }))
            | (tag::CLOSE_COMPLETE, Some(Expected::Close { change })) => self.names.happened(change),
            (tag::PARSE_COMPLETE | tag::BIND_COMPLETE | tag::CLOSE_COMPLETE, Some(facts))
                if matches!(facts, Expected::OwnFacts { .. }) =>
            {
                self.queue.put_back(facts);
                return Ok(());
            }
            (tag::CLOSE_COMPLETE, Some(Expected::OwnClose)) => return Ok(()),
            (tag::CLOSE_COMPLETE, Some(Expected::AfterCopy { ready, extended })) => {
                return self.after_copy(&ready, extended, turn);
            }
            (
                tag::ROW_DESCRIPTION | tag::NO_DATA,
                Some(Expected::DescribeStatement { .. } | Expected::DescribePortal { .. }),
            ) => {}
            _ => return out_of_place(tag),
        }
        turn.frontend().extend_from_slice(frame);
        Ok(())
    }

    fn current_run(&mut self, tag: u8) -> Result<&mut Run, Fault> {
        match self.queue.front() {
            Some(
                Expected::Query { run, refusal: None }
                | Expected::Execute { run, refusal: None }
                | Expected::FunctionCall { run, refusal: None },
            ) => Ok(run),
            _ => Err(Fault::BackendOutOfPlace { message: tag::name(tag).unwrap_or("a message") }),
        }
    }

    /// Bytes of a result go to the client as they are.
    pub(super) fn result(&mut self, tag: u8, bytes: &[u8], turn: &mut Turn<'_>) -> Result<(), Fault> {
        let run = self.current_run(tag)?;
        let from = turn.frontend().len();
        turn.frontend().extend_from_slice(bytes);
        run.delivered(turn, from);
        Ok(())
    }

    fn row(&mut self, frame: &[u8], turn: &mut Turn<'_>) -> Result<(), Fault> {
        if let Some(Expected::OwnFacts { told, .. }) = self.queue.front() {
            if let Message::DataRow(mut cells) =
                Message::parse(tag::DATA_ROW, frame.get(HEADER_LEN..).unwrap_or_default())
                    .map_err(Fault::Backend)?
                && let Some(Some(name)) = cells.next()
            {
                told.push(String::from_utf8_lossy(name).into_owned());
            }
            return Ok(());
        }
        let options = std::rc::Rc::clone(&self.options);
        let run = self.current_run(tag::DATA_ROW)?;
        let masked = run.masks.is_some();
        run.rows(1);
        let from = turn.frontend().len();
        if masked {
            // Without a plan nothing is known of the row: that cannot be, since a description comes first.
            let Some(plan) = run.row_plan() else { return out_of_place(tag::DATA_ROW) };
            plan.apply(frame, &options.key, turn.frontend())?;
        } else {
            turn.frontend().extend_from_slice(frame);
        }
        run.delivered(turn, from);
        Ok(())
    }

    fn complete(&mut self, tag: u8, text: &[u8], frame: &[u8], turn: &mut Turn<'_>) -> Result<(), Fault> {
        if matches!(self.queue.front(), Some(Expected::OwnFacts { .. })) {
            return Ok(());
        }
        self.result(tag, frame, turn)?;
        self.current_run(tag)?.complete(text);
        self.queue.uncross();
        if matches!(self.waiting, Some(Waiting::AfterCopy | Waiting::CopyIn)) {
            self.waiting = None;
        }
        if let Some(Expected::Execute { .. }) = self.queue.front()
            && let Some(Expected::Execute { mut run, .. }) = self.queue.pop()
        {
            self.settle_names(&mut run, usize::MAX);
            run.end(&mut self.ledger, turn, self.options.limits.recorded)?;
        }
        Ok(())
    }

    fn ready(&mut self, status: TransactionStatus, frame: &[u8], turn: &mut Turn<'_>) -> Result<(), Fault> {
        let most = self.options.limits.recorded;
        let own = match self.queue.pop() {
            Some(Expected::Sync) => false,
            Some(Expected::OwnSync) => true,
            Some(Expected::AfterCopy { mut ready, extended }) => {
                ready.push(status);
                self.queue.put_back(Expected::AfterCopy { ready, extended });
                return Ok(());
            }
            Some(
                Expected::Query { mut run, refusal: None }
                | Expected::FunctionCall { mut run, refusal: None },
            ) => {
                self.settle_names(&mut run, usize::MAX);
                run.end(&mut self.ledger, turn, most)?;
                false
            }
            Some(Expected::OwnFacts { told, asked, failed }) => {
                match (asked, told.is_empty()) {
                    _ if failed => {}
                    (Asked::Plans, _) => self.renewals += 1,
                    // The client's next message still waits.
                    (Asked::Path, true) if self.waiting == Some(Waiting::Facts) => {
                        self.status = status;
                        self.ask_facts(Asked::Listed, turn);
                        return Ok(());
                    }
                    (_, true) => {}
                    (Asked::Path | Asked::Listed, false) => self.facts.path_is(told),
                    (Asked::Reach, false) => self.facts.reach_is(told),
                }
                if self.waiting == Some(Waiting::Facts) {
                    self.waiting = None;
                }
                true
            }
            _ => return out_of_place(tag::READY_FOR_QUERY),
        };
        self.status = status;
        if !own {
            turn.frontend().extend_from_slice(frame);
        }
        if self.queue.is_empty() && !self.queue.skipping() {
            self.facts.at_rest(self.idle());
            if self.waiting == Some(Waiting::Rest) {
                self.waiting = None;
            }
            // Even if this one sends nothing more.
            if self.idle() && !own && self.facts.catalog_doubtful() {
                self.catalog_early = true;
                turn.request(Request::ShareCatalog);
            }
        }
        if matches!(self.waiting, Some(Waiting::Names | Waiting::CopyIn)) {
            self.waiting = None;
        }
        if self.idle() && !own {
            self.names.end_of_transaction();
        }
        Ok(())
    }
}

pub(super) fn out_of_place<T>(tag: u8) -> Result<T, Fault> {
    match tag::name(tag) {
        Some(message) => Err(Fault::BackendOutOfPlace { message }),
        None => Err(Fault::Backend(FrameError::UnknownTag { tag })),
    }
}
