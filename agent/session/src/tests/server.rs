//! A model of PostgreSQL as far as sessions see it: names, transactions, the skip to Sync, COPY.
//!
//! It answers texts of a few words, and keeps what it really ran, whatever the session believes.

mod run;
mod text;

use std::collections::HashMap;

use bytes::BytesMut;
use pgwire::backend::{NoticeFields, TransactionStatus, encode};
use pgwire::frontend::{Bind, Message, Target, tag};
use pgwire::{HEADER_LEN, Header};

use text::{Sql, split};

pub(crate) struct Server {
    input: BytesMut,
    held: BytesMut,
    pub(crate) output: BytesMut,
    statements: HashMap<Vec<u8>, String>,
    portals: HashMap<Vec<u8>, Portal>,
    status: TransactionStatus,
    skipping: bool,
    /// In COPY FROM STDIN, begun by a Query or not.
    copying: Option<bool>,
    /// The statements of the Query behind that COPY.
    behind_copy: Vec<String>,
    pub(crate) path: Vec<String>,
    /// It would have to make a schema to tell the path.
    pub(crate) path_makes_schema: bool,
    /// Its time limit ends the next Execute.
    pub(crate) runs_out_of_time: bool,
    /// Every statement that ran, as it was when it ran.
    pub(crate) ran: Vec<String>,
    /// Every message but those of the start-up, whole.
    pub(crate) received: Vec<Vec<u8>>,
    pub(crate) closed: bool,
    started: bool,
    depth: usize,
}

struct Portal {
    text: String,
    /// What runs here: an EXECUTE or a FETCH reads its name only now.
    rows_given: Option<usize>,
}

