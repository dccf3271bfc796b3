//! What fails: the server's errors, what it skips behind them, and what never gets an answer.

use std::borrow::Cow;

use evidence::{Body, StatementEnd};
use pgwire::backend::{Notice, NoticeFields, TransactionStatus, encode, notice, tag};

use super::backend::out_of_place;
use super::expected::Expected;
use super::names::Change;
use super::refusal::{QUERY_CANCELED, Refusal};
use super::run::Run;
use super::{Active, Waiting};
use crate::own::Own;
use crate::{Fault, Turn};

impl Active {
    /// The text of an error or a notice may hold masked values: of what runs, or of what may run now.
    pub(super) fn hides_text(&mut self, of: &Notice<'_>) -> bool {
        let (masked, meets_nothing) = match self.queue.front() {
            Some(
                Expected::Query { run, .. }
                | Expected::Execute { run, .. }
                | Expected::FunctionCall { run, .. },
            ) => (run.masks.is_some(), run.meets_nothing_masked()),
            Some(Expected::Parse { sent, .. } | Expected::Bind { sent, .. }) => (false, sent.clear),
            _ => (false, false),
        };
        let told = is_of_the_text(of) || is_of_the_session(of) || meets_nothing;
        let in_code = came_in_code(of) || (!meets_nothing && self.checks_call() && may_be_of_a_value(of));
        (masked || self.masks.is_some()) && (!told || in_code)
    }

    /// Whether there is a type the checks of whose values call functions.
    fn checks_call(&self) -> bool {
        let (catalog, _) = self.facts.catalog();
        !catalog.calls().types.is_empty()
    }

    pub(super) fn error(
        &mut self,
        error: Notice<'_>,
        frame: &[u8],
        turn: &mut Turn<'_>,
    ) -> Result<(), Fault> {
        let severity = error.get(notice::code::SEVERITY_NONLOCALIZED).or(error.get(notice::code::SEVERITY));
        let fatal = !matches!(severity, Some(b"ERROR"));
        if let Some(Expected::OwnFacts { failed, .. }) = self.queue.front()
            && !fatal
        {
            *failed = true;
            // It would have met the client's own message, a moment later. (A time limit of the session's says the same.)
            if error.get(notice::code::SQLSTATE) == Some(QUERY_CANCELED.as_bytes()) {
                let words = error.get(notice::code::MESSAGE).unwrap_or_default();
                self.interrupted = Some(Refusal::interrupted(String::from_utf8_lossy(words).into_owned()));
            }
            return Ok(());
        }
        if let Some(Expected::OwnFailing) = self.queue.front()
            && !fatal
        {
            self.queue.pop();
            return Ok(());
        }
        let from = turn.frontend().len();
        let refusal = match self.queue.front() {
            Some(
                Expected::Query { refusal, .. }
                | Expected::Execute { refusal, .. }
                | Expected::FunctionCall { refusal, .. }
                | Expected::Parse { refusal, .. }
                | Expected::Bind { refusal, .. },
            ) if !fatal => refusal.take(),
            _ => None,
        };
        let is_servers = |refusal: &Refusal| {
            refusal.is_servers && error.get(notice::code::SQLSTATE) == Some(refusal.sqlstate.as_bytes())
        };
        let hidden = refusal.is_none() && self.hides_text(&error);
        match &refusal {
            Some(refusal) if is_servers(refusal) => turn.frontend().extend_from_slice(frame),
            Some(refusal) => refusal.encode(turn.frontend())?,
            None if hidden => cut(&error, true, turn),
            None => turn.frontend().extend_from_slice(frame),
        }
        let (sqlstate, message) = match &refusal {
            Some(Refusal { sqlstate, message, .. }) => (sqlstate.as_bytes(), message.as_bytes()),
            None => {
                let message = error.get(notice::code::MESSAGE).filter(|_| !hidden);
                (error.get(notice::code::SQLSTATE).unwrap_or_default(), message.unwrap_or_default())
            }
        };
        match self.queue.front() {
            Some(
                Expected::Query { run, .. }
                | Expected::Execute { run, .. }
                | Expected::FunctionCall { run, .. },
            ) => {
                run.failed(sqlstate, message);
                // The client gets the error that it caused; the record of a veiled one only its SQLSTATE.
                if run.veils_errors && refusal.is_none() {
                    run.flush(&mut self.ledger, turn, self.options.limits.recorded)?;
                } else {
                    run.delivered(turn, from);
                }
                run.copy_begun = false;
                let (at, mut changes) = (run.at, std::mem::take(&mut run.changes));
                self.settle_changes(&mut changes, at);
            }
            Some(Expected::Parse { sent, .. } | Expected::Bind { sent, .. }) => {
                let failed = StatementEnd {
                    statement: sent.record,
                    sqlstate: Cow::Borrowed(sqlstate),
                    message: Cow::Borrowed(if sent.veiled && refusal.is_none() { b"" } else { message }),
                    duration_us: turn.now.mono_ns.saturating_sub(sent.begun.mono_ns) / 1000,
                    ..StatementEnd::default()
                };
                self.ledger.write(turn, &Body::StatementEnd(failed))?;
            }
            _ => {}
        }
        if matches!(self.waiting, Some(Waiting::Names | Waiting::CopyIn)) {
            self.waiting = None;
        }
        match self.queue.front() {
            // Everything that was sent behind a message of the extended protocol is skipped up to its Sync.
            Some(Expected::Query { .. } | Expected::FunctionCall { .. } | Expected::OwnFacts { .. })
            | None => {
                self.queue.copy_in_ends();
            }
            Some(Expected::Sync | Expected::OwnSync | Expected::AfterCopy { .. }) => {}
            Some(_) => self.skip_to_sync(turn)?,
        }
        if self.queue.crossed() > 0 && !fatal {
            self.doubt_after_copy(turn);
        }
        Ok(())
    }

