//! `portreeve audit replay`: a session as it went, with the results as the workload saw them.

mod results;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::time::Duration;

use evidence::{Body, Decision, Header, ResultChunk, ResultCut, Ruling, SessionId, StatementEnd, Stream};
use pgwire::HEADER_LEN;
use pgwire::frontend::{Head, Part, tag};
use serde_json::Value;

use super::story::Statements;
use super::{Error, Format, Source, json, who};
use crate::cli::table::{duration, observed, plain, time};
use results::Columns;

/// How much of a value is shown of a message that is too long for its statement's record, in bytes.
const LONGEST_VALUE: usize = 1024;

/// The longest wait between two records, however long the workload was idle.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

pub(super) fn run(
    source: &dyn Source,
    session: SessionId,
    format: Format,
    speed: Option<f64>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let mut replay = Replay {
        out,
        format,
        statements: Statements::default(),
        open: BTreeMap::new(),
        columns: BTreeMap::new(),
        messages: BTreeSet::new(),
    };
    let mut before: Option<u64> = None;
    source.read(Some(session), &mut |header, body| {
        if let (Some(speed), Some(before)) = (speed.filter(|speed| *speed > 0.0), before) {
            replay.out.flush()?;
            let gap = Duration::from_nanos(header.times.mono_ns.saturating_sub(before)).as_secs_f64() / speed;
            std::thread::sleep(Duration::try_from_secs_f64(gap).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT));
        }
        before = Some(header.times.mono_ns);
        replay.record(header, body)
    })?;
    replay.unfinished()
}

struct Replay<'o> {
    out: &'o mut dyn Write,
    format: Format,
    statements: Statements,
    /// What has come of each statement that has not ended.
    open: BTreeMap<u64, Open>,
    /// The columns that were told of a statement, for those that rest on it.
    columns: BTreeMap<u64, Columns>,
    /// Statements whose own message has begun.
    messages: BTreeSet<u64>,
}

#[derive(Default)]
struct Open {
    backend: Vec<u8>,
    copied_in: Vec<u8>,
}