/// What stands in the way of a statement.
struct Failure(&'static str, String);

impl Server {
    pub(crate) fn new() -> Self {
        Server {
            input: BytesMut::new(),
            held: BytesMut::new(),
            output: BytesMut::new(),
            statements: HashMap::new(),
            portals: HashMap::new(),
            status: TransactionStatus::Idle,
            skipping: false,
            copying: None,
            behind_copy: Vec::new(),
            path_makes_schema: false,
            runs_out_of_time: false,
            path: vec!["pg_catalog".to_owned(), "public".to_owned()],
            ran: Vec::new(),
            received: Vec::new(),
            closed: false,
            started: false,
            depth: 0,
        }
    }

    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// Takes one message, if there is one.
    pub(crate) fn step(&mut self) -> bool {
        if self.closed {
            return false;
        }
        if !self.started {
            return self.start();
        }
        let Some(header) = Header::parse(&self.input).unwrap() else { return false };
        if self.input.len() < header.frame_len() {
            return false;
        }
        let frame = self.input.split_to(header.frame_len());
        self.received.push(frame.to_vec());
        self.message(header.tag, &frame[HEADER_LEN..]);
        true
    }

    fn start(&mut self) -> bool {
        let Some((_, len)) = pgwire::startup::Packet::parse(&self.input).unwrap() else { return false };
        drop(self.input.split_to(len));
        self.started = true;
        encode::authentication_ok(&mut self.output);
        encode::parameter_status(&mut self.output, b"standard_conforming_strings", b"on").unwrap();
        encode::parameter_status(&mut self.output, b"client_encoding", b"UTF8").unwrap();
        encode::backend_key_data(&mut self.output, 77, b"real").unwrap();
        encode::ready_for_query(&mut self.output, self.status);
        true
    }

    fn flush(&mut self) {
        self.output.extend_from_slice(&self.held.split());
    }

    fn message(&mut self, tag: u8, body: &[u8]) {
        let message = Message::parse(tag, body).unwrap();
        if let Some(simple) = self.copying {
            return self.copy(&message, simple);
        }
        match message {
            Message::Sync => {
                self.skipping = false;
                self.ready();
            }
            Message::Terminate => self.closed = true,
            _ if self.skipping => {}
            Message::Query(text) => self.query(&String::from_utf8_lossy(text)),
            Message::FunctionCall(call) => {
                match call.function {
                    21_000 => {
                        self.ran.push("function settle".to_owned());
                        encode::function_call_response(&mut self.held, Some(b"settled")).unwrap();
                    }
                    _ => self.fail(&Failure("42883", "function does not exist".to_owned())),
                }
                self.ready();
            }
            Message::Flush => self.flush(),
            Message::CopyData(_) | Message::CopyDone | Message::CopyFail(_) => {}
            Message::Execute { .. } if std::mem::take(&mut self.runs_out_of_time) => {
                let words = "canceling statement due to statement timeout";
                self.fail(&Failure("57014", words.to_owned()));
                self.skipping = true;
            }
            message => {
                if let Err(failure) = self.extended(&message) {
                    self.fail(&failure);
                    self.skipping = true;
                }
            }
        }
    }

    fn ready(&mut self) {
        if self.status == TransactionStatus::Idle {
            self.portals.clear();
        }
        encode::ready_for_query(&mut self.held, self.status);
        self.flush();
    }

    fn fail(&mut self, Failure(sqlstate, message): &Failure) {
        NoticeFields::new("ERROR", sqlstate, message).encode_error(&mut self.held).unwrap();
        self.flush();
        self.copying = None;
        if self.status == TransactionStatus::InTransaction {
            self.status = TransactionStatus::Failed;
        } else if self.status == TransactionStatus::Idle {
            self.portals.clear();
        }
    }

    fn query(&mut self, text: &str) {
        self.statements.remove(&b""[..]);
        self.portals.remove(&b""[..]);
        let statements = split(text);
        if statements.is_empty() {
            encode::empty_query_response(&mut self.held);
        }
        self.run_all(statements);
    }

    /// The statements of a Query, or those behind a COPY in it.
    fn run_all(&mut self, statements: Vec<String>) {
        let mut statements = statements.into_iter();
        while let Some(statement) = statements.next() {
            if statement.starts_with("refused")
                || statement.contains("fail") && statement.starts_with("CREATE")
            {
                self.fail(&Failure("42601", "syntax error".to_owned()));
                break;
            }
            if let Err(failure) = self.run(&statement, true, &mut None, 0) {
                self.fail(&failure);
                break;
            }
            if self.copying.is_some() {
                self.behind_copy = statements.collect();
                return;
            }
        }
        self.ready();
    }

    fn extended(&mut self, message: &Message<'_>) -> Result<(), Failure> {
        match message {
            Message::Parse(parse) => {
                let text = String::from_utf8_lossy(parse.query).into_owned();
                if parse.name.is_empty() {
                    self.statements.remove(parse.name);
                }
                if text.starts_with("refused") || text == "SYNTAX" {
                    return Err(Failure("42601", "syntax error".to_owned()));
                }
                self.allowed_now(&text)?;
                if self.statements.contains_key(parse.name) {
                    return Err(Failure("42P05", "prepared statement already exists".to_owned()));
                }
                self.statements.insert(parse.name.to_vec(), text);
                encode::parse_complete(&mut self.held);
            }
            Message::Bind(Bind { portal, statement, .. }) => {
                let missing = || no_statement(statement);
                let text = self.statements.get(*statement).ok_or_else(missing)?.clone();
                self.allowed_now(&text)?;
                if !portal.is_empty() && self.portals.contains_key(*portal) {
                    return Err(Failure("42P03", "cursor already exists".to_owned()));
                }
                self.portals.insert(portal.to_vec(), Portal { text, rows_given: None });
                encode::bind_complete(&mut self.held);
            }
            Message::Describe { target: Target::Statement, name } => {
                let missing = || no_statement(name);
                let text = self.statements.get(*name).ok_or_else(missing)?.clone();
                encode::parameter_description(&mut self.held, &[]).unwrap();
                self.describe(&text);
            }
            Message::Describe { target: Target::Portal, name } => {
                let missing = || no_portal(name);
                let text = self.portals.get(*name).ok_or_else(missing)?.text.clone();
                self.describe(&text);
            }
            Message::Close { target, name } => {
                match target {
                    Target::Statement => drop(self.statements.remove(*name)),
                    Target::Portal => drop(self.portals.remove(*name)),
                }
                encode::close_complete(&mut self.held);
            }
            Message::Execute { portal, max_rows } => {
                let missing = || no_portal(portal);
                let found = self.portals.get(*portal).ok_or_else(missing)?;
                let (text, mut given) = (found.text.clone(), found.rows_given);
                if given.is_some() && self.output_of(&text).is_none() {
                    return Err(Failure("55000", "portal cannot be run".to_owned()));
                }
                self.run(&text, false, &mut given, usize::try_from(*max_rows).unwrap_or(0))?;
                if let Some(portal) = self.portals.get_mut(*portal) {
                    portal.rows_given = Some(given.unwrap_or(0));
                }
            }
            other => panic!("{other:?} is not of the extended protocol"),
        }
        Ok(())
    }

    /// In a failed transaction nothing but its end is.
    fn allowed_now(&self, text: &str) -> Result<(), Failure> {
        let ends = matches!(Sql::of(text), Sql::Commit | Sql::Rollback);
        if self.status == TransactionStatus::Failed && !ends {
            return Err(Failure("25P02", "current transaction is aborted".to_owned()));
        }
        Ok(())
    }

    /// While COPY data is read, Flush and Sync are ignored, and whatever else is no COPY data ends it all.
    fn copy(&mut self, message: &Message<'_>, simple: bool) {
        let failure = match message {
            Message::Flush | Message::Sync => return,
            Message::CopyData(data) if data.starts_with(b"bad") => Failure("22P02", "bad data".to_owned()),
            Message::CopyData(_) => return,
            Message::CopyFail(_) => Failure("57014", "COPY from stdin failed".to_owned()),
            Message::CopyDone => {
                self.copying = None;
                self.complete("COPY 1");
                if simple {
                    let behind = std::mem::take(&mut self.behind_copy);
                    self.run_all(behind);
                }
                return;
            }
            _ => {
                NoticeFields::new("FATAL", "08P01", "lost synchronization")
                    .encode_error(&mut self.held)
                    .unwrap();
                self.flush();
                self.closed = true;
                return;
            }
        };
        self.fail(&failure);
        match simple {
            true => self.ready(),
            false => self.skipping = true,
        }
    }
}

fn no_statement(name: &[u8]) -> Failure {
    let message = match name {
        b"" => "unnamed prepared statement does not exist".to_owned(),
        name => format!("prepared statement \"{}\" does not exist", String::from_utf8_lossy(name)),
    };
    Failure("26000", message)
}

fn no_portal(name: &[u8]) -> Failure {
    Failure("34000", format!("portal \"{}\" does not exist", String::from_utf8_lossy(name)))
}

/// Whether a message is one that carries a statement.
pub(crate) fn carries_statement(frame: &[u8]) -> bool {
    matches!(frame.first(), Some(&(tag::QUERY | tag::PARSE | tag::BIND | tag::EXECUTE | tag::FUNCTION_CALL)))
}