    /// Syncs were sent into a COPY that has failed, or that the client's next message fails: the server has ignored those
    /// that it had read until then, and answers the others. It is asked which, before anything else is sent.
    pub(super) fn doubt_after_copy(&mut self, turn: &mut Turn<'_>) {
        self.queue.uncross();
        let extended = self.queue.skipping() || matches!(self.queue.front(), Some(Expected::Execute { .. }));
        self.push(Expected::AfterCopy { ready: Vec::new(), extended });
        self.after_copy_unasked = true;
        self.ask_after_copy(turn);
    }

    /// Behind the end of a message that is on its way.
    pub(super) fn ask_after_copy(&mut self, turn: &mut Turn<'_>) {
        if self.after_copy_unasked && self.from_frontend.at_boundary() {
            self.after_copy_unasked = false;
            turn.own(Own::AfterCopy { absent: self.options.absent.as_bytes() });
            self.waiting = Some(Waiting::AfterCopy);
        }
    }

    /// The server has answered. Of its ReadyForQuery the last is to our own Sync.
    pub(super) fn after_copy(
        &mut self,
        ready: &[TransactionStatus],
        extended: bool,
        turn: &mut Turn<'_>,
    ) -> Result<(), Fault> {
        let Some((_, answers)) = ready.split_last() else { return out_of_place(tag::CLOSE_COMPLETE) };
        for status in answers {
            encode::ready_for_query(turn.frontend(), *status);
            self.status = *status;
            self.batch_open = false;
            self.batch_refused = false;
            self.names.stretch_ends();
            if self.idle() {
                self.names.end_of_transaction();
            }
        }
        if self.queue.after_copy(answers.len(), extended) {
            // Ours has ended the skipping, which the client's own is to end.
            turn.own(Own::FailingExecute { absent: self.options.absent.as_bytes() });
            self.push(Expected::OwnFailing);
        }
        self.waiting = None;
        Ok(())
    }

    fn skip_to_sync(&mut self, turn: &mut Turn<'_>) -> Result<(), Fault> {
        let mut skipped = self.queue.skip_to_sync().into_iter();
        match skipped.next() {
            // What it was about has failed; the rest was never looked at.
            Some(Expected::Parse { change, .. }) => self.names.parse_failed(change),
            Some(Expected::Execute { run, .. }) => {
                run.end(&mut self.ledger, turn, self.options.limits.recorded)?;
            }
            Some(front) => self.skip(front, turn)?,
            None => {}
        }
        skipped.try_for_each(|entry| self.skip(entry, turn))
    }

    /// A message that the server does not answer: its names stay what they were, and its record ends.
    pub(super) fn skip(&mut self, entry: Expected, turn: &mut Turn<'_>) -> Result<(), Fault> {
        match entry {
            Expected::Parse { change, .. }
            | Expected::Bind { change: Some(change), .. }
            | Expected::Close { change } => self.names.undone(change),
            Expected::Execute { mut run, .. }
            | Expected::Query { mut run, .. }
            | Expected::FunctionCall { mut run, .. } => {
                self.settle_names(&mut run, 0);
                run.failed(b"", b"skipped: an earlier message of the pipeline failed");
                run.end(&mut self.ledger, turn, self.options.limits.recorded)?;
            }
            Expected::Bind { change: None, .. }
            | Expected::OwnClose
            | Expected::OwnSync
            | Expected::OwnFailing
            | Expected::AfterCopy { .. }
            | Expected::OwnDescribe { .. }
            | Expected::DescribeStatement { .. }
            | Expected::DescribePortal { .. }
            | Expected::Sync
            | Expected::CopyEnd
            | Expected::OwnFacts { .. } => {}
        }
        Ok(())
    }