impl Replay<'_> {
    fn record(&mut self, header: &Header, bytes: &[u8]) -> Result<(), Error> {
        let Some((_, sequence)) = header.session else { return Ok(()) };
        let decoded = Body::decode(header.kind, bytes);
        match &decoded {
            Ok(Body::Statement(statement)) => self.statements.add(sequence, statement),
            Ok(Body::ResultChunk(chunk)) => {
                if chunk.stream == Stream::Message {
                    return self.tell_message(chunk);
                }
                let open = self.open.entry(chunk.statement).or_default();
                match chunk.stream {
                    Stream::Message => {}
                    Stream::Backend => open.backend.extend_from_slice(&chunk.frames),
                    Stream::CopyIn => open.copied_in.extend_from_slice(&chunk.frames),
                }
                return Ok(());
            }
            _ => {}
        }
        if self.format == Format::Json {
            return self.record_json(header, bytes, decoded.as_ref().ok());
        }
        let at = time(header.times.wall_us);
        match &decoded {
            _ if bytes.is_empty() => writeln!(self.out, "{at}  #{sequence} {} (erased)", header.kind)?,
            Ok(body) => self.tell(&at, sequence, body)?,
            Err(_) => writeln!(self.out, "{at}  #{sequence} {} (unreadable)", header.kind)?,
        }
        Ok(())
    }

    fn tell(&mut self, at: &str, sequence: u64, body: &Body<'_>) -> Result<(), Error> {
        let text = |text: &str| plain(text.as_bytes(), false);
        match body {
            Body::SessionStart(start) => who::tell(self.out, at, start)?,
            Body::Statement(statement) => {
                let protocol = statement.protocol.name();
                write!(self.out, "{at}  #{sequence} {protocol}")?;
                if let Some(decision) = &statement.decision {
                    write!(self.out, "  {}", verdict(decision))?;
                }
                writeln!(self.out)?;
                self.tell_statement(sequence, statement.decision.as_ref())?;
            }
            Body::Decision(judged) => {
                writeln!(self.out, "{at}  #{} {}", judged.statement, verdict(&judged.decision))?;
                self.tell_findings(&judged.decision)?;
            }
            Body::Hold(hold) => writeln!(
                self.out,
                "{at}  #{} waits for a reviewer: request {}, until {}",
                hold.statement,
                text(&hold.request),
                time(hold.expires_us)
            )?,
            Body::HoldEnd(end) => {
                write!(self.out, "{at}  #{} {}", end.statement, end.outcome.name())?;
                if !end.reviewer.is_empty() {
                    write!(self.out, " by {}", text(&end.reviewer))?;
                }
                if !end.reason.is_empty() {
                    write!(self.out, ": {}", text(&end.reason))?;
                }
                writeln!(self.out)?;
            }
            Body::ResultCut(cut) => self.tell_cut(at, cut)?,
            Body::StatementEnd(end) => self.tell_end(at, end)?,
            Body::SessionEnd(end) => writeln!(self.out, "{at}  session over: {}", text(&end.reason))?,
            _ => writeln!(self.out, "{at}  {}", body.kind())?,
        }
        Ok(())
    }

    fn tell_statement(&mut self, sequence: u64, decision: Option<&Decision<'_>>) -> Result<(), Error> {
        for line in plain(self.statements.text(sequence), true).lines() {
            writeln!(self.out, "    {line}")?;
        }
        for (index, value) in self.statements.parameters(sequence).iter().enumerate() {
            let value = match (&value.bytes, value.format) {
                (None, _) => "NULL".to_owned(),
                (Some(bytes), 0) => format!("'{}'", plain(bytes, false)),
                (Some(bytes), _) => format!("\\x{}", hex::encode(bytes)),
            };
            writeln!(self.out, "    ${} = {value}", index + 1)?;
        }
        match decision {
            Some(decision) if decision.ruling != Ruling::Allow || decision.would.is_some() => {
                self.tell_findings(decision)
            }
            _ => Ok(()),
        }
    }

    /// A Bind or FunctionCall too long for its statement's record: where it begins, its values as far as they are there.
    fn tell_message(&mut self, chunk: &ResultChunk<'_>) -> Result<(), Error> {
        if self.format == Format::Json || !self.messages.insert(chunk.statement) {
            return Ok(());
        }
        let body = chunk.frames.get(HEADER_LEN..).unwrap_or_default();
        let head = match chunk.frames.first() {
            Some(&tag::BIND) => Head::of_bind(body),
            _ => Head::of_function_call(body),
        };
        let Ok(head) = head else { return Ok(()) };
        for (index, part) in head.parts().enumerate() {
            write!(self.out, "    ${} = ", index + 1)?;
            let shown = |bytes: &[u8]| plain(bytes.get(..LONGEST_VALUE).unwrap_or(bytes), false);
            match part {
                Part::Null => writeln!(self.out, "NULL")?,
                Part::Whole(value) if value.len() <= LONGEST_VALUE => {
                    writeln!(self.out, "'{}'", shown(value))?;
                }
                Part::Whole(value) => writeln!(self.out, "'{}…' ({} bytes)", shown(value), value.len())?,
                Part::Cut(there, length) => writeln!(self.out, "'{}…' ({length} bytes)", shown(there))?,
            }
        }
        Ok(())
    }

    fn tell_findings(&mut self, decision: &Decision<'_>) -> Result<(), Error> {
        for finding in &*decision.findings {
            let rule = plain(finding.rule.as_bytes(), false);
            let action = plain(finding.action.as_bytes(), false);
            write!(self.out, "    {} {action} (rule {rule})", finding.ruling.name())?;
            if let Some(would) = &finding.would {
                write!(self.out, ", {}", observed(would))?;
            }
            writeln!(self.out)?;
        }
        Ok(())
    }

    fn tell_cut(&mut self, at: &str, cut: &ResultCut) -> Result<(), Error> {
        writeln!(
            self.out,
            "{at}  #{} {} cut: {} of {} bytes are recorded, {} rows in all, SHA-256 of the rest {}",
            cut.statement,
            cut.stream.name(),
            cut.recorded,
            cut.bytes,
            cut.rows,
            cut.rest
        )?;
        Ok(())
    }

    fn tell_end(&mut self, at: &str, end: &StatementEnd<'_>) -> Result<(), Error> {
        let mut open = self.open.remove(&end.statement).unwrap_or_default();
        open.backend.extend_from_slice(&end.frames);
        self.tell_results(end.statement, &open)?;
        write!(self.out, "{at}  #{} ", end.statement)?;
        if !end.sqlstate.is_empty() {
            write!(self.out, "error {}: {}", plain(&end.sqlstate, false), plain(&end.message, false))?;
        } else if end.tag.is_empty() {
            write!(self.out, "done")?;
        } else {
            write!(self.out, "{}", plain(&end.tag, false))?;
        }
        writeln!(self.out, " ({} rows, {})", end.rows, duration(end.duration_us))?;
        Ok(())
    }

    fn tell_results(&mut self, statement: u64, open: &Open) -> Result<(), Error> {
        if !open.copied_in.is_empty() {
            for line in plain(&results::copied(&open.copied_in), true).lines() {
                writeln!(self.out, "    > {line}")?;
            }
        }
        let known = self.columns_of(statement);
        let last = results::print(&open.backend, known, self.out)?;
        self.columns.extend(last.map(|columns| (statement, columns)));
        Ok(())
    }

    /// The columns that were told before: of the portal by Bind's Describe, or of the statement by Parse's.
    fn columns_of(&self, statement: u64) -> Option<Columns> {
        let rests_on = |statement: &u64| self.statements.rests_on(*statement);
        std::iter::successors(Some(statement), rests_on)
            .take(3)
            .find_map(|one| self.columns.get(&one))
            .cloned()
    }

    fn record_json(&mut self, header: &Header, bytes: &[u8], body: Option<&Body<'_>>) -> Result<(), Error> {
        let mut object = json::header(header);
        object.insert("erased".into(), bytes.is_empty().into());
        object.insert("body".into(), body.map_or(Value::Null, json::body));
        if let Some(Body::StatementEnd(end)) = body {
            let mut open = self.open.remove(&end.statement).unwrap_or_default();
            open.backend.extend_from_slice(&end.frames);
            let (results, last) = results::json(&open.backend, self.columns_of(end.statement));
            self.columns.extend(last.map(|columns| (end.statement, columns)));
            object.insert("results".into(), results);
            object.insert("copied_in".into(), json::bytes(&results::copied(&open.copied_in)));
            object.insert("text".into(), json::bytes(self.statements.text(end.statement)));
        }
        writeln!(self.out, "{}", Value::Object(object))?;
        Ok(())
    }

    /// What came of statements whose end is not in the record.
    fn unfinished(&mut self) -> Result<(), Error> {
        if self.format == Format::Json {
            return Ok(());
        }
        for (statement, open) in std::mem::take(&mut self.open) {
            self.tell_results(statement, &open)?;
            writeln!(self.out, "    #{statement} has no end in the record")?;
        }
        Ok(())
    }
}

fn verdict(decision: &Decision<'_>) -> String {
    let decided = match &*decision.rule {
        "" => decision.ruling.name().to_owned(),
        rule => format!("{} by rule {}", decision.ruling.name(), plain(rule.as_bytes(), false)),
    };
    match &decision.would {
        None => decided,
        Some(would) => format!("{decided}, {}", observed(would)),
    }
}
