//! A message of the client's that is there in full and has not its form. PostgreSQL answers with an ordinary error
//! (`pqformat.c`, `PostgresMain`), and goes on; so does the session. What has no form does not leave: one that must fail
//! goes in its place, as for a refused one.

use evidence::{Protocol, Statement};
use pgwire::FrameError;
use pgwire::frame::malformed::{EARLY, OPEN, TARGET};
use pgwire::frontend::tag;

use super::Active;
use super::frontend::Taken;
use super::judging::Ruled;
use super::refusal::Refusal;
use crate::{Fault, Turn};

/// `protocol_violation`.
const PROTOCOL_VIOLATION: &str = "08P01";

/// Sync as it should be.
const SYNC: [u8; 5] = [tag::SYNC, 0, 0, 0, 4];

impl Active {
    pub(super) fn malformed(
        &mut self,
        tag: u8,
        body: &[u8],
        error: FrameError,
        turn: &mut Turn<'_>,
    ) -> Result<Taken, Fault> {
        let protocol = match tag {
            tag::QUERY => Protocol::Simple,
            tag::PARSE => Protocol::Parse,
            tag::BIND => Protocol::Bind,
            tag::FUNCTION_CALL => Protocol::FunctionCall,
            tag::EXECUTE | tag::DESCRIBE | tag::CLOSE | tag::FLUSH | tag::SYNC => Protocol::Execute,
            _ => return Err(Fault::Frontend(error)),
        };
        let FrameError::Malformed { what, .. } = &error else { return Err(Fault::Frontend(error)) };
        // Within a COPY the server does not look as closely, or ends the connection.
        if self.queue.copying() || self.queue.copy_in_is_open() || self.queue.crossed() > 0 {
            return Err(Fault::Frontend(error));
        }
        let words = match *what {
            OPEN => "invalid string in message".to_owned(),
            EARLY => "insufficient data left in message".to_owned(),
            TARGET => {
                let kind = if tag == tag::DESCRIBE { "DESCRIBE" } else { "CLOSE" };
                format!("invalid {kind} message subtype {}", body.first().copied().unwrap_or_default())
            }
            _ => "invalid message format".to_owned(),
        };
        let refusal = Refusal {
            sqlstate: PROTOCOL_VIOLATION,
            message: words,
            position: None,
            hint: None,
            is_servers: false,
        };
        let nothing = self.reread(b"", self.facts.strings());
        let ruled = Ruled::refused(self.rule(nothing).judged().clone(), "malformed", refusal);
        let record = self.ledger.statement(turn, Statement::new(protocol), &ruled)?;
        match protocol {
            // A Query would take the unnamed statement with it.
            Protocol::Simple | Protocol::FunctionCall => {
                self.refuse_function_call(record, ruled.reading(), ruled.refusal(), turn)?;
            }
            Protocol::Parse | Protocol::Bind | Protocol::Execute => {
                self.batch_open = true;
                self.refuse_execute(record, ruled.reading(), ruled.refusal(), turn)?;
            }
        }
        if tag == tag::SYNC {
            self.sync(&SYNC, turn)?;
        }
        self.taken();
        Ok(Taken::Yes)
    }
}