    /// The statements of a run before that one have changed their names, the others have not.
    pub(super) fn settle_names(&mut self, run: &mut Run, done: usize) {
        self.settle_changes(&mut run.changes, done);
    }

    pub(super) fn settle_changes(&mut self, changes: &mut Vec<(usize, Change)>, done: usize) {
        for (index, change) in changes.drain(..) {
            match index < done {
                true => self.names.happened(change),
                false => self.names.undone(change),
            }
        }
    }

    /// The connection ends: statements that never got their answer are recorded as such.
    pub(crate) fn cut_off(&mut self, turn: &mut Turn<'_>) -> Result<(), Fault> {
        let most = self.options.limits.recorded;
        self.cut_off_streamed(turn)?;
        for entry in self.queue.drain() {
            if let Expected::Query { mut run, .. }
            | Expected::Execute { mut run, .. }
            | Expected::FunctionCall { mut run, .. } = entry
            {
                run.failed(b"", b"the connection ended before the server had answered");
                run.end(&mut self.ledger, turn, most)?;
            }
        }
        Ok(())
    }
}

/// Whether it was found in the client's own text, before anything ran: it points into that. (What fails in the body of a
/// function points into the body.)
fn is_of_the_text(of: &Notice<'_>) -> bool {
    of.get(notice::code::POSITION).is_some() && of.get(notice::code::INTERNAL_QUERY).is_none()
}

/// Whether it tells of the session alone, in words that are always the same: that a time limit or the client has cancelled
/// a statement, that there is no transaction to commit or that it has failed before, or no cursor or statement of the name that
/// the client has written. Which function says it no RAISE can choose.
fn is_of_the_session(of: &Notice<'_>) -> bool {
    // What these say of itself; what fails in what they run says so under the name of where it failed.
    let of_the_session = matches!(
        of.get(notice::code::ROUTINE),
        Some(
            b"ProcessInterrupts"
                | b"EndTransactionBlock"
                | b"PerformPortalFetch"
                | b"FetchPreparedStatement"
                | b"exec_simple_query"
                | b"exec_parse_message"
                | b"exec_bind_message"
                | b"exec_describe_statement_message"
                | b"exec_describe_portal_message"
                | b"exec_execute_message"
        )
    );
    of_the_session
        && of.get(notice::code::CONTEXT).is_none()
        && of.get(notice::code::INTERNAL_QUERY).is_none()
}

/// Whether it may have come from the body of a function, which can hold what no statement tells: PostgreSQL runs some already as
/// it reads a literal, for the check of a domain in an array, and some as it plans, or behind a command. Each language says where
/// it was. So do PostgreSQL's own JSON, with no more than the value's text, what waits for a row, Bind of the parameter that
/// it reads, and COPY of the client's line; each in a line.
fn came_in_code(of: &Notice<'_>) -> bool {
    const OWN: [&[u8]; 5] =
        [b"JSON data, line ", b"while ", b"unnamed portal parameter $", b"portal \"", b"COPY "];
    let own = |line: &[u8]| OWN.iter().any(|begin| line.starts_with(begin));
    of.get(notice::code::CONTEXT).is_some_and(|context| !context.split(|&byte| byte == b'\n').all(own))
}

/// Whether it may be of a value in the client's text, whose type is checked as it is read: by an expression, which has no context
/// of its own, and points into the text as well. The functions of the parser that say what most people get wrong read no value.
fn may_be_of_a_value(of: &Notice<'_>) -> bool {
    let of_the_grammar = of
        .get(notice::code::ROUTINE)
        .is_some_and(|routine| OF_THE_GRAMMAR.iter().any(|own| own.as_bytes() == routine));
    of.get(notice::code::POSITION).is_some() && !of_the_grammar
}

/// Those that say that a name is not there or means several things, or that types or words do not go together (`src/backend/parser`).
const OF_THE_GRAMMAR: [&str; 18] = [
    "ParseFuncOrColumn",
    "checkInsertTargets",
    "check_ungrouped_columns_walker",
    "coerce_to_boolean",
    "coerce_to_specific_type_typmod",
    "colNameToVar",
    "errorMissingColumn",
    "errorMissingRTE",
    "op_error",
    "parserOpenTable",
    "refnameNamespaceItem",
    "scanRTEForColumn",
    "scanner_yyerror",
    "select_common_type",
    "transformAssignedExpr",
    "transformInsertRow",
    "transformUpdateTargetList",
    "unknown_attribute",
];

/// The text of an error or a notice may hold values of masked columns: severity and SQLSTATE are what stays.
pub(super) fn cut(from: &Notice<'_>, error: bool, turn: &mut Turn<'_>) {
    let text = |code| from.get(code).and_then(|value| std::str::from_utf8(value).ok());
    let severity =
        text(notice::code::SEVERITY_NONLOCALIZED).or(text(notice::code::SEVERITY)).unwrap_or("ERROR");
    let sqlstate = text(notice::code::SQLSTATE).unwrap_or("XX000");
    let fields = NoticeFields::new(severity, sqlstate, "the message is not shown where columns are masked");
    let encoded = match error {
        true => fields.encode_error(turn.frontend()),
        false => fields.encode_notice(turn.frontend()),
    };
    debug_assert!(encoded.is_ok(), "fields that came in a message hold no zero byte");
}

#[cfg(test)]
mod tests {
    use super::*;
    use pgwire::backend::Message;

    #[test]
    fn context_tells_that_code_ran() {
        for (context, expected) in [
            (None, false),
            (Some("PL/pgSQL function f(text) line 1 at RAISE"), true),
            (Some("SQL function \"f\" statement 1"), true),
            (Some("JSON data, line 1: {x"), false),
            (Some("JSON data, line 1: {x\nPL/pgSQL function f(text) line 1 at assignment"), true),
            (Some("unnamed portal parameter $1"), false),
            (Some("portal \"p\" parameter $2 = 'x'"), false),
            (Some("JSON data, line 1: {x\nunnamed portal parameter $1"), false),
            (Some("PL/pgSQL function f(text) line 1 at RAISE\nunnamed portal parameter $1"), true),
            (Some("COPY t, line 2, column id: \"x\""), false),
            (Some("JSON data, line 1: {x\nCOPY t, line 2, column doc: \"{x\""), false),
            (Some("PL/pgSQL function f(text) line 1 at RAISE\nCOPY t, line 2, column id: \"x\""), true),
            (Some("while locking tuple (0,1) in relation \"t\""), false),
            (Some("while locking tuple (0,1) in relation \"t\"\nSQL function \"f\" statement 1"), true),
        ] {
            let mut body = b"SERROR\0C22012\0Mx\0P8\0".to_vec();
            if let Some(context) = context {
                body.extend([b"W", context.as_bytes(), b"\0"].concat());
            }
            body.push(0);
            let Ok(Message::ErrorResponse(error)) = Message::parse(tag::ERROR_RESPONSE, &body) else {
                panic!()
            };
            assert!(is_of_the_text(&error));
            assert_eq!(came_in_code(&error), expected, "{context:?}");
        }
    }

    #[test]
    fn what_tells_of_the_session_alone_is_told_by_who_says_it() {
        for (rest, expected) in [
            (&b"Rexec_simple_query\0"[..], true),
            (b"Rexec_bind_message\0", true),
            (b"RPerformPortalFetch\0", true),
            (b"RPerformPortalFetch\0WPL/pgSQL function f() line 1 at EXECUTE\0", false),
            (b"Rexec_stmt_raise\0", false),
            (b"", false),
        ] {
            let body = [b"SERROR\0C25P02\0Mx\0", rest, b"\0"].concat();
            let Ok(Message::ErrorResponse(error)) = Message::parse(tag::ERROR_RESPONSE, &body) else {
                panic!()
            };
            assert_eq!(is_of_the_session(&error), expected, "{rest:?}");
        }
    }

    #[test]
    fn what_checks_a_value_points_into_the_text_as_the_grammar_does() {
        for (routine, expected) in
            [("pg_strtoint32", true), ("regclassin", true), ("errorMissingColumn", false)]
        {
            for (position, expected) in [("P8\0", expected), ("", false)] {
                let body = format!("SERROR\0C22P02\0Mx\0{position}R{routine}\0\0");
                let Ok(Message::ErrorResponse(error)) = Message::parse(tag::ERROR_RESPONSE, body.as_bytes())
                else {
                    panic!()
                };
                assert_eq!(may_be_of_a_value(&error), expected, "{routine} {position}");
            }
        }
    }
}
